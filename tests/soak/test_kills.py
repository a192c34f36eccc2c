"""kill -9 of every program at random moments under load: nothing acknowledged is lost, nothing is doubled.

`OBHUT_SOAK_KILLS` says how many rounds a database gets; without it there are more than fifty on both together.
"""

import os
import random
import threading
import time
from contextlib import closing

import pytest
from sqlalchemy import create_engine, text

from tests.journeys.conftest import OTHER, Practice, RunningHub
from tests.ports import free_port
from tests.soak.programs import Gateway, Hub, Importer, Patient, Writer, until

ROUNDS = int(os.environ.get("OBHUT_SOAK_KILLS", "26"))
SEED = int(os.environ.get("OBHUT_SOAK_SEED", "7"))
SPAN_SECONDS = 0.6
HASTE = 0.2
"""So often the next kill does not wait until the program is up."""


@pytest.fixture
def hubs(tmp_path, database_url, other_url):
    """Two hubs that know each other; they run while the others get ready, the rest is what the test starts."""
    port = free_port(1)
    made = RunningHub(tmp_path / "a", database_url, port=port), RunningHub(tmp_path / "b", other_url, OTHER, port + 1)
    for one, other in (made, made[::-1]):
        one.know(other)
        one.environment["OBHUT_HUB_RATE"] = "0"
    for one in made:
        one.start()
    yield made
    for one in made:
        if one.process.poll() is None:
            one.kill()


@pytest.mark.timeout(240 + 6 * ROUNDS)
def test_kills_at_random_moments_lose_nothing_and_double_nothing(hubs, tmp_path, capsys):
    """Two hubs, a gateway that writes, importer, outbox: each acknowledged thing is there once, every chain replays.

    The houses are at the second hub, the patients and one more practice at the first.
    """
    practice, clinic = Practice(tmp_path, hubs[0], "praxis"), Practice(tmp_path, hubs[1], "klinik")
    ward = Practice(tmp_path, hubs[1], "station")
    with closing(practice), closing(clinic):
        subject = Patient("subject", tmp_path, hubs[0], practice)
        programs = [
            Hub("hub-a", tmp_path, hubs[0]), Hub("hub-b", tmp_path, hubs[1]),
            Gateway(tmp_path, ward, subject, free_port()),
            Importer("importer", tmp_path, hubs[0], clinic),
            Writer("writer", tmp_path, hubs[0], clinic),
        ]  # fmt: skip
        for hub in hubs:
            hub.kill()
        kills = dict.fromkeys((program.name for program in programs), 0)
        chance, stop = random.Random(SEED), threading.Event()
        for program in programs:
            program.start()
        loads = [threading.Thread(target=program.load, args=[stop], daemon=True) for program in programs]
        for load in loads:
            load.start()
        try:
            try:
                for _ in range(ROUNDS):
                    time.sleep(chance.uniform(0, SPAN_SECONDS))
                    program = chance.choice(programs)
                    program.kill()
                    program.start()
                    kills[program.name] += 1
                    if chance.random() > HASTE:
                        program.ready()
                assert all(kills.values())
            finally:
                stop.set()
                for load in loads:
                    load.join()
            for program in programs:
                program.ready()
            for program in programs:
                program.finish()
            counts = {program.name: program.check() for program in [*programs, subject]}
            counts["copies"] = _copies(*hubs)
        finally:
            for program in programs:
                program.kill()
    with capsys.disabled():
        print(f"\nkills {kills}; acknowledged and found once {counts}; seed {SEED}")


def _copies(home: RunningHub, other: RunningHub) -> int:
    """The other hub's copies are the home hub's envelopes, byte for byte, and nothing that it was given waits there."""
    until(lambda: not _rows(other, "SELECT id FROM forwards WHERE NOT answered"), pause=0.2)
    query = "SELECT acc, stream, pos, bid, frame, stamp FROM envelopes"
    original, copied = _rows(home, query), _rows(other, query)
    assert copied
    assert copied <= original
    return len(copied)


def _rows(hub: RunningHub, query: str) -> set[tuple]:
    engine = create_engine(hub.database)
    try:
        with engine.connect() as conn:
            return {tuple(row) for row in conn.execute(text(query))}
    finally:
        engine.dispose()
