"""Who within a house may read by a grant, and for which purposes below the granted ones: what the hub cannot check.

A grant names purposes, and whoever reads for one of them or one below may read by it. Where a Consent takes away again
for a purpose below, or says something else of a role, the grant's finer rules carry a table: the purposes and roles
that are told apart, and the pairs of them that may read (PROTOCOL.md 4.4).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consent import purposes as hierarchy
from consent.primitives import broken
from consent.purposes import purposes_above

ANY = ""
"""The role of everybody whose role is not told apart."""

Cell = tuple[str, str]
"""A purpose and a role."""


@dataclass(frozen=True, slots=True)
class Readers:
    """`admitted`: which pairs of a purpose and a role (or `ANY`) of those told apart may read.

    Who reads counts by the lowest of the purposes at or above her own, and by her role where it is told apart.
    """

    purposes: frozenset[str]
    roles: frozenset[str]
    admitted: frozenset[Cell]

    def admits(self, purpose: str, role: str = ANY) -> bool:
        """Whether somebody in this role may read for this purpose."""
        lowest = _lowest(purpose, self.purposes)
        return lowest is not None and (lowest, role if role in self.roles else ANY) in self.admitted

    def both(self, other: "Readers") -> "Readers":
        """Those whom both admit."""
        cells = Readers(self.purposes | other.purposes, self.roles | other.roles, frozenset()).cells
        return Readers(
            self.purposes | other.purposes,
            self.roles | other.roles,
            frozenset(cell for cell in cells if self.admits(*cell) and other.admits(*cell)),
        ).simplest()

    @property
    def cells(self) -> list[Cell]:
        """All pairs of what is told apart."""
        return [(purpose, role) for purpose in sorted(self.purposes) for role in (ANY, *sorted(self.roles))]

    @property
    def highest(self) -> tuple[str, ...]:
        """The purposes below no other one of those told apart: a grant is for these."""
        return tuple(sorted(one for one in self.purposes if _lowest(one, self.purposes - {one}) is None))

    @property
    def everybody(self) -> bool:
        """Whether all who read for one of the highest purposes are admitted, so that the grant says it all."""
        return not self.roles and self.admitted == {(purpose, ANY) for purpose in self.highest} == set(self.cells)

    def simplest(self) -> "Readers":
        """The same, telling apart no more than is needed."""
        roles = frozenset(
            role for role in self.roles
            if any(((one, role) in self.admitted) != ((one, ANY) in self.admitted) for one in self.purposes)
        )  # fmt: skip
        kept: list[str] = []
        for one in sorted(self.purposes, key=lambda purpose: (len(purposes_above(purpose)), purpose)):
            above = _lowest(one, kept)
            if any(((one, role) in self.admitted) != ((above, role) in self.admitted) for role in (ANY, *roles)):
                kept.append(one)
        simple = Readers(frozenset(kept), roles, frozenset())
        return Readers(simple.purposes, roles, frozenset(cell for cell in simple.cells if cell in self.admitted))

    def rows(self) -> Iterator[tuple[str, str, int, bool]]:
        """Purpose, role, depth of the purpose, whether admitted: of those that fit a reader the deepest counts."""
        for purpose, role in self.cells:
            yield purpose, role, len(purposes_above(purpose)), (purpose, role) in self.admitted

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "purposes": sorted(self.purposes),
            "roles": sorted(self.roles),
            "admitted": [list(cell) for cell in sorted(self.admitted)],
        }


NOBODY = Readers(frozenset(), frozenset(), frozenset())


def of_grant(purposes: Iterable[str]) -> Readers:
    """All who read for these purposes or one below them."""
    named = frozenset(purposes)
    return Readers(named, frozenset(), frozenset((purpose, ANY) for purpose in named)).simplest()


def read(value: Any) -> Readers:
    """The table that finer rules carry. Raises `Rejected(broken, rules)` for anything else."""
    if not isinstance(value, Mapping) or value.keys() != {"purposes", "roles", "admitted"}:
        raise broken("rules")
    purposes, roles, admitted = _words(value["purposes"]), _words(value["roles"]), value["admitted"]
    if not isinstance(admitted, list) or not all(isinstance(cell, list) and len(cell) == 2 for cell in admitted):
        raise broken("rules")
    found = Readers(purposes, roles, frozenset((one, role) for one, role in admitted if _are_words(one, role)))
    if not all(map(hierarchy.known, purposes)) or len(found.admitted) != len(admitted):
        raise broken("rules")
    if not found.admitted <= set(found.cells):
        raise broken("rules")
    return found


def _lowest(purpose: str, among: Iterable[str]) -> str | None:
    """Of these purposes the lowest at or above one: above each is one at most, as in a tree."""
    above = purposes_above(purpose)
    return max((one for one in among if one in above), key=lambda one: len(purposes_above(one)), default=None)


def _words(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not _are_words(*value) or ANY in value or len({*value}) != len(value):
        raise broken("rules")
    return frozenset(value)


def _are_words(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)
