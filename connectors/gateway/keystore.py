"""What a reader holds: device, reading keys, and the seeds that patients handed out. An organisation's is made here."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from connectors.hub_client import HubClient
from connectors.keyring import Keyring, write_private
from connectors.local_database import get_state, open_database, set_state, transaction
from consent import accounts, identifiers, messages, statements
from consent.accounts import AccountState
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.opening import Seeds
from consent.primitives import b64, unb64
from fhir_profiles.problems import Problem

DATABASE = "keystore.db"
READING = "reading-keys.json"
ROOT = "root.json"
DEVICE = "device"

SCHEMA = """
CREATE TABLE IF NOT EXISTS seeds (
    patient TEXT, "set" TEXT, epoch INTEGER, idx INTEGER, category INTEGER NOT NULL, seed BLOB NOT NULL,
    PRIMARY KEY (patient, "set", epoch, idx)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sequences (
    author TEXT, device TEXT, stream TEXT, seq INTEGER, hash TEXT NOT NULL, PRIMARY KEY (author, device, stream, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS permits (patient TEXT, "set" TEXT, author TEXT NOT NULL, frame BLOB NOT NULL,
    PRIMARY KEY (patient, "set")
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opened (patient TEXT, bundle TEXT, PRIMARY KEY (patient, bundle)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agreements (patient TEXT, hash TEXT, consent BLOB NOT NULL, PRIMARY KEY (patient, hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finer_rules (patient TEXT, hash TEXT, rules BLOB NOT NULL, PRIMARY KEY (patient, hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doubts (kind TEXT, acc TEXT, oth TEXT, since INTEGER NOT NULL, PRIMARY KEY (kind, acc, oth)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reports (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deferred (bid TEXT PRIMARY KEY, patient TEXT NOT NULL, event BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
    hash TEXT PRIMARY KEY, patient TEXT NOT NULL, fingerprint TEXT NOT NULL, at INTEGER NOT NULL, consent BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proposals (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, sender TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (objection TEXT PRIMARY KEY, text TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
"""


class Keystore:
    """What one reader holds, in one database: `open` gives the organisation's, `connectors.patient.reading` a person's.

    `reading_keys`: by their public keys, what others have sealed to.
    """

    def __init__(
        self,
        keyring: Keyring,
        db: sqlite3.Connection,
        reading_keys: Mapping[str, BoxKey],
        directory: Path | None = None,
    ) -> None:
        self.keyring = keyring
        self.db = db
        self.reading_keys = reading_keys
        self._directory = directory

    @classmethod
    def open(cls, directory: Path) -> Self:
        """What the gateway holds for the organisation in a directory; `enrol` made it. Raises `Problem`."""
        made = cls(Keyring.load(directory), open_database(directory / DATABASE, SCHEMA), {}, directory)
        made.learn_reading_keys()
        device = made.keyring.device.encode()
        with transaction(made.db):
            if get_state(made.db, DEVICE) not in (None, device):
                made.db.execute("DELETE FROM reports")  # what a replaced device sealed is sealed anew by this one
            set_state(made.db, DEVICE, device)
        return made

    def learn_reading_keys(self) -> None:
        """Take in reading keys that were made since. They are kept here before anybody hears of them."""
        if self._directory is not None:
            keys = [BoxKey(unb64(key, 32)) for key in json.loads((self._directory / READING).read_bytes())]
            self.reading_keys = {b64(key.public): key for key in keys}

    def opened(self, patient: str) -> set[str]:
        """The hashes of the bundles whose seeds have been kept."""
        return {row[0] for row in self.db.execute("SELECT bundle FROM opened WHERE patient = ?", (patient,))}

    def keep_seeds(self, patient: str, bundle: str, opened: Iterable[Seeds], masks: Mapping[str, int]) -> None:
        """Keep the seeds of a bundle whose bits are covered now; the order of a record tells index → category.

        A newer bundle's seeds take the place of an older one's: an epoch that has not begun may be handed out anew.
        """
        rows = [
            (patient, seeds.set, seeds.epoch, index, seeds.categories[index], seed)
            for seeds in opened
            for index, seed in seeds.by_index.items()
            if masks.get(seeds.set, 0) >> index & 1
        ]
        with transaction(self.db):
            self.db.executemany("INSERT OR REPLACE INTO seeds VALUES (?, ?, ?, ?, ?, ?)", rows)
            self.db.execute("INSERT OR IGNORE INTO opened VALUES (?, ?)", (patient, bundle))

    def seed(self, patient: str, set_id: str, epoch: int, index: int) -> bytes | None:
        """A seed, if it was handed out and not purged."""
        query = 'SELECT seed FROM seeds WHERE patient = ? AND "set" = ? AND epoch = ? AND idx = ?'
        row = self.db.execute(query, (patient, set_id, epoch, index)).fetchone()
        return None if row is None else bytes(row[0])

    def category(self, patient: str, set_id: str, index: int) -> int | None:
        """Which category a stream carries, as the bundle told."""
        query = 'SELECT category FROM seeds WHERE patient = ? AND "set" = ? AND idx = ? LIMIT 1'
        row = self.db.execute(query, (patient, set_id, index)).fetchone()
        return None if row is None else int(row[0])

    def held(self, patient: str) -> set[tuple[str, int, int]]:
        """All (set, epoch, index) whose seeds are held."""
        query = 'SELECT "set", epoch, idx FROM seeds WHERE patient = ?'
        return {(row[0], row[1], row[2]) for row in self.db.execute(query, (patient,))}

    def purge(self, patient: str, streams: Iterable[tuple[str, int]]) -> None:
        """Forget the seeds of these (set, index). Bundles are opened again if they ever are covered again."""
        with transaction(self.db):
            self.db.executemany(
                'DELETE FROM seeds WHERE patient = ? AND "set" = ? AND idx = ?', ((patient, *s) for s in streams)
            )
            self.db.execute("DELETE FROM opened WHERE patient = ?", (patient,))

    def forget(self, patient: str) -> None:
        """Forget what is left of a patient who grants nothing any more: Consents, and envelopes that waited."""
        with transaction(self.db):
            self.db.execute("DELETE FROM opened WHERE patient = ?", (patient,))
            self.db.execute("DELETE FROM agreements WHERE patient = ?", (patient,))
            self.db.execute("DELETE FROM finer_rules WHERE patient = ?", (patient,))
            self.db.execute("DELETE FROM deferred WHERE patient = ?", (patient,))

    # --- how far authors' devices have been read

    def known(self, author: str, device: str, stream: str, seq: int) -> str | None:
        """The hash of an envelope that was opened."""
        query = "SELECT hash FROM sequences WHERE author = ? AND device = ? AND stream = ? AND seq = ?"
        row = self.db.execute(query, (author, device, stream, seq)).fetchone()
        return None if row is None else str(row[0])

    def newer(self, author: str, device: str, stream: str, seq: int) -> Callable[[str], bool] | None:
        """Whether a hash is of an envelope that the device wrote later; `None` where no such has been opened.

        It asks when it is called: of what a new grant brings again, nearly all has newer ones.
        """
        later = "FROM sequences WHERE author = ? AND device = ? AND stream = ? AND seq > ?"
        here = author, device, stream, seq

        def is_newer(hash_: str) -> bool:
            return self.db.execute(f"SELECT 1 {later} AND hash = ?", (*here, hash_)).fetchone() is not None

        return is_newer if self.db.execute(f"SELECT 1 {later} LIMIT 1", here).fetchone() else None

    # --- envelopes that wait for chains, seeds or their object

    def waiting(self) -> list[str]:
        """The ids of all envelopes that wait."""
        return [bid for (bid,) in self.db.execute("SELECT bid FROM deferred")]

    def deferred(self, patients: Iterable[str], bids: Iterable[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and event of each envelope that waits and is of these patients or has one of these ids."""
        query = (
            "SELECT bid FROM deferred WHERE patient IN (SELECT value FROM json_each(?))"
            " OR bid IN (SELECT value FROM json_each(?))"
        )
        found = self.db.execute(query, (json.dumps([*patients]), json.dumps([*bids]))).fetchall()
        for (bid,) in found:
            row = self.db.execute("SELECT event FROM deferred WHERE bid = ?", (bid,)).fetchone()
            if row is not None:
                yield bid, json.loads(row[0])

    def defer(self, bid: str, event: Mapping[str, Any]) -> None:
        """Keep an envelope aside."""
        row = (bid, event["acc"], json.dumps(event).encode())
        self.db.execute("INSERT OR REPLACE INTO deferred VALUES (?, ?, ?)", row)

    def arrived(self, bids: Iterable[str]) -> None:
        """Forget envelopes that waited and are in the store now."""
        with transaction(self.db):
            self.db.executemany("DELETE FROM deferred WHERE bid = ?", ((bid,) for bid in bids))

    # --- chains of which a link did not hold

    def doubt(self, kind: str, acc: str, oth: str, since: int) -> None:
        """Note that a chain does not hold, since a Unix second: its patient is not confirmed until it does."""
        self.db.execute("INSERT OR IGNORE INTO doubts VALUES (?, ?, ?, ?)", (kind, acc, oth, since))

    def trust(self, kind: str, acc: str, oth: str) -> None:
        """The chain holds again, as the hub has it now."""
        self.db.execute("DELETE FROM doubts WHERE kind = ? AND acc = ? AND oth = ?", (kind, acc, oth))

    def doubted(self) -> list[tuple[str, str, str, int]]:
        """Chains in doubt, and since when."""
        return self.db.execute("SELECT kind, acc, oth, since FROM doubts").fetchall()


def enrol(
    directory: Path, root_directory: Path, hub_url: str, name: str, admission: str,
    clock: Callable[[], float] = time.time,
) -> tuple[Keystore, RecoveryCode]:  # fmt: skip
    """A new organisation at a hub: its root key into `root_directory` (to be kept offline), the gateway's keys here.

    Raises `Problem`; running it again with the same directories sends the same bytes.
    """
    if not (directory / "keys.json").exists():
        _make(directory, root_directory, hub_url, name, clock)
    try:
        kept = json.loads((root_directory / ROOT).read_bytes())
    except FileNotFoundError:
        raise Problem("conflict", f"there is an account in {directory}, and its root key is not here") from None
    store, code, hub = Keystore.open(directory), RecoveryCode.parse(kept["code"]), HubClient(hub_url, clock=clock)
    try:
        hub.enrol(*_first_links(store, kept, code), admission)
    except Problem as problem:
        if problem.extra.get("reason") != "clock":
            raise
        kept["now"] = hub.hub()["now"]  # it never came to the hub, and what is signed too long ago is not taken
        write_private(root_directory / ROOT, json.dumps(kept, indent=1).encode())
        hub.enrol(*_first_links(store, kept, code), admission)
    return store, code


def _first_links(store: Keystore, kept: Mapping[str, Any], code: RecoveryCode) -> tuple[list[bytes], bytes]:
    """`create`, `device`, `reading`, and the registration; the same bytes whenever it is repeated."""
    keys, root, now = store.keyring, SigningKey(unb64(kept["root"], 32)), kept["now"]
    reading = next(iter(store.reading_keys))
    device = {"dev": keys.device, "role": "gateway", "sign": b64(keys.sign.public), "box": b64(keys.box.public)}
    state, frames = AccountState(keys.account), []
    for typ, body in (
        ("create", {"root": b64(root.public), "recovery": b64(code.signing_key.public), "class": "org"}),
        ("device", device),
        ("reading", {"key": reading, "bad": 0}),
    ):
        frame = statements.sign(
            root, kind="acct", acc=keys.account, head=state.head, iat=now, typ=typ, by=("root",), body=body
        )
        state = accounts.extend(state, frame)
        frames.append(frame)
    return frames, messages.register(keys.sign, acc=keys.account, dev=keys.device, token_key=keys.token.public, at=now)


def _make(directory: Path, root_directory: Path, hub_url: str, name: str, clock: Callable[[], float]) -> None:
    hub = HubClient(hub_url, clock=clock).hub()
    account = str(identifiers.account(f"{name}@{hub['domain']}"))
    if identifiers.account(account).is_person:
        raise Problem("value", "an organisation's name does not begin with p-")
    keys = Keyring.generate(account, hub_url, unb64(hub["key"], 32))
    root_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = {
        "account": account, "root": b64(bytes(SigningKey.generate())), "code": str(RecoveryCode.generate()),
        "now": hub["now"],
    }  # fmt: skip
    write_private(root_directory / ROOT, json.dumps(kept, indent=1).encode())
    write_private(directory / READING, json.dumps([b64(bytes(BoxKey.generate()))]).encode())
    keys.save(directory)
