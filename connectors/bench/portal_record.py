"""Records that the portal is measured with: a year of a watch, and many measurements."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sin
from pathlib import Path
from typing import Any

from connectors.entries import Entry
from connectors.patient import enrolment
from consent import identifiers
from consent.categories import INDEX
from fhir_profiles import resources
from fhir_profiles.codes import METRICS
from fhir_profiles.observations import Context, Period, identity, quantity, series

WORDS = "apfel birne clown delfin eimer falke"
ZONE = "+00:00"
ONE_ENVELOPE = 10
"""Measurements that lie in one envelope: there are 1,000 envelopes of 10,000."""

Resource = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """What lies in one category: how many envelopes, and the lines of one of them."""

    envelopes: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True)
class Record:
    """The record of a patient who signs in by `WORDS`, by category."""

    account: str
    written: Mapping[str, Written]

    @property
    def envelopes(self) -> int:
        """How many there are in all."""
        return sum(one.envelopes for one in self.written.values())

    @property
    def resources(self) -> int:
        """How many there are in all."""
        return sum(one.envelopes * len(one.lines) for one in self.written.values())


Envelopes = Iterable[tuple[str, str, list[Resource]]]
"""Category, handle, resources."""


def empty(directory: Path, hub: str) -> Record:
    """A patient without data."""
    return _kept(directory, hub, lambda _: ())


def year(directory: Path, hub: str, days: int) -> Record:
    """So many days of a watch, as its import writes them: each day its minutes by the hour, and what it summed up."""
    return _kept(directory, hub, lambda patient: _watch(patient, days))


def measurements(directory: Path, hub: str, number: int) -> Record:
    """So many measurements of two kinds, or a few less, some in each envelope."""
    return _kept(directory, hub, lambda patient: _measured(patient, number))


def _kept(directory: Path, hub: str, make: Callable[[str], Envelopes]) -> Record:
    client, _ = enrolment.enrol(directory, hub)
    try:
        enrolment.set_passphrase(client, WORDS)
        counts: Counter[str] = Counter()
        sample: dict[str, tuple[bytes, ...]] = {}
        for category, handle, found in make(identifiers.account(client.account).local):
            lines = tuple(resources.dump(one) for one in found)
            client.outbox.put([Entry(client.account, INDEX[category], lines, handle)])
            counts[category] += 1
            sample[category] = lines
        client.flush()
        return Record(client.account, {name: Written(counts[name], lines) for name, lines in sample.items()})
    finally:
        client.close()


def _watch(patient: str, days: int) -> Envelopes:
    context = Context(patient)
    for day in range(days):
        begin = _midnight(day + 1)
        name = f"{begin:%Y-%m-%d}"
        yield "traces", f"minutes/{name}", [_hour(context, begin + timedelta(hours=hour)) for hour in range(24)]
        period = Period(_said(begin), _said(begin + timedelta(hours=23, minutes=59)))
        steps = quantity(METRICS["steps-day"], 6000 + 431 * (day % 13), period, identity(patient, name), context)
        yield "activity", f"day/{name}", [steps]


def _hour(context: Context, begin: datetime) -> Resource:
    minutes = range(60 * begin.hour, 60 * begin.hour + 60)
    data = " ".join(str(62 + int(14 * sin(minute / 180)) + (minute * 7 + begin.day) % 9) for minute in minutes)
    period = Period(_said(begin), _said(begin + timedelta(minutes=59)))
    key = identity(context.patient, "minutes", _said(begin))
    return series(METRICS["heart-rate-minute"], data, 60_000, period, key=key, context=context)


def _measured(patient: str, number: int) -> Envelopes:
    context, end = Context(patient), _midnight(0)
    kinds = (("body-weight", "72.5"), ("body-temperature", "36.6"))
    for first in range(0, number - number % ONE_ENVELOPE, ONE_ENVELOPE):
        made = []
        for i in range(first, first + ONE_ENVELOPE):
            kind, value = kinds[i % 2]
            key = identity(patient, "measured", str(i))
            amount = Decimal(value) + Decimal(i % 7) / 10
            made.append(quantity(METRICS[kind], amount, _said(end - timedelta(hours=i)), key, context))
        yield "vitals", f"measured/{first}", made


def _midnight(days_ago: int) -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}{ZONE}"
