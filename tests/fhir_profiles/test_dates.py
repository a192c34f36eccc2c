"""Dates as ranges: what a date names, where days begin, how prefixes compare."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles import dates

HOUR = 3_600_000_000


def at(text):
    return dates.microseconds(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2023-12-31T23:00:00+00:00", "2024-12-31T23:00:00+00:00"),
        ("2024-02", "2024-01-31T23:00:00+00:00", "2024-02-29T23:00:00+00:00"),
        ("2024-07-01", "2024-06-30T22:00:00+00:00", "2024-07-01T22:00:00+00:00"),
        ("2024-01-01T10:00", "2024-01-01T09:00:00+00:00", "2024-01-01T09:01:00+00:00"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00+00:00", "2024-01-01T10:00:01+00:00"),
        ("2024-01-01T10:00:00.25-03:30", "2024-01-01T13:30:00.250+00:00", "2024-01-01T13:30:00.260+00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00", "2017-01-01T00:00:00+00:00"),
    ],
)
def test_a_date_names_all_the_time_of_its_precision(text, low, high):
    """Without a zone the day is one of Berlin, summer and winter."""
    assert dates.span(text) == (at(low), at(high))


def test_days_of_the_change_of_clocks_have_23_and_25_hours():
    """A day is from midnight to midnight, however long."""
    spring, autumn = dates.span("2024-03-31"), dates.span("2024-10-27")
    assert (spring[1] - spring[0], autumn[1] - autumn[0]) == (23 * HOUR, 25 * HOUR)


def test_another_zone_can_be_configured():
    """The zone is the caller's."""
    assert dates.span("2024-01-01", ZoneInfo("UTC")) == (
        at("2024-01-01T00:00:00+00:00"),
        at("2024-01-02T00:00:00+00:00"),
    )


@pytest.mark.parametrize(
    "text", ["", "24", "2024-13", "2024-02-30", "2024-1-1", "2024-01-01T25:00", "2024-01-01Z", "x"]
)
def test_what_is_no_date_is_refused(text):
    """No guess is made."""
    with pytest.raises(ValueError):
        dates.span(text)


@pytest.mark.parametrize("text", ["9999", "9999-12", "9999-12-31"])
def test_the_last_dates_reach_as_far_as_they_can(text):
    """No overflow at the end of the calendar."""
    assert dates.span(text)[1] == dates.LATEST


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_lies_within_its_second_minute_and_day(moment):
    """Coarser dates contain finer ones."""
    utc = ZoneInfo("UTC")
    text = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
    spans = [dates.span(text[:size], utc) for size in (26, 19, 16, 10, 7, 4)]
    for inner, outer in pairwise(spans):
        assert outer[0] <= inner[0]
        assert inner[1] <= outer[1]


def test_open_periods_reach_far_and_timings_span_their_events():
    """Half a Period is open on the other side."""
    day = dates.span("2024-01-01")
    assert dates.span_of({"start": "2024-01-01"}, "Period") == (day[0], dates.LATEST)
    assert dates.span_of({"end": "2024-01-01"}, "Period") == (dates.EARLIEST, day[1])
    assert dates.span_of({}, "Period") is None
    events = {"event": ["2024-01-03", "2024-01-01"]}
    assert dates.span_of(events, "Timing") == (day[0], dates.span("2024-01-03")[1])


@pytest.mark.parametrize(
    ("prefix", "before", "overlapping", "inside", "after"),
    [
        ("eq", False, False, True, False),
        ("ne", True, True, False, True),
        ("gt", False, False, False, True),
        ("lt", True, True, False, False),
        ("ge", False, False, True, True),
        ("le", True, True, True, False),
        ("sa", False, False, False, True),
        ("eb", True, False, False, False),
        ("ap", False, True, True, False),
    ],
)
def test_prefixes_compare_ranges(prefix, before, overlapping, inside, after):
    """https://hl7.org/fhir/R4/search.html#prefix, for a value before, across the start of, inside and after."""
    wanted = (100, 200)
    values = [(10, 20), (50, 150), (120, 130), (200, 210)]
    assert [dates.compare(prefix, wanted, value) for value in values] == [before, overlapping, inside, after]


def test_about_a_date_widens_by_a_tenth_of_its_distance():
    """The longer ago, the vaguer."""
    now = datetime(2024, 1, 11, tzinfo=UTC)
    low, high = dates.widened(dates.span("2024-01-01T00:00:00Z"), now)
    assert low == dates.microseconds(datetime(2024, 1, 1, tzinfo=UTC) - timedelta(days=1))
    assert high > dates.microseconds(datetime(2024, 1, 2, tzinfo=UTC))
