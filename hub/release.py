"""Giving out: the feed, and a stream by position.

Every envelope is checked against the grants when it is released, in the transaction that logs it (PROTOCOL.md 4.3).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from consent import grants
from consent.chains import Chain
from consent.primitives import Rejected, b64
from consent.relations import RelationState
from consent.streams import MAX_EPOCHS
from fhir_profiles.access_tokens import unauthenticated
from fhir_profiles.problems import Problem
from hub import declarations, freshness, later, rights
from hub.auth import Caller
from hub.context import Hub
from hub.states import Chains
from hub.store import audit, chains, feed
from hub.store import declarations as declaration_store
from hub.store import envelopes as store
from hub.store.envelopes import Kept, Range, Stream
from hub.store.feed import CHAINS, DECLARE, Notice, Row
from hub.store.hashing import digest

PAGE_BYTES = 4 * 1024 * 1024
PAGE_ROWS = 256
RETRY_SECONDS = 2
MAX_LOGGED = 64
"""So long is the purpose in the access log."""
KINDS = {"statement": CHAINS, "envelope": ("envelope",), "message": ("message",), DECLARE: (DECLARE,)}

ANY_PURPOSE = ""
"""A gateway asks for whatever its grants are for; it answers each of its people by the purpose of that person."""

Event = dict[str, Any]
Rule = Callable[[str, int, int], bool]
"""Whether (set, index, epoch) may be released."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a recipient has read: all before the row (tx, n), and `sub` positions of it. Never goes back."""

    tx: int = 0
    n: int = 0
    sub: int = 0

    def __str__(self) -> str:
        return f"{self.tx}.{self.n}.{self.sub}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read a cursor that was given out. Raises `Problem`."""
        parts = text.split(".") if text else []
        if not parts:
            return cls()
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            raise Problem("invalid", "This is no cursor of this hub.")
        return cls(*(int(part) for part in parts))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a recipient asks the feed for: kinds of notices, a purpose (or any that a grant allows), so many events."""

    kinds: tuple[str, ...]
    purpose: str
    limit: int


@dataclass
class Page:
    """A part of the feed, and where it ends."""

    next: Cursor
    events: list[Event] = field(default_factory=list)
    permits: dict[str, str] = field(default_factory=dict)


def wait_for_page(hub: Hub, caller: Caller, after: Cursor, wish: Wish, seconds: float) -> Page:
    """The next page; waits for it up to `seconds` without holding a connection. Raises `Problem(busy)`."""
    page = read_page(hub, caller, after, wish)
    if page.events or seconds <= 0:
        return page
    with hub.bell.listen(caller.acc, seconds) as turns:
        if turns is None:
            raise Problem("busy", "too many wait here already", retry_after=RETRY_SECONDS)
        for _ in turns:
            page = read_page(hub, caller, page.next, wish)
            if page.events:
                break
    return page


def read_page(hub: Hub, caller: Caller, after: Cursor, wish: Wish) -> Page:
    """What there is now behind a cursor; without events only where there is nothing more."""
    later.open_due(hub, caller.acc)
    later.let_go(hub, caller.acc)
    page = Page(after)
    while not page.events:
        with hub.db.read() as conn:
            start = (page.next.tx, page.next.n)
            rows = feed.rows(hub.db, conn, caller.acc, start, wish.kinds, PAGE_ROWS)
            pieces = list(cut(conn, rows, page.next, wish.limit))
            if not pieces:
                return page
            plain = _plain_events(hub, conn, caller, [row for row in pieces if row.notice.what != "envelope"])
        sealed = _sealed_events(hub, caller, [row for row in pieces if row.notice.what == "envelope"], wish, page)
        page.events = [event for row in pieces for event in plain.get(_place(row), []) + sealed.get(_place(row), [])]
        page.next = behind(pieces[-1], rows)
    return page


def _place(row: Row) -> tuple[int, int]:
    return row.tx, row.n


def cut(conn: Connection, rows: Sequence[Row], after: Cursor, limit: int) -> Iterator[Row]:
    """Rows, and a part of the last one, that fit into a page; the first event always does."""
    count, left = limit, PAGE_BYTES
    for row in rows:
        notice = row.notice
        done = after.sub if _place(row) == (after.tx, after.n) else 0
        first = notice.first + done
        if first > notice.last:
            continue
        size = notice.size
        if notice.what == "envelope" and (done or size > left or notice.last - first >= count):
            last = store.fitting(conn, Range(row.acc, notice.ref, first, notice.last), count, left)
            yield replace(row, notice=replace(notice, first=first, last=last))
            return
        if size > left and left < PAGE_BYTES:
            return
        yield replace(row, notice=replace(notice, first=first))
        count, left = count - (notice.last - first + 1), left - size
        if count <= 0 or left <= 0:
            return


def behind(piece: Row, rows: Sequence[Row]) -> Cursor:
    """The cursor behind a piece: so many positions of its row are read."""
    whole = next(row for row in rows if _place(row) == _place(piece))
    return Cursor(piece.tx, piece.n, piece.notice.last - whole.notice.first + 1)


# --- statements and messages --------------------------------------------------------------------------------------


def _plain_events(
    hub: Hub, conn: Connection, caller: Caller, rows: Iterable[Row]
) -> dict[tuple[int, int], list[Event]]:
    found: dict[tuple[int, int], list[Event]] = {}
    replayed = hub.chains(conn)
    for row in rows:
        if row.notice.what == "message":
            event = _message_event(conn, replayed, caller, row, hub.now())
        elif row.notice.what == DECLARE:
            event = _declared_event(conn, replayed, caller, row, hub.now())
        else:
            event = _statement_event(conn, replayed, caller, row, hub.now())
        if event is not None:
            found[_place(row)] = [event]
    return found


def _message_event(conn: Connection, replayed: Chains, caller: Caller, row: Row, now: int) -> Event | None:
    """A message, for whom it is to, and who acts for her with her keys."""
    if row.acc != caller.acc and not rights.holds_keys(replayed.account(row.acc), caller.acc, now):
        return None
    sender, frame = feed.message(conn, row.acc, row.notice.ref)
    return {"type": "message", "id": row.notice.ref, "from": sender, "to": row.acc, "frame": b64(frame)}


def _declared_event(conn: Connection, replayed: Chains, caller: Caller, row: Row, now: int) -> Event | None:
    """A declared emergency, for who sees the relation in which it was declared."""
    opening = declaration_store.find(conn, row.acc, row.notice.ref)
    if opening is None or not rights.sees_relation(replayed, row.acc, opening.oth, caller.acc, now):
        return None
    return declarations.event(row.acc, opening)


def _statement_event(conn: Connection, replayed: Chains, caller: Caller, row: Row, now: int) -> Event | None:
    """A statement for the reader of its chain; None for who may not see the chain any more."""
    kind, oth, seq = row.notice.what, row.notice.ref, row.notice.first
    if kind == "set" and not rights.sees_set(replayed, row.acc, oth, caller.acc, now):
        return None
    if kind == "rel" and not rights.sees_relation(replayed, row.acc, oth, caller.acc, now):
        return None
    link = chain_of(replayed, row.acc, kind, oth).links[seq]
    event: Event = {
        "type": "statement", "kind": kind, "acc": row.acc, "oth": oth, "seq": seq, "frame": b64(link.raw),
    }  # fmt: skip
    relation = replayed.relation(row.acc, oth) if kind == "rel" else None
    if (
        relation
        and "lst" in link.body
        and caller.acc == oth
        and rights.opens_bundle(conn, relation, link.body["lst"], oth, now)
    ):
        bundle = chains.bundle(conn, row.acc, link.body["lst"])
        if bundle is not None:
            event["blob"] = b64(bundle[1])
    return event


def chain_of(replayed: Chains, acc: str, kind: str, oth: str) -> Chain:
    """A chain as it is held; without links where there is none."""
    if kind == "acct":
        return replayed.account(acc)
    return replayed.set(acc, oth) if kind == "set" else replayed.relation(acc, oth)


# --- envelopes ----------------------------------------------------------------------------------------------------


def _sealed_events(
    hub: Hub, caller: Caller, rows: Sequence[Row], wish: Wish, page: Page
) -> dict[tuple[int, int], list[Event]]:
    """The envelopes of these rows that are released; one transaction a patient."""
    found: dict[tuple[int, int], list[Event]] = {}
    for acc in dict.fromkeys(row.acc for row in rows):
        mine = [row for row in rows if row.acc == acc]
        ranges = [Range(acc, row.notice.ref, row.notice.first, row.notice.last) for row in mine]
        try:
            released, permits = release(hub, caller, acc, ranges, wish.purpose)
        except Problem as problem:
            if problem.code != "stale":
                raise
            later.hold(hub, caller.acc, acc, ranges)  # the other patients' envelopes do not wait for this one's hub
            continue
        page.permits |= permits
        places = list(released)
        found |= {_place(row): [released[place] for place in _between(places, row.notice)] for row in mine}
    return found


def _between(places: Sequence[tuple[str, int]], notice: Notice) -> Sequence[tuple[str, int]]:
    """Those in the range of a notice; they are in the order of stream and position."""
    first, behind = (bisect_left(places, (notice.ref, pos)) for pos in (notice.first, notice.last + 1))
    return places[first:behind]


def may_have(hub: Hub, caller: Caller, acc: str, place: Range, purpose: str) -> bool:
    """Whether any of these envelopes would be released to the caller now; nothing is. Raises `Problem(stale)`."""
    with hub.db.read() as conn:
        allowed = _rule(hub.chains(conn), caller, acc, purpose, hub.now())
        if not any(True for _ in kept_in(conn, acc, [place], allowed)):
            return False
        freshness.check(hub, conn, acc)
        return True


def release(
    hub: Hub, caller: Caller, acc: str, ranges: Sequence[Range], purpose: str, large: str = ""
) -> tuple[dict[tuple[str, int], Event], dict[str, str]]:
    """The envelopes in these ranges that the caller may have now, by stream and position; and their sets' permits.

    Checked and logged under the patient's lock: what a committed withdrawal ended is not released. `large`: the id of
    the one whose object it is about, logged once for a device and purpose, however often it breaks off on the way.
    Raises `Problem(stale)` where the patient's home hub has been silent for too long.
    """
    with hub.db.write(acc) as tx:
        now, replayed = hub.now(), hub.chains(tx.conn)
        _check_device(replayed, caller)
        freshness.check(hub, tx.conn, acc)
        allowed = _rule(replayed, caller, acc, purpose, now)
        logged = purpose or ",".join(sorted(_purposes(tx.conn, replayed.relation(acc, caller.acc), now)))[:MAX_LOGGED]
        found: dict[tuple[str, int], Event] = {}
        for stream, kept in kept_in(tx.conn, acc, ranges, allowed):
            name = stream.id
            found |= {(name, k.pos): envelope_event(acc, stream.set, k) for k in kept}
            detail = {"set": stream.set, "stream": name, "count": len(kept), "from": kept[0].pos, "to": kept[-1].pos}
            once = _once(f"{large} {caller.acc}/{caller.dev} {logged}") if large else None
            audit.write(
                tx, at=now, actor=caller.acc, device=caller.dev, action="release", purpose=logged, detail=detail,
                ref=once,
            )  # fmt: skip
        frames = chains.permits_of(tx.conn, acc, {event["set"] for event in found.values()})
    hub.metrics.released.inc(len(found))
    return found, {set_id: b64(frame) for set_id, frame in frames.items()}


def _once(what: str) -> str:
    """The `ref` of an entry in the log: shorter than a digest, so that no report of a reader can bear the same."""
    return f"release-{digest(what.encode())[:32]}"


def kept_in(conn: Connection, acc: str, ranges: Sequence[Range], allowed: Rule) -> Iterator[tuple[Stream, list[Kept]]]:
    """The streams of these ranges with those of their envelopes that a rule allows, where there are any."""
    streams = store.streams_named(conn, acc, (r.stream for r in ranges))
    for name, spans in _merged(ranges).items():
        stream = streams[name]
        kept = [k for first, last in spans for k in store.between(conn, acc, name, first, last)]
        kept = [k for k in kept if allowed(stream.set, stream.index, k.ep)]
        if kept:
            yield stream, kept


def _check_device(replayed: Chains, caller: Caller) -> None:
    """A device that was removed while its request waited gets nothing."""
    try:
        replayed.account(caller.acc).device(caller.dev)
    except Rejected:
        raise unauthenticated("This device is not the account's any more.") from None


def _rule(replayed: Chains, caller: Caller, acc: str, purpose: str, now: int) -> Rule:
    if caller.acc == acc:
        return lambda *_: True
    relation = replayed.relation(acc, caller.acc)
    known: dict[tuple[str, int, int], bool] = {}
    declared = rights.opened(replayed.conn, [relation], now)

    def allowed(set_id: str, index: int, epoch: int) -> bool:
        place = (set_id, index, epoch)
        if place not in known:
            known[place] = covers(relation, place, purpose, now, declared)
        return known[place]

    return allowed


def _merged(ranges: Iterable[Range]) -> dict[str, list[tuple[int, int]]]:
    """The ranges of each stream, joined where they touch or overlap."""
    found: dict[str, list[tuple[int, int]]] = {}
    for one in sorted(ranges, key=lambda r: (r.stream, r.first)):
        spans = found.setdefault(one.stream, [])
        if spans and one.first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(spans[-1][1], one.last))
        else:
            spans.append((one.first, one.last))
    return found


def envelope_event(acc: str, set_id: str, kept: Kept) -> Event:
    """An envelope as it is given out."""
    return {
        "type": "envelope", "acc": acc, "set": set_id, "str": kept.stream, "pos": kept.pos, "frame": b64(kept.frame),
        "stamp": b64(kept.stamp),
    }  # fmt: skip


def read_stream(hub: Hub, caller: Caller, acc: str, stream: str, after: int, wish: Wish) -> Page:
    """A stream by position.

    Raises `Problem`: `not-found` where nothing of it is released to the caller now, `stale` as `release`.
    """
    with hub.db.read() as conn:
        found = store.streams_named(conn, acc, [stream]).get(stream)
        replayed, now = hub.chains(conn), hub.now()
        relation = replayed.relation(acc, caller.acc)
        if found is None:
            raise rights.nothing_here()
        if not (caller.acc == acc or _covered(conn, relation, found, wish.purpose, now)):
            hub.refused.note(hub, caller, acc, "stream", stream, wish.purpose)
            raise rights.nothing_here()
        last = found.pos
        if last > after:
            last = store.fitting(conn, Range(acc, stream, after + 1, last), wish.limit, PAGE_BYTES)
    if last <= after:
        return Page(Cursor(sub=after))
    released, permits = release(hub, caller, acc, [Range(acc, stream, after + 1, last)], wish.purpose)
    return Page(Cursor(sub=last), [released[place] for place in sorted(released)], permits)


def _covered(conn: Connection, relation: RelationState, stream: store.Stream, purpose: str, now: int) -> bool:
    """Whether a grant covers any epoch of the stream, and be it one to come."""
    place = (stream.set, stream.index, MAX_EPOCHS)
    return covers(relation, place, purpose, now, rights.opened(conn, [relation], now))


def covers(
    relation: RelationState, place: tuple[str, int, int], purpose: str, now: int, declared: frozenset[str]
) -> bool:
    """Whether a grant lets the counterpart have (set, index, epoch) now for a purpose, or for any that it is for.

    `declared`: the grants for emergencies that are open.
    """
    purposes = {purpose} if purpose else {each for grant in relation.live(now) for each in grant.purposes}
    return any(grants.covers(relation, *place, each, now, declared) for each in purposes)


def _purposes(conn: Connection, relation: RelationState, now: int) -> set[str]:
    """For what the counterpart may have anything now."""
    declared = rights.opened(conn, [relation], now)
    live = (grant for grant in relation.live(now) if not grant.emergency or grant.gid in declared)
    return {purpose for grant in live for purpose in grant.purposes}
