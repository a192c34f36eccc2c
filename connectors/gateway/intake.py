"""Taking in what opened envelopes brought: each envelope once, a later one in the place of an earlier."""

from collections.abc import Iterable
from itertools import groupby

from sqlalchemy import ColumnElement, and_, insert, or_, select, tuple_

from connectors.gateway.change import Change
from connectors.gateway.models import envelopes, resources
from connectors.gateway.records import Deletion, Item, Source

Identity = tuple[str, str]


def take(change: Change, items: Iterable[Item | Deletion], updated: int) -> int:
    """Add the resources of envelopes not taken before; returns how many resources were added.

    Items of one envelope stand together. What the same author wrote earlier in the same stream under the same handle,
    or the same type and id, is replaced; nobody replaces what another author wrote.
    """
    added = 0
    pending: set[tuple[str, str, str, str, str]] = set()
    for source, group in groupby(items, key=lambda item: item.source):
        if not _first_time(change, source):
            continue
        by_identity = {_identity(item): item for item in group if isinstance(item, Item)}
        names = {(source.owner, source.stream, source.author, *identity) for identity in by_identity}
        if source.handle:
            names.add((source.owner, source.stream, source.author, "", source.handle))
        if names & pending:
            change.flush()
            pending.clear()
        pending |= names
        _remove_earlier(change, source, list(by_identity))
        for item in by_identity.values():
            change.add(item.resource, item.body, 1, updated, source)
        added += len(by_identity)
    return added


def _identity(item: Item) -> Identity:
    return item.resource["resourceType"], item.resource["id"]


def _first_time(change: Change, source: Source) -> bool:
    if change.connection.execute(select(envelopes.c.bid).where(envelopes.c.bid == source.bid)).first() is not None:
        return False
    row = {"bid": source.bid, "owner": source.owner, "stream": source.stream}
    change.connection.execute(insert(envelopes), row)
    return True


def _remove_earlier(change: Change, source: Source, identities: list[Identity]) -> None:
    own = and_(
        resources.c.owner == source.owner, resources.c.stream == source.stream, resources.c.author == source.author
    )
    replaced: ColumnElement[bool] = tuple_(resources.c.type, resources.c.id).in_(identities)
    if source.handle:
        replaced = or_(replaced, resources.c.handle == source.handle)
    change.remove(and_(own, replaced))
