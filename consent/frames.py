"""The frame that statements, permits, stamps and messages share: its signature, made and checked (PROTOCOL.md 2.1).

frame = magic ‖ LE32 |H| ‖ H ‖ signature(64)        H = canonical JSON, sent and stored verbatim
"""

from dataclasses import dataclass, field
from typing import Any

from consent import canonical, primitives
from consent.keys import SigningKey
from consent.primitives import SIGNATURE_BYTES, Rejected, broken, label_hash

MAGIC = b"OBS1"
MAX_HEADER = 32 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """A parsed frame: its header as a value and verbatim, its signature, and all its bytes."""

    header: dict[str, Any]
    header_bytes: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def hash(self) -> bytes:
        """`L("obhut-st", frame)`: the signature is inside."""
        return frame_hash(self.raw)

    def verify(self, label: str, *publics: bytes) -> None:
        """Check that one of the keys signed this under a label. Raises `Rejected(broken, signature)`."""
        digest = label_hash(label, self.header_bytes)
        for public in publics[:-1]:
            try:
                primitives.verify(public, digest, self.signature)
            except Rejected:
                continue
            return
        primitives.verify(publics[-1], digest, self.signature)


def frame_hash(raw: bytes) -> bytes:
    """The hash that links frames and pins positions."""
    return label_hash("obhut-st", raw)


def parse(raw: bytes) -> Frame:
    """Take a frame apart. Raises `Rejected` with `limits`, `frame` or `canon`, in this order."""
    header, signature = split(raw)
    return Frame(canonical.parse(header), header, signature, raw)


def split(raw: bytes) -> tuple[bytes, bytes]:
    """A frame's header, not read yet, and its signature. Raises `Rejected` with `limits` or `frame`."""
    if len(raw) > MAX_HEADER + 8 + SIGNATURE_BYTES:
        raise broken("limits")
    if len(raw) < 8 + SIGNATURE_BYTES or raw[:4] != MAGIC:
        raise broken("frame")
    length = int.from_bytes(raw[4:8], "little")
    if length > MAX_HEADER:
        raise broken("limits")
    if len(raw) != 8 + length + SIGNATURE_BYTES:
        raise broken("frame")
    return raw[8 : 8 + length], raw[8 + length :]


def sign(header: dict[str, Any], label: str, key: SigningKey) -> bytes:
    """Make a frame. Raises `Rejected` with `limits` or `canon` where the header cannot be carried."""
    return signed(canonical.dump(header), label, key)


def signed(header_bytes: bytes, label: str, key: SigningKey) -> bytes:
    """Make a frame of a header whose canonical bytes are known. Raises `Rejected(broken, limits)`."""
    if len(header_bytes) > MAX_HEADER:
        raise broken("limits")
    signature = key.sign(label_hash(label, header_bytes))
    return MAGIC + len(header_bytes).to_bytes(4, "little") + header_bytes + signature
