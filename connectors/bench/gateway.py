"""`gateway-write`, `gateway-read`, `gateway-search`: a gateway without a hub, as any client of FHIR R4 meets it."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count, cycle, islice, repeat
from typing import Any

import orjson

from connectors.bench.figures import Figure, Wish
from connectors.bench.load import PROCESSES, Source, drive, request, together
from connectors.bench.servers import WORKERS, serve_gateway, serve_nothing
from connectors.bench.turns import Place, in_turn
from connectors.gateway.database import Database
from connectors.gateway.records import microseconds
from connectors.gateway.store import Store

BATCH = 100
WRITERS = 16
A_PATIENT = 1000
"""Observations of one patient."""
MADE = 400
"""Different requests that a connection repeats."""
PAGE = 20
CODES = ("8867-4", "9279-1", "8310-5", "29463-7", "59408-5", "41950-7", "85354-9", "2339-0", "8480-6", "8462-4")
YEARS = (2016, 2027)
FHIR = {"Content-Type": "application/fhir+json"}
FILL = 1000
"""Rows of a transaction that fills the store."""


def observation(number: int) -> dict[str, Any]:
    """A measurement as practices write it; the same number gives the same."""
    chance = random.Random(number)  # noqa: S311 - measurements, not secrets
    day = f"{chance.randrange(*YEARS)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    vital_signs = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    unit = {"unit": "1/min", "system": "http://unitsofmeasure.org", "code": "/min"}
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [vital_signs]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": chance.choice(CODES)}]},
        "subject": {"reference": f"Patient/p{number // A_PATIENT}"},
        "effectiveDateTime": f"{day}T{chance.randrange(24):02}:{chance.randrange(60):02}:00+01:00",
        "valueQuantity": {"value": chance.randrange(400, 1800) / 10, **unit},
    }


def write(wish: Wish) -> Iterator[Figure]:
    """Transactions of 100 Observations, and single creates over 16 connections."""
    nothing, gateways = _started(wish)
    yield from in_turn(
        wish, "gateway-write", "resources/s",
        [_writes_at(wish, nothing, base, size, wish.connections, BATCH) for size, base in gateways],
    )  # fmt: skip
    yield from in_turn(
        wish, "gateway-write-single", "creates/s",
        [_writes_at(wish, nothing, f"{base}/Observation", size, WRITERS, 1) for size, base in gateways],
    )  # fmt: skip


def read(wish: Wish) -> Iterator[Figure]:
    """Observations by id."""
    yield from _reading(wish, "gateway-read", _reads)


def search(wish: Wish) -> Iterator[Figure]:
    """Observations of a patient with a code and since a date, 20 a page, newest first."""
    yield from _reading(wish, "gateway-search", _searches)


def _reading(wish: Wish, name: str, asked: Callable[[str, int], Source]) -> Iterator[Figure]:
    nothing, gateways = _started(wish)
    empty = request("POST", nothing, FHIR, b"{}")
    limit = partial(drive, nothing, lambda _: repeat(empty), wish.connections)
    places = [
        Place(
            size,
            _about(wish, size, wish.connections),
            partial(drive, base, asked(base, size), wish.connections),
            limit,
        )
        for size, base in gateways
    ]
    yield from in_turn(wish, name, "requests/s", places, percentile=True)


def _writes_at(wish: Wish, nothing: str, url: str, size: int, connections: int, many: int) -> Place:
    ours, limit = (partial(drive, one, _writes(one, many, size), connections) for one in (url, nothing))
    return Place(size, _about(wish, size, connections), ours, limit, many, many)


def _started(wish: Wish) -> tuple[str, list[tuple[int, str]]]:
    """The base of the application that does nothing, and for each size that of a gateway which holds so much."""
    gateways = []
    for size in wish.sizes:
        database = wish.databases.make()
        base = serve_gateway(wish.programs, f"gateway-{size}", database)
        _fill(wish, database, size)
        gateways.append((size, base))
    return serve_nothing(wish.programs, "nothing"), gateways


def _about(wish: Wish, size: int, connections: int) -> str:
    return wish.conditions(f"gateway of {WORKERS} processes", f"{size:,} rows", connections=connections)


# --- what is there already ----------------------------------------------------------------------------------------


def _fill(wish: Wish, url: str, size: int) -> None:
    """Observations put into the store as the gateway does it, a thousand a transaction."""
    starts = range(0, size, FILL)
    together(lambda process: _put(url, size, starts[process::PROCESSES]))
    wish.databases.settle(url)


def _put(url: str, size: int, starts: Iterable[int]) -> None:
    database = Database(url, 1)
    store = Store(database)
    for start in starts:
        with store.change() as change:
            for number in range(start, min(start + FILL, size)):
                resource = observation(number) | {"id": f"o{number}"}
                change.add(resource, orjson.dumps(resource), 1, microseconds())
    database.close()


# --- what is asked ------------------------------------------------------------------------------------------------


def _writes(url: str, many: int, size: int) -> Source:
    """Transactions of so many Observations, or single ones; other ones for each connection."""

    def source(connection: int) -> Iterator[bytes]:
        numbers = count(size + connection * MADE * many)
        made = [[observation(number) for number in islice(numbers, many)] for _ in range(max(2, MADE // many))]
        bodies = [orjson.dumps(_transaction(some) if many > 1 else some[0]) for some in made]
        return cycle([request("POST", url, FHIR, body) for body in bodies])

    return source


def _transaction(resources: list[dict[str, Any]]) -> dict[str, Any]:
    entries = [{"resource": one, "request": {"method": "POST", "url": "Observation"}} for one in resources]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _reads(base: str, size: int) -> Source:
    def source(connection: int) -> Iterator[bytes]:
        chance = random.Random(connection)  # noqa: S311 - see above
        return cycle([request("GET", f"{base}/Observation/o{chance.randrange(size)}") for _ in range(MADE)])

    return source


def _searches(base: str, size: int) -> Source:
    def source(connection: int) -> Iterator[bytes]:
        chance = random.Random(connection)  # noqa: S311 - see above
        patients = max(1, size // A_PATIENT)
        urls = [
            f"{base}/Observation?patient=p{chance.randrange(patients)}&code=http://loinc.org|{chance.choice(CODES)}"
            f"&date=ge{chance.randrange(*YEARS)}-01-01&_sort=-date&_count={PAGE}"
            for _ in range(MADE)
        ]
        return cycle([request("GET", url) for url in urls])

    return source
