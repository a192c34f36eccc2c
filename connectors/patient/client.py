"""The patient's client: her chains, her vault, her outbox, and the one way in which anything of it is written.

What is to be sent is kept first; sending the same bytes again is harmless; what is still to be done is computed by
`owed` from the chains and the vault. So whatever a crash leaves half done, the next start finishes.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from connectors.chain_store import ChainStore
from connectors.hub_client import HubClient
from connectors.hub_keys import HubKeys
from connectors.keyring import Keyring
from connectors.local_database import get_state, open_database, set_state
from connectors.outbox import Outbox
from consent import declarations, hidden, steps
from consent import vault as vaults
from consent.accounts import AccountState
from consent.declarations import Declaration
from consent.grants import Record
from consent.messages import Message, unseal
from consent.owed import owed, owed_after
from consent.primitives import Rejected, b64, unb64
from consent.rules import blob_hash
from consent.sealing import Destination
from consent.statements import Position, Statement, parse, sign
from consent.steps import Written
from consent.vault import Vault
from fhir_profiles.problems import Problem

DATABASE = "client.db"
MAX_STEPS = 10_000
MAX_RACES = 20
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

RACES = ("head", "seq", "prev", "owed-keys", "tainted", "stale-key", "stale")
"""Reasons after which the chains are read again and the next step is computed anew."""

ROLLBACK = "rollback"
"""The hub's chain is shorter than what it acknowledged: nothing is written beside it."""

WISHES = ("grant", "end", "permit", "unpermit")

UNDECIDED = ("busy", "stale", "internal", "too-many", "unauthenticated")
"""Problems after which it is not known or not decided whether the hub takes a statement: it is sent again."""

T = TypeVar("T")
log = logging.getLogger("obhut.patient")


@dataclass(frozen=True)
class Received:
    """A message that somebody sent to the patient, opened and its signature checked."""

    id: str
    message: Message = field(repr=False)
    sender: AccountState = field(repr=False)


@dataclass(frozen=True)
class Declared:
    """An emergency of the patient `acc`, open from `at` until `until` by her hub; `verdict`: what she said of it."""

    acc: str
    declaration: Declaration = field(repr=False)
    at: int
    until: int
    verdict: str


class Client:
    """One device of role `client`. `Client.open(directory)`; every method that talks raises `Problem`."""

    def __init__(self, directory: Path, keyring: Keyring, clock: Callable[[], float] = time.time) -> None:
        self.keyring = keyring
        self.clock = clock
        self.db = open_database(directory / DATABASE, SCHEMA)
        self.hub = HubClient(keyring.hub, keyring.credentials, clock=clock)
        self.chains = ChainStore(self.db, self.hub)
        self._vault: tuple[str, Vault] | None = None
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

    @property
    def now(self) -> int:
        """Unix second, by the hub's clock once it was heard: a wrong clock here must not keep the patient out."""
        return int(self.hub.time)

    @property
    def account(self) -> str:
        """The patient's account."""
        return self.keyring.account

    @property
    def record(self) -> Record:
        """All of the patient's chains."""
        return self.chains.record(self.account)

    # --- the vault --------------------------------------------------------------------------------------------

    @property
    def vault_key(self) -> bytes:
        """The key of the vault, as this device keeps it."""
        key = get_state(self.db, "vault_key")
        if key is None:
            raise Problem("forbidden", "this device does not hold the vault's key")
        return key

    @property
    def vault(self) -> Vault:
        """The vault's content, at the version that the account chain names."""
        version, hash_ = self.record.account.vault
        if self._vault is not None and self._vault[0] == hash_:
            return self._vault[1]
        sealed = get_state(self.db, "vault")
        if sealed is None or blob_hash(sealed) != hash_:
            fetched, sealed, _ = self.hub.vault(self.account)
            if fetched != version or blob_hash(sealed) != hash_:
                detail = "the hub's vault is not the one that the account chain names"
                raise Problem("stale", detail, reason="stale")
            set_state(self.db, "vault", sealed)
        self._vault = hash_, self._unseal(sealed, version)
        return self._vault[1]

    def _unseal(self, sealed: bytes, version: int) -> Vault:
        """Open the vault; where another device was removed its key has changed, and is wrapped for this one (5.2)."""
        try:
            return vaults.unseal(sealed, self.account, version, self.vault_key)
        except Rejected:
            wrap = self.hub.vault(self.account)[2].get(self.keyring.device)
            if wrap is None:
                raise
        key = vaults.unwrap_by_device(wrap, self.account, self.keyring.device, self.keyring.box)
        vault = vaults.unseal(sealed, self.account, version, key)
        set_state(self.db, "vault_key", key)
        return vault

    def save_vault(self, vault: Vault, wraps: Mapping[str, bytes] | None = None, fetch: bytes = b"") -> None:
        """Write the vault's next version; lost races surface as `Problem(refused)`."""
        account = self.record.account
        version = account.vault[0] + 1
        sealed = vaults.seal(vault, self.account, version, self.vault_key)
        body = {"ver": version, "hash": blob_hash(sealed)}
        frame = self._sign_account("vault", body, account)
        self.post([Written(frame, sealed)], wraps, fetch)

    def _sign_account(self, typ: str, body: Mapping[str, object], account: AccountState) -> bytes:
        head: Position | None = account.head
        return sign(
            self.keyring.sign, kind="acct", acc=self.account, head=head, typ=typ, by=self.keyring.signer.by, body=body,
            iat=max(self.now, account.links[-1].iat),
        )  # fmt: skip

    # --- writing ----------------------------------------------------------------------------------------------

    def post(self, written: Sequence[Written], wraps: Mapping[str, bytes] | None = None, fetch: bytes = b"") -> None:
        """Keep what is to be sent, send it, and take it into the own chains once the hub has it."""
        pending = {
            "statements": [[b64(w.frame), "" if w.blob is None else b64(w.blob)] for w in written],
            "wraps": {name: b64(wrap) for name, wrap in (wraps or {}).items()},
            "fetch": b64(fetch),
        }
        kept = json.dumps(pending).encode()
        set_state(self.db, "pending", kept)
        self._send(kept)

    def resume(self) -> None:
        """Send what a crash, or a hub that did not answer, left unsent.

        What lost a race meanwhile is dropped: what is owed is computed anew; what the patient herself wanted (a grant,
        its end, a permit) nobody can, so she is told by `Problem(conflict)`.
        """
        kept = get_state(self.db, "pending")
        if kept is None:
            return
        try:
            self._send(kept)
        except Problem as problem:
            if problem.code in UNDECIDED or problem.extra.get("reason") == ROLLBACK:
                raise
            if any(self._is_wish(parse(unb64(frame))) for frame, _ in json.loads(kept)["statements"]):
                detail = "what was not sent before cannot be sent any more: look what is granted now, and say it again"
                raise Problem("conflict", detail) from None

    def _is_wish(self, st: Statement) -> bool:
        """Whether she herself wanted it, and it does not follow from what is there."""
        known = self.chains.relations.get((st.acc, st.oth))
        amends = st.typ == "grant" and known is not None and st.body["gid"] in known.grants
        return st.typ in WISHES and not amends

    def _send(self, kept: bytes) -> None:
        pending = json.loads(kept)
        written = [Written(unb64(frame), unb64(blob) if blob else None) for frame, blob in pending["statements"]]
        wraps = {name: unb64(wrap) for name, wrap in pending["wraps"].items()}
        try:
            self.hub.post(written, wraps, unb64(pending["fetch"]))
        except Problem as problem:
            if problem.code not in UNDECIDED:
                self._sent(kept)
            if _went_back(problem, written):
                detail = "the hub has lost statements that it acknowledged: ask its operator which backup was restored"
                raise Problem("refused", detail, reason=ROLLBACK) from None
            raise
        self._take(written)
        self._sent(kept)

    def _sent(self, kept: bytes) -> None:
        """Forget what was to be sent; another process may have put something else there."""
        self.db.execute("DELETE FROM state WHERE key = 'pending' AND value = ?", (kept,))

    def _take(self, written: Sequence[Written]) -> None:
        for w in written:
            st = parse(w.frame)
            self.chains.take(st.kind, st.acc, st.oth, [w.frame])
            if st.typ == "vault" and w.blob is not None:
                set_state(self.db, "vault", w.blob)

    def settle(self) -> int:
        """Do all that is owed; returns the number of steps. Rotations, extensions and starts of epochs happen here.

        After an emergency too; and grants are signed again so that they hide what is hidden. Nothing is owed of an
        account that is closed.
        """
        if self.record.account.closed:
            return 0
        for count in range(MAX_STEPS):
            if not self.anew(self._do_next):
                return count
        raise Problem("conflict", "other devices of this account keep changing it; try again")

    def anew(self, step: Callable[[], T]) -> T:
        """Do a step, and do it anew after each race that it lost, from what the other one wrote."""
        for _ in range(MAX_RACES):
            try:
                return step()
            except Problem as problem:
                if problem.extra.get("reason") not in RACES:
                    raise
                self.sync()
                self.refresh_accounts()
        return step()

    def _do_next(self) -> bool:
        """Do the next step that is owed, or hide from a reader what is hidden; False where nothing is left to do."""
        vault, record, signer = self.vault, self.record, self.keyring.signer
        over = [one for one in self.declared() if one.acc == self.account and one.until <= self.now]
        ended = [(one.declaration.sender, one.declaration.gid, one.until) for one in over]
        step = owed_after(record, vault, ended) or owed(record, vault, self.now)
        if step is None:
            result = hidden.amend(record, vault, signer, self.now)
        else:
            result = steps.perform(record, vault, step, signer, self.now)
        if result is None:
            return False
        if isinstance(result, Vault):
            self.save_vault(result)
        else:
            self.post([result])
        return True

    def refresh_accounts(self) -> None:
        """Fetch what is new in the account chains of all counterparts: nobody announces a new reading key to her."""
        for name in {self.account, *self.record.relations}:
            self.chains.refresh("acct", name)

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

    def declared(self) -> list[Declared]:
        """Emergencies of her own and of those for whom she acts, as far as `sync` has brought them, oldest first."""
        query = "SELECT acc, frame, at, until, verdict FROM declared ORDER BY at, rnd"
        rows = self.db.execute(query).fetchall()
        return [Declared(acc, declarations.read(bytes(raw)), *rest) for acc, raw, *rest in rows]

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


def _went_back(problem: Problem, written: Sequence[Written]) -> bool:
    """Whether the hub's chain ends before the link that the first of these statements, all of one chain, follows."""
    read = [parse(w.frame) for w in written]
    if "head" not in problem.extra or len({(st.kind, st.acc, st.oth) for st in read}) != 1:
        return False
    head = problem.extra["head"]
    return (head[0] if head else -1) < read[0].seq - 1
