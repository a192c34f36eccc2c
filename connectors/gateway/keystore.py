"""The organisation's keys at its gateway: the device, the reading keys, and the seeds that patients handed out."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from connectors.hub_client import HubClient
from connectors.keyring import Keyring, write_private
from connectors.local_database import open_database, transaction
from consent import accounts, identifiers, messages, statements
from consent.accounts import AccountState
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.opening import Seeds
from consent.primitives import b64, unb64
from fhir_profiles.problems import Problem

DATABASE = "keystore.db"
READING = "reading-keys.json"
ROOT = "root.json"

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
CREATE TABLE IF NOT EXISTS consents (patient TEXT, gid TEXT, consent BLOB NOT NULL, PRIMARY KEY (patient, gid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deferred (bid TEXT PRIMARY KEY, patient TEXT NOT NULL, event BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, sender TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
"""


class Keystore:
    """What the gateway holds for the organisation, in one directory. Made by `enrol`, opened by `open`."""

    def __init__(self, directory: Path) -> None:
        self.keyring = Keyring.load(directory)
        self.db: sqlite3.Connection = open_database(directory / DATABASE, SCHEMA)
        keys = [BoxKey(unb64(key, 32)) for key in json.loads((directory / READING).read_bytes())]
        self.reading_keys = {b64(key.public): key for key in keys}

    def keep_seeds(self, patient: str, opened: Iterable[Seeds], masks: Mapping[str, int]) -> None:
        """Keep the seeds whose bits are covered now; the order of a record tells index → category."""
        rows = [
            (patient, seeds.set, seeds.epoch, index, seeds.categories[index], seed)
            for seeds in opened
            for index, seed in seeds.by_index.items()
            if masks.get(seeds.set, 0) >> index & 1
        ]
        with transaction(self.db):
            self.db.executemany("INSERT OR REPLACE INTO seeds VALUES (?, ?, ?, ?, ?, ?)", rows)

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
        """Forget the seeds of these (set, index)."""
        with transaction(self.db):
            self.db.executemany(
                'DELETE FROM seeds WHERE patient = ? AND "set" = ? AND idx = ?', ((patient, *s) for s in streams)
            )


def enrol(
    directory: Path, root_directory: Path, hub_url: str, name: str, admission: str,
    clock: Callable[[], float] = time.time,
) -> tuple[Keystore, RecoveryCode]:  # fmt: skip
    """A new organisation at a hub: its root key into `root_directory` (to be kept offline), the gateway's keys here.

    Raises `Problem`; running it again with the same directories sends the same bytes.
    """
    if not (directory / "keys.json").exists():
        _make(directory, root_directory, hub_url, name, clock)
    kept = json.loads((root_directory / ROOT).read_bytes())
    hub = HubClient(hub_url, clock=clock)
    frames = [unb64(frame) for frame in kept["frames"]]
    hub.enrol(frames, unb64(kept["registration"]), admission)
    return Keystore(directory), RecoveryCode.parse(kept["code"])


def _make(directory: Path, root_directory: Path, hub_url: str, name: str, clock: Callable[[], float]) -> None:
    hub = HubClient(hub_url, clock=clock).hub()
    account = str(identifiers.account(f"{name}@{hub['domain']}"))
    if identifiers.account(account).is_person:
        raise Problem("value", "an organisation's name does not begin with p-")
    keys = Keyring.generate(account, hub_url, unb64(hub["key"], 32))
    root, reading, code = SigningKey.generate(), BoxKey.generate(), RecoveryCode.generate()
    now = int(clock())
    state = AccountState(account)
    frames: list[bytes] = []
    for typ, body in (
        ("create", {"root": b64(root.public), "recovery": b64(code.signing_key.public), "class": "org"}),
        ("device", {
            "dev": keys.device, "role": "gateway", "sign": b64(keys.sign.public), "box": b64(keys.box.public),
        }),
        ("reading", {"key": b64(reading.public), "bad": 0}),
    ):  # fmt: skip
        frame = statements.sign(
            root, kind="acct", acc=account, head=state.head, iat=now, typ=typ, by=("root",), body=body
        )
        state = accounts.extend(state, frame)
        frames.append(frame)
    registration = messages.register(keys.sign, acc=account, dev=keys.device, token_key=keys.token.public, at=now)
    root_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = {
        "account": account, "root": b64(bytes(root)), "code": str(code), "frames": [b64(f) for f in frames],
        "registration": b64(registration),
    }  # fmt: skip
    write_private(root_directory / ROOT, json.dumps(kept, indent=1).encode())
    write_private(directory / READING, json.dumps([b64(bytes(reading))]).encode())
    keys.save(directory)
