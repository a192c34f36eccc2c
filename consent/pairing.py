"""Adding a device: what the two devices show and tell each other, and the digits that a person compares.

The new device shows an invitation, as a QR code or as text: its public keys, and a commitment to its name and nonce.
The device of the account replies with its own keys and nonce; only then the new one reveals what it committed to. So
neither side, nor whoever stands between them, can choose its part of the digits when it knows the other's
(PROTOCOL.md 5.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from consent import canonical, identifiers, primitives
from consent.identifiers import Card
from consent.keys import BoxKey, SigningKey
from consent.primitives import KEY_BYTES, b32, b64, broken, label_hash, random_bytes, unb32, unb64
from consent.statements import Check, binary_text, blob, device_name, number, require, shape, text

SCHEME = "obhut-device:"
DIGITS = 12
MAX_WORD = 1024
"""Bytes of a sealed reply or reveal."""
MAX_LABEL = 120
"""Bytes of what a device is called."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a new device shows: the domain of its hub, its public keys, and the commitment."""

    domain: str
    sign: bytes
    box: bytes
    commitment: bytes

    def __str__(self) -> str:
        """Upper case, which makes the smaller QR code; read in any case."""
        return f"{SCHEME}{self.domain}/{b32(self.sign + self.box + self.commitment)}".upper()

    @classmethod
    def parse(cls, given: str) -> Self:
        """Read one as scanned or pasted: case and white space do not count. Raises `Rejected(broken, fields)`."""
        if not given.isascii():  # lower case would make a `k` of the Kelvin sign
            raise broken("fields")
        plain = "".join(given.split()).lower()
        domain, slash, packed = plain.removeprefix(SCHEME).partition("/")
        if not plain.startswith(SCHEME) or not slash:
            raise broken("fields")
        raw = unb32(packed, 3 * KEY_BYTES)
        return cls(identifiers.domain(domain), raw[:KEY_BYTES], raw[KEY_BYTES : 2 * KEY_BYTES], raw[2 * KEY_BYTES :])

    @property
    def place(self) -> str:
        """The name under which the hub keeps what the two tell each other; who has not seen the invitation cannot."""
        return b64(label_hash("obhut-place", self.sign, self.box, self.commitment))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the device of the account says: whose it is, its public keys as in the account chain, its nonce."""

    card: Card
    sign: bytes
    box: bytes
    nonce: bytes = field(repr=False)

    @classmethod
    def of(cls, card: Card, sign: bytes, box: bytes) -> Self:
        """With a fresh nonce."""
        return cls(card, sign, box, random_bytes(KEY_BYTES))

    def seal(self, invitation: Invitation) -> bytes:
        """For the new device alone."""
        value = {
            "v": 1, "card": str(self.card), "sign": b64(self.sign), "box": b64(self.box), "nonce": b64(self.nonce),
        }  # fmt: skip
        return _seal(value, invitation.box)


@dataclass(frozen=True, slots=True)
class Reveal:
    """What the new device committed to: its name in the account chain, its nonce; and what it may be called."""

    device: str
    nonce: bytes = field(repr=False)
    label: str = field(default="", repr=False)

    def commitment(self, sign: bytes, box: bytes) -> bytes:
        """What binds a new device to this before it has heard the reply."""
        return label_hash("obhut-pair", sign, box, self.device, self.nonce)

    def seal(self, reply: Reply) -> bytes:
        """For the device of the account alone."""
        label = self.label.encode()[:MAX_LABEL].decode(errors="ignore")
        value = {"v": 1, "dev": self.device, "nonce": b64(self.nonce), "label": b64(label.encode())}
        return _seal(value, reply.box)


def invite(domain: str, sign: SigningKey, box: BoxKey, reveal: Reveal) -> Invitation:
    """What a new device with these keys shows."""
    return Invitation(domain, sign.public, box.public, reveal.commitment(sign.public, box.public))


def new_reveal(device: str, label: str = "") -> Reveal:
    """What a new device of this name commits to, with a fresh nonce."""
    return Reveal(device, random_bytes(KEY_BYTES), label)


_REPLY: dict[str, Check] = {"v": number, "card": text, "sign": blob(32), "box": blob(32), "nonce": blob(32)}
_REVEAL: dict[str, Check] = {"v": number, "dev": device_name, "nonce": blob(32), "label": binary_text}


def open_reply(sealed: bytes, box: BoxKey) -> Reply:
    """Read the reply on the new device. Raises `Rejected(broken, …)`."""
    value = _open(sealed, box, _REPLY)
    card = identifiers.card(value["card"])
    require(str(card) == value["card"])
    return Reply(card, unb64(value["sign"]), unb64(value["box"]), unb64(value["nonce"]))


def open_reveal(sealed: bytes, box: BoxKey, invitation: Invitation) -> Reveal:
    """Read the reveal on the device of the account. Raises `Rejected(broken, …)`; `commitment` where it was another."""
    value = _open(sealed, box, _REVEAL)
    label = unb64(value["label"])
    require(len(label) <= MAX_LABEL)
    reveal = Reveal(value["dev"], unb64(value["nonce"]), label.decode(errors="replace"))
    if not primitives.equal(reveal.commitment(invitation.sign, invitation.box), invitation.commitment):
        raise broken("commitment")
    return reveal


def digits(invitation: Invitation, reply: Reply, reveal: Reveal) -> str:
    """The twelve digits that both devices show: of all keys, both names and both nonces."""
    said = label_hash(
        "obhut-sas", invitation.sign, invitation.box, reveal.device, reveal.nonce, reply.sign, reply.box,
        str(reply.card), reply.nonce,
    )  # fmt: skip
    return str(int.from_bytes(said[:8], "little") % 10**DIGITS).zfill(DIGITS)


def _seal(value: dict[str, Any], box: bytes) -> bytes:
    return primitives.seal_box(primitives.pad(canonical.dump(value)), box)


def _open(sealed: bytes, box: BoxKey, fields: Mapping[str, Check]) -> dict[str, Any]:
    if len(sealed) > MAX_WORD:
        raise broken("limits")
    value = canonical.parse(primitives.unpad(box.open(sealed)))
    shape(value, fields)
    require(value["v"] == 1)
    return value
