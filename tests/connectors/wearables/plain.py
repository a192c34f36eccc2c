"""Daily totals computed the plain way, apart from the code under test: a whole document in memory, by the second."""

import re
import zipfile
from collections import defaultdict
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

Day = str
_QUANTITY = "HKQuantityTypeIdentifier"
FACTORS = {
    "count": Fraction(1),
    "kcal": Fraction(1),
    "kJ": 1 / Fraction("4.184"),
    "km": Fraction(1000),
    "mi": Fraction("1609.344"),
    "min": Fraction(1),
}


class Row:
    """A Record with its times."""

    def __init__(self, element: ET.Element) -> None:
        get = element.attrib.get
        self.kind, self.source, self.unit, self.value = get("type"), get("sourceName"), get("unit"), get("value")
        self.begin, self.end = (_time(element.attrib[name]) for name in ("startDate", "endDate"))
        self.identity = (self.kind, self.source, self.unit, self.value, self.begin, self.end, str(self.begin.tzinfo))

    @property
    def rank(self) -> tuple[int, str]:
        """Watch, phone, the rest."""
        return (0 if "Watch" in self.source else 1 if "iPhone" in self.source else 2, self.source)


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")


def rows(path: Path) -> list[Row]:
    """All records of a generated export, without those that are there twice."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read("apple_health_export/Export.xml").decode()
    text = re.sub(r"<!DOCTYPE.*?\n\]>", "", text, count=1, flags=re.DOTALL).replace("\x0b", "")
    found = [Row(element) for element in ET.fromstring(text).iter("Record")]
    return list({row.identity: row for row in found}.values())


def totals(records: list[Row], kind: str) -> dict[Day, Fraction]:
    """Local day → total of one type."""
    mine = [row for row in records if row.kind == _QUANTITY + kind and re.fullmatch(r"[0-9.]+", row.value)]
    epoch = min(int(row.begin.timestamp()) for row in mine)
    taken = bytearray(max(int(row.end.timestamp()) for row in mine) - epoch + 1)
    found: dict[Day, Fraction] = defaultdict(Fraction)
    for row in sorted(mine, key=lambda row: (row.rank, row.begin, row.end)):
        first, last = int(row.begin.timestamp()) - epoch, int(row.end.timestamp()) - epoch
        each = Fraction(row.value) * FACTORS[row.unit] / (last - first)
        days = {
            moment.date().isoformat()
            for moment in (row.begin, datetime.fromtimestamp(last - 1 + epoch, row.begin.tzinfo))
        }
        if len(days) == 1:
            found[days.pop()] += each * taken[first:last].count(0)
        else:
            for second in range(first, last):
                if not taken[second]:
                    day = datetime.fromtimestamp(second + epoch, row.begin.tzinfo).date().isoformat()
                    found[day] += each
        taken[first:last] = b"\1" * (last - first)
    return dict(found)


def heart_rates(records: list[Row]) -> dict[Day, tuple[Fraction, Fraction, Fraction]]:
    """Local day → least, mean over minutes, greatest."""
    days: dict[Day, dict[int, list[Fraction]]] = defaultdict(lambda: defaultdict(list))
    for row in records:
        if row.kind == _QUANTITY + "HeartRate":
            minute = int(row.begin.timestamp()) // 60
            days[row.begin.date().isoformat()][minute].append(Fraction(row.value))
    return {
        day: (
            min(min(values) for values in minutes.values()),
            sum(sum(values) / len(values) for values in minutes.values()) / len(minutes),
            max(max(values) for values in minutes.values()),
        )
        for day, minutes in days.items()
    }
