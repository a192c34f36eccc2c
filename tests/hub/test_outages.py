"""A full disk, a database that is gone, clocks that jump: a clear answer, and everything goes on afterwards."""

import pytest

from consent.envelope import parse
from tests.consent.world import START
from tests.hub.people import VITALS, build, upgrade
from tests.outages import gone, no_room

LARGE = [b'{"resourceType":"Observation","text":"' + b"x" * 30_000 + b'"}']


@pytest.fixture
def postgresql_town(postgresql, tmp_path, clock):
    """A hub on PostgreSQL, and its URL."""
    clock.now = START
    url = postgresql.make()
    upgrade(url)
    made = build(url, tmp_path / "hub", clock)
    yield made
    made.hub.db.close()
    postgresql.drop(url)


def refused(answer, reason):
    """503, when to come again, and a sentence with cause and remedy."""
    assert (answer.status_code, answer.json["reason"]) == (503, reason), answer.json
    assert answer.headers["Retry-After"] == "2"
    assert "try again" in answer.json["detail"]
    return True


def test_a_full_disk_refuses_and_loses_nothing(towns):
    """What was stamped before is there, what was refused is not; with room again the same bytes are taken."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    frames, prev = [], ""
    for seq in range(1, 13):
        frames.append(patient.sealed(patient.me, mine, VITALS, LARGE, seq=seq, prev=prev))
        prev = parse(frames[-1]).hash
    assert towns.deposit(patient.me, frames[0]).json["results"][0]["status"] == 201
    stamped = 1
    with no_room(towns.hub.db.engine, "envelopes"):
        while (answer := towns.deposit(patient.me, frames[stamped])).status_code == 200:
            stamped += 1
        assert refused(answer, "full")
    for frame in frames[stamped:]:
        assert towns.deposit(patient.me, frame).json["results"][0]["status"] == 201
    assert stamped < len(frames) == len(set(towns.envelopes(patient.me)))


def test_a_database_that_is_gone_comes_back_without_a_restart(postgresql_town):
    """Killed connections and a server that takes none: 503; afterwards the same process goes on."""
    town = postgresql_town
    patient = town.patient()
    mine = patient.permit(patient.me)
    before = patient.write(patient.me, mine)
    token = town.token(patient.me)
    with gone(town.hub.config.database_url):
        assert refused(town.get("/v1/feed", token=token), "gone")
        assert refused(town.get("/readyz"), "gone")
        assert town.get("/healthz").status_code == 200
    assert town.get("/readyz").status_code == 200
    after = patient.write(patient.me, mine)
    assert town.envelopes(patient.me) == [before, after]


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_jumps_is_told_and_outlived(towns, hours):
    """Put forward or back by hours: tokens are asked for anew, and what is signed by the hub's time holds."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    first = patient.write(patient.me, mine)
    cursor = towns.get("/v1/feed", patient.me).json["next"]
    wrong = patient.vault_written(patient.vault)
    towns.clock.advance(hours * 3600)
    towns.tokens.clear()
    if hours > 0:
        answer = patient.hub.send(wrong)
        assert (answer.status_code, answer.json["reason"], answer.json["now"]) == (409, "clock", towns.now)
    patient.now = towns.now
    if hours > 0:
        patient.save(patient.vault)
    second = patient.write(patient.me, mine)
    assert towns.envelopes(patient.me) == [first, second]
    assert towns.envelopes(patient.me, cursor)[-1] == second
    towns.clock.advance(-hours * 3600)
    towns.tokens.clear()
    assert towns.get("/v1/feed", patient.me).status_code == 200
