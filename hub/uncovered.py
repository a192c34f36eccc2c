"""Copies of other hubs' envelopes, their objects and bundles go when no grant of an account here covers them."""

from collections.abc import Iterable

from consent.grants import Record
from consent.relations import Grant
from hub import rights
from hub.context import Hub
from hub.store import chains as chain_store
from hub.store import declarations, objects, peers
from hub.store import envelopes as store
from hub.store.database import Tx, domain_of
from hub.store.envelopes import Stream
from hub.store.feed import retract


def drop(tx: Tx, record: Record, at: int) -> None:
    """Delete a foreign patient's envelopes, objects and bundles that no grant of an account here covers at `at`.

    It is noted when that has to be done again, by time alone.
    """
    live = [] if record.account.closed else list(record.live_grants(at))
    own = [grant for relation, grant in live if domain_of(relation.oth) == tx.home]
    opened = declarations.opened(tx.conn, record.account.acc, at)
    reading = {grant.gid: grant for who, grant in rights.open_grants(tx.conn, record, at) if domain_of(who) == tx.home}
    for stream in store.streams_written(tx.conn, record.account.acc):
        first = _first_covered(reading.values(), stream)
        store.drop(tx, stream.id, first)
        if first is None:
            retract(tx, stream.id)
    loose = objects.loose(tx.conn, record.account.acc)
    streams = store.streams_named(tx.conn, record.account.acc, (name for name, _ in loose))
    objects.remove(tx, [bid for name, bid in loose if _first_covered(reading.values(), streams[name]) is None])
    chain_store.drop_bundles(tx, keep={bundle.hash for grant in own for bundle in grant.bundles})
    ends = [grant.until for grant in own] + [until for gid, until in opened.items() if gid in reading]
    peers.put_ending(tx, min(ends, default=None))


def _first_covered(grants: Iterable[Grant], stream: Stream) -> int | None:
    """The first epoch of a stream that any of these grants covers."""
    covers = [grant.cover[stream.set] for grant in grants if stream.set in grant.cover]
    return min((first for first, mask in covers if mask >> stream.index & 1), default=None)


def sweep(hub: Hub, source: str, at: int) -> None:
    """Delete copies of a hub's patients that nothing covers at `at`, a moment up to which that hub has confirmed."""
    with hub.db.read() as conn:
        patients = peers.ended(conn, source, at)
    _drop_of(hub, patients, at)


def look_through(hub: Hub, source: str, at: int) -> None:
    """The same for all of whom it is not known when to do it: another version may have kept them."""
    with hub.db.read() as conn:
        patients = peers.without_ending(conn, source)
    _drop_of(hub, patients, at)


def _drop_of(hub: Hub, patients: Iterable[str], at: int) -> None:
    for acc in patients:
        with hub.db.write(acc) as tx:
            drop(tx, hub.chains(tx.conn).record(acc), at)
