"""Account chains: devices, delegates, reading keys, the vault's version, recovery (PROTOCOL.md 2.2)."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from consent import identifiers
from consent.chains import Chain, replay_into
from consent.primitives import broken, unb64
from consent.statements import Position, Statement

RECOVERY_SECONDS = 7 * 24 * 3600
MAX_DEVICES = {"person": 64, "org": 4096, "service": 4096}
MAX_DELEGATES = 16
DELEGATE_TYPES = ("grant", "keys", "end")
"""What a delegate of the scope `manage` may sign; one of the scope `full` may sign all."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the positions between which it was one."""

    name: str
    role: str
    sign: bytes = field(repr=False)
    box: bytes = field(repr=False)
    since: int
    until: int | None = None

    def present(self, at: int) -> bool:
        """Whether it belonged to the account at position `at`."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Delegate:
    """Who may act for the patient, how far, and between which positions and times."""

    to: str
    fp: str
    scope: str
    nb: int
    end: int
    since: int
    until: int | None = None

    def live(self, at: int, time: int) -> bool:
        """Whether it held at position `at` and Unix second `time`."""
        return self.since <= at and (self.until is None or at < self.until) and self.nb <= time < self.end


@dataclass(frozen=True, slots=True)
class Loss:
    """A position from which on seeds handed out before must count as seen by a stranger; `client`: one of its own."""

    seq: int
    iat: int
    client: bool


@dataclass
class AccountState(Chain):
    """An account as its chain tells it, now and at every earlier position."""

    KIND: ClassVar[str] = "acct"

    fingerprint: str = ""
    cls: str = ""
    roots: list[tuple[int, bytes]] = field(default_factory=list, repr=False)
    recoveries: list[tuple[int, bytes]] = field(default_factory=list, repr=False)
    reading_keys: list[tuple[int, str]] = field(default_factory=list, repr=False)
    bad_keys: set[str] = field(default_factory=set, repr=False)
    devices: dict[str, Device] = field(default_factory=dict, repr=False)
    delegates: list[Delegate] = field(default_factory=list, repr=False)
    losses: list[Loss] = field(default_factory=list, repr=False)
    vault: tuple[int, str] = (0, "")
    used: set[str] = field(default_factory=set, repr=False)

    @property
    def last(self) -> int:
        """The head's sequence number."""
        return len(self.links) - 1

    def device(self, name: str, at: int | None = None) -> Device:
        """The device as it was at position `at` (None: now). Raises `Rejected(broken, signer)`."""
        found = self.devices.get(name)
        if found is None or not found.present(self.last if at is None else at):
            raise broken("signer")
        return found

    def device_in(self, name: str, second: int) -> Device:
        """The device, if it was one at a moment of this Unix second. Raises `Rejected(broken, signer)`."""
        found = self.devices.get(name)
        first, last = (bisect_right(self.links, time, key=lambda link: link.iat) - 1 for time in (second - 1, second))
        if found is None or not any(found.present(at) for at in range(first, last + 1)):
            raise broken("signer")
        return found

    def client(self, name: str, at: int | None = None) -> Device:
        """The device, if it may sign statements. Raises `Rejected(broken, signer)`."""
        found = self.device(name, at)
        if found.role != "client":
            raise broken("signer")
        return found

    def delegate(self, to: str, time: int, at: int | None = None) -> Delegate:
        """The live delegation to an account. Raises `Rejected(broken, delegate)`."""
        place = self.last if at is None else at
        for found in self.delegates:
            if found.to == to and found.live(place, time):
                return found
        raise broken("delegate")

    def reading_key(self, at: int | None = None) -> str:
        """The newest reading key at position `at` (base64url), or the empty string."""
        place = self.last if at is None else at
        keys = [key for seq, key in self.reading_keys if seq <= place]
        return keys[-1] if keys else ""

    def recovery_keys(self, time: int) -> list[bytes]:
        """The keys a recovery may be signed with: the present one, and the one before for 7 days after its change."""
        keys = [self.recoveries[-1][1]]
        if len(self.recoveries) > 1 and time < self.recoveries[-1][0] + RECOVERY_SECONDS:
            keys.append(self.recoveries[-2][1])
        return keys


def replay(
    frames: Iterable[bytes],
    account: str,
    fingerprint: str | None = None,
    accounts: Mapping[str, AccountState] | None = None,
) -> AccountState:
    """The state of an account chain. `fingerprint`: as on the card or as first seen; `accounts`: of its delegates.

    Raises `BadLink`.
    """
    others = accounts or {}
    return replay_into(
        lambda: AccountState(account), frames, lambda state, raw: _apply(state, raw, others, fingerprint)
    )


def extend(
    state: AccountState, raw: bytes, accounts: Mapping[str, AccountState] | None = None, fingerprint: str | None = None
) -> AccountState:
    """The state after one more link. Raises `Rejected`."""
    twin = state.fork()
    _apply(twin, raw, accounts or {}, fingerprint)
    return twin


_BY_ROOT = {"create", "device", "undevice", "reading", "delegate", "undelegate", "recovery", "close"}


def _apply(state: AccountState, raw: bytes, accounts: Mapping[str, AccountState], fingerprint: str | None) -> None:
    st = state.place(raw)
    stranger = st.by[0] if len(st.by) == 2 and st.by[0] != st.acc else None
    state.follow(st, {stranger} if stranger else set(), accounts)
    st.frame.verify("obhut-sig-acct", *_signers(state, st, accounts))
    _RULES[st.typ](state, st, fingerprint)
    state.append(st)


def _signers(state: AccountState, st: Statement, accounts: Mapping[str, AccountState]) -> list[bytes]:
    """The keys of which one must have signed. Raises `signer` or `delegate`."""
    if st.by == ("root",) and st.typ in _BY_ROOT:
        return [unb64(st.body["root"]) if st.typ == "create" else state.roots[-1][1]]
    if st.by == ("recovery",) and st.typ == "root":
        return state.recovery_keys(st.iat)
    if len(st.by) == 2:
        name, dev = st.by
        if name == st.acc and st.typ == "vault":
            return [state.client(dev).sign]
        if name != st.acc and st.typ in ("vault", "undelegate"):
            return [_delegate_signer(state, st, accounts[name], dev)]
    raise broken("signer")


def _delegate_signer(state: AccountState, st: Statement, other: AccountState, dev: str) -> bytes:
    key = other.client(dev, st.cite[other.acc][0]).sign
    if st.typ == "undelegate" and st.body["to"] != other.acc:
        raise broken("signer")
    found = state.delegate(other.acc, st.iat)
    if found.fp != other.fingerprint or (st.typ == "vault" and found.scope != "full"):
        raise broken("delegate")
    return key


def _use(state: AccountState, *keys: str) -> None:
    """A key or device name is used once in an account, in one role, for ever."""
    if len(set(keys)) < len(keys) or state.used.intersection(keys):
        raise broken("key-reuse")
    state.used.update(keys)


def _end_devices(state: AccountState, st: Statement) -> None:
    state.devices = {n: d if d.until is not None else replace(d, until=st.seq) for n, d in state.devices.items()}


def _create(state: AccountState, st: Statement, fingerprint: str | None) -> None:
    body = st.body
    identifiers.account(st.acc)
    state.fingerprint = identifiers.fingerprint(st.acc, unb64(body["root"]))
    if fingerprint is not None and fingerprint != state.fingerprint:
        raise broken("fingerprint")
    if (body["class"] == "person") != identifiers.account(st.acc).is_person:
        raise broken("class")
    _use(state, body["root"], body["recovery"])
    state.cls = body["class"]
    state.roots.append((st.seq, unb64(body["root"])))
    state.recoveries.append((st.iat, unb64(body["recovery"])))


def _device(state: AccountState, st: Statement, _: str | None) -> None:
    body = st.body
    if sum(d.until is None for d in state.devices.values()) >= MAX_DEVICES[state.cls]:
        raise broken("limits")
    _use(state, body["dev"], body["sign"], body["box"])
    state.devices[body["dev"]] = Device(body["dev"], body["role"], unb64(body["sign"]), unb64(body["box"]), st.seq)


def _undevice(state: AccountState, st: Statement, _: str | None) -> None:
    found = state.devices.get(st.body["dev"])
    if found is None or found.until is not None:
        raise broken("unknown")
    state.devices[found.name] = replace(found, until=st.seq)
    if found.role == "client":
        state.losses.append(Loss(st.seq, st.iat, client=True))


def _reading(state: AccountState, st: Statement, _: str | None) -> None:
    _use(state, st.body["key"])
    if st.body["bad"]:
        state.bad_keys = state.bad_keys | {key for _, key in state.reading_keys}
    state.reading_keys.append((st.seq, st.body["key"]))


def _delegate(state: AccountState, st: Statement, _: str | None) -> None:
    body = st.body
    to = identifiers.account(body["to"])
    if state.cls != "person" or not to.is_person or body["to"] == st.acc:
        raise broken("class")
    present = [d for d in state.delegates if d.until is None]
    if len(present) >= MAX_DELEGATES:
        raise broken("limits")
    if any(d.to == body["to"] for d in present):
        raise broken("delegate")
    state.delegates.append(Delegate(body["to"], body["fp"], body["scope"], body["nb"], body["until"], st.seq))


def _undelegate(state: AccountState, st: Statement, _: str | None) -> None:
    found = [d for d in state.delegates if d.to == st.body["to"] and d.until is None]
    if not found:
        raise broken("unknown")
    state.delegates = [replace(d, until=st.seq) if d in found else d for d in state.delegates]
    if found[0].scope == "full":
        state.losses.append(Loss(st.seq, st.iat, client=False))


def _vault(state: AccountState, st: Statement, _: str | None) -> None:
    if st.body["ver"] != state.vault[0] + 1:
        raise broken("version")
    state.vault = (st.body["ver"], st.body["hash"])


def _recovery(state: AccountState, st: Statement, _: str | None) -> None:
    if st.iat < state.recoveries[-1][0] + RECOVERY_SECONDS:
        raise broken("time")
    _use(state, st.body["key"])
    state.recoveries.append((st.iat, unb64(st.body["key"])))


def _root(state: AccountState, st: Statement, _: str | None) -> None:
    _use(state, st.body["root"], st.body["recovery"])
    state.roots.append((st.seq, unb64(st.body["root"])))
    state.recoveries.append((st.iat, unb64(st.body["recovery"])))
    _end_devices(state, st)
    state.delegates = [d if d.until is not None else replace(d, until=st.seq) for d in state.delegates]
    state.losses.append(Loss(st.seq, st.iat, client=True))


def _close(state: AccountState, _st: Statement, _: str | None) -> None:
    state.closed = True


_RULES = {
    "create": _create, "device": _device, "undevice": _undevice, "reading": _reading, "delegate": _delegate,
    "undelegate": _undelegate, "vault": _vault, "recovery": _recovery, "root": _root, "close": _close,
}  # fmt: skip


def authority(
    by: tuple[str, ...],
    cite: Mapping[str, Position],
    typ: str,
    iat: int,
    acc: str,
    accounts: Mapping[str, AccountState],
) -> bytes:
    """Whose key must have signed a stream or relation statement or a permit: judged at the cited positions.

    Raises `signer` (not a client, or the type is not allowed to it) or `delegate` (scope or time).
    """
    name, dev = by_device(by)
    key = accounts[name].client(dev, cite[name][0]).sign
    if name != acc:
        found = accounts[acc].delegate(name, iat, cite[acc][0])
        if found.fp != accounts[name].fingerprint or (found.scope != "full" and typ not in DELEGATE_TYPES):
            raise broken("delegate")
    return key


def by_device(by: tuple[str, ...]) -> tuple[str, str]:
    """The account and device that signed; a root or recovery key signs account chains only."""
    if len(by) != 2:
        raise broken("signer")
    return by[0], by[1]
