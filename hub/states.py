"""Replayed chains. Links were checked when they were admitted; what is replayed here is kept by the head it led to.

A state is never changed, so threads share it. A cold start replays and comes to the same.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from consent import accounts, relations, statements, streams
from consent.accounts import AccountState
from consent.chains import Chain
from consent.grants import Record
from consent.relations import RelationState
from consent.statements import Position
from consent.streams import SetState
from hub.store import chains as store

MAX_LINKS = 10_000  # about 100 MB
_NO_CITATION = b'"cite":{}'

Key = tuple[str, str, str]


class Cache:
    """States by chain, the least recently used forgotten first; bounded by the links they hold."""

    def __init__(self, limit: int = MAX_LINKS) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._held: OrderedDict[Key, Chain] = OrderedDict()
        self._links = 0

    def get(self, key: Key) -> Chain | None:
        """The newest state known of a chain."""
        with self._lock:
            state = self._held.get(key)
            if state is not None:
                self._held.move_to_end(key)
            return state

    def put(self, *states: Chain) -> None:
        """Keep states that the database has."""
        with self._lock:
            for state in states:
                old = self._held.pop((state.KIND, state.acc, state.oth), None)
                self._links += len(state.links) - (len(old.links) if old else 0)
                self._held[state.KIND, state.acc, state.oth] = state
            while self._links > self._limit and len(self._held) > 1:
                _, gone = self._held.popitem(last=False)
                self._links -= len(gone.links)


@dataclass
class Chains:
    """The chains as one transaction sees them."""

    conn: Connection
    cache: Cache
    _accounts: dict[str, AccountState] = field(default_factory=dict)
    _pending: dict[str, deque[bytes]] = field(default_factory=dict)

    def account(self, name: str) -> AccountState:
        """An account; without links where there is none."""
        self.accounts([name])
        return self._accounts[name]

    def accounts(self, names: Iterable[str]) -> dict[str, AccountState]:
        """Those of these accounts that exist."""
        wanted = list(names)
        self._enrol(wanted)
        for name in wanted:
            self._advance(name, None)
        return {name: self._accounts[name] for name in wanted if self._accounts[name].links}

    def set(self, acc: str, set_id: str) -> SetState:
        """A set; without links where there is none."""
        return self._set(acc, set_id, store.chain_head(self.conn, acc, "set", set_id), self._signers(acc))

    def relation(self, acc: str, oth: str) -> RelationState:
        """A relation; without links where there is none."""
        known = self._signers(acc) | self.accounts([oth])
        return self._relation(acc, oth, store.chain_head(self.conn, acc, "rel", oth), known)

    def record(self, acc: str, also: Iterable[str] = ()) -> Record:
        """All chains of a patient, and the accounts that occur in them or are asked for."""
        heads = store.chain_heads(self.conn, acc)
        others = {oth for kind, oth in heads if kind == "rel"} | {to.to for to in self.account(acc).delegates}
        known = self.accounts(sorted({acc, *others, *also}))
        return Record(
            self._accounts[acc],
            {oth: self._set(acc, oth, head, known) for (kind, oth), head in heads.items() if kind == "set"},
            {oth: self._relation(acc, oth, head, known) for (kind, oth), head in heads.items() if kind == "rel"},
            known,
        )

    # --- one chain --------------------------------------------------------------------------------------------

    def _signers(self, acc: str) -> dict[str, AccountState]:
        return self.accounts([acc, *(delegate.to for delegate in self.account(acc).delegates)])

    def _known(self, key: Key, head: Position | None) -> tuple[Chain | None, bool]:
        """The cached state if the database's chain continues it, and whether it is the whole."""
        held = self.cache.get(key)
        if held is None or held.head is None or head is None or held.head[0] > head[0]:
            return None, head is None
        if held.head[0] == head[0]:
            return (held, True) if held.head == head else (None, False)
        return held, False

    def _set(self, acc: str, oth: str, head: Position | None, known: dict[str, AccountState]) -> SetState:
        held, whole = self._known(("set", acc, oth), head)
        state = held if isinstance(held, SetState) else SetState(acc, oth)
        if not whole:
            for frame in store.chain_links(self.conn, acc, "set", oth, len(state.links) - 1):
                state = streams.extend(state, frame, known)
            self.cache.put(state)
        return state

    def _relation(self, acc: str, oth: str, head: Position | None, known: dict[str, AccountState]) -> RelationState:
        held, whole = self._known(("rel", acc, oth), head)
        state = held if isinstance(held, RelationState) else RelationState(acc, oth)
        if not whole:
            for frame in store.chain_links(self.conn, acc, "rel", oth, len(state.links) - 1):
                state = relations.extend(state, frame, known)
            self.cache.put(state)
        return state

    # --- account chains cite each other: replayed link by link, each cited one first ---------------------------

    def _enrol(self, names: Iterable[str]) -> None:
        new = [name for name in names if name not in self._accounts]
        heads = store.account_heads(self.conn, new) if new else {}
        for name in new:
            held, whole = self._known(("acct", name, ""), heads.get(name))
            state = held if isinstance(held, AccountState) else AccountState(name)
            self._accounts[name] = state
            frames = [] if whole else store.chain_links(self.conn, name, "acct", "", len(state.links) - 1)
            self._pending[name] = deque(frames)

    def _advance(self, name: str, to: int | None) -> None:
        """Replay an account's chain up to a position, or to its end."""
        pending = self._pending[name]
        if not pending:
            return
        while pending and (to is None or self._accounts[name].last < to):
            frame = pending.popleft()
            if _NO_CITATION not in frame:
                for other, (seq, _) in statements.parse(frame).cite.items():
                    self._enrol([other])
                    self._advance(other, seq)
            self._accounts[name] = accounts.extend(self._accounts[name], frame, self._accounts)
        self.cache.put(self._accounts[name])
