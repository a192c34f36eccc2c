"""The patient's own client: her chains, her whole vault, her outbox, and what others send her."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.chain_store import ChainStore
from connectors.hub_client import HubClient
from connectors.hub_keys import HubKeys
from connectors.keyring import Keyring
from connectors.local_database import get_state, open_database, set_state
from connectors.outbox import Outbox
from connectors.patient.side import Side
from consent import declarations
from consent import vault as vaults
from consent.accounts import AccountState
from consent.messages import Message, unseal
from consent.primitives import Rejected, unb64
from consent.sealing import Destination
from consent.vault import RootCompartment, Vault
from fhir_profiles.problems import Problem

DATABASE = "client.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, sender TEXT NOT NULL, sealed BLOB NOT NULL, answered INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS declared (
    acc TEXT, rnd TEXT, frame BLOB NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL,
    verdict TEXT NOT NULL DEFAULT '', PRIMARY KEY (acc, rnd)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_heads (frame BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objections (
    entry INTEGER PRIMARY KEY, actor TEXT NOT NULL, hash TEXT NOT NULL, text TEXT NOT NULL, sealed BLOB NOT NULL,
    answer TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
"""

log = logging.getLogger("obhut.patient")


@dataclass(frozen=True)
class Received:
    """A message that somebody sent to the patient, opened and its signature checked."""

    id: str
    message: Message = field(repr=False)
    sender: AccountState = field(repr=False)


class Client(Side):
    """One device of role `client`. `Client.open(directory)`; every method that talks raises `Problem`."""

    def __init__(self, directory: Path, keyring: Keyring, clock: Callable[[], float] = time.time) -> None:
        db, hub = open_database(directory / DATABASE, SCHEMA), HubClient(keyring.hub, keyring.credentials, clock=clock)
        super().__init__(keyring.account, keyring, db, hub, ChainStore(db, hub), clock)
        self.outbox = Outbox(
            self.db, keyring.author, keyring.handle_key, self.destination, lambda _: self.sync(), clock,
            HubKeys(self.db, keyring, self.hub).key,
        )  # fmt: skip

    @classmethod
    def open(cls, directory: Path, clock: Callable[[], float] = time.time) -> "Client":
        """The account in a directory. Raises `Problem(not-found)` where there is none."""
        return cls(directory, Keyring.load(directory), clock)

    def close(self) -> None:
        """Let go of the database and of connections."""
        self.hub.close()
        self.db.close()

    # --- the vault --------------------------------------------------------------------------------------------

    @property
    def vault_key(self) -> bytes:
        """The key of the vault, as this device keeps it."""
        key = get_state(self.db, "vault_key")
        if key is None:
            raise Problem("forbidden", "this device does not hold the vault's key")
        return key

    @property
    def root(self) -> RootCompartment:
        """What of the vault is hers alone, as `vault`."""
        return self._unseal_root(self.sealed_vault())

    def _key(self, sealed: bytes) -> bytes:
        return self._unseal_root(sealed).key

    def _unseal_root(self, sealed: bytes) -> RootCompartment:
        """Where another device was removed the vault's key has changed, and is wrapped for this one (5.2)."""
        try:
            root = vaults.unseal_root(sealed, self.account, self.vault_key)
        except Rejected:
            wrap = self.hub.vault(self.account)[2].get(self.keyring.device)
            if wrap is None:
                raise
            key = vaults.unwrap_by_box(wrap, self.account, self.keyring.device, self.keyring.box)
            root = vaults.unseal_root(sealed, self.account, key)
            set_state(self.db, "vault_key", key)
        if root.root.public != self.record.account.roots[-1][1]:
            raise Problem("stale", "the hub's vault holds another root key than the account chain", reason="root")
        return root

    def lock_vault(
        self, root: RootCompartment, vault: Vault, wraps: Mapping[str, bytes] | None = None, fetch: bytes = b""
    ) -> None:
        """Write the vault's next version with another root compartment; with it, if given, all wraps of its keys."""
        sealed_root = vaults.seal_root(root, self.account, self.vault_key)
        self.post([self.vault_written(sealed_root, vault, root.key)], wraps, fetch)

    # --- reading ----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Send what was left unsent, and take in everything new: statements of all chains, and messages."""
        self.resume()
        self.chains.catch_up()
        cursor = (get_state(self.db, "cursor") or b"").decode()
        while True:
            page = self.hub.feed(cursor, only="statement,message,declare")
            for event in page["events"]:
                self._take_event(event)
            if not page["events"]:
                return
            cursor = page["next"]
            set_state(self.db, "cursor", cursor.encode())

    def _take_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "message":
            row = (event["id"], event["from"], unb64(event["frame"]))
            self.db.execute("INSERT OR IGNORE INTO messages (id, sender, sealed) VALUES (?, ?, ?)", row)
        elif event["type"] == "declare":
            self._take_declared(event)
        elif event["type"] == "statement":
            try:
                self.chains.take(event["kind"], event["acc"], event["oth"], [unb64(event["frame"])])
            except (Problem, Rejected) as failed:
                # Her own chains stop her where they do not hold; somebody else's must not.
                if event["acc"] == self.account or (isinstance(failed, Problem) and failed.code != "not-found"):
                    raise
                log.error("a chain of somebody else does not hold", extra={"kind": event["kind"]})

    def _take_declared(self, event: Mapping[str, Any]) -> None:
        raw = unb64(event["frame"])
        try:
            word = declarations.read(raw)
        except Rejected as refused:
            log.error("a declaration does not hold", extra={"reason": refused.reason, "kind": refused.kind})
            return
        if word.acc == event["acc"]:
            row = (word.acc, word.rnd, raw, int(event["at"]), int(event["until"]))
            self.db.execute("INSERT OR IGNORE INTO declared (acc, rnd, frame, at, until) VALUES (?, ?, ?, ?, ?)", row)

    def reviewed(self, number: str, verdict: str) -> None:
        """Remember what she said of an emergency."""
        self.db.execute("UPDATE declared SET verdict = ? WHERE acc = ? AND rnd = ?", (verdict, self.account, number))

    def received(self, typ: str) -> list[Received]:
        """Messages of a type that were not answered yet; what does not open or verify is passed over.

        So is what comes from somebody whose account the hub does not show her.
        """
        keys = self.vault.reading_keys
        found = []
        query = "SELECT id, sender, sealed FROM messages WHERE answered = 0"
        for id_, sender, sealed in self.db.execute(query).fetchall():
            try:
                message = unseal(bytes(sealed), keys)
                if message.typ == typ:
                    account = self.chains.account(sender)
                    message.verify(account, self.account, self.now)
                    found.append(Received(id_, message, account))
            except (Problem, Rejected) as failed:
                if isinstance(failed, Problem) and failed.code != "not-found":
                    raise
        return found

    def answered(self, id_: str) -> None:
        """Remember that a message needs nothing more."""
        self.db.execute("UPDATE messages SET answered = 1 WHERE id = ?", (id_,))

    # --- her own data -----------------------------------------------------------------------------------------

    def flush(self) -> int:
        """Seal and deposit what waits; returns the number of envelopes the hub took."""
        return self.outbox.send(self.hub)

    def destination(self, patient: str, category: int) -> Destination:
        """Where her own devices write a category now. Raises `Problem`."""
        record = self.record
        own = next((s for s in record.sets if record.author(s) == self.account and not record.sets[s].closed), None)
        if own is None:
            raise Problem("forbidden", "this account has no set of its own yet: enrol to the end first")
        set_key, state = self.vault.sets[own], record.sets[own]
        index = set_key.index(category)
        epoch = state.epoch(state.current)
        return Destination(patient, set_key.ids[index], epoch.number, epoch.publics[index])
