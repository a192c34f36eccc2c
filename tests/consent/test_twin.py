"""The portal's twin in TypeScript and this package give the same verdict, kind and reason, byte for byte."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent import canonical, primitives
from consent.categories import LABELS, NAMES, SYSTEM
from consent.keys import RecoveryCode, SigningKey
from consent.pairing import Invitation
from consent.primitives import b64
from tests.consent import verdicts
from tests.consent.twin import HUB_ONLY, Question, agree, twin_vectors


def read(what: str, raw: bytes) -> Question:
    """Read these bytes as something."""
    return "read", {"what": what, "raw": b64(raw)}


# --- the shared vectors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", twin_vectors(), ids=lambda path: path.stem)
def test_twin_gives_the_verdict_that_each_vector_names(twin, path):
    """Every vector that Python holds holds in Node.js, with the same kind and reason."""
    vectors = json.loads(path.read_text("ascii"))["vectors"]
    found = twin.make("vectors", path=str(path))
    wrong = [pair for pair in zip(vectors, found, strict=True) if pair[1] != pair[0]["expect"]]
    assert not wrong, [(vector["name"], verdict, vector["expect"]) for vector, verdict in wrong][:3]


def test_twin_runs_every_kind_of_vectors_but_the_hubs(twin):
    """A new kind of vectors is either run by the twin or named as the hub's."""
    assert set(twin.make("kinds")) == set(verdicts.RUN) - HUB_ONLY


# --- canonical JSON -----------------------------------------------------------------------------------------------

FRAGMENTS = [
    "{", "}", "[", "]", ":", ",", '"a"', '"b"', '"cite"', '"A@b.de"', '""', '"__proto__"', '"a\\u0061"',
    '"\\n"', '"\x7f"', '"\x1f"', '"é"', "0", "1", "-0", "-1", "01", "1e3", "1E0", "1.0", "9007199254740991",
    "9007199254740992", "9007199254740993", "1" + "0" * 30, "1" * 5000, "true", "false", "null", "NaN", "Infinity",
    " ", "\n", "\t", "\ufeff", "\\ud800", "//", "/**/", "'a'", "a",
]  # fmt: skip
NESTED = ['{"a":' + "[" * n + "]" * n + "}" for n in (4, 5, 6, 2000)] + [
    '{"a":' * n + "0" + "}" * n for n in (5, 6, 7, 100_000)
]
SPELLINGS = [
    "", "{}", " {}", "{} ", "{}\n", "\ufeff{}", "[]", "0", '"a"', "null", '{"a":1,"a":1}', '{"a":1,"a":2}',
    '{"b":1,"a":1}',
    '{"a":-0}', '{"a":1e3}', '{"a":1.0}', '{"a":true}', '{"a":null}', '{"a" :1}', '{"a":1,}', '{,"a":1}', '{"a":[1,]}',
    '{"a":[,1]}', '{"a":"\\ud800"}', '{"a":"\\u0041"}', '{"a":"\\/"}', '{"a":"/"}', '{"A":1}', '{"cite":{"A":1}}',
    '{"cite":{"":1}}', '{"cite":[{"A":1}]}', '{"cite":{"__proto__":{"A":1}}}', '{"cite":{"__proto__":1,"a@b":2}}',
    '{"cite":{"cite":{"A":1}}}', '{"cite":{"10":1,"9":2}}', '{"cite":{"9":2,"10":1}}', '{"a_0123456789abcd":1}',
    '{"a_0123456789abcde":1}', '{"a_0123456789abcdef":1}', '{"_a":1}', '{"0":1}', '{"__proto__":1}', '{"a":"\x00"}',
    '{"a":00}', '{"a":+1}', '{"a":.5}', '{"a":0x10}', '{"a":1_000}', '{"a":1n}', '{"a":"\'"}', "{'a':1}", '{"a":1}{}',
    '{"a":1}\x00', '{"a":9007199254740991}', '{"a":9007199254740992}', '{"a":18446744073709551615}', "{", "[", '{"a"',
    '"',
]  # fmt: skip


def test_canonical_json_by_its_rules(twin):
    """Every other spelling is refused by both, and the same ones are taken."""
    found = agree(twin, [read("canonical", text.encode()) for text in SPELLINGS + NESTED + FRAGMENTS])
    assert {"ok"} in [set(answer) for answer in found]


@settings(max_examples=300)
@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=12), min_size=1, max_size=20))
def test_canonical_json_put_together_at_random(twin, texts):
    """Python and the twin agree on any sequence of JSON's parts."""
    agree(twin, [read("canonical", "".join(parts).encode()) for parts in texts])


WORDS = st.text(st.characters(codec="ascii", exclude_characters='"\\', exclude_categories=["Cc"]))
NAMES_OF_FIELDS = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
VALUES = st.recursive(
    st.integers(0, 2**53 - 1) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES_OF_FIELDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["a", "b", "cite", "z9"]), VALUES, max_size=4), st.data())
def test_canonical_json_with_one_byte_altered(twin, value, data):
    """What is canonical is read by both alike; with any byte altered, added or left out, both still agree."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255))
    altered = [text[:place] + bytes([byte]) + text[place + 1 :], text[:place] + bytes([byte]) + text[place:]]
    agree(twin, [read("canonical", raw) for raw in [text, *altered, text[:place] + text[place + 1 :]]])


@settings(max_examples=200)
@given(
    st.sampled_from(["statement", "permit", "envelope", "stamp", "message", "registration"]), st.binary(max_size=400)
)
def test_random_bytes_are_refused_for_the_same_reason(twin, what, raw):
    """No bytes make one of the two accept, or fail in another way."""
    signature = bytes(64)
    framed = [magic + len(raw).to_bytes(4, "little") + raw + signature + bytes(16) for magic in (b"OBS1", b"HSE1")]
    agree(twin, [read(what, one) for one in [raw, *framed, framed[0][:-16]]])


# --- names and encodings ------------------------------------------------------------------------------------------

ODD = "pP-@.#:k\u212a\u0130\u017fß\x00\n \t\x1c\x85\xa0\ufeff\u2028-_=+/AZaz2701\ud800"


@settings(max_examples=300)
@given(
    st.sampled_from(["account", "card", "domain", "device", "id", "code", "fingerprint"]),
    st.text(st.sampled_from(ODD), max_size=40)
    | st.from_regex(
        r"(obhut:)?(p-[a-z2-7]{26}|[a-z0-9][a-z0-9-]{0,8})@[a-z0-9.-]{1,12}(#[a-z2-7]{32})?", fullmatch=True
    )
    | st.from_regex(r"d[a-z2-7]{15,17}|[A-Za-z0-9_-]{20,24}|[a-z2-7]{31,33}", fullmatch=True),
)
@example("account", "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@x.de\n")
@example("account", "p-aaaaaaaaaaaaaaaaaaaaaaaaab@x.de")
@example("id", "AAAAAAAAAAAAAAAAAAAAAB")
@example("domain", "a." * 95 + "de")
@example("account", "aa@" + "a." * 92 + "de")
@example("account", "aa@" + "a." * 93 + "de")
def test_identifiers_are_read_alike(twin, what, text):
    """Any text is the same identifier to both, or none."""
    agree(twin, [("name", {"what": what, "text": text})])


@settings(max_examples=100)
@given(st.binary(min_size=96, max_size=96), st.data())
def test_invitations_as_they_are_scanned_and_pasted(twin, packed, data):
    """Case and white space do not count; with any other change both read the same, or nothing."""
    keys = [packed[place : place + 32] for place in (0, 32, 64)]
    typed = list(str(Invitation("hub-a.example.org", *keys)))
    for place in sorted(data.draw(st.lists(st.integers(0, len(typed) - 1), max_size=3)), reverse=True):
        typed[place] = data.draw(
            st.sampled_from(
                [typed[place].lower(), typed[place] + " \r\n", "\x1c", "\u00a0", "", "1", "7", "/", ":", "\u212a"]
            )
        )
    agree(twin, [("name", {"what": "invitation", "text": "".join(typed)})])


@settings(max_examples=100)
@given(st.binary(min_size=32, max_size=32), st.data())
def test_recovery_codes_as_people_type_them(twin, secret, data):
    """Case, spaces and dashes do not count; any other change is noticed by both."""
    typed = list(str(RecoveryCode(secret)))
    for place in sorted(data.draw(st.lists(st.integers(0, len(typed) - 1), max_size=3)), reverse=True):
        typed[place] = data.draw(
            st.sampled_from([typed[place].lower(), typed[place] + "\u00a0 ", "-", "", "1", "Q", "ı"])
        )
    agree(twin, [("name", {"what": "code", "text": "".join(typed)})])


@settings(max_examples=200)
@given(st.text(st.sampled_from("AQgwZz09-_=+/ \n\u212a"), max_size=12))
def test_base64url_has_one_spelling(twin, text):
    """Padding, other alphabets, white space and loose bits are refused by both."""
    agree(twin, [("unb64", {"text": text})])


def test_padded_sizes_are_equal_up_to_a_mebibyte(twin):
    """Padmé gives the same size for every length from 0 to 2^20, and beside powers of two far above."""
    agree(twin, [("padme", {"first": start, "last": start + 65_535}) for start in range(0, 2**20 + 1, 65_536)])
    agree(twin, [("padme", {"first": 2**power - 2, "last": 2**power + 2}) for power in range(20, 53)])


@settings(max_examples=100)
@given(st.binary(max_size=600), st.integers(0, 700), st.integers(0, 255))
def test_padding_is_taken_off_alike(twin, plaintext, place, byte):
    """Only what `pad` writes is taken, by both."""
    padded = bytearray(primitives.pad(plaintext))
    whole = bytes(padded)
    padded[place % len(padded)] ^= byte
    questions = [bytes(padded), whole, whole[:-1], whole + b"\x00", plaintext, b"", bytes(256)]
    agree(twin, [("unpad", {"padded": b64(one)}) for one in questions])


# --- edge keys ----------------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
LOW_ORDER = [
    0, 1, P - 1, P, P + 1, 325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
]  # fmt: skip
ED_LOW_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )
]


def test_low_order_and_non_canonical_x25519_keys_behave_alike(twin):
    """Sealing to such a point and opening what came from one is refused by both for the same reason."""
    points = [value.to_bytes(32, "little") for value in LOW_ORDER] + [
        (value | 1 << 255).to_bytes(32, "little") for value in LOW_ORDER
    ]
    odd = [(P + offset).to_bytes(32, "little") for offset in range(2, 19)] + [b"\xff" * 32, bytes(31), bytes(33), b""]
    secret = b64(bytes(range(32)))
    agree(twin, [("seal_box", {"message": "AAAA", "key": b64(point)}) for point in points + odd])
    found = agree(
        twin, [("open_box", {"sealed": b64(point + bytes(80)), "secret": secret}) for point in points + odd[:-3]]
    )
    assert all(answer == {"kind": "broken", "reason": "seal"} for answer in found)
    clamped = [
        b64(bytes([first]) + bytes(30) + bytes([last])) for first in (0, 7, 248, 255) for last in (0, 64, 127, 128)
    ]
    agree(twin, [("box_public", {"secret": one}) for one in clamped])


def test_edge_points_and_scalars_of_ed25519_behave_alike(twin):
    """Low-order and non-canonical keys and points, and scalars beyond the order, are refused by both."""
    digest = primitives.blake2b(b"edge")
    key = SigningKey(bytes(32))
    good = key.sign(digest)
    scalar = int.from_bytes(good[32:], "little")
    malleable = [good[:32] + (scalar + L * times).to_bytes(32, "little") for times in range(1, 8)]
    other = [good[:32] + bytes(32), bytes(64), good[:-1], good + b"\x00", b"", good[32:] + good[:32]]
    lifted = [point + good[32:] for point in ED_LOW_ORDER] + [point + bytes(32) for point in ED_LOW_ORDER]
    publics = [key.public, *ED_LOW_ORDER]
    questions = [
        ("verify", {"key": b64(public), "digest": b64(digest), "signature": b64(signature)})
        for public in publics
        for signature in [good, *malleable, *other, *lifted]
    ]
    found = agree(twin, questions)
    assert [answer for answer in found if "ok" in answer] == [{"ok": None}]


def test_a_public_key_of_another_length_is_no_key(twin):
    """A key cut short or with something after it verifies nothing, to both."""
    key, digest = SigningKey(bytes(32)), primitives.blake2b(b"length")
    asked = {"digest": b64(digest), "signature": b64(key.sign(digest))}
    found = agree(twin, [("verify", asked | {"key": b64(one)}) for one in (key.public[:31], key.public + b"\x00", b"")])
    assert found == [{"kind": "broken", "reason": "signature"}] * 3


@settings(max_examples=60)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.integers(0, 511))
def test_signatures_are_equal_and_a_flipped_bit_counts_alike(twin, seed, digest, bit):
    """Both sign to the same bytes; with any bit of the signature flipped both refuse."""
    (signed,) = agree(twin, [("sign", {"seed": b64(seed), "digest": b64(digest)})])
    signature = bytearray(primitives.unb64(signed["ok"]))
    key = b64(SigningKey(seed).public)
    good = ("verify", {"key": key, "digest": b64(digest), "signature": b64(bytes(signature))})
    signature[bit // 8] ^= 1 << bit % 8
    bad = ("verify", {"key": key, "digest": b64(digest), "signature": b64(bytes(signature))})
    assert agree(twin, [good, bad]) == [{"ok": None}, {"kind": "broken", "reason": "signature"}]


@settings(max_examples=60)
@given(st.binary(max_size=300), st.binary(max_size=40), st.integers(0, 400))
def test_ciphertexts_are_equal_and_a_flipped_byte_counts_alike(twin, message, data, place):
    """Both encrypt to the same bytes, open each other's, and refuse what was touched or cut."""
    args = {"key": b64(bytes(range(32))), "nonce": b64(bytes(range(24))), "data": b64(data)}
    (sealed,) = agree(twin, [("encrypt", args | {"message": b64(message)})])
    raw = primitives.unb64(sealed["ok"])
    flipped = bytearray(raw)
    flipped[place % len(raw)] ^= 1
    questions = [raw, bytes(flipped), raw[:-1], raw[:15], b""]
    found = agree(twin, [("decrypt", args | {"ciphertext": b64(one)}) for one in questions])
    assert found[0] == {"ok": b64(message)}


def test_passphrases_yield_the_same_keys(twin):
    """Argon2id with the least and with the usual memory, and letters that are not ASCII."""
    name = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub-a.example.org"
    mebibyte = 1024 * 1024
    cases = [("correct horse battery staple", 64), ("", 64), ("Fünf Äpfel · 😀", 64), ("fu\u0308nf", 64)]
    cases += [("at the usual cost", 256)]
    questions = [("passphrase", {"account": name, "passphrase": text, "memory": n * mebibyte}) for text, n in cases]
    found = agree(twin, [*questions, ("passphrase", {"account": name, "passphrase": "x", "memory": 63 * mebibyte})])
    assert found[-1] == {"kind": "broken", "reason": "memory"}


# --- categories ---------------------------------------------------------------------------------------------------


def test_categories_are_the_same_table(twin):
    """Names, resource types, labels and codings mean the same to both."""
    (names,) = agree(twin, [("names", {})])
    types = names["ok"][1]
    standard = "http://terminology.hl7.org/CodeSystem/"
    words = [
        "vital-signs",
        "activity",
        "laboratory",
        "imaging",
        "social-history",
        "survey",
        "exam",
        "procedure",
        "therapy",
    ]
    sections = ["GE", "CG", "RAD", "RX", "RUS", "CT", "NMR", "NMS", "CUS", "OUS", "VUS", "CTH", "XRC", "RT", "IMG"]
    sections += ["EC", "EN", "PF", "LAB", "HM", "XX"]
    codings = [
        {"system": system, "code": code}
        for system, codes in (
            (SYSTEM, NAMES),
            (f"{standard}observation-category", words),
            (f"{standard}v2-0074", sections),
        )
        for code in [*codes, "toString", "__proto__", None, 5, ["MH"]]
    ]
    resources = [{"resourceType": kind} for kind in types]
    for kind in ("Observation", "DiagnosticReport", "Condition"):
        resources += [{"resourceType": kind, "category": [{"coding": [coding]}]} for coding in codings]
        resources += [
            {"resourceType": kind, "meta": {"security": [{"code": code}]}} for code in [*LABELS, "N", ["MH"], None]
        ]
    agree(twin, [("category", {"resource": resource}) for resource in resources])


MEMBERS = [
    ("meta", {"security": [{"code": "R"}, {"code": "PSY"}, {"code": "HIV"}]}), ("meta", {"security": {"code": "PSY"}}),
    ("meta", []), ("category", [{"coding": [{"system": SYSTEM, "code": "genetic"}]}]), ("category", "x"),
    ("category", [{"coding": [{"system": "u", "code": "x"}]}, {"coding": [{"system": SYSTEM, "code": "care"}]}]),
    ("category", [None, {"coding": None}, {"coding": [5, {"code": "survey"}]}]), ("valueSampledData", None),
    ("component", [{"valueSampledData": {}}]), ("component", {}), ("subject", None), ("subject", {}), ("id", 1),
    ("subject", {"reference": "Patient/a-"}), ("subject", {"reference": ["Patient/a-"]}), ("subject", ["reference"]),
    ("subject", "Patient/a-"), ("patient", {"reference": "Patient/a-"}), ("id", "a-"),
    ("for", {"reference": "Patient/a-"}), ("beneficiary", {"reference": "Patient/a-"}),
]  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(MEMBERS), max_size=4),
    st.sampled_from(["Observation", "DiagnosticReport", "Patient", "Media", "Binary"]),
)
def test_malformed_resources_are_sorted_alike(twin, members, kind):
    """Category and subject of whatever an author sends are the same to both."""
    resource = {"resourceType": kind} | dict(members)
    about = ("about", {"resource": resource, "patient": "aa@x.de"})
    agree(twin, [("category", {"resource": resource}), about, (about[0], about[1] | {"patient": "a-@x.de"})])


def test_maximum_integer_is_the_same(twin):
    """2^53 − 1 is the last integer to both; the twin's numbers lose nothing."""
    raws = [
        b'{"a":%d}' % value for value in (canonical.MAX_INTEGER - 1, canonical.MAX_INTEGER, canonical.MAX_INTEGER + 1)
    ]
    found = agree(twin, [read("canonical", raw) for raw in raws])
    assert ["ok" in answer for answer in found] == [True, True, False]
