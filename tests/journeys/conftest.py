"""Whole programs: a real hub in its own process, patients and practices who speak to it over HTTP."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from zlib import crc32

import pytest

from connectors.gateway import keystore
from connectors.gateway.database import Database
from connectors.gateway.inbox import Inbox
from connectors.gateway.store import Store
from connectors.patient import appointing, enrolment, sharing
from connectors.patient.appointing import Appointment
from connectors.patient.client import Client
from connectors.patient.reading import Reading
from consent.categories import INDEX
from tests.conftest import Fill, empty
from tests.connectors.gateway.conftest import upgrade as upgrade_gateway
from tests.hub.people import upgrade as upgrade_hub
from tests.ports import free_port
from tests.zygote import Started, zygote

DOMAIN = "hub-a.obhut.example"
OTHER = "hub-b.obhut.example"
PATIENCE_SECONDS = 60
START = "--- start\n"
"""Stands in a log before what each start says."""


def obhut(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return zygote().run(words, environment)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "fhir_profiles.command", *words]


def listening(process: Started, log: Path) -> str:
    """What a server that was started now says that it listens at, once it does."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (said := re.search(r"^listening (\S+)$", log.read_text().rpartition(START)[2], re.MULTILINE)):
        assert process.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.02)
    return said[1]


def start(words: Sequence[str], environment: Mapping[str, str], log: Path) -> Started:
    """Start a server; what it says goes to the end of the log."""
    with log.open("a") as file:
        file.write(START)
    return zygote().start(words, environment, log)


def killed(words: Sequence[str], seconds: float) -> None:
    """Run a command and kill it after so long, if it has not ended."""
    process = zygote().start(words, {}, Path(os.devnull))
    time.sleep(seconds)
    process.kill()
    process.wait()


class RunningHub:
    """`obhut hub serve` on a free port; can be killed and started again."""

    def __init__(self, directory: Path, database: str, domain: str = DOMAIN, port: int | None = None) -> None:
        self.directory = directory
        self.database = database
        self.log = directory / "hub.log"
        self.bind = f"127.0.0.1:{port or free_port()}"
        self.url = f"http://{self.bind}"
        self.environment = {
            "OBHUT_HUB_DOMAIN": domain, "OBHUT_HUB_DATA": str(directory), "OBHUT_HUB_BIND": self.bind,
            "OBHUT_HUB_DATABASE": database,
        }  # fmt: skip
        directory.mkdir(parents=True, exist_ok=True)
        self.migrate()

    def migrate(self) -> None:
        """Make the tables."""
        assert obhut("hub", "migrate", **self.environment).returncode == 0

    def know(self, other: "RunningHub") -> None:
        """Pin another hub by the block that it prints."""
        printed = obhut("hub", "peer", **other.environment)
        assert printed.returncode == 0, printed.stderr
        peers = self.directory / "peers.toml"
        peers.write_text(printed.stdout)
        self.environment["OBHUT_HUB_PEERS"] = str(peers)

    def start(self) -> None:
        self.process = start(["hub", "serve"], self.environment, self.log)
        listening(self.process, self.log)

    def kill(self) -> None:
        """kill -9 of the hub and its workers."""
        os.killpg(self.process.pid, 9)
        self.process.wait()

    def admit(self, name: str, type_: str = "practice", *more: str) -> str:
        """An admission code for a practice, or an organisation of another type; `more` options."""
        done = obhut("hub", "admit", name, "--type", type_, "--title", name, *more, **self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def copied_tables(fill: Fill) -> Iterator[None]:
    """Here hubs and practices get their tables as copies: how migrations make them is tested by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningHub, "migrate", lambda hub: fill(hub.database, "hub", upgrade_hub))
        patch.setattr(Practice, "migrate", lambda practice: fill(practice.database, "gateway", upgrade_gateway))
        yield


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: SQLite for one half of the journeys, PostgreSQL for the other, for each always the same.

    What a database does to a hub, the tests of the hub ask of both.
    """
    yield from empty(("sqlite", "postgresql")[crc32(request.node.name.encode()) % 2], tmp_path / "test.sqlite", request)


@pytest.fixture
def hub(tmp_path: Path, database_url: str) -> Iterator[RunningHub]:
    """A hub with an empty database, running."""
    running = RunningHub(tmp_path / "hub", database_url)
    running.start()
    yield running
    running.kill()


class Practice:
    """A practice's gateway without its FHIR server: keystore, inbox, store."""

    def __init__(self, directory: Path, hub: RunningHub, name: str, type_: str = "practice", *more: str) -> None:
        self.directory = directory / name
        self.database = f"sqlite:///{self.directory / 'record.db'}"
        code = hub.admit(name, type_, *more)
        self.keys, _ = keystore.enrol(self.directory / "keys", self.directory / "root", hub.url, name, code)
        self.environment = {
            "OBHUT_GATEWAY_HUB_URL": hub.url, "OBHUT_GATEWAY_KEYSTORE": str(self.directory / "keys"),
            "OBHUT_GATEWAY_DATABASE": self.database,
        }  # fmt: skip
        self.store = None
        self.migrate()
        self.open()

    def migrate(self) -> None:
        """Make the tables."""
        upgrade_gateway(self.database)

    def open(self) -> None:
        """As after a restart of the gateway."""
        self.close()
        self.store = Store(Database(self.database))
        self.inbox = Inbox(self.keys, self.store)

    def close(self) -> None:
        if self.store is not None:
            self.store.database.close()
            self.inbox.hub.close()

    @property
    def account(self) -> str:
        return self.keys.keyring.account


@contextmanager
def serving(practice: Practice) -> Iterator[tuple[str, Started]]:
    """`obhut gateway serve` of a practice, which is killed with the block: its base and its process."""
    environment = practice.environment | {"OBHUT_GATEWAY_PORT": str(free_port())}
    log = practice.directory / "gateway.log"
    process = start(["gateway", "serve", "--workers", "1"], environment, log)
    try:
        yield listening(process, log), process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def practices(tmp_path: Path, hub: RunningHub) -> Iterator[Callable[..., Practice]]:
    """Makes practices at the hub; organisations of another type, which may be parts of others."""
    made: list[Practice] = []

    def make(name: str, *kind: str) -> Practice:
        made.append(Practice(tmp_path, hub, name, *kind))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def practice(practices: Callable[..., Practice]) -> Practice:
    """A practice at the hub."""
    return practices("praxis-a")


@pytest.fixture
def client(tmp_path: Path, hub: RunningHub) -> Iterator[Client]:
    """The client of a patient who is enrolled at the hub, in the directory `patient`."""
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    yield client
    client.close()


class Person:
    """An enrolled person and what she reads."""

    def __init__(self, directory, hub):
        self.directory = directory
        self.client, self.code = enrolment.enrol(directory, hub.url)
        self.reading = Reading(directory, self.client)

    @property
    def account(self):
        return self.client.account

    @property
    def card(self):
        return enrolment.card(self.client)

    def open(self):
        """As after a restart."""
        self.close()
        self.client = Client.open(self.directory)
        self.reading = Reading(self.directory, self.client)

    def close(self):
        self.reading.close()
        self.client.close()

    def reads(self, what="", of="", purpose="TREAT"):
        self.reading.refresh()
        return [one.id for one in self.reading.read(what, of, purpose)]


@contextmanager
def persons(directory: Path, hub: RunningHub) -> Iterator[Callable[[str], Person]]:
    """Makes persons at a hub, each in a directory of the name; all are closed with the block."""
    with ExitStack() as made:
        yield lambda name: made.enter_context(closing(Person(directory / name, hub)))


@pytest.fixture
def people(tmp_path, hub):
    """Makes persons at the hub."""
    with persons(tmp_path, hub) as make:
        yield make


@pytest.fixture
def ada(people):
    return people("ada")


@pytest.fixture
def ben(people):
    """A relative at the same hub."""
    return people("ben")


def name_delegate(client, card, end, **more):
    """Let the person of a card act for a patient."""
    appointing.appoint(client, Appointment(card, appointing.last_second(client.account, end), **more))


def give(patient, to, *categories, **more):
    card = to.card
    return sharing.grant(
        patient.client, str(card.account), categories or {INDEX["vitals"]}, fingerprint=card.fingerprint, **more
    )
