"""Who of several that were measured at once has which id.

A key says what was measured and when, and no more, because the rest is not said twice in the same way: Health writes an
export in the units that are set at that moment, in the zone where the phone is, and calls a source as it is named now.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from connectors.wearables.day import Item
from connectors.wearables.ledger import Ledger, Mark, content
from fhir_profiles.observations import numbered


def placed(items: Iterable[Item], ledger: Ledger, seen: dict[bytes, Mark]) -> Iterator[Item]:
    """Each item under the id of its place among those of its key.

    What went out just so stays where it is, also where she has deleted it since; so does what a device of that name
    measured then. The others take what places are free, then new ones: so what is told otherwise than before, also
    because she has corrected it, replaces what it was. `seen` are the marks of the items, and learns those of further
    places.
    """
    groups: defaultdict[bytes, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.key].append(item)
    doubtful = {key: len(group) for key, group in groups.items() if len(group) > 1 or _is_changed(group[0], seen)}
    places = known(doubtful, ledger, seen)
    for key, group in groups.items():
        yield from _assigned(key, group, places[key], seen) if key in places else group


def _is_changed(item: Item, seen: Mapping[bytes, Mark]) -> bool:
    """Whether something else went out under its key."""
    mark = seen.get(item.key)
    return mark is not None and mark.said != content(item.resource, item.key)


def known(keys: Mapping[bytes, int], ledger: Ledger, seen: dict[bytes, Mark]) -> dict[bytes, dict[int, Mark]]:
    """What went out of each key, by place; so many places at least are looked at.

    There are gaps where she deleted here what another device had brought. `seen` is as in `placed`.
    """
    found: dict[bytes, dict[int, Mark]] = {key: {} for key in keys}
    left = list(keys)
    for place in count():
        if not left:
            break
        names = {key: numbered(key, place) for key in left}
        if place:
            seen |= ledger.seen(list(names.values()))
        for key, name in names.items():
            if name in seen:
                found[key][place] = seen[name]
        left = [key for key in left if place in found[key] or place + 1 < keys[key]]
    return found


def _assigned(key: bytes, group: Iterable[Item], places: Mapping[int, Mark], seen: Mapping[bytes, Mark]) -> list[Item]:
    same: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for place, mark in places.items():
        same[mark.said].append(place)
    names = {numbered(key, place): place for place in places}
    found: dict[int, Item] = {}
    told_otherwise = []
    others = []
    for item in group:
        alike = same[content(item.resource, item.key)]
        if alike:
            found[alike.popleft()] = item
        else:
            told_otherwise.append(item)
    for item in told_otherwise:
        own = names.get(seen[item.also].content) if item.also in seen else None
        if own is None or own in found:
            others.append(item)
        else:
            found[own] = item
    free = (place for place in count() if place not in found)
    found |= dict(zip(free, others, strict=False))
    return [found[place].at_place(place) for place in sorted(found)]
