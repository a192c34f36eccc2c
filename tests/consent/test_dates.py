"""Dates mean whole days at the patient's place; times mean all instants of their precision."""

from datetime import UTC, datetime

import pytest

from consent.dates import BEGINNING, FOREVER, instant, interval, last_day, period
from fhir_profiles.problems import Problem


def at(text):
    return instant(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("text", "start", "after"),
    [
        ("2024", "2024-01-01T00:00+01:00", "2025-01-01T00:00+01:00"),
        ("2024-12", "2024-12-01T00:00+01:00", "2025-01-01T00:00+01:00"),
        ("2024-03-31", "2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"),
        ("2024-06-01T10:00:00+02:00", "2024-06-01T08:00:00+00:00", "2024-06-01T08:00:01+00:00"),
        ("2024-06-01T10:00:00.5Z", "2024-06-01T10:00:00.5+00:00", "2024-06-01T10:00:00.6+00:00"),
        ("2024-06-01T10:00Z", "2024-06-01T10:00+00:00", "2024-06-01T10:01+00:00"),
        ("2024-06-01T10:00:00.123456789Z", "2024-06-01T10:00:00.123456+00:00", "2024-06-01T10:00:00.123457+00:00"),
    ],
)
def test_a_date_means_its_whole_span(text, start, after):
    """From the first instant to before the first one after, summer time included."""
    assert interval(text) == (at(start), at(after))


@pytest.mark.parametrize(
    "text",
    ["", "24", "2024-13", "2024-02-30", "2024-06-01T10:00:00", "2024-06-01T25:00:00Z", "9999-12-31T00:00:00+99:99",
     "0000", "2024-6-1", "2024-06-01 10:00:00Z", "today", "٢٠٢٤"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text):
    """A time without zone, too: nobody could say when it is."""
    with pytest.raises(Problem):
        interval(text)


def test_an_open_end_is_open():
    """What is absent in a period limits nothing."""
    assert period(None, None) == (BEGINNING, FOREVER)


@pytest.mark.parametrize(("days", "expected"), [(90, "2025-03-31"), (3, "2025-01-03"), (1, "2025-01-01")])
def test_standing_access_counts_the_day_of_issue(days, expected):
    """Issue date + days - 1, the day being that in Berlin: 23:30 UTC on New Year's Eve is already the new year."""
    assert last_day(datetime(2024, 12, 31, 23, 30, tzinfo=UTC), days).isoformat() == expected
