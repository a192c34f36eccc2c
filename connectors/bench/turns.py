"""The same measured at several sizes, in turn: what the moods of a machine cost, all sizes pay alike."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from connectors.bench.figures import Figure, Wish
from connectors.bench.load import Load, joined

ROUNDS = 5
"""Of how many short measurements a long one is made, where there are several sizes."""

Measurement = Callable[[float], Load]
"""Told how many seconds it may take."""


@dataclass(frozen=True)
class Place:
    """Where there is so much already: what is measured, and its limit; how many units an answer of each holds."""

    size: int
    about: str
    ours: Measurement
    limit: Measurement
    each: float = 1
    limit_each: float = 1


def in_turn(wish: Wish, name: str, unit: str, places: Sequence[Place], *, percentile: bool = False) -> Iterator[Figure]:
    """A figure for each place, with its 99th percentile where that is wished; then how its cost grows.

    The limits come first, and what they left for the disk is written before ours are measured.
    """
    limits = _rounds([place.limit for place in places], wish.seconds)
    wish.databases.flush()
    loads = _rounds([place.ours for place in places], wish.seconds)
    figures = []
    for place, limit, ours in zip(places, limits, loads, strict=True):
        figure = Figure(name, ours.rate * place.each, unit, limit.rate * place.limit_each, place.about)
        yield figure
        figures.append(figure)
        if percentile:
            yield Figure(f"{name}-p99", ours.percentile(0.99), "ms", limit.percentile(0.99), place.about)
    if len(places) > 1:
        yield _growth([place.size for place in places], figures)


def _rounds(measurements: Sequence[Measurement], seconds: float) -> list[Load]:
    """Each in short ones, in turn with the others."""
    rounds = ROUNDS if len(measurements) > 1 else 1
    loads = [[measurement(seconds / rounds) for measurement in measurements] for _ in range(rounds)]
    return [joined(some) for some in zip(*loads, strict=True)]


def _growth(sizes: Sequence[int], figures: Sequence[Figure]) -> Figure:
    """By how much a request's cost grows from the first size to the last.

    The limit is by how much the cost of the rate's limit grew: that a database holds more is no cost of ours.
    """
    (first, *_, last), about = figures, f"cost at {sizes[-1]:,} over cost at {sizes[0]:,}, measured in turn"
    limit = first.limit / last.limit if first.limit and last.limit else None
    return Figure(f"{first.name}-growth", first.value / last.value, "times", limit, about)
