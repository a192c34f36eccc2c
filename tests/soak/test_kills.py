"""kill -9 of every program at random moments under load: nothing acknowledged is lost, nothing is doubled.

`OBHUT_SOAK_KILLS` says how many rounds a database gets.
"""

import os
import random
import threading
import time

import pytest

from tests.journeys.conftest import Practice, RunningHub, free_port
from tests.soak.programs import Gateway, Hub, Importer, Writer
from tests.soak.zygote import Zygote

ROUNDS = int(os.environ.get("OBHUT_SOAK_KILLS", "30"))
SEED = int(os.environ.get("OBHUT_SOAK_SEED", "7"))
SPAN_SECONDS = 0.6
HASTE = 0.2
"""So often the next kill does not wait until the program is up."""


@pytest.fixture
def zygote():
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def other_url(request, database_url, tmp_path):
    """An empty database of the same kind, for the gateway."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    server = request.getfixturevalue("postgresql")
    url = server.make()
    yield url
    server.drop(url)


@pytest.mark.timeout(120 + 6 * ROUNDS)
def test_kills_at_random_moments_lose_nothing_and_double_nothing(zygote, database_url, other_url, tmp_path, capsys):
    """Hub, gateway, importer, two outboxes under load; each acknowledged thing is there once, every chain replays."""
    running = RunningHub(tmp_path / "hub", database_url)
    running.start()
    practice = Practice(tmp_path, running, "praxis-a")
    people = (zygote, tmp_path, running, practice)
    programs = [
        Hub(zygote, tmp_path, running), Gateway(zygote, tmp_path, other_url, free_port()), Importer(*people),
        Writer(1, *people), Writer(2, *people),
    ]  # fmt: skip
    running.kill()
    kills = dict.fromkeys((program.name for program in programs), 0)
    chance, stop = random.Random(SEED), threading.Event()
    for program in programs:
        program.start()
    loads = [threading.Thread(target=program.load, args=[stop], daemon=True) for program in programs]
    for load in loads:
        load.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0, SPAN_SECONDS))
            program = chance.choice(programs)
            program.kill()
            program.start()
            kills[program.name] += 1
            if chance.random() > HASTE:
                program.ready()
    finally:
        stop.set()
        for load in loads:
            load.join()
    for program in programs:
        program.ready()
    try:
        for program in programs:
            program.finish()
        counts = {program.name: program.check() for program in programs}
    finally:
        for program in programs:
            program.kill()
        practice.close()
    with capsys.disabled():
        print(f"\nkills {kills}; acknowledged and found once {counts}; seed {SEED}")
