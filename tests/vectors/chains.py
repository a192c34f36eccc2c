"""Tools for vectors of chains: altered and newly signed frames, and the faults that every link can have."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent import canonical, frames
from consent.keys import SigningKey
from consent.primitives import b64, label_hash
from tests.vectors.making import OK, Pool

Header = dict[str, Any]
Chains = dict[str, list[bytes]]

OTHER_ID = b64(b"another id here!")
OTHER_HASH = b64(b"a hash of something else, 32 byt")
STRANGER = "p-" + "q" * 25 + "a@hub-b.example.org"


def header(raw: bytes) -> Header:
    """The header of a frame, as a copy."""
    return json.loads(frames.parse(raw).header_bytes)


def with_header(raw: bytes, change: Callable[[Header], object]) -> bytes:
    """The frame with an altered header and the old signature."""
    value = header(raw)
    change(value)
    new = canonical.dump(value)
    return raw[:4] + len(new).to_bytes(4, "little") + new + raw[-64:]


def resigned(raw: bytes, key: SigningKey, change: Callable[[Header], object], label: str | None = None) -> bytes:
    """The frame with an altered header, signed anew, so that only the alteration can be at fault."""
    value = header(raw)
    change(value)
    return frames.sign(value, label or f"obhut-sig-{value['kind']}", key)


def put(**fields: Any) -> Callable[[Header], object]:
    """Set fields of the header."""
    return lambda value: value.update(fields)


def body(**fields: Any) -> Callable[[Header], object]:
    """Set fields of the body."""
    return lambda value: value["body"].update(fields)


@dataclass
class File:
    """The vectors of one chain file and its pool of frames."""

    chain: tuple[str, str, str]
    pool: Pool = field(default_factory=Pool)
    vectors: list[dict[str, Any]] = field(default_factory=list)
    accounts: Chains = field(default_factory=dict)
    table: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, links: Sequence[bytes], expect: Any = OK, comment: str = "",
        accounts: Mapping[str, Sequence[bytes]] | None = None, chain: tuple[str, str, str] | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """One vector: these links, of which the last is the one in question."""
        known = self.accounts if accounts is None else accounts
        self.vectors.append({
            "name": name, "comment": comment, "chain": list(chain or self.chain), "frames": self.pool.all(links),
            "accounts": self.named({acc: self.pool.all(links) for acc, links in known.items()}), **more,
            "expect": expect,
        })  # fmt: skip

    def named(self, accounts: dict[str, list[str]]) -> str:
        """The name under which account chains stand in the file."""
        return next((n for n, known in self.table.items() if known == accounts), None) or self._put(accounts)

    def _put(self, accounts: dict[str, list[str]]) -> str:
        name = f"a{len(self.table)}"
        self.table[name] = accounts
        return name

    @property
    def made(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Vectors and what stands beside them."""
        return self.vectors, {"frames": self.pool.table, "accounts": self.table}


def form_faults(raw: bytes, key: SigningKey) -> Iterator[tuple[str, str, bytes]]:
    """(name, reason, frame): what can be wrong with the form of any frame."""
    length = int.from_bytes(raw[4:8], "little")
    yield "length beyond the limit", "limits", raw[:4] + b"\xff\xff\xff\xff" + raw[8:]
    yield "other magic", "frame", b"OBS2" + raw[4:]
    yield "magic of an envelope", "frame", b"HSE1" + raw[4:]
    yield "one byte short", "frame", raw[:-1]
    yield "one byte long", "frame", raw + b"\x00"
    yield "length one less", "frame", raw[:4] + (length - 1).to_bytes(4, "little") + raw[8:]
    yield "no signature", "frame", raw[:-64]
    loose = json.dumps(header(raw)).encode()
    yield "header not canonical", "canon", _framed(loose, raw, key)
    yield "header is an array", "canon", _framed(b"[]", raw, key)
    yield "a field missing", "fields", resigned(raw, key, lambda h: h.pop("iat"))
    yield "a field more", "fields", resigned(raw, key, put(x=1))
    yield "a field more in the body", "fields", resigned(raw, key, body(x=1))
    yield "unknown type", "fields", resigned(raw, key, put(typ="transfer"))
    if header(raw)["body"]:
        yield "the body empty", "fields", resigned(raw, key, put(body={}))


def _framed(head: bytes, raw: bytes, key: SigningKey) -> bytes:
    signature = key.sign(label_hash(f"obhut-sig-{header(raw)['kind']}", head))
    return raw[:4] + len(head).to_bytes(4, "little") + head + signature


def field_faults(raw: bytes) -> Iterator[tuple[str, str, bytes]]:
    """(name, reason, frame): every field of the header altered, not signed anew."""
    head = header(raw)
    yield "v", "chain", with_header(raw, put(v=2))
    yield "kind", "chain", with_header(raw, put(kind="log"))
    yield "acc", "chain", with_header(raw, put(acc=STRANGER))
    yield "oth", "chain", with_header(raw, put(oth=head["oth"][:-1] + "B" if head["oth"] else "x"))
    yield "seq", "seq", with_header(raw, put(seq=head["seq"] + 1))
    yield "prev", "prev", with_header(raw, put(prev=OTHER_HASH))
    yield "iat", "signature", with_header(raw, put(iat=head["iat"] + 1))
    yield "typ", "fields", with_header(raw, put(typ="unheard"))
    cites_signer = len(head["by"]) == 2 and head["by"][0] != head["acc"]
    other = ["recovery"] if head["by"] == ["root"] else ["root"]
    yield "by", "cite" if cites_signer else "signer", with_header(raw, put(by=other))
    if head["by"][0] not in ("root", "recovery"):
        yield "by, no such device", "signer", with_header(raw, put(by=[head["by"][0], "d" + "z" * 16]))


def link_faults(links: Sequence[bytes], key: SigningKey) -> Iterator[tuple[str, str, bytes]]:
    """(name, reason, frame): a wrong place or signature of the last link, else in order and signed by `key`."""
    raw = links[-1]
    head = header(raw)
    yield "seq one more", "seq", resigned(raw, key, put(seq=head["seq"] + 1))
    yield "other prev", "prev", resigned(raw, key, put(prev=OTHER_HASH))
    if len(links) > 1:
        before = header(links[-2])
        yield "earlier than the link before", "time", resigned(raw, key, put(iat=before["iat"] - 1))
        first = header(links[0])
        yield "the first type again", "order", resigned(raw, key, put(typ=first["typ"], body=first["body"]))
        yield "the link before once more", "seq", links[-2]
    yield "signed by a stranger", "signature", resigned(raw, SigningKey(bytes(32)), lambda h: None)
    yield "signed under another label", "signature", resigned(raw, key, lambda h: None, "obhut-permit")
    for bit, name in ((0, "first"), (511, "last")):
        flipped = bytearray(raw)
        flipped[len(raw) - 64 + bit // 8] ^= 1 << bit % 8
        yield f"{name} bit of the signature", "signature", bytes(flipped)


def citation_faults(
    links: Sequence[bytes], key: SigningKey, account: Sequence[bytes], acc: str
) -> Iterator[tuple[str, Any, bytes]]:
    """(name, reason, frame): wrong citations of the patient's account in the last link."""
    raw = links[-1]
    cite = header(raw)["cite"]
    future = [len(account), OTHER_HASH]
    yield "cites a position to come", "stale", resigned(raw, key, put(cite=cite | {acc: future}))
    wrong = [cite[acc][0], OTHER_HASH]
    yield "cites another hash", "fork", resigned(raw, key, put(cite=cite | {acc: wrong}))
    yield "cites an unknown account", "stale", resigned(raw, key, put(cite=cite | {STRANGER: [0, OTHER_HASH]}))
    less = {name: place for name, place in cite.items() if name != acc}
    yield "does not cite the patient", "cite", resigned(raw, key, put(cite=less))
    earlier = max((header(link)["cite"][acc][0] for link in links[:-1]), default=0)
    if earlier:
        back = [earlier - 1, b64(frames.frame_hash(account[earlier - 1]))]
        yield "cites an earlier position", "cite-back", resigned(raw, key, put(cite=cite | {acc: back}))
