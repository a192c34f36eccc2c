"""An export once more, as Health writes it later: in another zone, in other units, with a device called otherwise."""

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

_RECORD = re.compile(r"<Record [^>]*>")
_TIME = re.compile(r'"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})"')
_VALUE = re.compile(r' value="(-?[0-9]+(?:\.[0-9]+)?)"')
_OTHERWISE = {
    "kg": ("lb", lambda value: value / Decimal("0.45359237")),
    "cm": ("ft", lambda value: value / Decimal("30.48")),
    "degC": ("degF", lambda value: value * 9 / 5 + 32),
    "mg/dL": ("mmol&lt;180.1558800000541&gt;/L", lambda value: value / Decimal("18.015588")),
    "mmHg": ("kPa", lambda value: value / Decimal("7.50061683")),
    "km": ("mi", lambda value: value / Decimal("1.609344")),
}


def abroad(document: str, minutes: int) -> str:
    """The same moments in a zone so many minutes from Greenwich; what is no time stays."""
    zone = timezone(timedelta(minutes=minutes))

    def moved(found: re.Match[str]) -> str:
        try:
            at = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S %z").astimezone(zone)
        except (ValueError, OverflowError):
            return found[0]
        return f'"{at:%Y-%m-%d %H:%M:%S %z}"'

    return _TIME.sub(moved, document)


def renamed(document: str, old: str, new: str) -> str:
    """With a source called `new`."""
    return document.replace(f'sourceName="{old}"', f'sourceName="{new}"')


def in_other_units(document: str) -> str:
    """Every value of a unit that is known here in another one, to six digits as Health writes them."""

    def switched(found: re.Match[str]) -> str:
        line = found[0]
        for unit, (other, convert) in _OTHERWISE.items():
            value = _VALUE.search(line)
            if value and f'unit="{unit}"' in line:
                line = line.replace(value[0], f' value="{convert(Decimal(value[1])):.6g}"')
                return line.replace(f'unit="{unit}"', f'unit="{other}"')
        return line

    return _RECORD.sub(switched, document)
