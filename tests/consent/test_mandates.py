"""Mandates: how many, until which age."""

from datetime import date

import pytest

from consent.dates import interval, period
from consent.mandates import Mandate, may_choose, of_age

NOW = interval("2024-06-01")[0]


def mandates(number, **changes):
    return [Mandate(f"d{n}@a.example", period("2024", "2024"), **changes) for n in range(number)]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (mandates(4), True),
        (mandates(5), False),
        (mandates(4) + mandates(3, kind="guardian"), True),
        (mandates(5, revoked=True), True),
        (mandates(5, kind="power-of-attorney"), True),
    ],
)
def test_five_delegates_may_be_chosen(held, expected):
    """Those appointed by law, by court or long ago do not count, nor do those whose mandate is over."""
    assert may_choose(held, NOW) is expected
    assert may_choose(held, interval("2025")[0])


@pytest.mark.parametrize(
    ("birth", "years", "day"),
    [
        (date(2012, 3, 4), 15, "2027-03-04"),
        (date(2012, 3, 4), 18, "2030-03-04"),
        (date(2012, 2, 29), 15, "2027-03-01"),
        (date(2012, 2, 29), 16, "2028-02-29"),
    ],
)
def test_of_age_is_the_first_moment_of_the_birthday(birth, years, day):
    """In Berlin; who was born on 29 February has it on 1 March in other years."""
    assert of_age(birth, years) == interval(day)[0]
