"""What is announced later: what grants that begin then cover, and what a patient's silent hub held back."""

from collections.abc import Sequence
from dataclasses import replace

from hub import freshness
from hub.context import Hub
from hub.statements import announce_cover
from hub.store import envelopes as store
from hub.store import feed
from hub.store.envelopes import Range
from hub.store.feed import Notice


def open_due(hub: Hub, recipient: str) -> None:
    """Announce to an account, or to a hub, what grants cover that have begun since."""
    with hub.db.read() as conn:
        due = feed.due_openings(conn, recipient, hub.now())
    for acc, gid in due:
        with hub.db.write(acc) as tx:
            record = hub.chains(tx.conn).record(acc)
            relation = next(r for r in record.relations.values() if gid in r.grants)
            if (acc, gid) in feed.due_openings(tx.conn, recipient, hub.now()):
                feed.put_opening(tx, gid, relation.oth, None)
                if relation.grants[gid].live(hub.now()):
                    bare = replace(record, relations={})
                    announce_cover(tx, bare, relation.grants[gid], relation.oth, hub.now())


def hold(hub: Hub, recipient: str, acc: str, ranges: Sequence[Range]) -> None:
    """Note what is to be announced again when the patient's hub has confirmed."""
    with hub.db.write(acc) as tx:
        for stream in {r.stream for r in ranges}:
            feed.hold(tx, recipient, stream, min(r.first for r in ranges if r.stream == stream))


def let_go(hub: Hub, recipient: str) -> None:
    """Announce what was held back of patients whose hubs have confirmed since; each stream in order, from there on."""
    with hub.db.read() as conn:
        ready = [acc for acc in feed.held_of(conn, recipient) if freshness.fresh(hub, conn, acc)]
    for acc in ready:
        with hub.db.write(acc) as tx:
            held = feed.take_held(tx, recipient)
            streams = store.streams_named(tx.conn, acc, held)
            notices = [Notice("envelope", s.id, held[s.id], s.pos, s.size) for s in streams.values() if s.pos]
            feed.replace_envelopes(tx, recipient, notices)
