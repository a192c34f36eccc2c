"""First pass over an export: each record to its day, packed, or left with a reason."""

from collections import Counter, defaultdict
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import orjson

from connectors.wearables.apple_health import (
    MAX_SOURCES,
    Reader,
    Record,
    moment,
    span,
    too_many_sources,
)
from connectors.wearables.daily import DAY, NIGHT_BEGINS_BEFORE, PIECE
from connectors.wearables.healthkit import (
    FRACTIONS,
    GLUCOSE,
    HEART_RATE,
    HEART_RATE_UNITS,
    OF_THE_DAY,
    SINGLES,
    SLEEP,
    SLEEP_STAGES,
    TOTALS,
    Conversion,
    unit_name,
)
from connectors.wearables.spill import Key
from fhir_profiles.devices import Description

NOT_SUPPORTED = "not-supported"
UNREADABLE = "unreadable"
UNIT = "unit"

TOTAL_METRICS = tuple(dict.fromkeys(metric for metric, _ in TOTALS.values()))
"""The slot of a total is its place here."""
SLOT_HEART_RATE = 100
SLOT_SLEEP = 101
SLOT_SINGLES = 102
SLOT_HOURS = 103
"""Heart rates once more, where their day by UTC is another than their local one: the hours are told of by UTC."""

STAGES = tuple(dict.fromkeys(SLEEP_STAGES.values()))
LONGEST = 31 * DAY
MAX_VALUE = 1e12
_CGM_GAP = 16 * 60
_CGM_READINGS = 24
_PLANS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of records of one type and unit."""

    slot: int
    metric: str
    factor: float = 1.0
    conversion: Conversion | None = None


class Single(NamedTuple):
    """A measurement of its own, as it waits for its day. `value` is converted, `unit` is as written."""

    metric: str
    source: int
    start: str
    end: str
    value: str
    unit: str
    entered: bool
    type: str

    def __repr__(self) -> str:
        return f"Single({len(self.value)} characters)"


@dataclass(slots=True)
class _Readings:
    """Of a source's glucose: how many readings, how many of them soon after the last, the first's and last's second."""

    first: int
    last: int
    count: int = 1
    close: int = 0

    def join(self, later: "_Readings") -> None:
        """Go on with those that followed."""
        self.close += later.close + (0 < abs(later.first - self.last) <= _CGM_GAP)
        self.count += later.count
        self.last = later.last


@dataclass(slots=True)
class Taken:
    """What a first pass over an export, or over a part of it, has found.

    `buffers` are the packed records by day and slot, `sources` all that were named, in the order of the file, `used`
    those that something was taken from, `latest` the last second, `left` how many records for which reason.
    """

    buffers: MutableMapping[Key, bytearray] = field(default_factory=lambda: defaultdict(bytearray), repr=False)
    sources: dict[int, Description] = field(default_factory=dict, repr=False)
    used: set[int] = field(default_factory=set)
    exported: str | None = None
    latest: int = 0
    read: int = 0
    left: Counter[str] = field(default_factory=Counter)
    glucose: dict[int, _Readings] = field(default_factory=dict, repr=False)

    def join(self, later: "Taken") -> None:
        """Go on with what was found in the part that follows."""
        for key, packed in later.buffers.items():
            self.buffers[key] += packed
        for number, about in later.sources.items():
            self.sources.setdefault(number, about)
        if len(self.sources) > MAX_SOURCES:
            raise too_many_sources()
        self.used |= later.used
        if later.exported is not None:
            self.exported = later.exported
        self.latest = max(self.latest, later.latest)
        self.read += later.read
        self.left.update(later.left)
        for source, readings in later.glucose.items():
            if source in self.glucose:
                self.glucose[source].join(readings)
            else:
                self.glucose[source] = readings

    def monitors(self) -> set[int]:
        """Sources whose glucose readings follow each other like those of a sensor, not of a finger.

        HealthKit does not tell interstitial fluid from blood; half the readings within 16 minutes of the last do.
        """
        return {
            source
            for source, readings in self.glucose.items()
            if readings.count >= _CGM_READINGS and 2 * readings.close >= readings.count
        }


def take_in(document: Iterable[bytes], taken: Taken) -> None:
    """Read a document to its end, chunk by chunk. Raises what `Reader` raises."""
    reader = Reader()
    taken.sources = reader.sources
    take = _Intake(taken).take
    for records in reader.records(document):
        for record in records:
            take(record)
        taken.read += len(records)
    taken.exported = reader.exported


class _Intake:
    """Takes records one by one."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._buffers = taken.buffers
        self._plans: dict[tuple[str, str], _Plan | str] = {}

    def take(self, record: Record) -> None:
        """Pack a record under its day, or count the reason why it is left."""
        plan = self._plans.get((record.type, record.unit))
        if plan is None:
            plan = _planned(record)
            if len(self._plans) < _PLANS_KEPT:
                self._plans[record.type, record.unit] = plan
        if isinstance(plan, str):
            self._taken.left[plan] += 1
            return
        try:
            if plan.slot == SLOT_SINGLES:
                begin = self._single(record, plan)
            elif plan.slot == SLOT_SLEEP:
                begin = self._sleep(record)
            else:
                begin = self._number(record, plan)
        except (ValueError, InvalidOperation):
            self._taken.left[UNREADABLE] += 1
            return
        self._taken.used.add(record.source)
        self._taken.latest = max(self._taken.latest, begin)

    def _number(self, record: Record, plan: _Plan) -> int:
        value = float(record.value) * plan.factor
        local, offset, duration = span(record.start, record.end)
        if not 0.0 <= value < MAX_VALUE or not 0 <= duration <= LONGEST:
            raise ValueError("out of range")
        epoch = local - offset * 60
        day = local // DAY
        if local + duration <= (day + 1) * DAY or plan.slot == SLOT_HEART_RATE:
            packed = PIECE.pack(epoch, duration, offset, 1, value, record.source)
            self._buffers[day, plan.slot] += packed
            if plan.slot == SLOT_HEART_RATE and epoch // DAY != day:
                self._buffers[epoch // DAY, SLOT_HOURS] += packed
            return epoch
        first, left = epoch, duration
        while left:
            here = min(left, (day + 1) * DAY - (first + offset * 60))
            share = value * here / duration
            counted = int(first == epoch)
            self._buffers[day, plan.slot] += PIECE.pack(first, here, offset, counted, share, record.source)
            first, left, day = first + here, left - here, day + 1
        return epoch

    def _sleep(self, record: Record) -> int:
        stage = SLEEP_STAGES.get(record.value)
        begin, end = moment(record.start), moment(record.end)
        duration = end.epoch - begin.epoch
        if stage is None or not 0 < duration <= DAY:
            raise ValueError("no stage of sleep")
        day = (begin.local + NIGHT_BEGINS_BEFORE) // DAY
        packed = PIECE.pack(begin.epoch, duration, begin.offset, 1, STAGES.index(stage), record.source)
        self._buffers[day, SLOT_SLEEP] += packed
        return begin.epoch

    def _single(self, record: Record, plan: _Plan) -> int:
        value = Decimal(record.value)
        if not value.is_finite() or not abs(value) < MAX_VALUE or value.adjusted() < -12 or len(record.value) > 40:
            raise ValueError("out of range")
        if plan.metric in FRACTIONS and value <= 1:
            value = value.scaleb(2)
        assert plan.conversion is not None
        begin = moment(record.start)
        if moment(record.end).epoch < begin.epoch:
            # A Period that ends before it begins is no R4, and would spoil all that travels with it.
            raise ValueError("it ends before it begins")
        single = Single(
            plan.metric,
            record.source,
            record.start,
            record.end,
            format(plan.conversion.apply(value), "f"),
            record.unit,
            record.entered,
            record.type,
        )
        day = (begin.local if plan.metric in OF_THE_DAY else begin.epoch) // DAY
        self._buffers[day, SLOT_SINGLES] += orjson.dumps(tuple(single)) + b"\n"
        if record.type == GLUCOSE:
            self._reading(record.source, begin.epoch)
        return begin.epoch

    def _reading(self, source: int, at: int) -> None:
        reading = _Readings(at, at)
        seen = self._taken.glucose.setdefault(source, reading)
        if seen is not reading:
            seen.join(reading)


def _planned(record: Record) -> _Plan | str:
    unit = unit_name(record.unit)
    if record.type == HEART_RATE:
        rate = HEART_RATE_UNITS.get(unit)
        return UNIT if rate is None else _Plan(SLOT_HEART_RATE, "heart-rate-minute", rate)
    if record.type == SLEEP:
        return _Plan(SLOT_SLEEP, "sleep-night")
    if record.type in TOTALS:
        metric, factors = TOTALS[record.type]
        factor = factors.get(unit)
        return UNIT if factor is None else _Plan(TOTAL_METRICS.index(metric), metric, factor)
    if record.type in SINGLES:
        metric, conversions = SINGLES[record.type]
        conversion = conversions.get(unit)
        return UNIT if conversion is None else _Plan(SLOT_SINGLES, metric, 1.0, conversion)
    return NOT_SUPPORTED


def singles(packed: bytes) -> list[Single]:
    """The single measurements of a day, in the order of the file."""
    return [Single(*orjson.loads(line)) for line in packed.splitlines()]
