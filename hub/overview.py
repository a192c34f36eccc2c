"""What the operator's page shows of a hub: who takes part, how its peers are, what waits, how much is kept, what was
refused. Of people their number alone; no account of a person, and nothing that names a set or a stream."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import Connection

from consent.dates import ZONE
from hub.context import Hub
from hub.counted import Counts
from hub.freshness import STALE_SECONDS
from hub.plain_pages import PlainPage
from hub.portal.views import file
from hub.store import inventory, peers
from hub.store.database import domain_of

PAGE = 100
UNITS = ("B", "kB", "MB", "GB", "TB")
Row = tuple[str, str]
"""What is counted or stated, and the figure, as they are read."""


@dataclass(frozen=True, slots=True)
class Participant:
    """An organisation as a line says it."""

    title: str
    acc: str
    facts: Sequence[str]


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """Another hub as the page says it; `ill`: something is to be done."""

    domain: str
    url: str
    ill: bool
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Overview:
    """All of the page; `more`: behind which account further participants stand, empty where there are none."""

    participants: Sequence[Participant]
    number: str
    more: str
    people: Sequence[Row]
    peers: Sequence[PeerHealth]
    peer_refusals: Sequence[Row]
    queues: Sequence[Row]
    storage: Sequence[Row]
    refusals: Sequence[Row]
    program: Sequence[Row]
    counted: str


def overview(home: Hub, page: PlainPage, *, after: str, anew: bool) -> Overview:
    """The hub as it is now. `anew`: what takes long is counted again, the pending rotations too."""
    say = _Saying(page)
    counts: Counts = current_app.extensions["obhut.counted"]
    age = {"age": 0} if anew else {}
    figures, stored = counts.figures.now(home, **age), counts.storage.now(home, **age)
    pending = counts.rotations.now(home, **age) if anew else counts.rotations.value
    with home.db.read() as conn:
        found = inventory.participants(conn, after, PAGE + 1)
        number, queues = inventory.number_of_participants(conn), inventory.queues(conn)
        listed = [_participant(home, conn, one, say) for one in found[:PAGE]]
        others = [_peer(home, conn, domain, queues, say) for domain in sorted(home.peers)]
    refused = home.metrics.values("obhut_hub_peer_refusals_total")
    return Overview(
        listed, say.number(number), found[PAGE - 1].acc if len(found) > PAGE else "",
        [say.row("persons", figures.persons), say.row("rotations", pending)],
        others, [(reason, say.number(count)) for (reason,), count in sorted(refused.items())],
        [
            say.row("messages", queues.messages), say.row("forwards", sum(queues.forwards.values())),
            say.row("held", sum(queues.held.values())),
            say.row("feeds", sum(home.metrics.values("obhut_hub_waiting").values())),
        ],
        [
            say.row("envelopes", stored.envelopes), say.size_row("envelope-bytes", stored.envelope_bytes),
            say.row("objects", stored.objects), say.size_row("object-bytes", stored.object_bytes),
            say.size_row("database", stored.database_bytes),
        ],
        _refusals(home, say),
        [(page.words["version"], importlib.metadata.version("obhut")),
         (page.words["bundle"], file("portal.js").digest.hex())],
        say.moment(counts.storage.at),
    )  # fmt: skip


def _participant(home: Hub, conn: Connection, one: inventory.Participant, say: "_Saying") -> Participant:
    devices = sum(device.until is None for device in home.chains(conn).account(one.acc).devices.values())
    facts = [say.words.get(f"kind-{one.type}", one.type)]
    facts += [say.words["since"].format(say.day(one.joined))] if one.joined else [say.words["not-joined"]]
    facts += [say.words["device" if devices == 1 else "devices"].format(devices)] if one.joined else []
    facts += [say.words["part-of-whom"].format(one.part_of)] if one.part_of else []
    facts += [say.words["at-another"]] if domain_of(one.acc) != home.config.domain else []
    return Participant(one.title, one.acc, facts)


def _peer(home: Hub, conn: Connection, domain: str, queues: inventory.Queues, say: "_Saying") -> PeerHealth:
    at, doubts = peers.progress(conn, domain).confirmed, inventory.chains_in_doubt(conn).get(domain, 0)
    silent = home.now() - at > STALE_SECONDS
    rows = [
        (say.words["confirmed"], say.moment(at) if at else say.words["never"]),
        (say.words["behind"], say.seconds(home.now() - at) if at else "–"),
        say.row("forwards", queues.forwards.get(domain, 0)), say.row("held", queues.held.get(domain, 0)),
        say.row("doubts", doubts),
    ]  # fmt: skip
    return PeerHealth(domain, home.peers[domain].url, silent or doubts > 0, rows)


def _refusals(home: Hub, say: "_Saying") -> Sequence[Row]:
    """By code and reason, the most frequent first; envelopes by the status that each was answered with."""
    found = home.metrics.values("obhut_hub_refusals_total")
    rows = [(" · ".join(filter(None, labels)), count) for labels, count in found.items()]
    offered: Mapping[tuple[str, ...], float] = home.metrics.values("obhut_hub_envelopes_total")
    rows += [(say.words["envelopes-by"].format(status), n) for (status,), n in offered.items() if status >= "400"]
    return [(name, say.number(count)) for name, count in sorted(rows, key=lambda row: (-row[1], row[0]))]


@dataclass(frozen=True, slots=True)
class _Saying:
    """Numbers and moments as the page's language writes them."""

    page: PlainPage

    @property
    def words(self) -> Mapping[str, str]:
        return self.page.words

    def number(self, value: float, digits: int = 0) -> str:
        said = f"{value:,.{digits}f}"
        return said.translate(str.maketrans(",.", ".,")) if self.page.language == "de" else said

    def row(self, word: str, value: float | None) -> Row:
        return self.words[word], self.words["not-counted"] if value is None else self.number(value)

    def size_row(self, word: str, count: int) -> Row:
        """In the largest unit of which there is one, as `12.3 MB`."""
        power = min((len(str(count)) - 1) // 3, len(UNITS) - 1)
        return self.words[word], f"{self.number(count / 1000**power, 1 if power else 0)} {UNITS[power]}"

    def day(self, at: int) -> str:
        return datetime.fromtimestamp(at, ZONE).strftime("%d.%m.%Y" if self.page.language == "de" else "%Y-%m-%d")

    def moment(self, at: int) -> str:
        return f"{self.day(at)}, {datetime.fromtimestamp(at, ZONE):%H:%M:%S}"

    def seconds(self, count: int) -> str:
        return self.words["seconds"].format(self.number(max(count, 0)))
