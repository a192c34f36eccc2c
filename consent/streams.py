"""Stream chains: the epochs of all streams of one author at one patient, a set (PROTOCOL.md 2.3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from consent.accounts import AccountState, authority
from consent.chains import Chain, replay_into
from consent.identifiers import binary_id
from consent.primitives import b64, broken, label_hash, unb64
from consent.statements import STREAMS, Position, Statement

SUITES = ("HS1", "HS2")
MAX_GRACE_SECONDS = 2_592_000
MAX_EPOCHS = 4096


def epoch_digest(set_id: str, number: int, publics: Iterable[bytes]) -> bytes:
    """`ed`: what an epoch is, in 16 bytes."""
    return label_hash("obhut-epoch", set_id, number, *publics)[:16]


def range_digest(digests: Iterable[bytes]) -> str:
    """`dg`: the digests of consecutive epochs as one (base64url of 16 bytes)."""
    return b64(label_hash("obhut-epochs", *digests)[:16])


@dataclass(frozen=True)
class Epoch:
    """One epoch: 32 public keys, the least suite, and how long the epoch before still takes deposits (seconds)."""

    set: str
    number: int
    publics: tuple[bytes, ...] = field(repr=False)
    suite: str
    grace: int
    link: Statement = field(repr=False)

    @cached_property
    def digest(self) -> bytes:
        """`ed` of this epoch."""
        return epoch_digest(self.set, self.number, self.publics)


@dataclass
class SetState(Chain):
    """The set `oth` of the patient `acc`: its stream ids by index, and its epochs from 1."""

    KIND: ClassVar[str] = "set"

    ids: dict[str, int] = field(default_factory=dict, repr=False)
    epochs: list[Epoch] = field(default_factory=list, repr=False)
    used: set[bytes] = field(default_factory=set, repr=False)

    @property
    def current(self) -> int:
        """The number of the current epoch."""
        return len(self.epochs)

    def epoch(self, number: int) -> Epoch:
        """An epoch by number. Raises `Rejected(broken, epoch)`."""
        if not 1 <= number <= self.current:
            raise broken("epoch")
        return self.epochs[number - 1]

    def current_at(self, seq: int) -> int:
        """The number of the epoch that was current at a position of this chain."""
        return max((epoch.number for epoch in self.epochs if epoch.link.seq <= seq), default=0)

    def digests(self, first: int, last: int) -> list[bytes]:
        """The digests of started epochs `first` … `last`."""
        return [self.epoch(number).digest for number in range(first, last + 1)]


def replay(frames: Iterable[bytes], acc: str, set_id: str, accounts: Mapping[str, AccountState]) -> SetState:
    """The state of a stream chain. Raises `BadLink`."""
    return replay_into(lambda: SetState(acc, set_id), frames, lambda state, raw: _apply(state, raw, accounts))


def extend(state: SetState, raw: bytes, accounts: Mapping[str, AccountState]) -> SetState:
    """The state after one more link. Raises `Rejected`."""
    twin = state.fork()
    _apply(twin, raw, accounts)
    return twin


def _apply(state: SetState, raw: bytes, accounts: Mapping[str, AccountState]) -> None:
    st = state.place(raw)
    state.follow(st, {st.acc, st.by[0]} if len(st.by) == 2 else {st.acc}, accounts)
    st.frame.verify("obhut-sig-set", authority(st.by, st.cite, st.typ, st.iat, st.acc, accounts))
    if st.typ == "close":
        state.closed = True
    else:
        _epoch(state, st)
    state.append(st)


def _epoch(state: SetState, st: Statement) -> None:
    body = st.body
    if st.typ == "start":
        binary_id(state.oth)
        if len(set(body["ids"])) != STREAMS:
            raise broken("ids")
        state.ids = {stream: index for index, stream in enumerate(body["ids"])}
    if len(state.epochs) >= MAX_EPOCHS:
        raise broken("limits")
    if body["ep"] != state.current + 1:
        raise broken("epoch")
    publics = tuple(unb64(pk) for pk in body["pks"])
    if len(set(publics)) != STREAMS:
        raise broken("keys")
    if state.used.intersection(publics):
        raise broken("key-reuse")
    least = SUITES.index(state.epochs[-1].suite) if state.epochs else 0
    if body["suite"] not in SUITES or SUITES.index(body["suite"]) < least:
        raise broken("suite")
    if body["grace"] > (MAX_GRACE_SECONDS if state.epochs else 0):
        raise broken("grace")
    state.used.update(publics)
    state.epochs.append(Epoch(state.oth, body["ep"], publics, body["suite"], body["grace"], st))


def position(state: Chain) -> Position:
    """The head of a chain that has one."""
    head = state.head
    if head is None:
        raise broken("seq")
    return head
