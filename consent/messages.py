"""Signed messages outside the chains: requests, refusals, read reports, reviews of emergencies, objections to an entry
of the log and their answers, and the registration of a client's key.

What one party has to say to another is signed by the sender's device, names its receiver, and is sealed to the
receiver's reading key (PROTOCOL.md 5.3): a sealed box of the padded frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consent import frames, primitives
from consent.accounts import AccountState
from consent.frames import Frame
from consent.keys import BoxKey, SigningKey
from consent.primitives import b64, broken, random_bytes, unb64
from consent.statements import Check, account_name, choice, device_name, digest, id16, number, require, shape, text

TYPES = ("request", "refusal", "read", "review", "objection", "answer")
MAX_AGE_SECONDS = 90 * 24 * 3600
MAX_SEALED = 64 * 1024

_LABELS = {
    "request": "obhut-request", "refusal": "obhut-refusal", "read": "obhut-read", "review": "obhut-review",
    "objection": "obhut-objection", "answer": "obhut-answer",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One party's word to another. `content` is what it carries, for example a FHIR Consent."""

    typ: str
    sender: str
    to: str
    rnd: str
    at: int
    dev: str
    content: bytes = field(repr=False)
    frame: Frame = field(repr=False)

    @property
    def hash(self) -> str:
        """What an answer names (`req` of a grant)."""
        return b64(self.frame.hash)

    def verify(self, sender: AccountState, to: str, now: int, came: int | None = None) -> None:
        """Check sender, receiver and age. Raises `Rejected(broken, …)` with `to`, `time`, `signer` or `signature`.

        The device must be the sender's at the head of the chain; where the home hub says in which second the message
        `came`, then: what a device said while it was one stays said.
        """
        if self.to != to or self.sender != sender.acc:
            raise broken("to")
        if not now - MAX_AGE_SECONDS <= self.at <= now + 600:
            raise broken("time")
        device = sender.device(self.dev) if came is None else sender.device_in(self.dev, came)
        self.frame.verify(_LABELS[self.typ], device.sign)


_MESSAGE: dict[str, Check] = {
    "v": number, "typ": choice(*TYPES), "from": account_name, "to": account_name, "rnd": id16, "at": number,
    "dev": device_name, "content": text,
}  # fmt: skip


def write(key: SigningKey, *, typ: str, sender: str, dev: str, to: str, at: int, content: bytes) -> bytes:
    """Sign a message. `content` at most about 24 KiB. Returns the frame; it still has to be sealed."""
    header: dict[str, object] = {
        "v": 1, "typ": typ, "from": sender, "to": to, "rnd": b64(random_bytes(16)), "at": at, "dev": dev,
        "content": b64(content),
    }  # fmt: skip
    raw = frames.sign(header, _LABELS[typ], key)
    read(raw)
    return raw


def read(raw: bytes) -> Message:
    """Read a message's frame. Raises `Rejected(broken, …)`."""
    frame = frames.parse(raw)
    header = frame.header
    shape(header, _MESSAGE)
    require(header["v"] == 1)
    return Message(
        header["typ"], header["from"], header["to"], header["rnd"], header["at"], header["dev"],
        unb64(header["content"]), frame,
    )  # fmt: skip


def seal(raw: bytes, reading_key: str) -> bytes:
    """Seal a message's frame to the receiver's reading key (base64url)."""
    return primitives.seal_box(primitives.pad(raw), unb64(reading_key, 32))


def unseal(sealed: bytes, keys: Mapping[str, BoxKey]) -> Message:
    """Open a sealed message with one of the receiver's reading keys. Raises `not-for-you` where none fits."""
    if len(sealed) > MAX_SEALED:
        raise broken("limits")
    for key in keys.values():
        try:
            padded = key.open(sealed)
        except primitives.Rejected:
            continue
        return read(primitives.unpad(padded))
    raise primitives.Rejected("not-for-you", "key")


# --- the key a device signs its access tokens with ----------------------------------------------------------------

_CLIENT: dict[str, Check] = {
    "v": number, "typ": choice("client"), "acc": account_name, "dev": device_name, "key": digest, "at": number,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """A device tells the hub the Ed25519 key of its `private_key_jwt`; separate from the one that signs statements."""

    acc: str
    dev: str
    key: bytes
    at: int
    frame: Frame = field(repr=False)

    def verify(self, account: AccountState, now: int) -> None:
        """Check that the account's device signed this within ten minutes. Raises `Rejected(broken, …)`."""
        if self.acc != account.acc:
            raise broken("signer")
        if abs(self.at - now) > 600:
            raise broken("clock")
        self.frame.verify("obhut-client", account.device(self.dev).sign)


def register(key: SigningKey, *, acc: str, dev: str, token_key: bytes, at: int) -> bytes:
    """Make a client registration; `token_key` is the public Ed25519 key for tokens."""
    header: dict[str, object] = {"v": 1, "typ": "client", "acc": acc, "dev": dev, "key": b64(token_key), "at": at}
    return frames.sign(header, "obhut-client", key)


def read_registration(raw: bytes) -> ClientRegistration:
    """Read a client registration. Raises `Rejected(broken, …)`."""
    frame = frames.parse(raw)
    header = frame.header
    shape(header, _CLIENT)
    require(header["v"] == 1)
    return ClientRegistration(header["acc"], header["dev"], unb64(header["key"]), header["at"], frame)
