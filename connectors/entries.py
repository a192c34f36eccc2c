"""What is to be written at the edge: resources of one patient and category, or the deletion of what a handle names."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consent.objects import MAX_OBJECT
from fhir_profiles.problems import Problem

MAX_PLAINTEXT = 1024 * 1024 - 1
"""Bytes of an entry's lines that still make one envelope; more make an object beside it."""


@dataclass(frozen=True)
class Entry:
    """What is to be written: resources of one category of one patient, each one JSON line.

    `handle`: names what a later entry replaces (`Observation/123`, `day/2026-10-01`), or empty. `deletes`: no lines;
    what the handle names is taken back.
    """

    patient: str
    category: int
    lines: Sequence[bytes] = field(repr=False)
    handle: str = ""
    deletes: bool = False

    def check(self) -> None:
        """Raises `Problem` for what could never be sealed, and would keep back everything behind it."""
        if self.deletes:
            if self.lines or not self.handle:
                raise Problem("structure", "a deletion has a handle and no resource")
            return
        if not self.lines or any(not line or b"\n" in line for line in self.lines):
            raise Problem("structure", "each resource is one line")
        if self.size > MAX_OBJECT:
            raise Problem("too-large", f"what is written at once is at most {MAX_OBJECT} bytes: split it")

    @property
    def size(self) -> int:
        """Bytes of its plaintext."""
        return max(sum(len(line) + 1 for line in self.lines) - 1, 0)
