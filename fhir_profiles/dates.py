"""Dates as half-open ranges [low, high) of integer microseconds since 1970 UTC.

A date stands for all the time that it names: a year, a day, a second, a millisecond
(https://hl7.org/fhir/R4/search.html#date). Where no zone is given, the day is one of the configured zone.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

Range = tuple[int, int]

BERLIN: Final = ZoneInfo("Europe/Berlin")
EARLIEST: Final = -(2**62)
LATEST: Final = 2**62

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)


def microseconds(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def span(text: str, zone: tzinfo = BERLIN) -> Range:
    """The time that a date, dateTime or instant names. Raises `ValueError` for what is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("not a date")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    low = datetime(
        int(year),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        min(int(second or 0), 59),
        int((fraction or "0")[:6].ljust(6, "0")),
        tzinfo=zone if offset is None else _offset(offset),
    )
    start = microseconds(low)
    if second is not None:
        return start, start + 10 ** (6 - min(len(fraction or ""), 6))
    if hour is not None:
        return start, start + 60_000_000
    try:
        if day is not None:
            return start, microseconds(low + timedelta(days=1))
        if month is not None:
            return start, microseconds((low + timedelta(days=31)).replace(day=1))
        return start, microseconds(low.replace(year=low.year + 1))
    except (OverflowError, ValueError):
        return start, LATEST


@cache
def _offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    distance = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-distance if text[0] == "-" else distance)


def span_of(value: Any, kind: str, zone: tzinfo = BERLIN) -> Range | None:
    """The time of an element: a date, dateTime, instant, Period (open ends reach far) or Timing; else `None`."""
    if isinstance(value, str):
        try:
            return span(value, zone)
        except ValueError:
            return None
    if kind == "Period" and isinstance(value, dict):
        start, end = span_of(value.get("start"), "", zone), span_of(value.get("end"), "", zone)
        return (start[0] if start else EARLIEST, end[1] if end else LATEST) if start or end else None
    if kind == "Timing" and isinstance(value, dict):
        repeat = value.get("repeat")
        bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
        spans = [span_of(each, "", zone) for each in value.get("event", ())]
        known = [each for each in (*spans, span_of(bounds, "Period", zone)) if each is not None]
        return (min(each[0] for each in known), max(each[1] for each in known)) if known else None
    return None


def compare(prefix: str, wanted: Range, found: Range) -> bool:
    """Whether a value's range fits a query's under a prefix; `ap` asks for overlap with an already widened range."""
    inside = wanted[0] <= found[0] and found[1] <= wanted[1]
    tests = {
        "eq": inside,
        "ne": not inside,
        "gt": found[1] > wanted[1],
        "lt": found[0] < wanted[0],
        "ge": found[1] > wanted[1] or inside,
        "le": found[0] < wanted[0] or inside,
        "sa": found[0] >= wanted[1],
        "eb": found[1] <= wanted[0],
        "ap": found[0] < wanted[1] and wanted[0] < found[1],
    }
    return tests[prefix]


def widened(wanted: Range, now: datetime) -> Range:
    """The range that `ap` asks for: a tenth of the distance to now more on both sides."""
    more = abs(microseconds(now) - wanted[0]) // 10
    return wanted[0] - more, wanted[1] + more
