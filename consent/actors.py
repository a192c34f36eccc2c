"""Actors at every level: a ward's doctor is also the hospital's. What is said of the whole holds for its parts."""

from collections.abc import Iterable, Mapping


def at_every_level(actor: Iterable[str], part_of: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The identifiers of an actor, and of all that it is a part of: `part_of` names the wholes of a part.

    A permit or refusal for a hospital reaches its wards; one for a ward does not reach the hospital. Circles end.
    """
    found: set[str] = set()
    waiting = list(actor)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(part_of.get(one, ()))
    return frozenset(found)
