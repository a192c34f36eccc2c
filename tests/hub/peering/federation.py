"""Two hubs that know each other, each behind a real socket, by one clock that stands still until told."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from consent.keys import SigningKey
from fhir_profiles.problems import Problem
from hub import keys, peers
from hub.context import Hub
from hub.peer_client import Answer, PeerClient
from hub.peers import Peer
from hub.pulling import Pull
from hub.pushing import Push
from hub.replicas import Replicas
from tests.consent.world import DOMAIN, Identity
from tests.hub.people import VITALS, Patient, Town, build
from tests.serving import serving

OTHER = "hub-b.example.org"


@dataclass
class Line:
    """The network between the hubs: can be cut, now or after so many more requests; `asked`: what went over it."""

    cut: bool = False
    left: int | None = None
    asked: list[str] = field(default_factory=list)

    def client(self, hub: Hub) -> Callable[[str], PeerClient]:
        """The peers' clients of a hub, over this line."""
        return lambda domain: _Client(hub.peers[domain], hub.config.domain, hub.peer_key, hub.clock, self)


class _Client(PeerClient):
    def __init__(self, peer: Peer, domain: str, key: SigningKey, clock: Callable[[], float], line: Line) -> None:
        super().__init__(peer, domain, key, clock)
        self._line = line

    def _signed(self, *request: Any) -> Answer:
        if self._line.left is not None:
            self._line.left -= 1
        if self._line.cut or (self._line.left is not None and self._line.left < 0):
            raise Problem("busy", "cut")
        self._line.asked.append(f"{request[0]} {request[1]}")
        try:
            return super()._signed(*request)
        finally:
            self.close()


@dataclass
class Shifted:
    """A hub's own clock: so many seconds ahead of the one by which the test goes."""

    clock: Callable[[], float]
    ahead: int = 0

    def __call__(self) -> float:
        """The time as this hub has it."""
        return self.clock() + self.ahead


@dataclass
class Federation:
    """Hub A with the patients, hub B with the hospitals."""

    a: Town
    b: Town
    line: Line = field(default_factory=Line)

    def pull(self, town: Town) -> Pull:
        """The thread of a hub that reads what its peer has for it."""
        (peer,) = town.hub.peers.values()
        client = self.line.client(town.hub)
        return Pull(town.hub, peer, Replicas(town.hub, client), client(peer.domain))

    def push(self, town: Town) -> int:
        """Let a hub give its peer all that waits for it; in how many batches."""
        (peer,) = town.hub.peers.values()
        pushing, count = Push(town.hub, peer, self.line.client(town.hub)), 0
        while pushing.step():
            count += 1
        return count

    def hospital(self) -> Identity:
        """A hospital at B, of which both hubs know."""
        made = self.b.organisation("klinik", "Klinik", "hospital")
        self.read()
        return made

    def shared(self, categories: tuple[int, ...] = (VITALS,), **terms: Any) -> tuple[Patient, Identity, str, str]:
        """A patient of A, a hospital of B to which she granted, her own set, and the grant."""
        hospital, patient = self.hospital(), self.a.patient()
        mine = patient.permit(patient.me)
        return patient, hospital, mine, patient.grant(hospital, set(categories), **terms)

    def author(self) -> tuple[Patient, Identity, str]:
        """A patient of A, a hospital of B, and the set into which it may write."""
        hospital, patient = self.hospital(), self.a.patient()
        theirs = patient.permit(hospital)
        self.read()
        return patient, hospital, theirs

    def read(self, *towns: Town) -> None:
        """Let each of these hubs read all that its peer has for it; both, where none is named."""
        for town in towns or (self.a, self.b, self.a):
            pull = self.pull(town)
            while pull.step(0):
                pass


@contextmanager
def federation(directory: Path, databases: tuple[str, str], clock: Any) -> Iterator[Federation]:
    """Both hubs, up and known to each other."""
    with _serving(directory, databases, clock) as (a, b):
        yield Federation(a, b)


@contextmanager
def _serving(directory: Path, databases: tuple[str, str], clock: Any) -> Iterator[list[Town]]:
    places = [(domain, directory / name) for domain, name in ((DOMAIN, "a"), (OTHER, "b"))]
    servers: list[BaseWSGIServer] = [make_server("127.0.0.1", 0, _nothing, threaded=True) for _ in places]
    blocks = []
    for (domain, data), server in zip(places, servers, strict=True):
        data.mkdir()
        stamps, requests = (keys.load(data, name).public for name in (keys.STAMP_KEY, keys.PEER_KEY))
        blocks.append(peers.block(Peer(domain, f"http://127.0.0.1:{server.port}", stamps, requests)))
    towns = []
    for number, ((domain, data), server) in enumerate(zip(places, servers, strict=True)):
        (data / "peers.toml").write_text(blocks[1 - number])
        town = build(
            databases[number], data, Shifted(clock), domain, url=f"http://127.0.0.1:{server.port}",
            peers=str(data / "peers.toml"),
        )  # fmt: skip
        server.app = town.app
        towns.append(town)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with serving(servers[0]), serving(servers[1]):
        yield towns
    for town in towns:
        town.hub.db.close()


def _nothing(*_: Any) -> list[bytes]:
    return []
