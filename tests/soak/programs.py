"""The programs that are killed: each knows how it starts, what it does under load, and what must hold at the end."""

import json
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import requests

from connectors.gateway import access, destinations
from connectors.gateway.access import Reader
from connectors.gateway.visibility import Scope
from connectors.patient import enrolment, permits, sharing
from connectors.patient.client import Client
from consent import envelope
from consent.categories import NAMES
from consent.identifiers import account
from consent.primitives import unb64
from fhir_profiles.problems import Problem
from fhir_profiles.search import parse
from tests.journeys.conftest import Practice, RunningHub, obhut
from tests.soak.writer import line
from tests.zygote import Started, zygote

PATIENCE_SECONDS = 90
MANY = "1000000"
PAUSE_SECONDS = 0.05
"""Between two resources of one client of a gateway: what is written must be read at the end."""


def until(condition, failure=lambda: "", pause: float = 0.005) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, failure()
        time.sleep(pause)


class Program:
    """A program that can be killed and started again at any moment."""

    name = ""
    words: Sequence[str] = ()

    def __init__(self, directory: Path) -> None:
        self.log = directory / f"{self.name}.log"
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start it; it need not be ready yet."""
        self.log.touch()
        self._heard = self.log.stat().st_size
        self._process: Started = zygote().start(self.words, self.environment, self.log)

    def kill(self) -> None:
        """kill -9 of it and its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._until(lambda: not self._group())

    def ready(self) -> None:
        """Wait until it does its work."""

    def load(self, stop: threading.Event) -> None:
        """What others ask of it meanwhile."""

    def finish(self) -> None:
        """Let it end its work in peace."""

    def check(self) -> int:
        """Everything that was acknowledged is there, once. Returns how many."""
        return 0

    def _group(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _until(self, condition) -> None:
        until(condition, lambda: f"{self.name}: {self.log.read_text()[-4000:]}")

    def _said(self) -> str:
        with self.log.open() as log:
            log.seek(self._heard)
            return log.read()


class Server(Program):
    """A program that says `listening`."""

    def ready(self) -> None:
        self._until(lambda: "listening" in self._said())


class Hub(Server):
    """`obhut hub serve` with two workers, and the relay that keeps up with its peer."""

    words = ("hub", "serve")

    def __init__(self, name: str, directory: Path, hub: RunningHub) -> None:
        self.name = name
        super().__init__(directory)
        self.environment = hub.environment | {"OBHUT_HUB_WORKERS": "2", "OBHUT_HUB_RATE": "0"}
        self._database = hub.environment["OBHUT_HUB_DATABASE"]

    def check(self) -> int:
        """SQLite's file is whole."""
        if self._database.startswith("sqlite"):
            with closing(sqlite3.connect(self._database.removeprefix("sqlite:///"))) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return 0


class Gateway(Server):
    """`obhut gateway serve` of a house whose hub is not the patient's; four clients write into her record by FHIR."""

    name = "gateway"

    def __init__(self, directory: Path, house: Practice, patient: "Patient", port: int) -> None:
        super().__init__(directory)
        self.words = ["gateway", "serve", "--workers", "2", "--port", str(port)]
        self.environment = {
            "OBHUT_GATEWAY_HUB_URL": house.keys.keyring.hub, "OBHUT_GATEWAY_KEYSTORE": str(house.directory / "keys"),
            "OBHUT_GATEWAY_DATABASE": house.database,
        }  # fmt: skip
        with closing(Client.open(patient.directory)) as client:
            permits.permit(client, house.account)
            self._line = line(client, "", "vitals")
        until(lambda: _may_write(house, patient.account), pause=0.2)
        token = access.issue_token(house.store.database, Reader("Dr. Berg", "physician", "TREAT", writes=True), 3600)
        house.close()
        self._patient = patient
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        self._url = f"http://127.0.0.1:{port}/fhir/Observation"
        self._meant: set[str] = set()
        self._acknowledged: dict[str, int] = {}

    def load(self, stop: threading.Event) -> None:
        threads = [threading.Thread(target=self._write, args=[stop]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write(self, stop: threading.Event) -> None:
        """Each resource is written twice: as it begins, and once more."""
        session = requests.Session()
        while not stop.is_set():
            name = os.urandom(8).hex()
            resource = json.loads(self._line) | {"id": name}
            self._meant.add(name)
            for version in (1, 2):
                if self._put(session, resource | {"code": {"text": f"version {version}"}}):
                    self._acknowledged[name] = version
            time.sleep(PAUSE_SECONDS)

    def _put(self, session: requests.Session, resource: dict) -> bool:
        try:
            answer = session.put(f"{self._url}/{resource['id']}", json=resource, headers=self._headers, timeout=30)
        except requests.RequestException:
            time.sleep(0.05)  # it is dead now
            return False
        assert answer.status_code in (200, 201), answer.text
        return True

    def check(self) -> int:
        """Each acknowledged resource is with the patient's other reader, once, as it was left or as it was meant."""
        until(self._all_arrived, lambda: f"{self.name}: {self.log.read_text()[-4000:]}", 0.5)
        there = [json.loads(body) for body in self._patient.held()]
        assert len(there) == len({resource["id"] for resource in there})
        assert {resource["id"] for resource in there} <= self._meant
        return len(self._acknowledged)

    def _all_arrived(self) -> bool:
        there = {r["id"]: int(r["code"]["text"][-1]) for r in map(json.loads, self._patient.held())}
        return all(there.get(name, 0) >= version for name, version in self._acknowledged.items())


def _may_write(house: Practice, patient: str) -> bool:
    house.inbox.catch_up()
    return bool(destinations.places(house.inbox.chains, house.keys, patient, int(time.time())))


class Patient(Program):
    """An account with a house that may see all of it; its device is what is killed."""

    def __init__(self, name: str, directory: Path, hub: RunningHub, reader: Practice) -> None:
        self.name = name
        super().__init__(directory)
        self.directory = directory / self.name
        with closing(enrolment.enrol(self.directory, hub.url)[0]) as client:
            self.account = client.account
            until(lambda: _granted(client, reader.account), pause=0.2)
        self._reader = reader

    def finish(self) -> None:
        if self.words:
            self.kill()
            self.start()
            self._until(lambda: not self._group())

    def check(self) -> int:
        """The hub's chains are those of the device; each device's envelopes are dense and linked; nothing waits."""
        client = Client.open(self.directory)
        client.sync()
        assert client.outbox.waiting == 0, self.log.read_text()[-4000:]
        for kind, acc, oth in client.db.execute("SELECT DISTINCT kind, acc, oth FROM chains").fetchall():
            if acc == client.account:
                client.chains.recheck(kind, acc, oth)
        places = _places(client)
        client.close()
        assert len({bid for _, bid in places}) == len(places) > 0
        return len(places)

    def held(self) -> list[bytes]:
        """The bodies of what the house was given of her."""
        self._reader.inbox.catch_up()
        found = []
        for type_ in ("Observation", "Device"):
            after = None
            while True:
                query = parse(type_, [("_count", "1000"), ("patient", account(self.account).local)])
                page = self._reader.store.search(query, Scope(("TREAT",), int(time.time())), after)
                found += [match.body for match in page.matches]
                after = page.after
                if after is None:
                    break
        return found


def _granted(client: Client, to: str) -> bool:
    """Whether it is granted: a house at another hub has to be known at the patient's hub first."""
    try:
        sharing.grant(client, to, range(len(NAMES)))
    except Problem as problem:
        if problem.code != "not-found":
            raise
        return False
    return True


def _places(client: Client) -> list[tuple[str, str]]:
    """(stream, bid) of every envelope in the feed; asserts that each device's sequence is dense and linked."""
    last: dict[tuple[str, str], tuple[int, str]] = {}
    places, cursor = [], ""
    while True:
        page = client.hub.feed(cursor, only="envelope")
        for event in page["events"]:
            e = envelope.parse(unb64(event["frame"]))
            before = last.get((e.str, e.dev), (0, ""))
            assert (e.seq, e.prev) == (before[0] + 1, before[1])
            last[e.str, e.dev] = (e.seq, e.hash)
            places.append((e.str, e.bid))
        if not page["events"]:
            return places
        cursor = page["next"]


class Writer(Patient):
    """`tests.soak.writer`: a patient's outbox."""

    def __init__(self, *words) -> None:
        super().__init__(*words)
        self.notes = self.directory.with_suffix(".notes")
        self.words = ["tests.soak.writer", str(self.directory), str(self.notes), MANY]

    def finish(self) -> None:
        self.kill()
        self.words[-1] = "1"
        self.start()
        self._until(lambda: not self._group())

    def check(self) -> int:
        """What was put, and held, is at the practice once; nothing else is."""
        super().check()
        notes = [line.split() for line in self.notes.read_text().splitlines()]
        meant = {name for word, name in notes if word == "meant"}
        kept = {name for word, name in notes if word == "kept"}
        until(lambda: kept <= {json.loads(body)["id"] for body in self.held()}, lambda: f"{self.name}: lost", 0.5)
        there = Counter(json.loads(body)["id"] for body in self.held())
        assert set(there) <= meant
        assert set(there.values()) == {1}
        return len(kept)


class Importer(Patient):
    """`obhut wearable import`, again and again."""

    def __init__(self, *words) -> None:
        super().__init__(*words)
        self.export = self.directory.with_suffix(".zip")
        made = obhut("wearable", "generate", str(self.export), "--days", "9", "--records", "12000")
        assert made.returncode == 0, made.stderr
        self.words = ["wearable", "import", str(self.export), "--account", str(self.directory), "--json"]

    def check(self) -> int:
        """The practice holds each resource of the export once."""
        super().check()
        plain = self.directory.with_suffix(".ndjson")
        local = account(self.account).local
        made = obhut("wearable", "import", str(self.export), "--dry-run", "--out", str(plain), "--patient", local)
        assert made.returncode == 0, made.stderr
        wanted = sorted(plain.read_bytes().splitlines())
        until(lambda: len(self.held()) >= len(wanted), lambda: f"{self.name}: lost", 0.5)
        assert sorted(self.held()) == wanted
        return len(wanted)
