"""Glucose of a day: the readings of a sensor as one series, those of a finger each for itself.

Whether a source is a sensor is judged by each export anew, and a later one may judge otherwise. What was queued stays
as it was: a day that went out as a series goes on as one, and what went out for itself enters no series.
"""

from collections.abc import Iterable

from connectors.wearables.apple_health import date_time, moment
from connectors.wearables.day import Glucose, Item, written
from connectors.wearables.intake import Single
from fhir_profiles.codes import METRICS
from fhir_profiles.observations import Period
from fhir_profiles.observations import series as series_of
from fhir_profiles.resources import dump

SAME_MINUTE = "same-minute"
_INTERVALS = (300, 60)


def series(about: Glucose, found: Iterable[Single]) -> tuple[Item, int]:
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
