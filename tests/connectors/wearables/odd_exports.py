"""Exports drawn at random from what is odd: every type and unit, numbers and times as nobody should write them."""

from random import Random

from connectors.wearables.healthkit import (
    GLUCOSE,
    HEART_RATE,
    HEART_RATE_UNITS,
    SINGLES,
    SLEEP,
    SLEEP_STAGES,
    TOTALS,
)
from tests.connectors.wearables.exports import PHONE, WATCH, document, record

UNITS = {
    HEART_RATE: list(HEART_RATE_UNITS),
    SLEEP: [""],
    "HKQuantityTypeIdentifierPhysicalEffort": ["kcal/hr·kg"],
    "constructor": ["toString"],
    **{kind: list(units) for kind, (_, units) in (TOTALS | SINGLES).items()},
    GLUCOSE: ["mg/dL", "mmol<180.1558800000541>/L", "mmol<180/L"],
}
_VALUES = (
    "0 -0 1 1.0 1.00 0.97 0.975 1.0000001 007 007.50 5. .5 . +7 -3 -0.004 -0.004e1 1e3 1.50e2 1E-3 1e-12 1e-13 "
    "1e11 1e12 1e400 1e-400 0e5 0e-9 0e-20 0e99999 nan inf -inf 0x10 1_000 _1__0_ 1__0 1,5 99.949999 180.5 98.6 "
    "12345678901234567890.123456789 999999999999.9999999999999999 999999999999.9999999 123456789012.123456789012 "
    "0.25 0.75 2.5 3.5 0.05 0.15 0.35 119.95 120.05 1.005 33.333333333333336 1e-5 \u0661\u0662 \u0663.\u0665 \uff15 "
    "0.1234567890123456789012345678901234567 0.12345678901234567890123456789012345678901 e5 1e 1e+ --1"
)
VALUES = _VALUES.split()
SOURCES = (
    ("Jürgens Apple\u00a0Watch", WATCH),
    ("Jürgens Apple\u00a0Watch", WATCH.replace("11.1", "9.6")),
    ("Jürgens Apple\u00a0Watch", WATCH.replace("11.1", "10.b2")),
    ("Telefon", PHONE),
    ("Telefon", PHONE.replace("281d0e4b0", "281d0ffff")),
    ("\U0001f4f1 App", ""),
    ("\uf8ff App", ""),
    ("\uff21pp", ""),
    ('Say "hi" \\ \u2028', "<<HKDevice: 0x1>, name:Uhr, die gute, manufacturer:A, name:B>"),
    ("", "<<HKDevice: 0x1>, name:  Ring\u00a0 2 >"),
    ("", "junk"),
    ("smartphone", "name:x>"),
)
OFFSETS = ("+0200", "+0200", "+0200", "+0100", "+0000", "-0000", "-0330", "+0545", "+1400", "-1200")
ODD_TIMES = (
    "",
    "2026-10-01",
    "2026-02-29 08:00:00 +0100",
    "2024-02-29 08:00:00 +0100",
    "2026-10-01 24:00:00 +0200",
    "2026-10-01 08:00:60 +0200",
    "2026-10-01 08:00:00 +1500",
    "2026-10-01 08:00:00 +1430",
    "2026-10-01 08:00:00 +0060",
    "2026-10-01T08:00:00+02:00",
    "1969-12-31 23:50:00 +0100",
    "0001-01-01 00:30:00 +0100",
    "0001-01-02 00:00:00 +0000",
    "1899-12-31 23:59:59 +0000",
    "1900-01-01 00:00:00 +1400",
    "2199-12-31 23:59:59 -1200",
    "2200-01-01 00:00:00 +0000",
    "9999-12-31 23:30:00 -1200",
    "2026-W40-4 08:00:00 +0200",
    "2026-10-01 08:00:00 +\u0660\u0662\u0660\u0660",
)
ENTERED = '<MetadataEntry key="HKWasUserEntered" value="{}"/>'


def odd_export(seed: int, records: int = 400) -> str:
    """A whole document; the same seed gives the same one."""
    random = Random(seed)
    lines = [_line(random) for _ in range(records)]
    lines += _sensor(random) + random.choices(lines, k=records // 10)
    random.shuffle(lines)
    exported = random.choice(("2026-10-02 12:34:56 +0200", "2026-10-31 21:30:00 +0100", ""))
    return document(*lines, exported=exported)


def _line(random: Random) -> str:
    if random.random() < 0.03:
        return random.choice(("<Workout/>", "<ActivitySummary a='1'/>", "<Me b='&#10;&amp;'/>", "<!-- <Record/> -->"))
    kind = random.choice(list(UNITS))
    unit = random.choice(UNITS[kind]) if random.random() < 0.97 else "slug"
    begin = random.choice(ODD_TIMES) if random.random() < 0.02 else _time(random)
    end = begin if random.random() < 0.3 else _later(random, begin)
    source, device = random.choice(SOURCES)
    inner = ENTERED.format(random.choice(("1", "0", "true"))) if random.random() < 0.1 else ""
    made = record(kind, _value(random, kind), begin, end, unit=unit, source=source, device=device, inner=inner)
    return f"<Correlation>{made}</Correlation>\n" if random.random() < 0.05 else made


def _value(random: Random, kind: str) -> str:
    if kind == SLEEP:
        return random.choice([*SLEEP_STAGES, "Dozing"])
    if random.random() < 0.25:
        return random.choice(VALUES)
    value = random.choice((random.uniform(0, 2), random.uniform(30, 200), random.expovariate(0.001)))
    return f"{value:.{random.randrange(6)}f}"


def _time(random: Random, day: int | None = None) -> str:
    """A moment of three days, so that much falls together."""
    day = random.randrange(30, 33) if day is None else day
    date = f"2026-{9 + day // 31:02}-{day if day < 31 else day - 30:02}"
    clock = f"{random.randrange(24):02}:{random.randrange(60):02}:{random.choice((0, 0, 30, random.randrange(60))):02}"
    return f"{date} {clock} {random.choice(OFFSETS)}"


def _later(random: Random, begin: str) -> str:
    """Mostly a while after `begin`; sometimes anywhere."""
    if len(begin) != 25 or random.random() < 0.1:
        return random.choice((begin, _time(random), *ODD_TIMES))
    hours, minutes = min(23, int(begin[11:13]) + random.randrange(2)), random.randrange(60)
    return f"{begin[:11]}{hours:02}:{minutes:02}{begin[16:]}"


def _sensor(random: Random) -> list[str]:
    """Readings of a glucose sensor over midnight, with gaps."""
    unit = random.choice(("mg/dL", "mmol<180.1558800000541>/L"))
    start = random.randrange(20 * 60)
    return [
        record(
            "BloodGlucose",
            f"{random.uniform(4, 9):.{random.randrange(3)}f}",
            f"2026-10-0{1 + minute // 1440} {minute // 60 % 24:02}:{minute % 60:02}:{random.randrange(60):02} +0200",
            unit=unit,
            source="Sensor",
        )
        for minute in range(start, start + 480, random.choice((1, 5, 15)))
        if random.random() < 0.9
    ]
