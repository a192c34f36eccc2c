"""Glucose of a day: the readings of a sensor as one series, those of a finger each for itself.

Whether a source is a sensor is judged by each export anew, and a later one may judge otherwise. What was queued stays
as it was: a day that went out as a series goes on as one, and what went out for itself enters no series.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from connectors.wearables.apple_health import date_time, moment
from connectors.wearables.coincident import known
from connectors.wearables.day import Glucose, Item, written
from connectors.wearables.intake import Single
from connectors.wearables.ledger import DELETED, Ledger, Mark
from fhir_profiles.codes import METRICS
from fhir_profiles.observations import Period, numbered
from fhir_profiles.observations import series as series_of
from fhir_profiles.resources import dump

SAME_MINUTE = "same-minute"
_INTERVALS = (300, 60)


def told(found: Sequence[Glucose], ledger: Ledger) -> tuple[list[Item], Counter[str], int]:
    """All that is to be told of a day's readings; how many are left for which reason; how many went out singly before.

    As they went out, should this export judge otherwise: so nothing is there in both ways.
    """
    readings = [reading for each in found for reading in each.readings]
    seen = ledger.seen([*(each.sensor for each in found), *(key for names in readings for key in names[:2])])
    sensors = [each for each in found if not each.singly or each.sensor in seen]
    items = [item for each in found if each.sensor not in seen for item in each.singly]
    places = known(Counter(key for each in sensors for key, *_ in each.readings), ledger, seen)
    apart = {key: {numbered(key, n): mark for n, mark in marks.items()} for key, marks in places.items()}
    # Of what went out for itself at a moment, as much as still does is not a sensor's.
    for item in sorted(items, key=lambda item: item.also not in seen):
        _claimed(apart.get(item.key, {}), item.also, seen)
    left: Counter[str] = Counter()
    known_already = 0
    waiting: list[list[Single]] = [[] for _ in sensors]
    of_sensors = [(n, key, own, single) for n, each in enumerate(sensors) for key, own, single in each.readings]
    for n, key, own, single in sorted(of_sensors, key=lambda reading: reading[2] not in seen):
        mark = _claimed(apart[key], own, seen)
        if mark is None:
            waiting[n].append(single)
        elif mark.is_deletion:
            left[DELETED] += 1
        else:
            known_already += 1
    for each, mine in zip(sensors, waiting, strict=True):
        if mine:
            item, crowded = _series(each, mine)
            items.append(item)
            if crowded:
                left[SAME_MINUTE] += crowded
    return items, left, known_already


def _claimed(free: dict[bytes, Mark], own: bytes, seen: Mapping[bytes, Mark]) -> Mark | None:
    """The mark of what went out as `own`, by its id, or the first where nothing did; it is not free any more."""
    return free.pop(seen[own].content if own in seen else next(iter(free), b""), None)


def _series(about: Glucose, found: Iterable[Single]) -> tuple[Item, int]:
    """Readings on a grid of five minutes, or of one where two would fall together; and how many still do.

    Of those the first is kept: a place of the grid holds one.
    """
    readings = sorted(((moment(single.start), single) for single in found), key=lambda reading: reading[0].epoch)
    first, last = readings[0][0], readings[-1][0]
    for interval in _INTERVALS:
        grid: dict[int, str] = {}
        for at, single in readings:
            grid.setdefault((at.epoch - first.epoch + interval // 2) // interval, single.value)
        if len(grid) == len(readings):
            break
    end = max(grid)
    observation = series_of(
        METRICS[f"cgm-{about.kind}"],
        " ".join(grid.get(place, "E") for place in range(end + 1)),
        interval * 1000,
        Period(date_time(readings[0][1].start), written(first.epoch + end * interval, last.offset)),
        key=about.key,
        context=about.context,
        status=about.status,
    )
    return Item("traces", about.key, dump(observation), len(grid), about.sensor), len(readings) - len(grid)
