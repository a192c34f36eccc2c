"""First pass over an export: each record to its day, packed, or left with a reason."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import orjson

from connectors.wearables.apple_health import Record, moment, span
from connectors.wearables.daily import DAY, NIGHT_BEGINS_BEFORE, PIECE
from connectors.wearables.healthkit import (
    FRACTIONS,
    GLUCOSE,
    HEART_RATE,
    HEART_RATE_UNITS,
    SINGLES,
    SLEEP,
    SLEEP_STAGES,
    TOTALS,
    Conversion,
    unit_name,
)
from connectors.wearables.spill import Spill

NOT_SUPPORTED = "not-supported"
UNREADABLE = "unreadable"
UNIT = "unit"

TOTAL_METRICS = tuple(dict.fromkeys(metric for metric, _ in TOTALS.values()))
"""The slot of a total is its place here."""
SLOT_HEART_RATE = 100
SLOT_SLEEP = 101
SLOT_SINGLES = 102

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
    """A measurement of its own, as it waits for its day. `value` is converted, `raw` and `unit` are as written."""

    metric: str
    source: int
    start: str
    end: str
    value: str
    raw: str
    unit: str
    entered: bool
    type: str

    def __repr__(self) -> str:
        return f"Single({len(self.raw)} characters)"


class Intake:
    """Takes records one by one into a `Spill`; tells afterwards which sources were used, and which are sensors."""

    def __init__(self, spill: Spill) -> None:
        self.sources: set[int] = set()
        self.latest = 0
        self._buffers = spill.buffers
        self._plans: dict[tuple[str, str], _Plan | str] = {}
        self._glucose: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])

    def take(self, record: Record) -> str | None:
        """Pack a record under its day. Gives the reason where it is left."""
        plan = self._plans.get((record.type, record.unit))
        if plan is None:
            plan = _planned(record)
            if len(self._plans) < _PLANS_KEPT:
                self._plans[record.type, record.unit] = plan
        if isinstance(plan, str):
            return plan
        try:
            if plan.slot == SLOT_SINGLES:
                self._single(record, plan)
            elif plan.slot == SLOT_SLEEP:
                self._sleep(record)
            else:
                self._number(record, plan)
        except (ValueError, InvalidOperation):
            return UNREADABLE
        self.sources.add(record.source)
        return None

    def monitors(self) -> set[int]:
        """Sources whose glucose readings follow each other like those of a sensor, not of a finger.

        HealthKit does not tell interstitial fluid from blood; half the readings within 16 minutes of the last do.
        """
        return {
            source
            for source, (count, close, _) in self._glucose.items()
            if count >= _CGM_READINGS and 2 * close >= count
        }

    def _number(self, record: Record, plan: _Plan) -> None:
        value = float(record.value) * plan.factor
        local, offset, duration = span(record.start, record.end)
        if not 0.0 <= value < MAX_VALUE or not 0 <= duration <= LONGEST:
            raise ValueError("out of range")
        epoch = local - offset * 60
        day = local // DAY
        self.latest = max(self.latest, epoch)
        if local + duration <= (day + 1) * DAY or plan.slot == SLOT_HEART_RATE:
            self._buffers[day, plan.slot] += PIECE.pack(epoch, duration, offset, record.source, 1, value)
            return
        first, left = epoch, duration
        while left:
            here = min(left, (day + 1) * DAY - (first + offset * 60))
            share = value * here / duration
            counted = int(first == epoch)
            self._buffers[day, plan.slot] += PIECE.pack(first, here, offset, record.source, counted, share)
            first, left, day = first + here, left - here, day + 1

    def _sleep(self, record: Record) -> None:
        stage = SLEEP_STAGES.get(record.value)
        begin, end = moment(record.start), moment(record.end)
        duration = end.epoch - begin.epoch
        if stage is None or not 0 <= duration <= DAY:
            raise ValueError("no stage of sleep")
        day = (begin.local + NIGHT_BEGINS_BEFORE) // DAY
        packed = PIECE.pack(begin.epoch, duration, begin.offset, record.source, 1, STAGES.index(stage))
        self._buffers[day, SLOT_SLEEP] += packed
        self.latest = max(self.latest, begin.epoch)

    def _single(self, record: Record, plan: _Plan) -> None:
        value = Decimal(record.value)
        if not value.is_finite() or not abs(value) < MAX_VALUE or value.adjusted() < -12 or len(record.value) > 40:
            raise ValueError("out of range")
        if plan.metric in FRACTIONS and value <= 1:
            value = value.scaleb(2)
        assert plan.conversion is not None
        begin = moment(record.start)
        moment(record.end)
        single = Single(
            plan.metric,
            record.source,
            record.start,
            record.end,
            format(plan.conversion.apply(value), "f"),
            record.value,
            record.unit,
            record.entered,
            record.type,
        )
        self._buffers[begin.local // DAY, SLOT_SINGLES] += orjson.dumps(tuple(single)) + b"\n"
        self.latest = max(self.latest, begin.epoch)
        if record.type == GLUCOSE:
            seen = self._glucose[record.source]
            seen[0] += 1
            seen[1] += 0 < abs(begin.epoch - seen[2]) <= _CGM_GAP
            seen[2] = begin.epoch


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
