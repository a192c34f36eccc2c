"""Declarations: a person of a house says that it is an emergency, and a grant made for that opens (PROTOCOL.md 5.13).

The home hub reads patient, grant, role and time. Who it is and why is sealed to the patient: no text of a human enters
clear JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consent import frames, primitives
from consent.accounts import AccountState
from consent.frames import Frame
from consent.keys import BoxKey, SigningKey
from consent.primitives import Rejected, b64, broken, unb64
from consent.relations import Grant, RelationState
from consent.statements import Check, account_name, binary_text, choice, id16, number, require, shape, text

CLOCK_SECONDS = 600
MAX_TEXT = 2000
"""So many bytes of UTF-8 a sealed text may have."""
GATEWAY = "gateway"

DECLARE: dict[str, Check] = {
    "v": number, "typ": choice("declare"), "acc": account_name, "from": account_name, "gid": id16,
    "person": binary_text, "role": text, "reason": binary_text, "rnd": id16, "at": number,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declaration:
    """A house's word that there is an emergency: for the grant `gid` of the patient `acc`, by somebody of this role.

    `person`, `reason`: sealed to the patient's reading key (`tell` opens them). `rnd` counts once, `at`: Unix seconds.
    """

    acc: str
    sender: str
    gid: str
    role: str
    rnd: str
    at: int
    person: str = field(repr=False)
    reason: str = field(repr=False)
    frame: Frame = field(repr=False)

    def verify(self, sender: AccountState, now: int, came: int | None = None) -> None:
        """Check what does not depend on the patient: sender, time, signature.

        One of the gateways that the sender has at the head of its chain must have signed; where the home hub says in
        which second the declaration `came`, that it had then. Raises `Rejected(broken, …)` with `signer`, `clock` or
        `signature`, in this order.
        """
        if self.sender != sender.acc:
            raise broken("signer")
        if abs(self.at - now) > CLOCK_SECONDS:
            raise broken("clock")
        gateways = [one.sign for one in sender.devices.values() if one.role == GATEWAY and _had(sender, one.name, came)]
        if not gateways:
            raise broken("signer")
        self.frame.verify("obhut-declare", *gateways)

    def opens(self, relation: RelationState, now: int) -> Grant:
        """The grant that this opens now, for its span. Raises `Rejected(broken, …)`.

        In this order: `unknown` (no such grant of this patient to this house), `ended` (or not live), `time` (not
        begun), `emergency` (not a grant for emergencies), `role`.
        """
        grant = relation.grants.get(self.gid)
        if grant is None or (relation.acc, relation.oth) != (self.acc, self.sender):
            raise broken("unknown")
        if not grant.live(now):
            raise broken("ended")
        if grant.begins > now:
            raise broken("time")
        if not grant.emergency:
            raise broken("emergency")
        if self.role not in grant.emergency[1:]:
            raise broken("role")
        return grant

    def tell(self, keys: Mapping[str, BoxKey]) -> tuple[str, str]:
        """Who declared and why, opened by the patient's reading keys. Raises `not-for-you`, `broken` (`fields`)."""
        return _unseal(self.person, keys), _unseal(self.reason, keys)


def _had(sender: AccountState, device: str, came: int | None) -> bool:
    try:
        if came is None:
            sender.device(device)
        else:
            sender.device_in(device, came)
    except Rejected:
        return False
    return True


def write(
    key: SigningKey, *, acc: str, sender: str, gid: str, person: str, role: str, reason: str, rnd: str, at: int,
    reading_key: str,
) -> bytes:  # fmt: skip
    """Sign a declaration; person and reason in plain words, which are sealed here. Returns the frame.

    Raises `Rejected(broken, limits)` for longer words than 2,000 bytes.
    """
    header: dict[str, Any] = {
        "v": 1, "typ": "declare", "acc": acc, "from": sender, "gid": gid, "person": _seal(person, reading_key),
        "role": role, "reason": _seal(reason, reading_key), "rnd": rnd, "at": at,
    }  # fmt: skip
    raw = frames.sign(header, "obhut-declare", key)
    read(raw)
    return raw


def read(raw: bytes) -> Declaration:
    """Read a declaration's frame. Raises `Rejected(broken, …)` with `limits`, `frame`, `canon` or `fields`."""
    frame = frames.parse(raw)
    header = frame.header
    shape(header, DECLARE)
    require(header["v"] == 1)
    return Declaration(
        header["acc"], header["from"], header["gid"], header["role"], header["rnd"], header["at"], header["person"],
        header["reason"], frame,
    )  # fmt: skip


def _seal(words: str, reading_key: str) -> str:
    data = words.encode()
    if len(data) > MAX_TEXT:
        raise broken("limits")
    return b64(primitives.seal_box(primitives.pad(data), unb64(reading_key, 32)))


def _unseal(sealed: str, keys: Mapping[str, BoxKey]) -> str:
    data = unb64(sealed)
    for key in keys.values():
        try:
            padded = key.open(data)
        except Rejected:
            continue
        try:
            return primitives.unpad(padded).decode()
        except UnicodeDecodeError:
            raise broken("fields") from None
    raise Rejected("not-for-you", "key")
