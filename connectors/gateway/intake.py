"""Taking in what opened envelopes brought: each envelope once, a later one in the place of an earlier."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select, tuple_

from connectors.gateway.change import Change, stored
from connectors.gateway.models import deletions, envelopes, resources, stored_columns
from connectors.gateway.records import Deletion, Item, Newer, Source

Identity = tuple[str, str]

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def take(change: Change, items: Iterable[Item | Deletion], updated: int) -> int:
    """Add the resources of envelopes not taken before; returns how many resources were added.

    Items of one envelope stand together. What the same author wrote earlier in the same stream under the same handle,
    or the same type and id, is replaced, and in another stream what it says is an older version; nobody replaces what
    another author wrote. What comes late replaces nothing newer, and brings nothing back that was deleted since.
    """
    added = 0
    pending: set[tuple[str, str, str, str, str]] = set()
    for source, group in groupby(items, key=lambda item: item.source):
        if not _first_time(change, source):
            continue
        if source.own:
            added += sum(_take_own(change, item, updated) for item in group)
            continue
        if source.handle and _deleted_since(change, source):
            continue
        by_identity = {_identity(item): item for item in group if isinstance(item, Item)}
        if source.handle and not by_identity:
            _remember(change, source)
        names = {(source.owner, source.stream, source.author, *identity) for identity in by_identity}
        if source.handle:
            names.add((source.owner, source.stream, source.author, "", source.handle))
        if names & pending:
            change.flush()
            pending.clear()
        pending |= names
        newer = _newer(change, source, source.newer, list(by_identity)) if source.newer is not None else []
        if source.handle and any(handle == source.handle for _, _, handle in newer):
            continue
        for type_, id_, _ in newer:
            by_identity.pop((type_, id_), None)
        if _put(change, source, by_identity, updated):
            pending.clear()
        added += len(by_identity)
    return added


def _put(change: Change, source: Source, items: Mapping[Identity, Item], updated: int) -> bool:
    """Put the resources of one envelope in the place of what they replace; True if all is flushed."""
    older = [_older(source, item) for item in items.values() if _version(item.resource) > 1]
    if older:
        change.flush()
    kept = change.remove(or_(_replaced(source, list(items)), *older), items.keys())
    for item in items.values():
        change.add(item.resource, item.body, _version(item.resource), updated, source, item.permitted)
    if kept:
        change.flush()
        change.keep(and_(_origin(source), tuple_(resources.c.type, resources.c.id).in_(kept)))
    return bool(kept)


def _identity(item: Item) -> Identity:
    return item.resource["resourceType"], item.resource["id"]


def _take_own(change: Change, item: Item | Deletion, updated: int) -> bool:
    """What the house wrote comes back: it is here already, or newer; only a record that was lost learns it anew."""
    change.flush()
    source = item.source
    if isinstance(item, Deletion):
        # Only what came back stands under a handle: what was written since is not meant.
        own = and_(_origin(source), resources.c.handle == source.handle, resources.c.deleted.is_(False))
        for row in change.connection.execute(select(*stored_columns).where(own)).all():
            change.bury(stored(row), updated, row.version)  # the version that took its place elsewhere comes after it
        return False
    version, (type_, id_) = _version(item.resource), _identity(item)
    here = change.find_own(type_, id_, source.author)
    if here is None:
        change.add(item.resource, item.body, version, updated, source)
        return True
    if here.version < version:
        change.replace(here, item.resource, item.body, version, updated, source)
        return True
    if (here.version, here.stream) == (version, source.stream) and not here.deleted:
        change.mark_back(here, source)
    return False


def _version(resource: Mapping[str, Any]) -> int:
    """The version that the author gave; the first where it says none."""
    told = resource.get("meta", {}).get("versionId", "")
    return int(told) if _NUMBER.fullmatch(told) else 1


def _first_time(change: Change, source: Source) -> bool:
    if change.connection.execute(select(envelopes.c.bid).where(envelopes.c.bid == source.bid)).first() is not None:
        return False
    row = {"bid": source.bid, "owner": source.owner, "stream": source.stream}
    change.connection.execute(insert(envelopes), row)
    return True


def _remember(change: Change, source: Source) -> None:
    """Keep a deletion."""
    row = {
        "bid": source.bid, "owner": source.owner, "stream": source.stream, "author": source.author,
        "handle": source.handle, "at": source.at,
    }  # fmt: skip
    change.connection.execute(insert(deletions), row)


def _deleted_since(change: Change, source: Source) -> bool:
    """Whether the author took back, later, what this envelope brings.

    The author's devices count for themselves, so that between two of them the home hub's stamps tell which was later.
    """
    taken_back = select(deletions.c.bid, deletions.c.at).where(
        deletions.c.owner == source.owner, deletions.c.stream == source.stream, deletions.c.author == source.author,
        deletions.c.handle == source.handle,
    )  # fmt: skip
    here = change.connection.execute(taken_back).all()
    return any(at > source.at or (source.newer is not None and source.newer(bid)) for bid, at in here)


def _newer(change: Change, source: Source, is_newer: Newer, identities: list[Identity]) -> list[tuple[str, str, str]]:
    """Type, id and handle of what a late envelope would replace and the device wrote later than that."""
    columns = resources.c.type, resources.c.id, resources.c.handle, resources.c.bid
    rows = change.connection.execute(select(*columns).where(_replaced(source, identities)))
    return [(type_, id_, handle) for type_, id_, handle, bid in rows if is_newer(bid)]


def _replaced(source: Source, identities: list[Identity]) -> ColumnElement[bool]:
    """What the same author wrote in the same stream under the same handle, or the same types and ids."""
    same: ColumnElement[bool] = tuple_(resources.c.type, resources.c.id).in_(identities)
    if source.handle:
        same = or_(same, resources.c.handle == source.handle)
    return and_(_origin(source), same)


def _older(source: Source, item: Item) -> ColumnElement[bool]:
    """What the same author wrote of this wherever else, and calls an earlier version of it."""
    type_, id_ = _identity(item)
    return and_(
        resources.c.type == type_,
        resources.c.id == id_,
        resources.c.owner == source.owner,
        resources.c.author == source.author,
        resources.c.version < _version(item.resource),
    )


def _origin(source: Source) -> ColumnElement[bool]:
    return and_(
        resources.c.owner == source.owner, resources.c.stream == source.stream, resources.c.author == source.author
    )
