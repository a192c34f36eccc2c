"""A full disk, and a database that is gone: a clear answer, and everything goes on afterwards."""

import pytest

from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from tests.connectors.gateway.conftest import Api, ids, issue, observation, upgrade
from tests.outages import gone, no_room

LARGE = observation(note=[{"text": "x" * 20_000}])


def refused(answer):
    """503, when to come again, an OperationOutcome with cause and remedy."""
    assert (answer.status_code, answer.headers["Retry-After"], issue(answer)["code"]) == (503, "2", "transient")
    return issue(answer)["diagnostics"]


def test_a_full_disk_refuses_and_loses_nothing(api):
    """What was acknowledged before is found, what was refused is not; with room again writes are taken."""
    known = [api.post("Observation", LARGE).json["id"]]
    engine = api.client.application.extensions["gateway"].store.database._writes
    with no_room(engine, "resources"):
        for _ in range(20):
            answer = api.post("Observation", LARGE)
            if answer.status_code != 201:
                break
            known.append(answer.json["id"])
        assert "no room" in refused(answer)
        assert sorted(ids(api.get("Observation?code=8867-4&_count=1000"))) == sorted(known)
    known.append(api.post("Observation", LARGE).json["id"])
    assert sorted(ids(api.get("Observation?code=8867-4&_count=1000"))) == sorted(known)


@pytest.fixture
def postgresql_api(postgresql):
    """A standalone gateway on PostgreSQL."""
    url = postgresql.make()
    upgrade(url)
    app = create_app(Config(database=url, standalone=True))
    yield Api(app.test_client()), url
    app.extensions["gateway"].store.database.close()
    postgresql.drop(url)


def test_a_database_that_is_gone_comes_back_without_a_restart(postgresql_api):
    """Killed connections and a server that takes none: 503; afterwards the same process goes on."""
    api, url = postgresql_api
    known = api.post("Observation", observation()).json["id"]
    with gone(url):
        assert "cannot be reached" in refused(api.get(f"Observation/{known}"))
        assert "cannot be reached" in refused(api.post("Observation", observation()))
        assert api.client.get("/readyz").status_code == 503
    assert api.client.get("/readyz").status_code == 200
    assert api.get(f"Observation/{known}").status_code == 200
    assert api.post("Observation", observation()).status_code == 201
