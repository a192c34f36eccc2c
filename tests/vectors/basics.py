"""Vectors of the ground: label hash, canonical JSON, padding, identifiers, derivations."""

from typing import Any

from consent import identifiers
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.primitives import b32, b64, label_hash, pad, padme
from consent.sealing import bundle_context, commitment, handle
from consent.sets import Master, SetKey
from consent.statements import chain_id
from consent.streams import epoch_digest, range_digest
from tests.vectors.making import OK, Source, broken

Vectors = list[dict[str, Any]]

PATIENT = "p-" + "a" * 26 + "@hub-a.example.org"
PRACTICE = "praxis-nord@hub-b.example.org"


def _tagged(part: str | int | bytes) -> dict[str, Any]:
    return {"b": b64(part)} if isinstance(part, bytes) else {"s": part} if isinstance(part, str) else {"i": part}


def label_hashes(source: Source) -> Vectors:
    """L: boundaries, empty parts, integers, keys, and parts of 0 to 200 bytes."""
    made: Vectors = []

    def add(name: str, label: str, *parts: str | int | bytes, key: bytes = b"", comment: str = "") -> None:
        made.append({
            "name": name, "comment": comment, "label": label, "parts": [_tagged(part) for part in parts],
            "key": b64(key), "hash": b64(label_hash(label, *parts, key=key)), "expect": OK,
        })  # fmt: skip

    add("no parts", "obhut-st")
    add("one empty part", "obhut-st", b"", comment="differs from no part")
    add("two empty parts", "obhut-st", b"", b"")
    add("ab, c", "obhut-st", b"ab", b"c", comment="boundary")
    add("a, bc", "obhut-st", b"a", b"bc", comment="the boundary shifted")
    add("abc", "obhut-st", b"abc")
    add("label takes a byte of the part", "obhut-sta", b"b", b"c")
    add("text and bytes are alike", "obhut-st", "ab", "c", comment="the same hash as `ab, c`: types do not enter")
    add("integer 0", "obhut-stream-id", 0)
    add("integer 1", "obhut-stream-id", 1)
    add("integer 255 and 256", "obhut-stream-id", 255, 256)
    add("greatest integer", "obhut-stream-id", 2**53 - 1)
    add("integer is eight bytes", "obhut-stream-id", (1).to_bytes(8, "little"), comment="the same hash as `integer 1`")
    add("key of 32 bytes", "obhut-handle", b"x", key=bytes(range(32)))
    add("key of 64 bytes", "obhut-handle", b"x", key=bytes(range(64)))
    add("another label", "obhut-wrap", b"ab", b"c")
    for size in (1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 199, 200):
        add(f"part of {size} bytes", "obhut-blob", source.draw(size))
    for size in range(0, 201, 25):
        add(f"two parts of {size} and {200 - size} bytes", "obhut-blob", source.draw(size), source.draw(200 - size))
    return made


_GOOD = [
    ("empty object", "{}"), ("one field", '{"a":1}'), ("two fields sorted", '{"a":1,"b":2}'), ("zero", '{"a":0}'),
    ("greatest integer", '{"a":9007199254740991}'), ("empty string", '{"a":""}'), ("empty array", '{"a":[]}'),
    ("empty object inside", '{"a":{}}'), ("space in a string", '{"a":" "}'), ("tilde", '{"a":"~"}'),
    ("every sign allowed", '{"a":"' + "".join(map(chr, range(0x20, 0x7F))).replace('"', "").replace("\\", "") + '"}'),
    ("slash unescaped", '{"a":"/"}'), ("apostrophe", '{"a":"it\'s"}'), ("markup signs", '{"a":"<&>"}'),
    ("DEL is the first sign beyond", '{"a":"}"}'), ("array of integers", '{"a":[1,2,3]}'),
    ("array of arrays", '{"a":[[1],[2]]}'), ("array of objects", '{"a":[{"b":1},{"b":2}]}'),
    ("array keeps its order", '{"a":[3,1,2]}'), ("mixed array", '{"a":["x",1,{},[]]}'),
    ("key of one letter", '{"z":1}'), ("key of 16", '{"abcdefghijklmnop":1}'), ("digit in key", '{"a1":1}'),
    ("underscore in key", '{"a_b":1}'), ("digit sorts before underscore", '{"a1":1,"a_":2,"aa":3}'),
    ("shorter key first", '{"a":1,"aa":2}'), ("depth 6", '{"a":{"a":{"a":{"a":{"a":{}}}}}}'),
    ("depth 6 by arrays", '{"a":[[[[[]]]]]}'), ("account as key in cite", '{"cite":{"x-1@a.b":[0,"h"]}}'),
    ("any string as key in cite", '{"cite":{"A b":1,"a":2}}'), ("no key of letters in cite", '{"cite":{"":1}}'),
    ("cite within", '{"a":{"cite":{"A@B":1}}}'), ("text that looks like a number", '{"a":"1"}'),
    ("long integer", '{"a":1234567890123456}'), ("proto is not a key by this rule, but a word", '{"a":"__proto__"}'),
    ("constructor as key", '{"constructor":1,"prototype":2}'),
]  # fmt: skip

_BAD = [
    ("nothing", b""), ("white space only", b" "), ("space after", b"{} "), ("space before", b" {}"),
    ("newline after", b"{}\n"), ("space inside", b'{"a": 1}'), ("space after comma", b'{"a":1, "b":2}'),
    ("tab", b'{\t"a":1}'), ("byte order mark", b"\xef\xbb\xbf{}"), ("array outside", b"[]"), ("string outside", b'"a"'),
    ("integer outside", b"1"), ("null outside", b"null"), ("true", b'{"a":true}'), ("false", b'{"a":false}'),
    ("null", b'{"a":null}'), ("true in an array", b'{"a":[true]}'), ("float", b'{"a":1.5}'),
    ("float of an integer", b'{"a":1.0}'),
    ("exponent", b'{"a":1e2}'), ("exponent, big", b'{"a":1E400}'), ("negative", b'{"a":-1}'),
    ("minus zero", b'{"a":-0}'),
    ("plus", b'{"a":+1}'), ("leading zero", b'{"a":01}'), ("double zero", b'{"a":00}'), ("hexadecimal", b'{"a":0x1}'),
    ("2^53", b'{"a":9007199254740992}'), ("2^53 + 1", b'{"a":9007199254740993}'),
    ("2^64", b'{"a":18446744073709551616}'),
    ("a thousand digits", b'{"a":' + b"9" * 1000 + b"}"), ("five thousand digits", b'{"a":' + b"9" * 5000 + b"}"),
    ("NaN", b'{"a":NaN}'), ("Infinity", b'{"a":Infinity}'), ("negative infinity", b'{"a":-Infinity}'),
    ("keys unsorted", b'{"b":1,"a":2}'), ("keys unsorted within", b'{"a":{"d":1,"c":2}}'),
    ("key twice", b'{"a":1,"a":1}'),
    ("key twice, other value", b'{"a":1,"a":2}'), ("key twice in cite", b'{"cite":{"x@y.z":1,"x@y.z":1}}'),
    ("empty key", b'{"":1}'), ("capital key", b'{"A":1}'), ("key begins with digit", b'{"1":1}'),
    ("key begins with underscore", b'{"_a":1}'), ("proto key", b'{"__proto__":1}'), ("dash in key", b'{"a-b":1}'),
    ("dot in key", b'{"a.b":1}'), ("key of 17", b'{"abcdefghijklmnopq":1}'),
    ("account as key elsewhere", b'{"a":{"x@y.z":1}}'),
    ("account as key below cite", b'{"cite":{"x@y.z":{"x@y.z":1}}}'), ("newline after key", b'{"a\n":1}'),
    ("quote escaped", b'{"a":"\\""}'), ("backslash escaped", b'{"a":"\\\\"}'), ("slash escaped", b'{"a":"\\/"}'),
    ("letter escaped", b'{"a":"\\u0061"}'), ("newline escaped", b'{"a":"\\n"}'), ("NUL escaped", b'{"a":"\\u0000"}'),
    ("raw NUL", b'{"a":"\x00"}'), ("raw newline", b'{"a":"\n"}'), ("raw tab", b'{"a":"\t"}'), ("DEL", b'{"a":"\x7f"}'),
    ("umlaut, UTF-8", b'{"a":"\xc3\xa4"}'), ("umlaut, escaped", b'{"a":"\\u00e4"}'),
    ("lone surrogate", b'{"a":"\\ud800"}'),
    ("surrogate pair", b'{"a":"\\ud83d\\ude00"}'), ("byte 0xff", b'{"a":"\xff"}'),
    ("overlong UTF-8", b'{"a":"\xc0\xaf"}'),
    ("umlaut in key", b'{"\xc3\xa4":1}'), ("depth 7", b'{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}'),
    ("depth 7 by arrays", b'{"a":[[[[[[]]]]]]}'), ("depth 3000", b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    ("trailing comma", b'{"a":1,}'), ("trailing comma in array", b'{"a":[1,]}'), ("comment", b'{"a":1}//'),
    ("single quotes", b"{'a':1}"), ("unquoted key", b"{a:1}"), ("cut short", b'{"a":1'), ("two values", b"{}{}"),
    ("string not ended", b'{"a":"b'), ("UTF-16", '{"a":1}'.encode("utf-16-le")),
]  # fmt: skip


def canonical(_: Source) -> Vectors:
    """Canonical JSON, good and bad; each bad one breaks one rule."""
    good = [{"name": f"good: {name}", "bytes": b64(raw.encode()), "expect": OK} for name, raw in _GOOD]
    return good + [{"name": f"bad: {name}", "bytes": b64(raw), "expect": broken("canon")} for name, raw in _BAD]


def paddings(source: Source) -> Vectors:
    """Padmé sizes from 0 to 2^20, and the padding taken off."""
    lengths = {0, 1, 2, 100, 255, 256, 257, 258, 259, 260, 264, 265, 511, 1000, 1500, 5668, 65764, 99999, 2**20 - 1000}
    for exponent in range(1, 21):
        lengths |= {2**exponent - 1, 2**exponent, min(2**exponent + 1, 2**20)}
    made: Vectors = [
        {"name": f"padme {n}", "what": "padme", "length": n, "size": padme(n), "expect": OK} for n in sorted(lengths)
    ]
    for size in (0, 1, 254, 255, 256, 300):
        plain = source.draw(size)
        made.append(_unpad(f"unpad {size}", pad(plain), plaintext=b64(plain)))
    zeros = b"ends in zeros\x00\x00"
    made.append(_unpad("plaintext ends in zeros", pad(zeros), plaintext=b64(zeros)))
    marks = b"ends in the mark\x80"
    made.append(_unpad("plaintext ends in the mark", pad(marks), plaintext=b64(marks)))
    good = pad(b"x" * 20)
    bad = {
        "nothing": b"", "no mark": bytes(256), "one byte short": good[:-1], "one byte long": good + b"\x00",
        "not zero after the mark": good[:-1] + b"\x01", "no padding at all": b"x" * 256, "a single mark": b"\x80",
        "doubled": good + bytes(256), "other mark": good[:20] + b"\x40" + good[21:],
        "size that Padmé skips": b"x" * 256 + b"\x80" + bytes(2),
    }  # fmt: skip
    return made + [_unpad(f"bad: {name}", raw, broken("padding")) for name, raw in bad.items()]


def _unpad(name: str, padded: bytes, expect: Any = OK, **more: Any) -> dict[str, Any]:
    return {"name": name, "what": "unpad", "padded": b64(padded), **more, "expect": expect}


def names(_: Source) -> Vectors:
    """Identifiers, good and bad."""
    made: Vectors = []

    def add(typ: str, text: str, good: bool, comment: str = "", **more: Any) -> None:
        name = f"{typ} {len(made)}: {text[:40]}"
        made.append({
            "name": name, "comment": comment, "type": typ, "text": text, **more,
            "expect": OK if good else broken("fields"),
        })  # fmt: skip

    for local, host in ((PATIENT.split("@", maxsplit=1)[0], "hub-a.example.org"), ("praxis-nord", "a.b"),
                        ("ab", "x.de"),
                        ("0a", "x.de"), ("a" * 63, "x.de"), ("p1", "x.de"), ("a-", "x.de"), ("a--b", "x.de"),
                        ("p-" + "7" * 25 + "4", "x.de"), ("a1", "1.2"), ("ab", "xn--mnchen-3ya.de"),
                        ("ab", ".".join(["a" * 60] * 3) + ".de")):  # fmt: skip
        add("account", f"{local}@{host}", True, local=local, domain=host, person=local.startswith("p-"))
    person = PATIENT.split("@", maxsplit=1)[0]
    for bad, why in ((person, "no domain"), (f"{person}@", "empty domain"), ("@a.b", "no name"),
                     (f"{person}@hub", "one label"),
                     (f"{person}@a.b:80", "port"), (f"{person}@A.b", "capital"), (f"{person}@a..b", "empty label"),
                     (f"{person}@-a.b", "dash first"), (f"{person}@a-.b", "dash last"), (f"{person}@a.b.", "dot last"),
                     (f"{person}@a.b@c.d", "two signs"), (f"{person.upper()}@a.b", "capital name"),
                     ("p-@a.b", "empty person"),
                     ("p-abc@a.b", "short person"), (f"{person}a@a.b", "long person"),
                     ("p-" + "a" * 25 + "b@a.b", "unused bits set"),
                     ("p-" + "1" * 26 + "@a.b", "not base32"), ("a@a.b", "one letter"),
                     ("a" * 64 + "@a.b", "64 letters"),
                     ("-a@a.b", "dash first in name"), ("a_b@a.b", "underscore"), ("a.b@a.b", "dot in name"),
                     ("a b@a.b", "space"),
                     (" ab@a.b", "space before"), ("ab@a.b\n", "newline after"), ("äb@a.b", "umlaut"),
                     ("ab@ä.b", "umlaut in domain"),
                     ("аb@a.b", "Cyrillic a"), ("ab@a.b/x", "path"), ("", "empty"),
                     ("ab@" + ".".join(["a" * 60] * 4), "over 190 bytes"),
                     ("ab@" + "a" * 64 + ".b", "label of 64")):  # fmt: skip
        add("account", bad, False, why)
    for good in ("a.b", "hub-a.example.org", "1.2"):
        add("domain", good, True)
    for bad in ("a", "", "A.b", "a.b:1", "https://a.b", "a.b/", "*.b", "a.b\n", "a._b"):
        add("domain", bad, False)
    for good in ("d" + "a" * 16, "d" + "2" * 16):
        add("device", good, True)
    for bad in (
        "d" + "a" * 15,
        "d" + "a" * 17,
        "e" + "a" * 16,
        "D" + "a" * 16,
        "d" + "1" * 16,
        "d" + "a" * 15 + "\n",
        "",
    ):
        add("device", bad, False)
    add("id", b64(bytes(16)), True)
    add("id", b64(bytes(range(16))), True)
    for bad, why in (("A" * 21 + "B", "unused bits set"), ("A" * 21, "short"), ("A" * 24, "18 bytes"),
                     ("A" * 22 + "==", "padded"),
                     ("A" * 20 + "+A", "not the alphabet for addresses"), ("A" * 20 + "/A", "slash"),
                     (" " + "A" * 22, "space before"),
                     ("A" * 22 + "\n", "newline after"), ("A" * 11 + " " + "A" * 11, "space inside"),
                     ("", "empty")):  # fmt: skip
        add("id", bad, False, why)
    add("fingerprint", b32(bytes(20)), True)
    for bad, why in (
        ("A" * 32, "capital"),
        ("a" * 31, "short"),
        ("a" * 33, "long"),
        ("1" * 32, "not base32"),
        ("", "empty"),
    ):
        add("fingerprint", bad, False, why)
    mark = b32(bytes(range(20)))
    for text, why in (
        (f"obhut:{PATIENT}#{mark}", ""),
        (f"obhut:{PATIENT}#{mark}".upper(), "as scanned"),
        (f"  obhut:{PATIENT}#{mark}\n", "space around"),
    ):
        add("card", text, True, why, account=PATIENT, fingerprint=mark)
    for bad, why in ((f"{PATIENT}#{mark}", "no scheme"), (f"obhut:{PATIENT}", "no fingerprint"),
                     (f"obhut:{PATIENT}#", "empty fingerprint"),
                     (f"obhut:{PATIENT}#{mark}a", "long fingerprint"), (f"obhut:{PATIENT}#{mark}#", "sign twice"),
                     (f"http:{PATIENT}#{mark}", "other scheme"),
                     (f"obhut:{PATIENT[:-1]}ä#{mark}", "umlaut"),
                     (f"obhut:{PATIENT}#{mark}".replace("hub-a", "\u212aub"),
                     "Kelvin sign, which lower case makes a k"), ("", "empty")):  # fmt: skip
        add("card", bad, False, why)
    return made


def derivations(source: Source) -> Vectors:
    """Everything that follows from keys: fingerprints, chain names, the material of a set, recovery keys, handles."""
    made: Vectors = []

    def add(name: str, what: str, given: dict[str, Any], result: Any) -> None:
        made.append({"name": name, "what": what, **given, "result": result, "expect": OK})

    for n in range(3):
        seed = source.draw(32)
        add(f"signing key {n}", "signing-key", {"seed": b64(seed)}, b64(SigningKey(seed).public))
        add(f"box key {n}", "box-key", {"secret": b64(seed)}, b64(BoxKey(seed).public))
        root = SigningKey(seed).public
        for account in (PATIENT, PRACTICE):
            given = {"account": account, "root": b64(root)}
            add(f"fingerprint {n} {account[:4]}", "fingerprint", given, identifiers.fingerprint(account, root))
    for kind, oth in (("acct", ""), ("set", b64(bytes(16))), ("rel", PRACTICE), ("rel", PATIENT)):
        given = {"chain": kind, "acc": PATIENT, "oth": oth}
        add(f"chain {kind} {oth[:8]}", "chain-id", given, chain_id(kind, PATIENT, oth))
    for n in range(2):
        set_key, master = SetKey(source.draw(32)), Master(source.draw(32))
        given = {"set_key": b64(set_key.secret)}
        add(f"stream ids {n}", "stream-ids", given, set_key.ids)
        add(f"order {n}", "order", given, [list(pair) for pair in set_key.order])
        for granted in ([], [0], [1, 2, 8], list(range(16))):
            mask = set_key.mask(frozenset(granted))
            add(f"mask {n} of {len(granted)}", "mask", {**given, "categories": granted}, mask)
        given = {"master": b64(master.secret)}
        add(f"stream seeds {n}", "stream-seeds", given, [b64(master.seed(i)) for i in range(32)])
        add(f"stream keys {n}", "stream-keys", given, [b64(pk) for pk in master.publics])
        for epoch in (1, 2, 4096):
            given = {"set": b64(bytes([n] * 16)), "ep": epoch, "pks": [b64(pk) for pk in master.publics]}
            digest = epoch_digest(given["set"], epoch, master.publics)
            add(f"epoch digest {n} of {epoch}", "epoch-digest", given, b64(digest))
    digests = [source.draw(16) for _ in range(3)]
    for count in (1, 2, 3):
        add(
            f"range digest of {count}",
            "range-digest",
            {"digests": [b64(d) for d in digests[:count]]},
            range_digest(digests[:count]),
        )
    code = RecoveryCode(source.draw(32))
    add("recovery code", "recovery", {"secret": b64(code.secret)}, {
        "code": str(code), "public": b64(code.signing_key.public), "wrap_key": b64(code.wrap_key),
        "fetch_token": b64(code.fetch_token),
    })  # fmt: skip
    stream, key = b64(source.draw(16)), source.draw(32)
    for resource in ("Observation/1", "Patient/größe"):
        given = {"stream": stream, "resource": resource, "key": b64(key)}
        add(f"handle {resource[:11]}", "handle", given, handle(stream, resource, key))
    ctx = {
        "cid": chain_id("rel", PATIENT, PRACTICE),
        "seq": 7,
        "prev": b64(source.draw(32)),
        "gid": stream,
        "rk": b64(source.draw(32)),
    }
    add("bundle context", "bundle-context", ctx, b64(bundle_context(*ctx.values())))
    context = source.draw(32)
    add("key commitment", "commitment", {"context": b64(context), "key": b64(key)}, b64(commitment(context, key)))
    return made
