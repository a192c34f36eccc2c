"""Bytes gathered by key in bounded memory: what goes over the budget waits in a file without a name.

An export comes ordered by type, then roughly by time; nothing promises even that. So a day is complete only when the
whole file has been read, and until then its parts wait here.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from types import TracebackType
from typing import Self

Key = tuple[int, int]
"""(day, slot), sorted in this order."""


class Spill:
    """A multimap of appended bytes. Write into `buffers[key]` and call `settle` now and then.

    The file is opened by the system without a name and readable by this process only; it is gone with it.
    """

    def __init__(self, budget: int = 24 << 20) -> None:
        self.buffers: defaultdict[Key, bytearray] = defaultdict(bytearray)
        self._budget = budget
        self._segments: defaultdict[Key, list[tuple[int, int]]] = defaultdict(list)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def settle(self) -> None:
        """Move everything out of memory once it is over the budget."""
        if sum(map(len, self.buffers.values())) <= self._budget:
            return
        for key, data in self.buffers.items():
            self._segments[key].append((self._file.tell(), len(data)))
            self._file.write(data)
        self.buffers.clear()

    def clear(self) -> None:
        """Forget all."""
        self.buffers.clear()
        self._segments.clear()
        self._file.seek(0)
        self._file.truncate()

    def days(self) -> Iterator[tuple[int, dict[int, bytes]]]:
        """Each day in order with its slots; read once, when all has been written."""
        slots: defaultdict[int, list[int]] = defaultdict(list)
        for day, slot in self.buffers.keys() | self._segments.keys():
            slots[day].append(slot)
        for day in sorted(slots):
            yield day, {slot: self._read((day, slot)) for slot in sorted(slots[day])}

    def _read(self, key: Key) -> bytes:
        parts = []
        for place, length in self._segments.get(key, ()):
            self._file.seek(place)
            parts.append(self._file.read(length))
        parts.append(bytes(self.buffers.get(key, b"")))
        return b"".join(parts)
