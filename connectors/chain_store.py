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
from consent.primitives import Rejected, broken
from consent.relations import RelationState
from consent.streams import SetState

C = TypeVar("C", bound=Chain)


class ChainStore:
    """Chains in the local database, each verified before it is kept. `hub` fetches what citations ask for."""

    def __init__(self, db: sqlite3.Connection, hub: HubClient) -> None:
        self._db = db
        self._hub = hub
        self.accounts: dict[str, AccountState] = {}
        self.sets: dict[tuple[str, str], SetState] = {}
        self.relations: dict[tuple[str, str], RelationState] = {}
        self._load()

    def _load(self) -> None:
        query = "SELECT kind, acc, oth, frame FROM chains ORDER BY kind, acc, oth, seq"
        for kind, acc, oth, frame in self._db.execute(query):
            self._apply(kind, acc, oth, bytes(frame))

    # --- what is held -----------------------------------------------------------------------------------------

    def record(self, acc: str) -> Record:
        """All chains of one patient that are held here."""
        return Record(
            self.accounts[acc],
            {set_id: state for (owner, set_id), state in self.sets.items() if owner == acc},
            {oth: state for (owner, oth), state in self.relations.items() if owner == acc},
            self.accounts,
        )

    def account(self, name: str, fingerprint: str = "") -> AccountState:
        """An account's chain, fetched if it is not held yet. Raises `Problem`; `Rejected` for a wrong fingerprint."""
        if name not in self.accounts:
            self.refresh("acct", name, fingerprint=fingerprint)
        if fingerprint and self.accounts[name].fingerprint != fingerprint:
            raise broken("fingerprint")
        return self.accounts[name]

    # --- what comes -------------------------------------------------------------------------------------------

    def refresh(self, kind: str, acc: str, oth: str = "", fingerprint: str = "") -> None:
        """Fetch the links behind the head that is held."""
        frames = self._hub.chain(kind, acc, oth, after=self._last(kind, acc, oth), fingerprint=fingerprint)
        self.take(kind, acc, oth, frames, fingerprint)

    def take(self, kind: str, acc: str, oth: str, frames: Sequence[bytes], fingerprint: str = "") -> None:
        """Verify and keep links. Links already held must be the same bytes. Raises `Rejected`."""
        for raw in frames:
            seq = statements.parse(raw).seq
            held = self._frame(kind, acc, oth, seq)
            if held is not None:
                if held != raw:
                    raise broken("rollback")
            elif seq > self._last(kind, acc, oth) + 1:
                self.refresh(kind, acc, oth, fingerprint)
            else:
                self._append(kind, acc, oth, raw, fingerprint)

    def _append(self, kind: str, acc: str, oth: str, raw: bytes, fingerprint: str) -> None:
        try:
            self._apply(kind, acc, oth, raw, fingerprint)
        except Rejected as refused:
            if refused.kind != "stale":
                raise
            for name in statements.parse(raw).cite:
                self.refresh("acct", name)
            self._apply(kind, acc, oth, raw, fingerprint)
        st = statements.parse(raw)
        with transaction(self._db):
            self._db.execute("INSERT INTO chains VALUES (?, ?, ?, ?, ?)", (kind, acc, oth, st.seq, raw))

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

    def _last(self, kind: str, acc: str, oth: str) -> int:
        query = "SELECT max(seq) FROM chains WHERE kind = ? AND acc = ? AND oth = ?"
        (last,) = self._db.execute(query, (kind, acc, oth)).fetchone()
        return -1 if last is None else int(last)

    def _frame(self, kind: str, acc: str, oth: str, seq: int) -> bytes | None:
        query = "SELECT frame FROM chains WHERE kind = ? AND acc = ? AND oth = ? AND seq = ?"
        row = self._db.execute(query, (kind, acc, oth, seq)).fetchone()
        return None if row is None else bytes(row[0])
