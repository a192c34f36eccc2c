"""What another hub is given: withdrawals ahead of statements, statements ahead of envelopes (PROTOCOL.md 5.7).

A peer is one more reader of the feed. With each page comes a signed note of how far this hub has come for it (5.8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from consent import heads
from consent.primitives import b64
from hub import declarations, later, release, rights
from hub.context import Hub
from hub.peers import Peer
from hub.release import Cursor, Event, Rule
from hub.states import Chains
from hub.store import chains as chain_store
from hub.store import declarations as declaration_store
from hub.store import directory, feed
from hub.store.chains import ChainName
from hub.store.database import domain_of
from hub.store.envelopes import Range
from hub.store.feed import CHAINS, DECLARE, Row
from hub.store.peers import FEEDS

URGENT, STATEMENTS, ENVELOPES = FEEDS
MAX_EVENTS = 2500
MAX_LINKS = 1000
_WHAT = {URGENT: CHAINS, STATEMENTS: (*CHAINS, DECLARE), ENVELOPES: ("envelope",)}


@dataclass
class Page:
    """A part of one of the feeds; where each of them goes on; permits of the sets that occur; the note."""

    cursors: dict[str, Cursor]
    kind: str = ""
    events: list[Event] = field(default_factory=list)
    permits: dict[str, str] = field(default_factory=dict)
    note: bytes = field(default=b"", repr=False)

    def json(self) -> dict[str, Any]:
        """As it stands in the answer."""
        cursors = {name: str(cursor) for name, cursor in self.cursors.items()}
        return {"kind": self.kind, "events": self.events, "permits": self.permits, **cursors, "note": b64(self.note)}


def wait_for_page(hub: Hub, peer: Peer, cursors: Mapping[str, Cursor], nonce: str, seconds: float) -> Page:
    """The next page of the first feed that has anything; waits for it up to `seconds`, where there is a place to wait.

    Where there is none it is the page at hand: without its note the other hub would soon release nothing any more.
    """
    page = read_page(hub, peer, cursors, nonce)
    if page.events or seconds <= 0:
        return page
    with hub.bell.listen(peer.domain, seconds) as turns:
        for _ in turns or ():
            page = read_page(hub, peer, page.cursors, nonce)
            if page.events:
                break
    return page


def read_page(hub: Hub, peer: Peer, cursors: Mapping[str, Cursor], nonce: str) -> Page:
    """What there is now of the first feed that has anything; without events only where there is nothing more."""
    later.open_due(hub, peer.domain)
    page = Page(dict(cursors))
    while not page.events:
        with hub.db.read() as conn:
            page.kind, rows = _next(hub, conn, peer, page.cursors)
            pieces = list(release.cut(conn, rows, page.cursors[page.kind], MAX_EVENTS)) if rows else []
            page.note = heads.note(
                hub.key, hub=hub.config.domain, to=peer.domain, nonce=nonce, at=hub.now(),
                cur=feed.last_statement(conn, peer.domain),
            )  # fmt: skip
            if not pieces:
                return page
            if page.kind != ENVELOPES:
                page.events = _statements(hub, conn, peer, pieces)
        if page.kind == ENVELOPES:
            _add_envelopes(hub, peer, pieces, page)
        page.cursors[page.kind] = release.behind(pieces[-1], rows)
    return page


def _next(hub: Hub, conn: Connection, peer: Peer, cursors: dict[str, Cursor]) -> tuple[str, list[Row]]:
    """The first feed that has anything. Cursors of empty ones move on, so that rows are read past only once."""
    newest = feed.newest(hub.db, conn, peer.domain)
    for kind in FEEDS:
        start = (cursors[kind].tx, cursors[kind].n)
        rows = feed.rows(hub.db, conn, peer.domain, start, _WHAT[kind], release.PAGE_ROWS, urgent=kind == URGENT)
        if any(True for _ in release.cut(conn, rows, cursors[kind], 1)):
            return kind, rows
        if newest > start:
            cursors[kind] = Cursor(*newest)
    return "", []


# --- statements ---------------------------------------------------------------------------------------------------


def _statements(hub: Hub, conn: Connection, peer: Peer, rows: Sequence[Row]) -> list[Event]:
    chains, now = hub.chains(conn), hub.now()
    found: list[Event] = []
    for row in rows:
        chain = (row.notice.what, row.acc, row.notice.ref)
        if row.notice.what == DECLARE:
            found += _declared(conn, chains, peer, row, now)
        elif row.notice.what == "acct" or rights.hub_sees(chains, chain, peer.domain, "", now):
            positions = range(row.notice.first, row.notice.last + 1)
            found += [link_event(chains, chain, seq, peer.domain, now) for seq in positions]
    return found


def _declared(conn: Connection, chains: Chains, peer: Peer, row: Row, now: int) -> list[Event]:
    """A declared emergency, where somebody there may see the relation in which it was declared."""
    opening = declaration_store.find(conn, row.acc, row.notice.ref)
    if opening is None or not rights.hub_sees(chains, ("rel", row.acc, opening.oth), peer.domain, "", now):
        return []
    return [declarations.event(row.acc, opening)]


def links_behind(
    chains: Chains, chain: ChainName, after: int, domain: str, now: int
) -> tuple[list[Event], bool]:  # fmt: skip
    """The links of a chain behind a position, as a hub is given them: as many as fit; and whether there are more."""
    links = release.chain_of(chains, chain[1], chain[0], chain[2]).links
    found: list[Event] = []
    left = release.PAGE_BYTES
    for seq in range(after + 1, len(links)):
        event = link_event(chains, chain, seq, domain, now)
        left -= len(event["frame"]) + len(event.get("blob", ""))
        if found and (left < 0 or len(found) == MAX_LINKS):
            return found, True
        found.append(event)
    return found, False


def link_event(chains: Chains, chain: ChainName, seq: int, domain: str, now: int) -> Event:
    """A link; beside it the bundle for an account there, and what the directory says of an organisation."""
    kind, acc, oth = chain
    link = release.chain_of(chains, acc, kind, oth).links[seq]
    event: Event = {"kind": kind, "acc": acc, "oth": oth, "seq": seq, "frame": b64(link.raw)}
    if kind == "acct":
        organisation = directory.organisation(chains.conn, acc)
        if organisation is not None:
            event["organisation"] = {
                "title": organisation.title, "type": organisation.type, "part_of": organisation.part_of,
            }  # fmt: skip
    lst = link.body.get("lst", "") if kind == "rel" and domain_of(oth) == domain else ""
    if lst and rights.keeps_bundle(chains.relation(acc, oth), lst, now):
        bundle = chain_store.bundle(chains.conn, acc, lst)
        if bundle is not None:
            event["blob"] = b64(bundle[1])
    return event


# --- envelopes ----------------------------------------------------------------------------------------------------


def _add_envelopes(hub: Hub, peer: Peer, rows: Sequence[Row], page: Page) -> None:
    """Those that a live grant of an account there covers now, under each patient's lock as at any release."""
    found: dict[tuple[str, str, int], Event] = {}
    for acc in dict.fromkeys(row.acc for row in rows):
        ranges = [Range(acc, r.notice.ref, r.notice.first, r.notice.last) for r in rows if r.acc == acc]
        with hub.db.write(acc) as tx:
            chains = hub.chains(tx.conn)
            allowed = granted_there(chains, acc, peer.domain, hub.now())
            sets = set()
            for stream, kept in release.kept_in(tx.conn, acc, ranges, allowed):
                found |= {(acc, stream.id, k.pos): release.envelope_event(acc, stream.set, k) for k in kept}
                sets.add(stream.set)
            permits = chain_store.permits_of(tx.conn, acc, sets)
        page.permits |= {set_id: b64(frame) for set_id, frame in permits.items()}
    for row in rows:
        places = ((row.acc, row.notice.ref, pos) for pos in range(row.notice.first, row.notice.last + 1))
        page.events += [found.pop(place) for place in places if place in found]


def granted_there(chains: Chains, acc: str, domain: str, now: int) -> Rule:
    """What a live grant of an account of a hub covers now."""
    relations = [chains.relation(acc, who) for who in rights.of_hub(chains, acc, domain)]
    declared = rights.opened(chains.conn, relations, now)
    known: dict[tuple[str, int, int], bool] = {}

    def allowed(set_id: str, index: int, epoch: int) -> bool:
        place = (set_id, index, epoch)
        if place not in known:
            known[place] = any(release.covers(one, place, release.ANY_PURPOSE, now, declared) for one in relations)
        return known[place]

    return allowed
