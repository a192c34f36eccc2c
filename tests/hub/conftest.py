"""A hub for each test, on both databases."""

import pytest

from tests.consent.world import START
from tests.hub import people


@pytest.fixture
def town(database_url, tmp_path, clock):
    """A hub with nobody at it, on either database."""
    clock.now = START
    made = people.build(database_url, tmp_path / "hub", clock)
    yield made
    made.hub.db.close()


@pytest.fixture
def small_town(tmp_path, clock):
    """A hub on SQLite, for what has nothing to do with the database."""
    clock.now = START
    made = people.build(f"sqlite:///{tmp_path / 'small.sqlite'}", tmp_path / "hub", clock, attempts=3)
    yield made
    made.hub.db.close()
