"""`deposit` and `feed`: envelopes of 1 KiB into a hub, and out of it to a practice that they were granted to."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlencode

import requests

from connectors.bench import rows
from connectors.bench.figures import Figure, Wish
from connectors.bench.load import PROCESSES, Source, drive, request, together
from connectors.bench.servers import WORKERS, Hub, serve_hub
from connectors.bench.turns import Place, in_turn
from connectors.hub_client import HubClient
from connectors.keyring import Keyring
from connectors.patient.client import Client
from connectors.patient.enrolment import enrol
from consent.categories import NAMES
from consent.envelope import parse
from consent.identifiers import new_id
from consent.sealing import Author, Destination, seal

BATCH = 100
_BEFORE, _BEHIND = b'{"resourceType":"Observation","status":"final","note":[{"text":"', b'"}]}'
LINE = _BEFORE + b"x" * (1023 - len(_BEFORE) - len(_BEHIND)) + _BEHIND
"""With its padding 1 KiB."""
AT_MOST = 12_000
"""Envelopes a second for which enough are sealed beforehand."""
PAGE = 1000
CURSORS = 200
STAMP_BYTES = 480
FRAMES = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Patient:
    """A patient as an author of her own: one stream for each measurement, so that its sequence begins anew."""

    directory: Path
    client: Client
    author: Author
    streams: Iterator[Destination]


def deposit(wish: Wish) -> Iterator[Figure]:
    """Batches of 100 over each connection, which is a patient's own."""
    yield from in_turn(wish, "deposit", "envelopes/s", [_deposits_at(wish, size) for size in wish.sizes])


def _deposits_at(wish: Wish, size: int) -> Place:
    hub, people, database = _place(wish, size)
    fill(wish, database, people, size)
    kept = row(people[0])
    return Place(
        size,
        _about(wish, size),
        lambda seconds: drive(hub.url, _deposits(hub, people, int(seconds * AT_MOST)), len(people), seconds),
        lambda seconds: rows.inserted(database, kept, seconds),
        BATCH,
        rows.BATCH,
    )


def feed(wish: Wish) -> Iterator[Figure]:
    """Pages of up to 1,000 of a practice's feed, whose patients granted it what they wrote."""
    yield from in_turn(wish, "feed", "envelopes/s", [_pages_at(wish, size) for size in wish.sizes])


def _pages_at(wish: Wish, size: int) -> Place:
    hub, people, database = _place(wish, size)
    practice = granted(wish, hub, people)
    rows.fill(database, row(people[0]), size)
    fill(wish, database, people, size)
    cursors, held = _cursors(practice)
    return Place(
        size,
        _about(wish, size),
        lambda seconds: drive(hub.url, _pages(practice, cursors), wish.connections, seconds),
        lambda seconds: rows.selected(database, size, seconds),
        held,
        min(rows.PAGE, size),
    )


def _place(wish: Wish, size: int) -> tuple[Hub, list[Patient], str]:
    """A hub, a patient of it for each connection, and its database."""
    database = wish.databases.make()
    hub = serve_hub(wish.programs, f"hub-{size}", database)
    return hub, [enrolled(wish, hub, number) for number in range(wish.connections)], database


def _about(wish: Wish, size: int) -> str:
    return wish.conditions(f"hub of {WORKERS} processes", f"{size:,} envelopes there already")


# --- who writes, and who reads ------------------------------------------------------------------------------------


def enrolled(wish: Wish, hub: Hub, number: int) -> Patient:
    """A new patient at a hub."""
    directory = wish.programs.directory / f"patients-{hub.name}" / str(number)
    client, _ = enrol(directory, hub.url)
    streams = [client.destination(client.account, category) for category in range(len(NAMES))]
    return Patient(directory, client, client.keyring.author, iter(streams))


def granted(wish: Wish, hub: Hub, people: Sequence[Patient]) -> HubClient:
    """A practice to which all of them grant everything; as its gateway speaks to the hub."""
    run, directory = wish.programs.run, wish.programs.directory / f"practice-{hub.name}"
    code = run("hub", "admit", "praxis", "--type", "practice", "--title", "Praxis", environment=hub.environment).strip()
    keys = directory / "keys"
    told = run(
        "gateway", "enrol", "--keystore", str(keys), "--root", str(directory / "root"), "--hub", hub.url, "--name",
        "praxis", "--admission", code, "--json",
    )  # fmt: skip
    for patient in people:
        run(
            "patient", "grant", "--account", str(patient.directory), "--to", json.loads(told)["account"],
            "--categories", ",".join(NAMES),
        )  # fmt: skip
    return HubClient(hub.url, Keyring.load(keys).credentials)


# --- what is sent -------------------------------------------------------------------------------------------------


def fill(wish: Wish, database: str, people: Sequence[Patient], count: int) -> int:
    """Deposit so many envelopes, however long it takes; how many they were."""
    share = max(count // len(people), 1)
    written = together(lambda n: sum(_write(patient, share) for patient in people[n::PROCESSES]))
    wish.databases.settle(database)
    return sum(written)


def _write(patient: Patient, count: int) -> int:
    frames = _sealed(patient, next(patient.streams), count)
    while batch := list(islice(frames, BATCH)):
        patient.client.hub.deposit(batch)
    return count


def _deposits(hub: Hub, people: Sequence[Patient], count: int) -> Source:
    """Batches for as many envelopes, sealed before the clock runs."""
    headers = [FRAMES | bearer(patient.client.hub) for patient in people]
    streams = [next(patient.streams) for patient in people]
    share = max(count // len(people) // BATCH, 2) * BATCH

    def source(number: int) -> Iterator[bytes]:
        frames = list(_sealed(people[number], streams[number], share))
        batches = (frames[at : at + BATCH] for at in range(0, len(frames), BATCH))
        return iter([request("POST", f"{hub.url}/v1/envelopes", headers[number], _batch(batch)) for batch in batches])

    return source


def _sealed(patient: Patient, to: Destination, count: int) -> Iterator[bytes]:
    prev, now = "", int(time.time())
    for seq in range(1, count + 1):
        frame = seal([LINE], to, patient.author, bid=new_id(), seq=seq, prev=prev, at=now)
        prev = parse(frame).hash
        yield frame


def _batch(frames: Sequence[bytes]) -> bytes:
    return b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)


# --- what is read -------------------------------------------------------------------------------------------------


def _cursors(practice: HubClient) -> tuple[list[str], float]:
    """Cursors behind which pages of envelopes are, from all over the feed, and how many envelopes a page holds."""
    cursors, counts, after = [], [], ""
    while True:
        answer = requests.get(page(practice, after), headers=bearer(practice), timeout=60).json()
        if not answer["events"]:
            break
        cursors.append(after)
        counts.append(len(answer["events"]))
        after = answer["next"]
    chosen = sorted(random.Random(1).sample(range(len(cursors)), min(CURSORS, len(cursors))))  # noqa: S311 - no secret
    return [cursors[n] for n in chosen], sum(counts[n] for n in chosen) / len(chosen)


def _pages(practice: HubClient, cursors: Sequence[str]) -> Source:
    headers = bearer(practice)

    def source(number: int) -> Iterator[bytes]:
        mine = random.Random(number).sample(cursors, len(cursors))  # noqa: S311 - no secret
        return cycle([request("GET", page(practice, after), headers) for after in mine])

    return source


def page(practice: HubClient, after: str) -> str:
    """The address of a page of envelopes in the practice's feed."""
    query = {"only": "envelope", "limit": str(PAGE)} | ({"after": after} if after else {})
    return f"{practice.url}/v1/feed?{urlencode(query)}"


def bearer(client: HubClient) -> dict[str, str]:
    """The header that says who calls."""
    return {"Authorization": f"Bearer {client.access_token()}"}


def row(patient: Patient) -> rows.Row:
    """An envelope and its stamp, as large as the hub keeps them."""
    (frame,) = _sealed(patient, patient.client.destination(patient.client.account, 0), 1)
    return rows.Row(frame, bytes(STAMP_BYTES))
