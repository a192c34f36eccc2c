"""Dates of rules and of data: FHIR date and dateTime as half-open intervals of microseconds since 1970.

A value without a time of day means the whole day at the patient's place, so that "until 31 March" ends with that day
there and not with the day in London. A value stands for all instants it may mean: a day, a month, a second.
https://hl7.org/fhir/R4/datatypes.html#Period ("If the end of the period is a date, it includes that day").
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fhir_profiles.problems import Problem

ZONE = ZoneInfo("Europe/Berlin")
BEGINNING = -(2**62)
"""Before every instant: no start is stated."""
FOREVER = 2**62
"""After every instant: no end is stated."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SHAPE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)


def instant(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=65536)
def interval(text: str) -> tuple[int, int]:
    """First instant, and the first one after, of what a FHIR date, dateTime or instant means.

    Raises `Problem(value)` for anything else, and for a time without a zone.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise Problem("value", "A date is YYYY, YYYY-MM, YYYY-MM-DD, or a time with seconds and a zone.")
    year, month, day, minute, second, fraction, zone = shape.groups()
    try:
        if minute is None:
            return _days(int(year), int(month or 0), int(day or 0))
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{minute}:{second or '00'}{zone}")
        start = instant(moment)
    except (ValueError, OverflowError) as error:
        raise Problem("value", "This date does not exist.") from error
    if second is None:
        return start, start + 60_000_000
    if fraction is None:
        return start, start + 1_000_000
    digits = fraction[:6]
    start += int(digits.ljust(6, "0"))
    return start, start + 10 ** (6 - len(digits))


def _days(year: int, month: int, day: int) -> tuple[int, int]:
    first = date(year, month or 1, day or 1)
    if day:
        after = first + timedelta(days=1)
    elif month:
        after = date(year + month // 12, month % 12 + 1, 1)
    else:
        after = date(year + 1, 1, 1)
    return _midnight(first), _midnight(after)


def _midnight(day: date) -> int:
    return instant(datetime(day.year, day.month, day.day, tzinfo=ZONE))


def period(start: str | None, end: str | None) -> tuple[int, int]:
    """The half-open interval of a FHIR Period; a missing end is open. Raises as `interval`."""
    return (
        BEGINNING if start is None else interval(start)[0],
        FOREVER if end is None else interval(end)[1],
    )


def last_day(issued: datetime, days: int) -> date:
    """The last day of standing access issued at `issued`: issue date + days - 1, at the patient's place."""
    return issued.astimezone(ZONE).date() + timedelta(days=days - 1)
