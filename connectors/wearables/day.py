"""Second pass: one day of an export as FHIR, sorted into the categories a patient consents to.

`activity` comes as a whole (the local day's totals, sleep, heart rate; a later export may replace them), `vitals` and
`traces` come one by one, by the day, and by the hour, of UTC. Health writes all times of an export in the zone in which
it is made, and each source by the name that it has then: what is told of an hour hangs on neither, nor on units.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

from connectors.wearables import daily, intake
from connectors.wearables.apple_health import date_time, moment, rank
from connectors.wearables.daily import DAY, Piece
from connectors.wearables.healthkit import DIASTOLIC, DIGITS, OF_THE_DAY, SYSTOLIC
from connectors.wearables.intake import STAGES, TOTAL_METRICS, Single
from fhir_profiles import codes
from fhir_profiles.codes import METRICS
from fhir_profiles.devices import Description, device_id
from fhir_profiles.observations import (
    Context,
    Number,
    Period,
    blood_pressure,
    identity,
    numbered,
    panel,
    quantity,
    series,
    template,
)
from fhir_profiles.resources import dump

UNPAIRED = "unpaired"
TOTAL_METHOD = "Summe ohne Doppelzählung gleichzeitiger Quellen (Uhr vor Telefon vor anderen)"
ESTIMATED = "Schätzung des Geräts"
STAGE_CODES = {
    "deep": codes.SLEEP_DEEP,
    "light": codes.SLEEP_LIGHT,
    "rem": codes.SLEEP_REM,
    "awake": codes.SLEEP_AWAKE,
    "in-bed": codes.SLEEP_IN_BED,
}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Item:
    """One resource: `key` says what it tells of and when, and is its id in hexadecimal; made from so many `records`.

    Several that were measured at once have one `key`, until they are placed. `also`, where there is one, names what
    this device measured then: an export that tells it otherwise finds by it under which id it went out.
    """

    category: str
    key: bytes
    resource: bytes = field(repr=False)
    records: int
    also: bytes = b""

    def at_place(self, place: int) -> "Item":
        """The same as the one at a place, counted from 0, among those of its key."""
        key = numbered(self.key, place)
        return replace(self, key=key, resource=self.resource.replace(self.key.hex().encode(), key.hex().encode()))


@dataclass(slots=True)
class Glucose:
    """A device's readings of a day by UTC in one unit; `key` names the series that they may be, as it does those of
    other devices of the day, `sensor` says that this device's are one.

    A reading is its own key, what says that it is this device's, and itself; `singly` are they each for itself, where
    the device is no sensor.
    """

    key: bytes
    sensor: bytes
    kind: str
    context: Context
    status: str
    readings: Sequence[tuple[bytes, bytes, Single]] = field(repr=False)
    singly: list[Item] = field(default_factory=list, repr=False)


@dataclass(slots=True)
class Day:
    """What became of the records of one day. What becomes of `glucose`, hangs on what went out before.

    `number` is in days since 1970; `begun` and `ended` are the seconds since 1970 between which its activity lies.
    """

    number: int
    name: str
    activity: list[Item] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    glucose: list[Glucose] = field(default_factory=list)
    duplicates: int = 0
    left: Counter[str] = field(default_factory=Counter)
    begun: int = _NEVER
    ended: int = -_NEVER

    def reach(self, begun: int, ended: int) -> None:
        """Some of its activity lies here."""
        self.begun, self.ended = min(self.begun, begun), max(self.ended, ended)


class Days:
    """Builds days, here or where it was sent. `sources` by their numbers, `monitors` those of them that are glucose
    sensors; `exported` is when the export was made, in seconds since 1970, and `today` its local day."""

    def __init__(
        self, patient: str, sources: Mapping[int, Description], monitors: Iterable[int], exported: int, today: int
    ) -> None:
        self._patient = patient
        self._devices = {source: device_id(patient, about) for source, about in sources.items()}
        self._ranks = {source: rank(about) for source, about in sources.items()}
        # What she calls a device hangs on the export. Their order does not, where they are told apart by the rest.
        self._order = {
            self._devices[source]: device_id(patient, replace(about, source="")) for source, about in sources.items()
        }
        self._monitors = {self._devices[source] for source in monitors}
        self._exported = exported
        self._today = today

    def build(self, day: int, slots: dict[int, bytes]) -> Day:
        """The resources of a day, `day` in days since 1970, from the packed records of each slot."""
        made = Day(day, day_name(day))
        self._status = "final" if day < self._today else "preliminary"
        hourly: list[Piece] = []
        for slot, packed in slots.items():
            if slot == intake.SLOT_SINGLES:
                self._singles(made, packed, "final" if (day + 1) * DAY <= self._exported else "preliminary")
                continue
            pieces, repeated = daily.unique(packed)
            if slot == intake.SLOT_HOURS:
                hourly += pieces
                continue
            made.duplicates += repeated
            made.reach(pieces[0].start, max(piece.end for piece in pieces))
            if slot == intake.SLOT_HEART_RATE:
                self._heart_rate(made, pieces)
                hourly += [piece for piece in pieces if piece.start // DAY == day]
            elif slot == intake.SLOT_SLEEP:
                self._sleep(made, pieces)
            else:
                self._total(made, TOTAL_METRICS[slot], pieces)
        self._hours(made, sorted(hourly))
        return made

    def _rank(self, source: int) -> tuple[int, str]:
        return self._ranks[source]

    def _context(self, pieces: Iterable[Piece]) -> Context:
        """Names the device where there is only one."""
        devices = {self._devices[piece.source] for piece in pieces}
        return Context(self._patient, devices.pop() if len(devices) == 1 else None)

    def _total(self, made: Day, name: str, pieces: list[Piece]) -> None:
        value = number(daily.total(pieces, self._rank), DIGITS[name])
        key = identity(self._patient, name, "day", made.name)
        observation = quantity(
            METRICS[name],
            value,
            _whole_day(made.name, pieces),
            key,
            self._context(pieces),
            method=TOTAL_METHOD,
            status=self._status,
        )
        made.activity.append(_of_day(key, observation, pieces))

    def _sleep(self, made: Day, pieces: list[Piece]) -> None:
        seconds = daily.night(pieces, STAGES, self._rank)
        asleep = [seconds[stage] for stage in ("asleep", "light", "deep", "rem") if stage in seconds]
        key = identity(self._patient, "sleep-night", made.name)
        observation = panel(
            METRICS["sleep-night"],
            [
                ((STAGE_CODES[stage],), number(seconds[stage] / 60, 1), codes.MINUTE)
                for stage in STAGE_CODES
                if stage in seconds
            ],
            _span(pieces),
            key,
            self._context(pieces),
            value=number(sum(asleep) / 60, 1) if asleep else None,
            status=self._status,
        )
        if not observation["component"]:
            del observation["component"]
        made.activity.append(_of_day(key, observation, pieces))

    def _heart_rate(self, made: Day, pieces: list[Piece]) -> None:
        rate = daily.heart_rate(pieces, self._rank)
        components = [
            ((coding,), number(value, 1), codes.PER_MINUTE)
            for coding, value in (
                (codes.HEART_RATE_MIN, rate.least),
                (codes.HEART_RATE_MEAN, rate.mean),
                (codes.HEART_RATE_MAX, rate.greatest),
            )
        ]
        first = min(self._rank(piece.source) for piece in pieces)
        key = identity(self._patient, "heart-rate-day", made.name)
        observation = panel(
            METRICS["heart-rate-day"],
            components,
            _whole_day(made.name, pieces),
            key,
            self._context(piece for piece in pieces if self._rank(piece.source) == first),
            status=self._status,
        )
        made.activity.append(_of_day(key, observation, ()))  # its records count with the hours

    def _hours(self, made: Day, pieces: Iterable[Piece]) -> None:
        hours: defaultdict[tuple[int, str], list[Piece]] = defaultdict(list)
        for piece in pieces:
            hours[piece.start // 3600, self._devices[piece.source]].append(piece)
        in_order = sorted(hours, key=lambda hour: (hour[0], self._order[hour[1]], hour[1]))
        made.items += [self._hour(*hour, hours[hour]) for hour in in_order]

    def _hour(self, hour: int, device: str, pieces: Sequence[Piece]) -> Item:
        """One hour of one device by the minute; it begins with the first minute measured and ends after the last."""
        means = daily.minute_means(pieces)
        first, last = min(means), max(means)
        data = " ".join(
            format(number(means[minute], 1), "") if minute in means else "E" for minute in range(first, last + 1)
        )
        key = identity(self._patient, "heart-rate-minute", str(hour))
        observation = series(
            METRICS["heart-rate-minute"],
            data,
            60_000,
            Period(written(first * 60, pieces[0].offset), written((last + 1) * 60, pieces[-1].offset)),
            key=key,
            context=Context(self._patient, device),
            status="final" if (hour + 1) * 3600 <= self._exported else "preliminary",
        )
        also = identity(self._patient, "heart-rate-minute", str(hour), device)
        return Item("traces", key, dump(observation), len(pieces), also)

    def _singles(self, made: Day, packed: bytes, status: str) -> None:
        """`status` is that of the day by UTC."""
        found: dict[tuple[bytes, str, str, str], Single] = {}
        for single in intake.singles(packed):
            start, end = moment(single.start).epoch, moment(single.end).epoch
            key = identity(self._patient, single.type, str(start), str(end))
            measured = key, self._devices[single.source], single.value, single.unit
            if measured in found:
                made.duplicates += 1
            else:
                found[measured] = single
        pressures: list[Single] = []
        glucose: defaultdict[tuple[str, str], list[tuple[bytes, Single]]] = defaultdict(list)
        of_the_day: Counter[bytes] = Counter()
        for (key, device, _, _), single in found.items():
            if single.metric == "blood-pressure":
                pressures.append(single)
            elif single.metric == "glucose":
                glucose[device, _kind(single)].append((key, single))
            elif single.metric in OF_THE_DAY:
                made.reach(moment(single.start).epoch, moment(single.start).epoch)
                made.activity.append(self._single(key, single, device).at_place(of_the_day[key]))
                of_the_day[key] += 1
            else:
                made.items.append(self._single(key, single, device))
        self._pressures(made, pressures)
        in_order = sorted(glucose, key=lambda source: (self._order[source[0]], *source))
        made.glucose = [self._glucose(made.name, *source, glucose[source], status) for source in in_order]

    def _glucose(
        self, name: str, device: str, kind: str, found: Sequence[tuple[bytes, Single]], status: str
    ) -> Glucose:
        readings = [(key, identity(self._patient, "glucose", device, key.hex()), single) for key, single in found]
        singly = []
        if device not in self._monitors:
            singly = [replace(self._single(key, single, device), also=own) for key, own, single in readings]
        series = identity(self._patient, "cgm", name)
        sensor = identity(self._patient, "cgm", device, name)
        return Glucose(series, sensor, kind, Context(self._patient, device), status, readings, singly)

    def _single(self, key: bytes, single: Single, device: str) -> Item:
        name = single.metric
        if name == "glucose":
            name = f"glucose-blood-{_kind(single)}"
        start, end = date_time(single.start), date_time(single.end)
        if single.entered or name in OF_THE_DAY:
            observation = quantity(
                METRICS[name],
                Decimal(single.value),
                start if start == end else Period(start, end),
                key,
                Context(self._patient, device),
                method=ESTIMATED if name == "vo2max" else None,
                entered_by_patient=single.entered,
            )
            resource = dump(observation)
        else:
            resource = _template(name, self._patient, device)(key, start, end, single.value)
        return Item("activity" if name in OF_THE_DAY else "vitals", key, resource, 1)

    def _pressures(self, made: Day, found: Iterable[Single]) -> None:
        """Systolic and diastolic of one source and moment belong together, in a Correlation or not."""
        halves: defaultdict[tuple[str, str], tuple[list[Single], list[Single]]] = defaultdict(lambda: ([], []))
        for single in found:
            place = (SYSTOLIC, DIASTOLIC).index(single.type)
            halves[self._devices[single.source], single.start][place].append(single)
        for (device, start), (systolic, diastolic) in halves.items():
            key = identity(self._patient, "blood-pressure", str(moment(start).epoch))
            for upper, lower in zip(systolic, diastolic, strict=False):
                observation = blood_pressure(
                    Decimal(upper.value),
                    Decimal(lower.value),
                    date_time(start),
                    key,
                    Context(self._patient, device),
                    entered_by_patient=upper.entered,
                )
                made.items.append(Item("vitals", key, dump(observation), 2))
            odd = abs(len(systolic) - len(diastolic))
            if odd:
                made.left[UNPAIRED] += odd


def _kind(glucose: Single) -> str:
    return "mass" if "mg" in glucose.unit else "moles"


def _of_day(key: bytes, observation: dict[str, Any], pieces: Iterable[Piece]) -> Item:
    return Item("activity", key, dump(observation), sum(piece.counted for piece in pieces))


@lru_cache(maxsize=1000)
def _template(name: str, patient: str, device: str) -> Callable[[bytes, str, str, str], bytes]:
    return template(METRICS[name], Context(patient, device))


def day_name(day: int) -> str:
    """A day, given in days since 1970, as `2026-10-01`."""
    return date.fromordinal(_EPOCH_DAY + day).isoformat()


def number(value: float, digits: int) -> Number:
    """A computed value to so many places, without zeros that nobody measured."""
    whole = round(value)
    if digits == 0 or abs(value - whole) < 0.5 * 10**-digits:
        return whole
    return Decimal(f"{value:.{digits}f}").normalize()


def written(epoch: int, offset: int) -> str:
    """Seconds since 1970 as a FHIR dateTime at an offset in minutes."""
    zone = timezone(timedelta(minutes=offset))
    return datetime.fromtimestamp(epoch, zone).isoformat(timespec="seconds")


def _span(pieces: Iterable[Piece]) -> Period:
    found = sorted(pieces)
    last = max(found, key=lambda piece: piece.end)
    return Period(written(found[0].start, found[0].offset), written(last.end, last.offset))


def _whole_day(name: str, pieces: Sequence[Piece]) -> Period:
    """The local day from its first to its last second, in the offsets it began and ended with."""
    first, last = _zone(min(pieces).offset), _zone(max(pieces).offset)
    return Period(f"{name}T00:00:00{first}", f"{name}T23:59:59{last}")


def _zone(offset: int) -> str:
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
