"""`relay`: from one hub to the next, as a practice at another hub than its patients' gets what was granted to it."""

import time
from collections.abc import Iterator
from pathlib import Path

import requests

from connectors.bench import rows
from connectors.bench.figures import Figure, Wish
from connectors.bench.hub import bearer, enrolled, fill, granted, page, row
from connectors.bench.servers import WORKERS, Hub, new_hub, start_hub
from connectors.demo.programs import Failed, Programs
from connectors.hub_client import HubClient

PATIENCE_SECONDS = 600
PAUSE_SECONDS = 0.05


def relay(wish: Wish) -> Iterator[Figure]:
    """What lies ready at one hub while the other is down: from its start until the practice there has all of it."""
    programs, database = wish.programs, wish.databases.make()
    home, away = new_hub(programs, "home", wish.databases.make()), new_hub(programs, "away", database)
    for one, other in ((home, away), (away, home)):
        block = programs.run("hub", "peer", environment=other.environment)
        peers = Path(one.environment["OBHUT_HUB_DATA"]) / "peers.toml"
        peers.write_text(block, encoding="utf-8")
    home, away = _knowing(home), _knowing(away)
    start_hub(programs, home)
    others = Programs(programs.directory)
    try:
        start_hub(others, away)
        people = [enrolled(wish, home, number) for number in range(wish.connections)]
        practice = granted(wish, away, people)
        _drained(practice, "", 0)
        others.stop()
        count = fill(wish, home.environment["OBHUT_HUB_DATABASE"], people, wish.rows)
        limit = rows.inserted(database, row(people[0]), wish.seconds).rate * rows.BATCH
        begin = time.perf_counter()
        others = Programs(programs.directory)
        start_hub(others, away)
        _drained(practice, "", count)
        seconds = time.perf_counter() - begin
    finally:
        others.stop()
    about = wish.conditions(f"two hubs of {WORKERS} processes, {count:,} envelopes, the start of one hub counted")
    yield Figure("relay", count / seconds, "envelopes/s", limit, about)


def _knowing(hub: Hub) -> Hub:
    """The same hub, told where its peers stand."""
    peers = str(Path(hub.environment["OBHUT_HUB_DATA"]) / "peers.toml")
    return Hub(hub.name, hub.url, hub.environment | {"OBHUT_HUB_PEERS": peers})


def _drained(practice: HubClient, after: str, count: int) -> None:
    """Read the feed until so many envelopes were in it. Raises `Failed`."""
    until = time.monotonic() + PATIENCE_SECONDS
    found = 0
    while found < count:
        answer = requests.get(page(practice, after), headers=bearer(practice), timeout=60)
        events = answer.json()["events"] if answer.ok else []
        if not events:
            if time.monotonic() > until:
                raise Failed(f"{found} of {count} envelopes came")
            time.sleep(PAUSE_SECONDS)
            continue
        found += len(events)
        after = answer.json()["next"]
