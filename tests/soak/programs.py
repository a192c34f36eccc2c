"""The programs that are killed: each knows how it starts, what it does under load, and what must hold at the end.

One more program (another hub, a gateway that writes) is one more class here, in the list of `test_kills.py`.
"""

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

from connectors.gateway.visibility import Scope
from connectors.patient import enrolment, sharing
from connectors.patient.client import Client
from consent import envelope
from consent.categories import NAMES
from consent.primitives import unb64
from fhir_profiles.search import parse
from tests.journeys.conftest import Practice, RunningHub, obhut
from tests.soak.zygote import Zygote

PATIENCE_SECONDS = 90
MANY = "1000000"


class Program:
    """A program that can be killed and started again at any moment."""

    name = ""
    words: Sequence[str] = ()

    def __init__(self, zygote: Zygote, directory: Path) -> None:
        self._zygote = zygote
        self.log = directory / f"{self.name}.log"
        self.environment: dict[str, str] = {}
        self.pid = 0

    def start(self) -> None:
        """Start it; it need not be ready yet."""
        self.log.touch()
        self._heard = self.log.stat().st_size
        self.pid = self._zygote.start(list(self.words), self.environment, self.log)

    def kill(self) -> None:
        """kill -9 of it and its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
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
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _until(self, condition) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < end, f"{self.name}: {self.log.read_text()[-4000:]}"
            time.sleep(0.005)

    def _said(self) -> str:
        with self.log.open() as log:
            log.seek(self._heard)
            return log.read()


class Server(Program):
    """A program that says `listening`."""

    def ready(self) -> None:
        self._until(lambda: "listening" in self._said())


class Hub(Server):
    """`obhut hub serve` with two workers."""

    name = "hub"
    words = ("hub", "serve")

    def __init__(self, zygote: Zygote, directory: Path, hub: RunningHub) -> None:
        super().__init__(zygote, directory)
        self.environment = hub.environment | {"OBHUT_HUB_WORKERS": "2", "OBHUT_HUB_RATE": "0"}
        self._database = hub.environment["OBHUT_HUB_DATABASE"]

    def check(self) -> int:
        """SQLite's file is whole."""
        if self._database.startswith("sqlite"):
            with closing(sqlite3.connect(self._database.removeprefix("sqlite:///"))) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return 0


class Gateway(Server):
    """`obhut gateway serve --standalone`; four clients create resources, each with an identifier of its own."""

    name = "gateway"

    def __init__(self, zygote: Zygote, directory: Path, database: str, port: int) -> None:
        super().__init__(zygote, directory)
        self.words = ["gateway", "serve", "--standalone", "--port", str(port), "--database", database]
        self._url = f"http://127.0.0.1:{port}/fhir"
        self._acknowledged: list[str] = []

    def load(self, stop: threading.Event) -> None:
        threads = [threading.Thread(target=self._write, args=[stop]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write(self, stop: threading.Event) -> None:
        session = requests.Session()
        while not stop.is_set():
            name = os.urandom(8).hex()
            patient = {"resourceType": "Patient", "identifier": [{"system": "urn:soak", "value": name}]}
            try:
                answer = session.post(
                    f"{self._url}/Patient", json=patient, headers={"Content-Type": "application/fhir+json"}, timeout=30
                )
            except requests.RequestException:
                time.sleep(0.05)  # it is dead now
                continue
            assert answer.status_code == 201, answer.text
            self._acknowledged.append(name)

    def check(self) -> int:
        """Each acknowledged resource is found, once, and what is found can be read."""
        there: Counter[str] = Counter()
        url = f"{self._url}/Patient?identifier=urn:soak%7C&_count=1000"
        while url:
            page = requests.get(url, timeout=30).json()
            there.update(entry["resource"]["identifier"][0]["value"] for entry in page.get("entry", []))
            url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert set(self._acknowledged) <= set(there)
        assert set(there.values()) <= {1}
        assert len(self._acknowledged) == len(set(self._acknowledged))
        return len(self._acknowledged)


class Patient(Program):
    """An account with a practice that may see all of it; its device is what is killed."""

    def __init__(self, zygote: Zygote, directory: Path, hub: RunningHub, practice: Practice) -> None:
        super().__init__(zygote, directory)
        self.directory = directory / self.name
        client, _ = enrolment.enrol(self.directory, hub.url)
        sharing.grant(client, practice.account, range(len(NAMES)))
        client.close()
        self._practice = practice

    def finish(self) -> None:
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
        """The bodies of what the practice was given of her."""
        self._practice.inbox.catch_up()
        found = []
        account = Client.open(self.directory).account
        for type_ in ("Observation", "Device"):
            after = None
            while True:
                query = parse(type_, [("_count", "1000"), ("patient", account.partition("@")[0])])
                page = self._practice.store.search(query, Scope(("TREAT",), int(time.time())), after)
                found += [match.body for match in page.matches]
                after = page.after
                if after is None:
                    break
        return found


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

    def __init__(self, number: int, *words) -> None:
        self.name = f"writer-{number}"
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
        there = Counter(json.loads(body)["id"] for body in self.held())
        assert kept <= set(there) <= meant
        assert set(there.values()) == {1}
        return len(kept)


class Importer(Patient):
    """`obhut wearable import`, again and again."""

    name = "importer"

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
        local = Client.open(self.directory).account.partition("@")[0]
        made = obhut("wearable", "import", str(self.export), "--dry-run", "--out", str(plain), "--patient", local)
        assert made.returncode == 0, made.stderr
        wanted = sorted(plain.read_bytes().splitlines())
        assert sorted(self.held()) == wanted
        return len(wanted)
