"""Runs one import: file → records → days → batches, each batch ready to be sealed as one envelope.

    for batch in read(path, patient, ledger=ledger, report=report):
        sink.put(batch)          # queues it and writes batch.marks to the ledger, in one transaction

Batches depend on the file and the ledger only, so an import that is cut off is taken up by running it again: what was
queued is known, the rest comes. The report adds up at every end: read = taken + left + duplicates.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import starmap
from pathlib import Path
from typing import Any, Protocol, TypeVar

from connectors.wearables import detect, ecg, glucose
from connectors.wearables.apple_health import Export, latest_software, moment
from connectors.wearables.archive import Limits
from connectors.wearables.coincident import placed
from connectors.wearables.daily import DAY
from connectors.wearables.day import Day, Days, Item, day_name
from connectors.wearables.intake import NOT_SUPPORTED, UNREADABLE, Taken, take_in
from connectors.wearables.ledger import DELETED, Ledger, Mark, MemoryLedger, content
from connectors.wearables.pool import Pool
from connectors.wearables.sections import Indivisible, cut, taken_from
from connectors.wearables.spill import Spill
from fhir_profiles.devices import Description, device, device_id
from fhir_profiles.observations import Context, identity
from fhir_profiles.problems import Problem
from fhir_profiles.resources import dump

MAX_BYTES = 256 << 10
MAX_RESOURCES = 1000
OLDER = "older-export"
TOO_LARGE = "too-large"
LARGE = 32 << 20
"""Bytes of XML from which on processes are worth their start."""
_NEAR = (-2, -1, 1, 2)
"""How many days another zone may move a moment."""
FEW_SOURCES = 1000
"""Up to so many, each day may travel to another process with all of them."""
_SETTLE_EVERY = 50
"""Chunks or sections, a quarter of a megabyte or half of one each."""
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Batch:
    """Resources of one category that travel in one envelope.

    `category` is a name of `consent.categories`; `key`, where there is one, names what a later batch of the same key
    replaces whole (`day/2026-10-01`), be it by nothing; `resources` are JSON; `marks` go to the ledger with it.
    """

    category: str
    key: str
    resources: tuple[bytes, ...]
    marks: tuple[Mark, ...]

    def __repr__(self) -> str:
        return f"Batch({self.category!r}, {len(self.resources)} resources)"


class Sink(Protocol):
    """Where batches go."""

    def put(self, batch: Batch) -> None:
        """Queue the batch and its marks, both or neither."""


@dataclass(slots=True)
class Report:
    """What became of every record: read = taken + left + duplicates."""

    read: int = 0
    taken: int = 0
    left: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    envelopes: int = 0

    def json(self) -> dict[str, Any]:
        """The report as the command prints it."""
        return {
            "read": self.read,
            "taken": self.taken,
            "left": dict(sorted(self.left.items())),
            "duplicates": self.duplicates,
            "envelopes": self.envelopes,
        }


def read(
    path: Path,
    patient: str,
    *,
    report: Report,
    ledger: Ledger | None = None,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Batch]:
    """Everything in an export that the ledger does not know yet. `patient` is the patient's id (`p-…`).

    `progress` is told how many bytes of the file have been read. Raises `Problem` for a file whose XML cannot be read;
    then nothing of it has been given out. What else in it cannot be read is left.
    """
    detect(path)
    with ExitStack() as entered:
        export = entered.enter_context(Export(path, limits))
        pool = entered.enter_context(Pool()) if export.xml_bytes >= LARGE else None
        spill = entered.enter_context(Spill())
        taken = _taken(export, spill, pool, progress)
        report.read += taken.read
        report.left.update(taken.left)
        exported, today = _made_at(taken.exported or "", taken.latest)
        run = _Run(patient, ledger or MemoryLedger(), report, exported)
        sources = {source: about for source, about in taken.sources.items() if source in taken.used}
        yield from run.devices(list(sources.values()))
        days = Days(patient, sources, taken.monitors(), exported, today)
        for day in _built(days, spill, pool if len(sources) <= FEW_SOURCES else None):
            yield from run.day(day)
        for table in export.electrocardiograms():
            yield from run.ecg(table)
        yield from run.emptied()
        yield from run.rest()


def _taken(export: Export, spill: Spill, pool: Pool | None, progress: Callable[[int], None] | None) -> Taken:
    """All that the XML says, its records in the spill."""
    if pool is not None:
        with suppress(Indivisible):
            taken = Taken(spill.buffers)
            sections = cut(export.chunks(progress))
            for section in _settling(pool.map(taken_from, ((section,) for section in sections)), spill):
                taken.join(section)
            return taken
        spill.clear()
    taken = Taken(spill.buffers)
    take_in(_settling(export.chunks(progress), spill), taken)
    return taken


def _settling(parts: Iterable[_Part], spill: Spill) -> Iterator[_Part]:
    for count, part in enumerate(parts, 1):
        yield part
        if not count % _SETTLE_EVERY:
            spill.settle()


def _built(days: Days, spill: Spill, pool: Pool | None) -> Iterator[Day]:
    return starmap(days.build, spill.days()) if pool is None else pool.map(days.build, spill.days())


def _made_at(text: str, latest: int) -> tuple[int, int]:
    """When the export was made and its local day; where it does not say, its last record stands for both."""
    try:
        made = moment(text)
    except ValueError:
        return latest, latest // DAY
    return made.epoch, made.local // DAY


class _Run:
    """Sorts what is new from what is known, and gathers batches."""

    def __init__(self, patient: str, ledger: Ledger, report: Report, exported: int) -> None:
        self._patient = patient
        self._ledger = ledger
        self._report = report
        self._exported = exported
        self._waiting: dict[str, list[Item]] = {"vitals": [], "traces": []}
        self._bytes = {"vitals": 0, "traces": 0}
        self._done: set[bytes] = set()
        self._spans: dict[int, tuple[int, int]] = {}

    def devices(self, sources: Sequence[Description]) -> Iterator[Batch]:
        """The devices behind what was read; they stand with the vitals, as `consent.categories` has it."""
        found: dict[str, list[Description]] = {}
        for about in sources:
            found.setdefault(device_id(self._patient, about), []).append(about)
        items = []
        for name, about in sorted(latest_software(found).items()):
            key = bytes.fromhex(name)
            if key not in self._done:
                self._done.add(key)
                items.append(Item("vitals", key, dump(device(self._patient, about)), 0))
        yield from self._items(items)

    def day(self, made: Day) -> Iterator[Batch]:
        """A day's activity as one batch that replaces the one before; the rest to what is waiting."""
        self._report.duplicates += made.duplicates
        self._report.left.update(made.left)
        key = identity(self._patient, "day", made.name)
        if made.activity:
            self._spans[made.number] = made.begun, made.ended
        seen = self._ledger.seen([key, *(item.key for item in made.activity)])
        kept = [item for item in made.activity if not self._is_deleted(item, seen)]
        if kept:
            # Of all that the export says: a deletion alone does not change the day.
            mark = Mark(key, content(b"\n".join(item.resource for item in made.activity)), self._exported)
            if self._is_new(mark, seen, sum(item.records for item in kept)):
                begun = Mark(self._begun(made.name), made.begun.to_bytes(16, "big", signed=True), self._exported)
                yield self._batch("activity", f"day/{made.name}", tuple(item.resource for item in kept), (mark, begun))
        items, left, known_already = glucose.told(made.glucose, self._ledger)
        self._report.left.update(left)
        self._report.duplicates += known_already
        yield from self._items([*made.items, *items])

    def ecg(self, table: bytes | Problem) -> Iterator[Batch]:
        """One CSV beside the export; what is wrong with it holds back nothing else."""
        self._report.read += 1
        if isinstance(table, Problem):
            self._report.left[TOO_LARGE if table.code == "too-large" else UNREADABLE] += 1
            return
        if not ecg.is_ecg(table):
            self._report.left[NOT_SUPPORTED] += 1
            return
        try:
            found = ecg.parse(table)
        except Problem:
            self._report.left[UNREADABLE] += 1
            return
        key = ecg.record_key(self._patient, found)
        if key in self._done:
            self._report.duplicates += 1
            return
        self._done.add(key)
        context = Context(self._patient, device_id(self._patient, found.about))
        yield from self.devices([found.about])
        yield from self._items([Item("traces", key, dump(ecg.observation(found, key, context)), 1)])

    def emptied(self) -> Iterator[Batch]:
        """Days that were told of, and are none any more: in the zone of this export, what they began with belongs to
        another day. Where it tells nothing at all of that time, as from a new phone, they stay."""
        near = sorted({day + away for day in self._spans for away in _NEAR} - self._spans.keys())
        names = {day: (identity(self._patient, "day", day_name(day)), self._begun(day_name(day))) for day in near}
        seen = self._ledger.seen([key for pair in names.values() for key in pair])
        for day, (key, begun) in names.items():
            if key not in seen or begun not in seen:
                continue
            at = int.from_bytes(seen[begun].content, "big", signed=True)
            spans = [self._spans[day + away] for away in _NEAR if day + away in self._spans]
            mark = Mark(key, content(b""), self._exported)
            if any(first <= at <= last for first, last in spans) and self._is_new(mark, seen, 0):
                yield self._batch("activity", f"day/{day_name(day)}", (), (mark,))

    def _begun(self, name: str) -> bytes:
        """What names the moment at which a day began when it was told of."""
        return identity(self._patient, "day-begun", name)

    def rest(self) -> Iterator[Batch]:
        """What still waits."""
        for stream in self._waiting:
            yield from self._flushed(stream)

    def _items(self, items: Sequence[Item]) -> Iterator[Batch]:
        seen = self._ledger.seen([key for item in items for key in (item.key, item.also) if key])
        for item in placed(items, self._ledger, seen):
            if self._is_deleted(item, seen) or not self._is_new(self._mark(item), seen, item.records):
                continue
            waiting = self._waiting[item.category]
            if len(waiting) >= MAX_RESOURCES or self._bytes[item.category] + len(item.resource) + 1 > MAX_BYTES:
                yield from self._flushed(item.category)
                waiting = self._waiting[item.category]
            waiting.append(item)
            self._bytes[item.category] += len(item.resource) + 1

    def _mark(self, item: Item) -> Mark:
        return Mark(item.key, content(item.resource, item.key), self._exported)

    def _marks(self, item: Item) -> Iterator[Mark]:
        mark = self._mark(item)
        yield mark
        if item.also:
            yield Mark(item.also, item.key, self._exported)

    def _is_deleted(self, item: Item, seen: dict[bytes, Mark]) -> bool:
        """Count the records of what the patient took back: it does not come again."""
        known = seen.get(item.key)
        if known is None or not known.is_deletion:
            return False
        if item.records:
            self._report.left[DELETED] += item.records
        return True

    def _is_new(self, mark: Mark, seen: dict[bytes, Mark], records: int) -> bool:
        """Count the records by whether this was queued before; what an older export says of it does not come back."""
        known = seen.get(mark.key)
        if known is None or (known.content != mark.content and known.at <= mark.at):
            self._report.taken += records
            return True
        if known.content == mark.content:
            self._report.duplicates += records
        elif records:
            self._report.left[OLDER] += records
        return False

    def _flushed(self, stream: str) -> Iterator[Batch]:
        items, self._waiting[stream], self._bytes[stream] = self._waiting[stream], [], 0
        if items:
            marks = tuple(mark for item in items for mark in self._marks(item))
            yield self._batch(stream, "", tuple(item.resource for item in items), marks)

    def _batch(self, category: str, key: str, resources: tuple[bytes, ...], marks: tuple[Mark, ...]) -> Batch:
        self._report.envelopes += 1
        return Batch(category, key, resources, marks)
