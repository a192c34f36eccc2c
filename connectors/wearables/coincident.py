"""Who of several that were measured at once has which id.

A key says what was measured and when, and no more, because the rest is not said twice in the same way: Health writes an
export in the units that are set at that moment, in the zone where the phone is, and calls a source as it is named now.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count

from connectors.wearables.day import Item
from connectors.wearables.ledger import Ledger, Mark, content
from fhir_profiles.observations import numbered


def placed(items: Iterable[Item], ledger: Ledger, seen: dict[bytes, Mark]) -> Iterator[Item]:
    """Each item under the id of its place among those of its key.

    What went out just so stays where it is. The others take what places are free, then new ones: so what is told
    otherwise than before, also because she has corrected it, replaces what it was. `seen` are the marks of the keys,
    and learns those of further places.
    """
    groups: defaultdict[bytes, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.key].append(item)
    doubtful = {key for key, group in groups.items() if len(group) > 1 or _is_changed(group[0], seen)}
    known = _known(doubtful, ledger, seen)
    for key, group in groups.items():
        yield from _assigned(group, known[key]) if key in known else group


def _is_changed(item: Item, seen: Mapping[bytes, Mark]) -> bool:
    """Whether something else went out under its key."""
    mark = seen.get(item.key)
    return mark is not None and mark.content != content(item.resource)


def _known(keys: Collection[bytes], ledger: Ledger, seen: dict[bytes, Mark]) -> dict[bytes, list[Mark]]:
    """What went out of each key, by place. There are no gaps."""
    known: dict[bytes, list[Mark]] = {key: [] for key in keys}
    for place in count():
        names = {key: numbered(key, place) for key in keys}
        if place:
            seen |= ledger.seen(list(names.values()))
        keys = [key for key in keys if names[key] in seen]
        if not keys:
            break
        for key in keys:
            known[key].append(seen[names[key]])
    return known


def _assigned(group: Iterable[Item], known: Sequence[Mark]) -> list[Item]:
    found: dict[int, Item] = {}
    others = []
    for item in group:
        free = (place for place in range(len(known)) if place not in found)
        same = next((place for place in free if known[place].content == content(item.at_place(place).resource)), None)
        if same is None:
            others.append(item)
        else:
            found[same] = item
    free = (place for place in count() if place not in found)
    found |= dict(zip(free, others, strict=False))
    return [found[place].at_place(place) for place in sorted(found)]
