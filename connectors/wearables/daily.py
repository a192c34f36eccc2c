"""What a day comes to: totals without double counting, heart rate, sleep. Pure; knows nothing of files or FHIR.

Phone and watch count the same steps. For each stretch of time the source that ranks highest counts (watch, then phone,
then the rest), and of the others only what lies outside its stretches, in proportion to their length. A day is the
local day of each record by the record's own offset: on a journey and on the nights the clocks change, what a person
lived as Tuesday is Tuesday. A stretch over midnight is cut there, by the offset it begins with.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

DAY = 86400
NIGHT_BEGINS_BEFORE = 6 * 3600
"""Sleep from 18:00 on belongs to the night of the next day."""

PIECE = Struct("<qihBdQ")

Rank = Callable[[int], tuple[int, str]]
"""Source → what sources are sorted by; the same source under two software versions ranks the same."""


class Piece(NamedTuple):
    """A record, or the part of one on one day.

    `start` in seconds since 1970, `duration` in seconds, `offset` in minutes, `counted` 1 for a record's first part.
    `source` stands last, so that what comes first by these does not hang on how sources are numbered.
    """

    start: int
    duration: int
    offset: int
    counted: int
    value: float
    source: int

    @property
    def end(self) -> int:
        """Seconds since 1970."""
        return self.start + self.duration


def unique(packed: bytes) -> tuple[list[Piece], int]:
    """Unpack; equal records count once. Gives the pieces by time and the number of repeated records."""
    size = PIECE.size
    all_of_them = [packed[place : place + size] for place in range(0, len(packed), size)]
    kept = set(all_of_them)
    pieces = sorted(map(Piece._make, PIECE.iter_unpack(b"".join(kept))))
    if len(kept) == len(all_of_them):
        return pieces, 0
    before = sum(piece[3] for piece in PIECE.iter_unpack(packed))
    return pieces, before - sum(piece.counted for piece in pieces)


def total(pieces: Iterable[Piece], rank: Rank) -> float:
    """The sum of the values without double counting."""
    return math.fsum(
        piece.value * (seconds / piece.duration if piece.duration else seconds)
        for piece, seconds in uncovered(pieces, rank)
    )


def uncovered(pieces: Iterable[Piece], rank: Rank) -> Iterator[tuple[Piece, float]]:
    """Each piece with the seconds of it that count; for one without length 1.0 or 0.0."""
    groups: defaultdict[tuple[int, str], list[Piece]] = defaultdict(list)
    for piece in pieces:
        groups[rank(piece.source)].append(piece)
    covered = _Cover()
    for place in sorted(groups):
        mine: list[tuple[int, int]] = []
        frontier = -(1 << 62)
        for piece in sorted(groups[place]):
            begin, end = max(piece.start, frontier), piece.end
            if piece.duration:
                yield piece, max(0, end - begin - covered.seconds(begin, end)) if end > begin else 0
            else:
                yield piece, 0.0 if piece.start < frontier or covered.holds(piece.start) else 1.0
            mine.append((piece.start, end))
            frontier = max(frontier, end)
        covered = covered.joined(mine)


class _Cover:
    """Disjoint spans in order, and the moments at which something without length was counted."""

    def __init__(self, spans: Sequence[tuple[int, int]] = (), instants: frozenset[int] = frozenset()) -> None:
        self._spans = spans
        self._starts = [start for start, _ in spans]
        self._instants = instants

    def seconds(self, begin: int, end: int) -> int:
        """How much of a span is covered."""
        place = max(0, bisect_right(self._starts, begin) - 1)
        found = 0
        for start, stop in self._spans[place:]:
            if start >= end:
                break
            found += max(0, min(end, stop) - max(begin, start))
        return found

    def holds(self, moment: int) -> bool:
        """Whether a moment is covered."""
        place = bisect_right(self._starts, moment) - 1
        return moment in self._instants or (place >= 0 and moment < self._spans[place][1])

    def joined(self, spans: Iterable[tuple[int, int]]) -> "_Cover":
        """This and more."""
        more = list(spans)
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*self._spans, *(span for span in more if span[0] < span[1])]):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return _Cover(merged, self._instants | {start for start, end in more if start == end})


@dataclass(frozen=True, slots=True)
class HeartRate:
    """Of a day, per minute: least and greatest reading, mean of the minutes that were measured."""

    least: float
    mean: float
    greatest: float


def minute_means(pieces: Iterable[Piece]) -> dict[int, float]:
    """Mean of the readings in each minute, by the minute since 1970."""
    minutes: defaultdict[int, list[float]] = defaultdict(list)
    for piece in pieces:
        minutes[piece.start // 60].append(piece.value)
    return {minute: math.fsum(values) / len(values) for minute, values in minutes.items()}


def heart_rate(pieces: Sequence[Piece], rank: Rank) -> HeartRate:
    """Heart rate of the day by the source that ranks highest; `pieces` must not be empty.

    The mean is over minutes, so that a workout measured every five seconds weighs no more than the minutes it lasted.
    """
    first = min(rank(piece.source) for piece in pieces)
    mine = [piece for piece in pieces if rank(piece.source) == first]
    means = minute_means(mine)
    values = [piece.value for piece in mine]
    return HeartRate(min(values), math.fsum(means.values()) / len(means), max(values))


def night(pieces: Iterable[Piece], stages: Sequence[str], rank: Rank) -> dict[str, float]:
    """Seconds of each stage of a night; `value` of a piece is an index of `stages`.

    Time in bed is told besides the stages and covers none of them.
    """
    found = list(pieces)
    in_bed = [piece for piece in found if stages[int(piece.value)] == "in-bed"]
    asleep = [piece for piece in found if stages[int(piece.value)] != "in-bed"]
    seconds: defaultdict[str, float] = defaultdict(float)
    for group in (in_bed, asleep):
        for piece, free in uncovered(group, rank):
            if piece.duration:
                seconds[stages[int(piece.value)]] += free
    return dict(seconds)
