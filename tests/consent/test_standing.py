"""Standing access: gematik's arithmetic, and what the patient may change of it."""

from datetime import UTC, datetime

import pytest

from consent.categories import LABELS as SENSITIVITY
from consent.dates import FOREVER, interval, period
from consent.decide import Decider
from consent.finer_rules import decider, read, up_to
from consent.floor import roles
from consent.items import CONFIDENTIALITY, NORMAL, item
from consent.purposes import LABELS
from consent.standing import TEMPLATES, TYPES, Standing, issue, usual_days
from consent.state import Request, State
from consent.template import template
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


@pytest.mark.parametrize("more", [frozenset(), frozenset({"R"}), frozenset({"R", "V"})])
def test_finer_rules_reach_as_far(more):
    """What a gateway keeps to is what a decision by standing access permits, whatever the labels."""
    rules = decider(read(up_to(NORMAL | more)))
    state = State(standing=(Standing(PRACTICE, (0, FOREVER), NORMAL | more),))
    asked = Decider(state, Request("p", frozenset({PRACTICE}), "TREAT", 1))
    for level in (None, *sorted(CONFIDENTIALITY)):
        for marks in ([], *([mark] for mark in sorted({*SENSITIVITY, *LABELS}))):
            one = item("Observation/1", ["Observation", "lab"], level, marks)
            assert rules.verdict(one).permit == asked.verdict(one).permit, (level, marks)


@pytest.mark.parametrize("type_", sorted(TYPES))
def test_one_tap_is_signed_by_a_template_of_as_many_days(type_):
    """By the directory's type: 90 days, or 3; of normal confidentiality, for treatment."""
    days = usual_days(roles(type_, ""))
    signed = template(TEMPLATES[days])
    assert (signed.days, signed.confidentiality, signed.purposes) == (days, NORMAL, ("TREAT",))
    assert (days == 3) == (type_ in {"pharmacy", "public-health", "occupational"})
