"""Totals never count a second twice, and never lose one that only the lesser source saw."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.wearables import daily
from connectors.wearables.daily import PIECE, Piece
from connectors.wearables.spill import Spill

WATCH, PHONE, APP = 0, 1, 2


def rank(source: int) -> tuple[int, str]:
    """Sources 0, 1, 2 and again 0, 1, 2 under a newer software."""
    return source % 3, "abc"[source % 3]


def piece(source: int, start: int, duration: int, value: float) -> Piece:
    """A piece without an offset."""
    return Piece(start, duration, 0, 1, value, source)


pieces = st.lists(
    st.builds(piece, st.integers(0, 5), st.integers(0, 60), st.integers(1, 40), st.integers(0, 90).map(float)),
    max_size=25,
)


@given(pieces)
def test_a_total_equals_counting_second_by_second(found: list[Piece]) -> None:
    """The plain way: the best source takes a second first, the earlier stretch before the later."""
    free = [True] * 200
    expected = 0.0
    for each in sorted(found, key=lambda each: (rank(each.source), each)):
        mine = [second for second in range(each.start, each.end) if free[second]]
        expected += each.value * len(mine) / each.duration
        for second in mine:
            free[second] = False
    assert daily.total(found, rank) == pytest.approx(expected)


@given(pieces)
def test_the_order_of_the_file_does_not_matter(found: list[Piece]) -> None:
    """An export promises no order."""
    shuffled = list(found)
    random.Random(1).shuffle(shuffled)
    assert daily.total(shuffled, rank) == daily.total(found, rank)


def test_the_watch_counts_and_the_phone_only_where_the_watch_did_not() -> None:
    """Half of the phone's stretch lies outside: half of its steps."""
    assert daily.total([piece(WATCH, 0, 100, 80), piece(PHONE, 50, 100, 60)], rank) == 80 + 30


def test_a_moment_counts_where_nothing_better_saw_it() -> None:
    """What somebody typed in has no length; twice at one moment by two sources counts once."""
    assert daily.total([piece(APP, 10, 0, 500)], rank) == 500
    assert daily.total([piece(WATCH, 0, 60, 80), piece(APP, 10, 0, 500)], rank) == 80
    assert daily.total([piece(PHONE, 10, 0, 500), piece(APP, 10, 0, 500)], rank) == 500


def test_equal_records_count_once_and_are_told() -> None:
    """The second part of a record cut at midnight is no record of its own."""
    whole, rest = PIECE.pack(0, 60, 120, 1, 5.0, 1), PIECE.pack(0, 60, 120, 0, 5.0, 1)
    found, repeated = daily.unique(whole * 3 + rest * 3)
    assert len(found) == 2
    assert repeated == 2


def test_the_mean_heart_rate_is_over_minutes() -> None:
    """A minute measured twelve times weighs as much as one measured once."""
    workout = [piece(WATCH, second, 0, 150.0) for second in range(0, 60, 5)]
    rate = daily.heart_rate([*workout, piece(WATCH, 600, 0, 50.0), piece(APP, 900, 0, 220.0)], rank)
    assert (rate.least, rate.mean, rate.greatest) == (50.0, 100.0, 150.0)


def test_time_in_bed_covers_no_sleep() -> None:
    """The phone knows the bed, the watch the sleep; two watches do not add up."""
    stages = ("in-bed", "asleep", "deep")
    night = [piece(PHONE, 0, 1000, 0), piece(WATCH, 100, 300, 2), piece(APP, 100, 600, 1)]
    assert daily.night(night, stages, rank) == {"in-bed": 1000, "deep": 300, "asleep": 300}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.binary(max_size=50)), max_size=60))
def test_what_is_spilled_comes_back_by_day_in_order(parts: list[tuple[int, int, bytes]]) -> None:
    """Whether it stayed in memory or went through the file."""
    expected: dict[int, dict[int, bytes]] = {}
    with Spill(budget=64) as spill:
        for day, slot, data in parts:
            spill.buffers[day, slot] += data
            spill.settle()
            assert sum(map(len, spill.buffers.values())) <= 64
            expected.setdefault(day, {}).setdefault(slot, b"")
            expected[day][slot] += data
        assert list(spill.days()) == [(day, dict(sorted(expected[day].items()))) for day in sorted(expected)]
