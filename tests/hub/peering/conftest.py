"""Two hubs for each test."""

import pytest

from tests.consent.world import START
from tests.hub import people
from tests.hub.peering.federation import federation


@pytest.fixture
def hubs(tmp_path, clock, fill):
    """Two hubs that know each other, on SQLite."""
    clock.now = START
    databases = f"sqlite:///{tmp_path / 'a.sqlite'}", f"sqlite:///{tmp_path / 'b.sqlite'}"
    for url in databases:
        fill(url, "hub", people.upgrade)
    with federation(tmp_path, databases, clock) as made:
        yield made


@pytest.fixture
def both_hubs(database_url, other_url, tmp_path, clock, fill):
    """Two hubs that know each other, on SQLite in one run of the test and on PostgreSQL in the other."""
    clock.now = START
    for url in (database_url, other_url):
        fill(url, "hub", people.upgrade)
    with federation(tmp_path, (database_url, other_url), clock) as made:
        yield made
