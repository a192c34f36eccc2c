"""The envelope HSE1: its header, its frame, and the home hub's stamp (PROTOCOL.md 3). Nothing here holds a secret.

"HSE1" ‖ LE32 h ‖ H(h ≤ 8192) ‖ signature(64) ‖ C
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consent import canonical, frames, primitives
from consent.frames import frame_hash
from consent.keys import SigningKey
from consent.primitives import SIGNATURE_BYTES, TAG_BYTES, b64, blake2b, broken, label_hash
from consent.statements import (
    Check,
    Position,
    account_name,
    blob,
    choice,
    device_name,
    digest,
    id16,
    number,
    require,
    shape,
    spelling,
    text,
)

Text = str
"""The type, where a field has the protocol's name `str`."""

MAGIC = b"HSE1"
MAX_HEADER = 8192
MAX_FRAME = 1024 * 1024 + 16 * 1024
SUITE = "HS1"
RESOURCES = "application/fhir+ndjson"
OBJECT = "application/obhut-object"
DELETE = "application/obhut-delete"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed envelope as everybody may see it. Its `repr` shows sizes, never content."""

    suite: Text
    cty: Text
    str: Text
    ep: int
    aut: Text
    dev: Text
    bid: Text
    seq: int
    prev: Text
    tb: int
    hd: Text
    n: int
    _sealed: tuple[Text, Text, Text] = field(repr=False)
    header_bytes: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    raw: bytes = field(repr=False)
    hash: Text = field(repr=False)
    """The frame's hash (base64url): what the next envelope's `prev` names."""

    @property
    def wk(self) -> bytes:
        """The content key, sealed. This and the next two are decoded only by who opens the envelope."""
        return primitives.unb64(self._sealed[0])

    @property
    def kc(self) -> bytes:
        """The commitment to the content key."""
        return primitives.unb64(self._sealed[1])

    @property
    def nc(self) -> bytes:
        """The nonce of the ciphertext."""
        return primitives.unb64(self._sealed[2])

    def verify(self, public: bytes) -> None:
        """Check the device's signature over header and ciphertext. Raises `Rejected(broken, signature)`."""
        primitives.verify(public, signed_digest(self.header_bytes, self.ciphertext), self.signature)


def signed_digest(header: bytes, ciphertext: bytes) -> bytes:
    """What the author's device signs."""
    return label_hash("hse1-sig", header, blake2b(ciphertext))


def context(patient: str, header: Mapping[str, Any]) -> bytes:
    """`ctx`: what an envelope is about. The patient is bound here and named nowhere in the header."""
    return label_hash(
        "hse1-ctx", header["suite"], patient, header["str"], header["ep"], header["aut"], header["dev"],
        header["bid"], header["seq"],
    )  # fmt: skip


def _hash_or_first(value: Any) -> None:
    if value != "":
        digest(value)


def _handle(value: Any) -> None:
    if value != "":
        id16(value)


HEADER: dict[str, Check] = {
    "v": number, "suite": text, "cty": choice(RESOURCES, OBJECT, DELETE), "str": id16, "ep": number,
    "aut": account_name, "dev": device_name, "bid": id16, "seq": number, "prev": _hash_or_first, "tb": number,
    "hd": _handle, "n": number, "wk": blob(112), "kc": blob(32), "nc": blob(24),
}  # fmt: skip


_ID, _HASH, _NUMBER = spelling(16), spelling(32), "0|[1-9][0-9]{0,14}"
_TEXTS = {
    "aut": "[a-z0-9@.-]+", "bid": _ID, "cty": "[a-z/+-]+", "dev": "d[a-z2-7]{16}", "hd": f"|{_ID}", "kc": _HASH,
    "nc": spelling(24), "prev": f"|{_HASH}", "str": _ID, "suite": "[A-Z0-9]+", "wk": spelling(112),
}  # fmt: skip
_NUMBERS = ("ep", "n", "seq", "tb", "v")
_NAMES = sorted(HEADER)
_MEMBERS = (f'"{name}":' + (f'"({_TEXTS[name]})"' if name in _TEXTS else f"({_NUMBER})") for name in _NAMES)
_SPELLED = re.compile(r"\{" + ",".join(_MEMBERS) + r"\}")


def _header(data: bytes) -> dict[str, Any]:
    """The header as a value, canonical and right in shape. Raises `Rejected(broken, …)` with `canon` or `fields`.

    Almost every header fits one expression, which tells both at once and takes it apart. Any other is read member by
    member; so the expression may know too little, and only what it takes must be what the longer way takes.
    """
    found = _SPELLED.fullmatch(data.decode("latin-1"))
    if found is None:
        header = canonical.parse(data)
        shape(header, HEADER)
        return header
    header = dict(zip(_NAMES, found.groups(), strict=True))
    header |= {name: int(header[name]) for name in _NUMBERS}
    for name in ("cty", "aut"):
        HEADER[name](header[name])
    return header


def parse(raw: bytes) -> Envelope:
    """Take an envelope apart. Raises `Rejected(broken, …)` with `limits`, `frame`, `canon`, `fields` or `suite`."""
    if len(raw) > MAX_FRAME:
        raise broken("limits")
    if len(raw) < 8 + SIGNATURE_BYTES + TAG_BYTES or raw[:4] != MAGIC:
        raise broken("frame")
    length = int.from_bytes(raw[4:8], "little")
    if length > MAX_HEADER:
        raise broken("limits")
    start = 8 + length
    if len(raw) < start + SIGNATURE_BYTES + TAG_BYTES:
        raise broken("frame")
    header_bytes = raw[8:start]
    header = _header(header_bytes)
    require(header["v"] == 1 and header["ep"] >= 1 and header["seq"] >= 1 and header["tb"] % 3600 == 0)
    require((header["prev"] == "") == (header["seq"] == 1))
    require(header["n"] == 0 and header["hd"] != "" if header["cty"] == DELETE else header["n"] >= 1)
    if header["suite"] != SUITE:
        raise broken("suite")
    return Envelope(
        header["suite"], header["cty"], header["str"], header["ep"], header["aut"], header["dev"], header["bid"],
        header["seq"], header["prev"], header["tb"], header["hd"], header["n"],
        (header["wk"], header["kc"], header["nc"]), header_bytes,
        raw[start : start + SIGNATURE_BYTES], raw[start + SIGNATURE_BYTES :], raw,
        b64(frame_hash(raw)),
    )  # fmt: skip


def build(header: Mapping[str, Any], ciphertext: bytes, key: SigningKey) -> bytes:
    """Put an envelope together and sign it. Returns the frame."""
    header_bytes = canonical.dump(dict(header))
    signature = key.sign(signed_digest(header_bytes, ciphertext))
    raw = MAGIC + len(header_bytes).to_bytes(4, "little") + header_bytes + signature + ciphertext
    parse(raw)
    return raw


# --- the home hub's word beside an envelope -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stamp:
    """At the moment `at`, at these positions, permit, device and epoch were good. Signed by the home hub."""

    hub: str
    bid: str
    fh: str
    at: int
    aut: Position
    set: Position
    rel: str
    frame: frames.Frame = field(repr=False)

    def verify(self, hub_key: bytes, envelope: Envelope) -> None:
        """Check the hub's signature and that it speaks of this envelope. Raises `Rejected(broken, stamp)`."""
        try:
            self.frame.verify("obhut-stamp", hub_key)
        except primitives.Rejected:
            raise broken("stamp") from None
        if (self.bid, self.fh) != (envelope.bid, envelope.hash):
            raise broken("stamp")


def _position(value: Any) -> None:
    require(isinstance(value, list) and len(value) == 2)
    number(value[0])
    digest(value[1])


_STAMP: dict[str, Check] = {
    "v": number, "typ": choice("stamp"), "hub": text, "bid": id16, "fh": digest, "at": number, "aut": _position,
    "set": _position, "rel": digest,
}  # fmt: skip
_POSITION = rf'\[({_NUMBER}),"({_HASH})"\]'
_STAMP_SPELLED = re.compile(
    rf'{{"at":({_NUMBER}),"aut":{_POSITION},"bid":"({_ID})","fh":"({_HASH})","hub":"([a-z0-9.-]+)",'
    rf'"rel":"({_HASH})","set":{_POSITION},"typ":"stamp","v":1}}'
)


def relation_mark(relation_head: Position, set_id: str) -> str:
    """`rel` of a stamp: opaque to other readers, checkable by the patient and the author."""
    return b64(label_hash("obhut-relation", relation_head[0], relation_head[1], set_id))


def stamp(
    key: SigningKey, hub: str, envelope: Envelope, *, at: int, aut: Position, set_head: Position, rel: str
) -> bytes:
    """The home hub stamps an envelope that it has accepted. Returns the frame."""
    # Written canonically: every part was read from something canonical, and a hub writes more of these than all else.
    header = (
        f'{{"at":{at},"aut":[{aut[0]},"{aut[1]}"],"bid":"{envelope.bid}","fh":"{envelope.hash}","hub":"{hub}",'
        f'"rel":"{rel}","set":[{set_head[0]},"{set_head[1]}"],"typ":"stamp","v":1}}'
    )
    return frames.signed(header.encode("ascii"), "obhut-stamp", key)


def parse_stamp(raw: bytes) -> Stamp:
    """Read a stamp. Whatever is wrong with its form is `Rejected(broken, stamp)`."""
    try:
        header_bytes, signature = frames.split(raw)
        header = _stamp_header(header_bytes)
    except primitives.Rejected:
        raise broken("stamp") from None
    return Stamp(
        header["hub"], header["bid"], header["fh"], header["at"], (header["aut"][0], header["aut"][1]),
        (header["set"][0], header["set"][1]), header["rel"], frames.Frame(header, header_bytes, signature, raw),
    )  # fmt: skip


def _stamp_header(data: bytes) -> dict[str, Any]:
    """The header of a stamp, canonical and right in shape; read as `_header` reads an envelope's. Raises `Rejected`."""
    found = _STAMP_SPELLED.fullmatch(data.decode("latin-1"))
    if found is None:
        header = canonical.parse(data)
        shape(header, _STAMP)
        require(header["v"] == 1)
        return header
    at, aut, aut_hash, bid, fh, hub, rel, set_, set_hash = found.groups()
    return {
        "at": int(at), "aut": [int(aut), aut_hash], "bid": bid, "fh": fh, "hub": hub, "rel": rel,
        "set": [int(set_), set_hash], "typ": "stamp", "v": 1,
    }  # fmt: skip
