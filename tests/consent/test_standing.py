"""Standing access: gematik's arithmetic, and what the patient may change of it."""

from datetime import UTC, datetime

import pytest

from consent.dates import interval, period
from consent.standing import Standing, issue
from fhir_profiles.problems import Problem

PRACTICE = "praxis@a.example"
NEW_YEAR = datetime(2025, 1, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("role", "days", "last"),
    [
        ("physician", None, "2025-03-31"),
        ("", None, "2025-03-31"),
        ("pharmacist", None, "2025-01-03"),
        ("public-health", None, "2025-01-03"),
        ("occupational-physician", None, "2025-01-03"),
        ("physician", 1, "2025-01-01"),
        ("physician", 365, "2025-12-31"),
        ("pharmacist", 30, "2025-01-30"),
        ("public-health", 2, "2025-01-02"),
    ],
)
def test_the_day_of_issue_counts_and_the_last_ends_at_midnight(role, days, last):
    """Issue date + days - 1, to the end of that day in Berlin."""
    assert issue(PRACTICE, [role], NEW_YEAR, days) == Standing(PRACTICE, period("2025-01-01", last))


def test_the_day_of_issue_is_that_of_berlin():
    """23:30 UTC on New Year's Eve is already the new year."""
    late = issue(PRACTICE, ["pharmacist"], datetime(2024, 12, 31, 23, 30, tzinfo=UTC))
    assert late.period == period("2025-01-01", "2025-01-03")


def test_no_day_is_none():
    """The patient may shorten to nothing."""
    assert issue(PRACTICE, ["physician"], NEW_YEAR, 0) is None


@pytest.mark.parametrize(("role", "days"), [("physician", 366), ("physician", -1), ("public-health", 4)])
def test_more_than_a_year_or_than_the_role_allows_is_refused(role, days):
    """Public health and occupational medicine keep their three days."""
    with pytest.raises(Problem):
        issue(PRACTICE, [role], NEW_YEAR, days)


def test_a_card_never_shortens_what_is_held():
    """A longer one is kept, a shorter one replaced; one of another actor is not looked at."""
    year = Standing(PRACTICE, period("2024-12-01", "2025-11-30"), frozenset({"N", "R"}))
    assert issue(PRACTICE, ["physician"], NEW_YEAR, held=year) == year
    short = Standing(PRACTICE, period("2024-12-01", "2025-01-10"))
    assert issue(PRACTICE, ["physician"], NEW_YEAR, held=short).period[1] == interval("2025-03-31")[1]
    assert issue(PRACTICE, ["physician"], NEW_YEAR, held=Standing("other", year.period)).period[0] > year.period[0]


def test_the_patient_shortens_what_is_held():
    """Her choice replaces it, whatever it was."""
    year = Standing(PRACTICE, period("2024-12-01", "2025-11-30"))
    assert issue(PRACTICE, ["physician"], NEW_YEAR, 7, held=year).period == period("2025-01-01", "2025-01-07")
