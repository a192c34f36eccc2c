"""Replay: from the links of a chain to what holds, one pure function for hub, gateway and client (PROTOCOL.md 2).

A state is never changed; `extend` gives the next one. What an account chain said at an earlier position can still be
asked, because statements elsewhere cite positions.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeVar

from consent import statements
from consent.primitives import Kind, Rejected, broken, stale
from consent.statements import FIRST, Position, Statement, chain_id


class BadLink(Rejected):
    """A link that does not hold. `state` is the state before it: usable for what was already held, nothing newer."""

    def __init__(self, kind: Kind, reason: str, state: "Chain") -> None:
        super().__init__(kind, reason)
        self.state = state


@dataclass
class Chain:
    """What all chains have: whose they are, their links, and the positions they cited last."""

    KIND: ClassVar[str] = ""

    acc: str
    oth: str = ""
    links: list[Statement] = field(default_factory=list, repr=False)
    cited: dict[str, int] = field(default_factory=dict, repr=False)
    closed: bool = False

    @property
    def head(self) -> Position | None:
        """The last position, or None for an empty chain."""
        return self.links[-1].position if self.links else None

    @property
    def id(self) -> str:
        """The chain's name."""
        return chain_id(self.KIND, self.acc, self.oth)

    @property
    def frames(self) -> list[bytes]:
        """All frames, as signed."""
        return [link.raw for link in self.links]

    def place(self, raw: bytes) -> Statement:
        """Read a frame and check that it is the next link here, before anybody's rights are asked."""
        st = statements.parse(raw)
        head = self.head
        if (st.kind, st.acc, st.oth) != (self.KIND, self.acc, self.oth):
            raise broken("chain")
        if st.seq != len(self.links):
            raise broken("seq")
        if st.prev != (head[1] if head else self.id):
            raise broken("prev")
        if self.links and st.iat < self.links[-1].iat:
            raise broken("time")
        if (st.typ == FIRST[self.KIND]) != (st.seq == 0):
            raise broken("order")
        if self.closed:
            raise broken("closed")
        return st

    def follow(self, st: Statement, required: set[str], accounts: Mapping[str, "Chain"]) -> None:
        """Check the citations: known here, exactly the required ones, never backwards."""
        check_citations(st.cite, accounts)
        if st.cite.keys() != required:
            raise broken("cite")
        for name, (seq, _) in st.cite.items():
            if seq < self.cited.get(name, 0):
                raise broken("cite-back")

    def append(self, st: Statement) -> None:
        """Take a checked link in."""
        self.links.append(st)
        for name, (seq, _) in st.cite.items():
            self.cited[name] = seq

    def fork(self) -> Self:
        """A copy that can be extended without changing this one."""
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (list, dict, set)):
                setattr(twin, name, copy(value))
        return twin


def check_citations(cite: Mapping[str, Position], accounts: Mapping[str, Chain]) -> None:
    """Every cited position is in the verifier's copy (else `stale`), with that hash (else `fork`)."""
    for name, (seq, _) in cite.items():
        if name not in accounts or seq >= len(accounts[name].links):
            raise stale()
    for name, (seq, hash_) in cite.items():
        if accounts[name].links[seq].hash != hash_:
            raise broken("fork")


C = TypeVar("C", bound=Chain)


def advance(known: C | None, seen: C) -> C:
    """The newer of two copies of a chain. Raises `rollback` where they differ or `seen` is shorter."""
    if known is not None and known.links:
        last = len(known.links) - 1
        if last >= len(seen.links) or seen.links[last].hash != known.links[last].hash:
            raise broken("rollback")
    return seen


def replay_into(make: Callable[[], C], frames: Iterable[bytes], step: Callable[[C, bytes], None]) -> C:
    """Apply frame after frame to a fresh state. Raises `BadLink` with the state before the first that does not hold."""
    state, held = make(), list[bytes]()
    for raw in frames:
        try:
            step(state, raw)
        except Rejected as refused:
            before = make()
            for good in held:
                step(before, good)
            raise BadLink(refused.kind, refused.reason, before) from None
        held.append(raw)
    return state
