"""The copies of chains that a party holds: replayed when they come, never going back, fetched where one is missing."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from connectors.hub_client import HubClient
from connectors.local_database import transaction
from consent import accounts, relations, statements, streams
from consent.accounts import AccountState
from consent.chains import Chain
from consent.grants import Record
from consent.primitives import Rejected, broken, stale
from consent.relations import RelationState
from consent.streams import SetState
from fhir_profiles.problems import Problem

C = TypeVar("C", bound=Chain)

ChainName = tuple[str, str, str]
"""Kind, account, the other."""


def account_now(hub: HubClient, name: str, fingerprint: str = "", token: str = "") -> AccountState:
    """An account as its chain tells it now, kept nowhere; `token` of a sign-in or recovery.

    Together with those that it relies on, link by link: two may act for each other. Raises `Problem`, `Rejected`.
    """
    own = hub.chain("acct", name, fingerprint=fingerprint, token=token)
    others = hub.cited(name, fingerprint, token) if any(statements.parse(raw).cite for raw in own) else {}
    left = {**others, name: own}
    known: dict[str, AccountState] = {}
    while any(left.values()):
        before = sum(map(len, left.values()))
        for acc, frames in left.items():
            pin = fingerprint if acc == name else ""
            left[acc] = _without_what_holds(known, acc, frames, pin)
        if sum(map(len, left.values())) == before:
            raise stale()
    return known[name]


def _without_what_holds(
    known: dict[str, AccountState], acc: str, frames: Sequence[bytes], fingerprint: str
) -> list[bytes]:
    """Take in links up to one that relies on what is not known yet; returns the rest."""
    for number, raw in enumerate(frames):
        try:
            known[acc] = accounts.extend(known.get(acc, AccountState(acc)), raw, known, fingerprint or None)
        except Rejected as refused:
            if refused.kind != "stale":
                raise
            return list(frames[number:])
    return []


class ChainStore:
    """Chains in the local database, each verified before it is kept. `hub` fetches what citations ask for."""

    def __init__(self, db: sqlite3.Connection, hub: HubClient) -> None:
        self._db = db
        self._hub = hub
        self.accounts: dict[str, AccountState] = {}
        self.sets: dict[tuple[str, str], SetState] = {}
        self.relations: dict[tuple[str, str], RelationState] = {}
        self.catch_up()

    def catch_up(self) -> None:
        """Replay what the database holds and this process does not: all at first, later what another one kept."""
        heads = "SELECT kind, acc, oth, max(seq) FROM chains GROUP BY kind, acc, oth ORDER BY kind"
        links = (
            "SELECT kind, acc, oth, frame FROM chains WHERE kind = ? AND acc = ? AND oth = ? AND seq >= ? ORDER BY seq"
        )
        waiting: list[tuple[str, str, str, bytes]] = []
        for *chain, last in self._db.execute(heads).fetchall():
            if last >= self._length(*chain):
                waiting += self._db.execute(links, (*chain, self._length(*chain))).fetchall()
        while waiting:
            left = self._replay(waiting)
            if len(left) == len(waiting):
                raise stale()
            waiting = left

    def _replay(self, rows: Sequence[tuple[str, str, str, bytes]]) -> list[tuple[str, str, str, bytes]]:
        """Apply links; returns those of chains that cite an account which has to be replayed further first."""
        left: list[tuple[str, str, str, bytes]] = []
        waiting: set[tuple[str, str, str]] = set()
        for kind, acc, oth, frame in rows:
            try:
                if (kind, acc, oth) not in waiting:
                    self._apply(kind, acc, oth, bytes(frame))
                    continue
            except Rejected as refused:
                if refused.kind != "stale":
                    raise
            waiting.add((kind, acc, oth))
            left.append((kind, acc, oth, frame))
        return left

    # --- what is held -----------------------------------------------------------------------------------------

    def record(self, acc: str) -> Record:
        """All chains of one patient that are held here."""
        return Record(
            self.accounts[acc],
            {set_id: state for (owner, set_id), state in self.sets.items() if owner == acc},
            {oth: state for (owner, oth), state in self.relations.items() if owner == acc},
            self.accounts,
        )

    def state(self, kind: str, acc: str, oth: str) -> Chain | None:
        """One chain as far as this process has replayed it."""
        if kind == "acct":
            return self.accounts.get(acc)
        return self.sets.get((acc, oth)) if kind == "set" else self.relations.get((acc, oth))

    def account(self, name: str, fingerprint: str = "") -> AccountState:
        """An account's chain, fetched if it is not held yet. Raises `Problem`; `Rejected` for a wrong fingerprint."""
        if name not in self.accounts:
            self.refresh("acct", name, fingerprint=fingerprint)
        if fingerprint and self.accounts[name].fingerprint != fingerprint:
            raise broken("fingerprint")
        return self.accounts[name]

    def account_with(self, name: str, device: str) -> AccountState:
        """An account's chain, read on where a device of it is not known here yet: nobody announces it. Raises as
        `account`."""
        if device not in self.account(name).devices:
            self.refresh("acct", name)
        return self.accounts[name]

    # --- what comes -------------------------------------------------------------------------------------------

    def refresh(self, kind: str, acc: str, oth: str = "", fingerprint: str = "") -> None:
        """Fetch the links behind the head that is held."""
        after = self._length(kind, acc, oth) - 1
        for raw in self._hub.chain(kind, acc, oth, after=after, fingerprint=fingerprint):
            self._keep(kind, acc, oth, raw, fingerprint)

    def recheck(self, kind: str, acc: str, oth: str = "", fingerprint: str = "") -> None:
        """Ask for the whole chain: what is held must be its beginning. Raises `Rejected`, also for a shorter one."""
        last = self._last(kind, acc, oth)  # before the hub answers: what comes meanwhile is not in the answer
        frames = self._hub.chain(kind, acc, oth, fingerprint=fingerprint)
        if len(frames) <= last:
            raise broken("rollback")
        self.take(kind, acc, oth, frames)

    def take(self, kind: str, acc: str, oth: str, frames: Sequence[bytes], fingerprint: str = "") -> None:
        """Verify and keep links. Links already held must be the same bytes. Raises `Rejected`."""
        for raw in frames:
            if statements.parse(raw).seq > self._length(kind, acc, oth):
                self.refresh(kind, acc, oth, fingerprint)
            self._keep(kind, acc, oth, raw, fingerprint)

    def _keep(self, kind: str, acc: str, oth: str, raw: bytes, fingerprint: str) -> None:
        if self._last(kind, acc, oth) >= self._length(kind, acc, oth):
            self.catch_up()
        if not self._holds(kind, acc, oth, raw):
            self._append(kind, acc, oth, raw, fingerprint)

    def _holds(self, kind: str, acc: str, oth: str, raw: bytes) -> bool:
        """Whether this process has replayed a link. Raises `Rejected(broken, rollback)` for another in its place."""
        seq = statements.parse(raw).seq
        if seq >= self._length(kind, acc, oth):
            return False
        state = self.state(kind, acc, oth)
        if state is None or state.links[seq].frame.raw != raw:
            raise broken("rollback")
        return True

    def _append(self, kind: str, acc: str, oth: str, raw: bytes, fingerprint: str) -> None:
        try:
            self._apply(kind, acc, oth, raw, fingerprint)
        except Rejected as refused:
            if refused.kind != "stale":
                raise
            for name in statements.parse(raw).cite:
                self._refresh_cited(name, acc, fingerprint)
            if self._holds(kind, acc, oth, raw):  # another process was faster
                return
            self._apply(kind, acc, oth, raw, fingerprint)
        seq = statements.parse(raw).seq
        with transaction(self._db):
            held = self._frame(kind, acc, oth, seq)  # another process may have been first
            if held is None:
                self._db.execute("INSERT INTO chains VALUES (?, ?, ?, ?, ?)", (kind, acc, oth, seq, raw))
            elif held != raw:
                raise broken("rollback")

    def _refresh_cited(self, name: str, by: str, fingerprint: str) -> None:
        """Of an account that the hub shows only beside the chain that relies on it: as it stands there."""
        try:
            self.refresh("acct", name)
        except Problem as problem:
            if problem.code != "not-found":
                raise
            self.take("acct", name, "", self._hub.cited(by, fingerprint).get(name, []))

    def _apply(self, kind: str, acc: str, oth: str, raw: bytes, fingerprint: str = "") -> None:
        if kind == "acct":
            state = self.accounts.get(acc, AccountState(acc))
            self.accounts[acc] = accounts.extend(state, raw, self.accounts, fingerprint or None)
        elif kind == "set":
            self.sets[acc, oth] = self._extend(streams.extend, self.sets.get((acc, oth), SetState(acc, oth)), raw)
        else:
            known = self.relations.get((acc, oth), RelationState(acc, oth))
            self.relations[acc, oth] = self._extend(relations.extend, known, raw)

    def _extend(self, extend: Callable[[C, bytes, dict[str, AccountState]], C], state: C, raw: bytes) -> C:
        return extend(state, raw, self.accounts)

    def _length(self, kind: str, acc: str, oth: str) -> int:
        """How many links of a chain this process has replayed."""
        state = self.state(kind, acc, oth)
        return 0 if state is None else len(state.links)

    def _last(self, kind: str, acc: str, oth: str) -> int:
        query = "SELECT max(seq) FROM chains WHERE kind = ? AND acc = ? AND oth = ?"
        (last,) = self._db.execute(query, (kind, acc, oth)).fetchone()
        return -1 if last is None else int(last)

    def _frame(self, kind: str, acc: str, oth: str, seq: int) -> bytes | None:
        query = "SELECT frame FROM chains WHERE kind = ? AND acc = ? AND oth = ? AND seq = ?"
        row = self._db.execute(query, (kind, acc, oth, seq)).fetchone()
        return None if row is None else bytes(row[0])
