"""A hub for each test."""

import pytest

from tests.consent.world import START
from tests.hub import people


@pytest.fixture
def town(tmp_path, clock, fill):
    """A hub with nobody at it, on SQLite."""
    clock.now = START
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    fill(url, "hub", people.upgrade)
    made = people.build(url, tmp_path / "hub", clock)
    yield made
    made.hub.db.close()


@pytest.fixture
def towns(database_url, tmp_path, clock, fill):
    """A hub with nobody at it, on SQLite in one run of the test and on PostgreSQL in the other."""
    clock.now = START
    fill(database_url, "hub", people.upgrade)
    made = people.build(database_url, tmp_path / "hub", clock)
    yield made
    made.hub.db.close()
