"""The closed types of statement: which fields each has, and how one is read and signed (PROTOCOL.md 2)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consent import frames, identifiers
from consent.keys import SigningKey
from consent.primitives import Rejected, b64, broken, label_hash, unb32, unb64

Position = tuple[int, str]
"""A place in a chain: sequence number and the base64url hash of the frame there."""

Check = Callable[[Any], object]

STREAMS = 32
MASK_BITS = 16
CLASSES = ("person", "org", "service")
ROLES = ("client", "writer", "gateway", "service")
SCOPES = ("manage", "full")
FIRST_MET = ("card", "request", "directory")
MAX_EMERGENCY_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Statement:
    """One link of a chain, its fields checked for shape; whether it holds is for `consent.chains`."""

    kind: str
    acc: str
    oth: str
    seq: int
    prev: str
    iat: int
    typ: str
    by: tuple[str, ...]
    cite: Mapping[str, Position]
    body: Mapping[str, Any]
    frame: frames.Frame = field(repr=False)
    hash: str = field(repr=False)

    @property
    def raw(self) -> bytes:
        """The frame's bytes, as signed."""
        return self.frame.raw

    @property
    def position(self) -> Position:
        """Sequence number and hash."""
        return self.seq, self.hash


def chain_id(kind: str, acc: str, oth: str) -> str:
    """The name of a chain, and the `prev` of its first link."""
    return b64(label_hash("obhut-chain", kind, acc, oth))


# --- shapes -------------------------------------------------------------------------------------------------------


def require(condition: bool) -> None:
    """Raise `Rejected(broken, fields)` unless `condition`."""
    if not condition:
        raise broken("fields")


def text(value: Any) -> None:
    """Any string."""
    require(isinstance(value, str))


def number(value: Any) -> None:
    """Any integer of canonical JSON."""
    require(isinstance(value, int))


def flag(value: Any) -> None:
    """0 or 1."""
    require(isinstance(value, int) and value in (0, 1))


def spelling(size: int) -> str:
    """The base64url of `size` bytes as a regular expression: what `unb64` takes, its unused bits 0."""
    last = ("", "[A-Za-z0-9_-][AQgw]", "[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]")
    return f"[A-Za-z0-9_-]{{{4 * (size // 3)}}}{last[size % 3]}"


def blob(size: int) -> Check:
    """Base64url of exactly `size` bytes."""
    spelled = re.compile(spelling(size)).fullmatch

    def check(value: Any) -> None:
        require(isinstance(value, str) and spelled(value) is not None)

    return check


def binary_text(value: Any) -> None:
    """Bytes as base64url: a frame, or something sealed."""
    text(value)
    unb64(value)


def hash_or_empty(value: Any) -> None:
    """A hash of 32 bytes, or the empty string."""
    if value != "":
        key(value)


key = digest = blob(32)
id16 = blob(16)


def choice(*values: str) -> Check:
    """One of a few words."""

    def check(value: Any) -> None:
        require(isinstance(value, str) and value in values)

    return check


def account_name(value: Any) -> None:
    """An account."""
    text(value)
    identifiers.account(value)


def device_name(value: Any) -> None:
    """A device."""
    text(value)
    identifiers.device(value)


def fingerprint_text(value: Any) -> None:
    """A fingerprint: 32 characters base32."""
    text(value)
    unb32(value, identifiers.FINGERPRINT_BYTES)


def keys32(item: Check) -> Check:
    """An array of 32 values."""

    def check(value: Any) -> None:
        require(isinstance(value, list) and len(value) == STREAMS)
        for member in value:
            item(member)

    return check


def words(value: Any) -> None:
    """A sorted array of different strings, at least one."""
    require(isinstance(value, list) and len(value) > 0)
    for member in value:
        text(member)
    require(sorted(set(value)) == value)


def emergency(value: Any) -> None:
    """`[]`, or a span of at most an hour and the roles that may declare."""
    require(isinstance(value, list))
    if value:
        number(value[0])
        require(0 < value[0] <= MAX_EMERGENCY_SECONDS)
        words(value[1:])


def mask(value: Any) -> None:
    """32 bits of which exactly 16 are set."""
    number(value)
    require(value < 1 << STREAMS and value.bit_count() == MASK_BITS)


def rows(*columns: Check) -> Check:
    """An array of rows `[set, …]`."""

    def check(value: Any) -> None:
        require(isinstance(value, list))
        for row in value:
            require(isinstance(row, list) and len(row) == len(columns))
            for column, cell in zip(columns, row, strict=True):
                column(cell)

    return check


def cover_rows(value: Any) -> None:
    """`[set, from, mask]`, sorted by set, each set once, epochs from 1."""
    rows(id16, number, mask)(value)
    sets = [row[0] for row in value]
    require(sorted(set(sets)) == sets and all(row[1] >= 1 for row in value))


HAS = rows(id16, number, number, mask, blob(16))
BUNDLE: dict[str, Check] = {"gid": id16, "rk": key, "key": blob(112), "lst": digest, "has": HAS}

BODIES: dict[str, dict[str, dict[str, Check]]] = {
    "acct": {
        "create": {"root": key, "recovery": key, "class": choice(*CLASSES)},
        "device": {"dev": device_name, "role": choice(*ROLES), "sign": key, "box": key},
        "undevice": {"dev": device_name},
        "reading": {"key": key, "bad": flag},
        "delegate": {
            "to": account_name, "fp": fingerprint_text, "scope": choice(*SCOPES), "nb": number, "until": number,
        },
        "undelegate": {"to": account_name},
        "vault": {"ver": number, "hash": digest},
        "recovery": {"key": key},
        "root": {"root": key, "recovery": key},
        "close": {},
    },
    "set": {
        "start": {"ep": number, "ids": keys32(id16), "pks": keys32(key), "suite": text, "grace": number},
        "epoch": {"ep": number, "pks": keys32(key), "suite": text, "grace": number},
        "close": {},
    },
    "rel": {
        "open": {"fp": fingerprint_text, "met": choice(*FIRST_MET)},
        "permit": {"set": id16, "prm": binary_text},
        "unpermit": {"set": id16},
        "grant": BUNDLE | {
            "consent": digest, "purpose": words, "nb": number, "until": number, "grow": flag, "em": emergency,
            "req": hash_or_empty, "cover": cover_rows,
        },
        "keys": dict(BUNDLE),
        "end": {"gid": id16},
    },
}  # fmt: skip

FIRST = {"acct": "create", "set": "start", "rel": "open"}


def signer(value: Any) -> tuple[str, ...]:
    """Read `by`: `["root"]`, `["recovery"]` or `[account, device]`."""
    require(isinstance(value, list) and len(value) in (1, 2))
    if len(value) == 1:
        choice("root", "recovery")(value[0])
    else:
        account_name(value[0])
        device_name(value[1])
    return tuple(value)


def citations(value: Any) -> dict[str, Position]:
    """Read `cite`: account → `[seq, hash]`."""
    require(isinstance(value, dict))
    cite: dict[str, Position] = {}
    for name, place in value.items():
        account_name(name)
        require(isinstance(place, list) and len(place) == 2)
        number(place[0])
        digest(place[1])
        cite[name] = (place[0], place[1])
    return cite


def mapping(value: Any) -> None:
    """Any object."""
    require(isinstance(value, dict))


_HEADER: dict[str, Check] = {
    "v": number, "kind": text, "acc": text, "oth": text, "seq": number, "prev": digest, "iat": number, "typ": text,
    "by": signer, "cite": citations, "body": mapping,
}  # fmt: skip


def shape(value: Mapping[str, Any], fields: Mapping[str, Check]) -> None:
    """Check that an object has exactly these fields in these shapes. Raises `Rejected(broken, fields)`."""
    require(isinstance(value, dict) and value.keys() == fields.keys())
    for name, check in fields.items():
        check(value[name])


def parse(raw: bytes) -> Statement:
    """Read a statement. Raises `Rejected(broken, …)` with `limits`, `frame`, `canon` or `fields`."""
    frame = frames.parse(raw)
    header = frame.header
    shape(header, _HEADER)
    if header["kind"] not in BODIES:
        raise broken("chain")
    bodies = BODIES[header["kind"]]
    require(header["typ"] in bodies)
    shape(header["body"], bodies[header["typ"]])
    if header["v"] != 1:
        raise broken("chain")
    return Statement(
        kind=header["kind"], acc=header["acc"], oth=header["oth"], seq=header["seq"], prev=header["prev"],
        iat=header["iat"], typ=header["typ"], by=signer(header["by"]), cite=citations(header["cite"]),
        body=header["body"], frame=frame, hash=b64(frame.hash),
    )  # fmt: skip


def sign(
    key: SigningKey,
    *,
    kind: str,
    acc: str,
    oth: str = "",
    head: Position | None,
    iat: int,
    typ: str,
    by: tuple[str, ...],
    cite: Mapping[str, Position] | None = None,
    body: Mapping[str, Any],
) -> bytes:
    """Make the next link after `head` (None: the first of its chain). Returns the frame.

    Raises `Rejected` where the fields are not those of the type, so that nothing malformed is ever signed.
    """
    header = {
        "v": 1, "kind": kind, "acc": acc, "oth": oth, "iat": iat, "typ": typ, "by": list(by), "body": dict(body),
        "seq": 0 if head is None else head[0] + 1,
        "prev": chain_id(kind, acc, oth) if head is None else head[1],
        "cite": {name: list(place) for name, place in (cite or {}).items()},
    }  # fmt: skip
    frame = frames.sign(header, f"obhut-sig-{kind}", key)
    parse(frame)
    return frame


def permit(
    key: SigningKey, *, acc: str, aut: str, fp: str, set_id: str, iat: int, by: tuple[str, ...],
    cite: Mapping[str, Position],
) -> bytes:  # fmt: skip
    """Make a permit frame (PROTOCOL.md 2.5): `acc` lets the account `aut` write into the set."""
    header = {
        "v": 1, "typ": "permit", "acc": acc, "aut": aut, "fp": fp, "set": set_id, "iat": iat, "by": list(by),
        "cite": {name: list(place) for name, place in cite.items()},
    }  # fmt: skip
    return frames.sign(header, "obhut-permit", key)


@dataclass(frozen=True, slots=True)
class Permit:
    """The patient's word that an author may write into a set. Seen by the set's readers beside envelopes."""

    acc: str
    aut: str
    fp: str
    set: str
    iat: int
    by: tuple[str, ...]
    cite: Mapping[str, Position]
    frame: frames.Frame = field(repr=False)


_PERMIT: dict[str, Check] = {
    "v": number, "typ": choice("permit"), "acc": account_name, "aut": account_name, "fp": fingerprint_text,
    "set": id16, "iat": number, "by": signer, "cite": citations,
}  # fmt: skip


def parse_permit(raw: bytes) -> Permit:
    """Read a permit frame. Whatever is wrong with it is `Rejected(broken, permit)`."""
    try:
        frame = frames.parse(raw)
        header = frame.header
        shape(header, _PERMIT)
        require(header["v"] == 1)
    except Rejected:
        raise broken("permit") from None
    return Permit(
        header["acc"], header["aut"], header["fp"], header["set"], header["iat"],
        signer(header["by"]), citations(header["cite"]), frame,
    )  # fmt: skip
