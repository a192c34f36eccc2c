"""A figure and what it is held against: one line of `obhut bench`."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import orjson

from connectors.bench.databases import Databases
from connectors.demo.programs import Programs


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured. `limit`: what the machine did without Obhut, in the same run and unit; None where nothing is.

    `conditions` tell what a reader must know to measure the same again.
    """

    name: str
    value: float
    unit: str
    limit: float | None
    conditions: str

    @property
    def ratio(self) -> float | None:
        """The value as a part of the limit."""
        return self.value / self.limit if self.limit else None

    def json(self) -> str:
        """The line that programs read."""
        rounded = {"value": _rounded(self.value), "limit": _rounded(self.limit), "ratio": _rounded(self.ratio)}
        members = asdict(self) | rounded
        order = ("name", "value", "unit", "limit", "ratio", "conditions")
        return orjson.dumps({name: members[name] for name in order}).decode()

    def __str__(self) -> str:
        """The line that people read."""
        limit = f"limit {self.limit:,.4g} {self.unit}, ratio {self.ratio:.2f}" if self.limit else "no limit"
        return f"{self.name:28} {self.value:>12,.4g} {self.unit:16} {limit}  ({self.conditions})"


def _rounded(value: float | None) -> float | None:
    """Four digits: no run repeats more."""
    return None if value is None else float(f"{value:.4g}")


@dataclass(frozen=True)
class Wish:
    """How to measure. `sizes`: how much there is already when it is measured; the last is `--rows`.

    `programs` starts the servers, and ends them when the bench is over.
    """

    databases: Databases
    programs: Programs
    seconds: float
    connections: int
    sizes: tuple[int, ...]

    @property
    def rows(self) -> int:
        """The largest size."""
        return self.sizes[-1]

    def conditions(self, *more: str, connections: int | None = None) -> str:
        """What all figures of servers have in common, and what one has besides."""
        return ", ".join(
            (
                self.databases.about, f"{connections or self.connections} connections",
                "load generator on the same machine", f"{os.cpu_count()} processors", f"{self.seconds:g} s", *more,
            )
        )  # fmt: skip


def best(measure: Callable[[], object], seconds: float, rounds: int = 3) -> float:
    """How often `measure` runs in a second of one processor, in the best of some rounds; others may be at work too."""
    rates = []
    for _ in range(rounds):
        count, begin = 0, time.process_time()
        while (now := time.process_time()) - begin < seconds / rounds:
            measure()
            count += 1
        rates.append(count / (now - begin))
    return max(rates)
