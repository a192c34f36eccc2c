"""The patient's own client: her chains, her whole vault, her outbox, and what others send her."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.chain_store import ChainStore
from connectors.hub_client import HubClient
from connectors.hub_keys import HubKeys
from connectors.keyring import Keyring
from connectors.local_database import get_state, open_database, set_state
from connectors.outbox import Outbox
from connectors.patient.account_writer import AccountWriter
from connectors.patient.side import Side
from consent import accounts, declarations, lockout, steps
from consent import vault as vaults
from consent.keys import BoxKey
from consent.primitives import Rejected, b64, unb64
from consent.sealing import Destination
from consent.vault import RootCompartment, Vault
from fhir_profiles.problems import Problem

DATABASE = "client.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    acc TEXT, id TEXT, sender TEXT NOT NULL, sealed BLOB NOT NULL, answered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (acc, id)
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

    def hand_key(self, delegate: str) -> None:
        """Give a delegate of scope `full` the key of the vault's key compartment."""
        root = replace(self.root, shared=(*self.root.shared, delegate))
        _, _, known = self.hub.vault(self.account)
        self.lock_vault(root, self.vault, known | self.wraps_for_delegates(root))

    def wraps_for_delegates(self, root: RootCompartment) -> dict[str, bytes]:
        """The key of the key compartment for each delegate who shall have it, by its newest reading key."""
        keys = {name: unb64(self.chains.accounts[name].reading_key(), 32) for name in root.shared}
        return {name: vaults.wrap_for_box(root.key, self.account, name, key) for name, key in keys.items()}

    def _do_next(self) -> bool:
        """First of all another key for the vault's key compartment, where somebody has it who must not any more."""
        shared, now = self.root.shared, self.now
        if not lockout.must_change(self.record, shared, now):
            return super()._do_next()
        for name, grant in lockout.left_behind(self.record, self.vault, shared, now):
            self.post([steps.end(self.record, name, grant.gid, self.keyring.signer, now)])
        self._lock_out()
        return True

    def _lock_out(self) -> None:
        """Another key, another reading key, wraps for the delegates who remain: in one request (5.12).

        And candidates for all open sets: what was made until now stood under a key that somebody else had.
        """
        for name in lockout.holders(self.record, self.root.shared, self.now):
            self.chains.refresh("acct", name)  # one that lost a device has another reading key
        _, _, known = self.hub.vault(self.account)
        shared, reading = self.root.shared, BoxKey.generate()
        root = self.root.locked(lockout.holders(self.record, shared, self.now))
        kept = {name: wrap for name, wrap in known.items() if name not in shared}
        reading_keys = {**self.vault.reading_keys, b64(reading.public): reading}
        vault = lockout.fresh(self.record, replace(self.vault, reading_keys=reading_keys), self.now)
        sealed_root = vaults.seal_root(root, self.account, self.vault_key)
        written = self.vault_written(sealed_root, vault, root.key)
        writer = AccountWriter(self.account, accounts.extend(self.record.account, written.frame), self.now, [written])
        writer.add(root.root, ("root",), "reading", {"key": b64(reading.public), "bad": 1})
        self.post(writer.written, kept | self.wraps_for_delegates(root))

    # --- reading ----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Send what was left unsent, and take in everything new: statements of all chains, and messages."""
        self.resume()
        cursor = (get_state(self.db, "cursor") or b"").decode()
        self.chains.catch_up()  # after it: what another process has taken in up to there is kept
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
            row = (event["to"], event["id"], event["from"], unb64(event["frame"]))
            self.db.execute("INSERT OR IGNORE INTO messages (acc, id, sender, sealed) VALUES (?, ?, ?, ?)", row)
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
