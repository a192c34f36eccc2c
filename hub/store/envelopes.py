"""Streams and the envelopes in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from hub.models import envelopes, object_parts, objects, routes, sequences, streams
from hub.peer_models import fetches
from hub.store.bulk import insert_rows
from hub.store.database import Tx


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of a patient: its set, its index there, and where it ends."""

    id: str
    set: str
    index: int
    pos: int
    size: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An envelope as it is kept."""

    stream: str
    pos: int
    bid: str
    ep: int
    frame: bytes = field(repr=False)
    stamp: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Range:
    """Positions `first` … `last` of a stream of a patient."""

    acc: str
    stream: str
    first: int
    last: int


# Statements of every request are made once: making one takes longer than its answer does.
_OWNERS = select(routes.c.stream, routes.c.acc).where(routes.c.stream.in_(bindparam("ids", expanding=True)))


def owners(conn: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Stream → the patient whose it is, where it is known."""
    return dict(conn.execute(_OWNERS, {"ids": sorted(set(ids))}).all())


_STREAM = (streams.c.stream, streams.c.set_id, streams.c.idx, streams.c.pos, streams.c.size)
_NAMED = select(*_STREAM).where(
    streams.c.acc == bindparam("acc"), streams.c.stream.in_(bindparam("ids", expanding=True))
)  # fmt: skip


def streams_named(conn: Connection, acc: str, ids: Iterable[str]) -> dict[str, Stream]:
    """These streams of a patient, where they exist."""
    return {row[0]: Stream(*row) for row in conn.execute(_NAMED, {"acc": acc, "ids": sorted(set(ids))})}


def streams_written(conn: Connection, acc: str) -> list[Stream]:
    """The streams of a patient that hold anything."""
    query = select(*_STREAM).where(streams.c.acc == acc, streams.c.pos > 0).order_by(streams.c.stream)
    return [Stream(*row) for row in conn.execute(query)]


def by_bid(conn: Connection, acc: str, bids: Iterable[str]) -> dict[str, Kept]:
    """Envelopes of a patient by their ids."""
    found = conn.execute(_BY_BID[conn.dialect.name], {"acc": acc, "bids": sorted(set(bids))})
    return {row[2]: Kept(*row) for row in found}


_KEPT = (
    envelopes.c.stream, envelopes.c.pos, envelopes.c.bid, envelopes.c.ep, envelopes.c.frame, envelopes.c.stamp,
)  # fmt: skip
_BY_BID = {
    name: select(*_KEPT).where(envelopes.c.acc == bindparam("acc"), named)
    for name, named in {
        "postgresql": envelopes.c.bid
        == func.any(bindparam("bids", type_=ARRAY(String))),  # one parameter, not hundreds
        "sqlite": envelopes.c.bid.in_(bindparam("bids", expanding=True)),
    }.items()
}


_LAST = select(sequences.c.stream, sequences.c.dev, sequences.c.seq, sequences.c.hash).where(
    sequences.c.acc == bindparam("acc"),
    tuple_(sequences.c.stream, sequences.c.dev).in_(bindparam("places", expanding=True)),
)


def last_sequences(
    conn: Connection, acc: str, places: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, str]]:
    """(stream, device) → sequence and hash of the device's last envelope there."""
    found = conn.execute(_LAST, {"acc": acc, "places": sorted(set(places))})
    return {(stream, dev): (seq, hash_) for stream, dev, seq, hash_ in found}


def put_sequence(tx: Tx, place: tuple[str, str], last: tuple[int, str], first: bool) -> None:
    """Note a device's last envelope in a stream; `first`: it had none before."""
    stream, dev = place
    values = {"seq": last[0], "hash": last[1]}
    if first:
        tx.conn.execute(insert(sequences).values(acc=tx.acc, stream=stream, dev=dev, **values))
    else:
        here = and_(sequences.c.acc == tx.acc, sequences.c.stream == stream, sequences.c.dev == dev)
        tx.conn.execute(update(sequences).where(here).values(**values))


def add(tx: Tx, kept: Sequence[Kept]) -> None:
    """Keep envelopes, in the order of their positions."""
    rows = [(tx.acc, e.stream, e.pos, e.bid, e.ep, len(e.frame), e.frame, e.stamp) for e in kept]
    insert_rows(tx.conn, envelopes, rows)


def grow(tx: Tx, stream: str, pos: int, size: int) -> None:
    """Move the end of a stream."""
    here = and_(streams.c.acc == tx.acc, streams.c.stream == stream)
    tx.conn.execute(update(streams).where(here).values(pos=pos, size=size))


_AT = {
    name: select(envelopes.c.pos, envelopes.c.bid).where(
        envelopes.c.acc == bindparam("acc"), envelopes.c.stream == bindparam("stream"), named
    )
    for name, named in {
        "postgresql": envelopes.c.pos == func.any(bindparam("at", type_=ARRAY(BigInteger))),
        "sqlite": envelopes.c.pos.in_(bindparam("at", expanding=True)),
    }.items()
}


def positions(conn: Connection, acc: str, stream: str, wanted: Iterable[int]) -> dict[int, str]:
    """Position → id of the envelope there, for those of these positions of a stream that are held."""
    found = conn.execute(_AT[conn.dialect.name], {"acc": acc, "stream": stream, "at": sorted(set(wanted))})
    return dict(found.all())


def drop_at(tx: Tx, stream: str, pos: int) -> None:
    """Delete the envelope at a position, and its object."""
    _drop(tx, and_(envelopes.c.stream == stream, envelopes.c.pos == pos))


def drop(tx: Tx, stream: str, before: int | None) -> None:
    """Delete a stream's envelopes of epochs before this one, and their objects; None: all."""
    here = envelopes.c.stream == stream
    _drop(tx, here if before is None else and_(here, envelopes.c.ep < before))
    if before is None:
        grow(tx, stream, 0, 0)


def _drop(tx: Tx, which: ColumnElement[bool]) -> None:
    here = and_(envelopes.c.acc == tx.acc, which)
    gone = select(envelopes.c.bid).where(here)
    for table in (object_parts, objects, fetches):
        tx.conn.execute(delete(table).where(table.c.acc == tx.acc, table.c.bid.in_(gone)))
    tx.conn.execute(delete(envelopes).where(here))


def between(conn: Connection, acc: str, stream: str, first: int, last: int) -> list[Kept]:
    """The envelopes at positions `first` … `last`."""
    here = and_(envelopes.c.acc == acc, envelopes.c.stream == stream, envelopes.c.pos.between(first, last))
    return [Kept(*row) for row in conn.execute(select(*_KEPT).where(here).order_by(envelopes.c.pos))]


def fitting(conn: Connection, place: Range, count: int, size: int) -> int:
    """The last position of a range up to which at most `count` envelopes are held, of `size` bytes together.

    One always fits. Positions that are not held cost nothing: those of another hub's stream may have any numbers.
    """
    here = and_(
        envelopes.c.acc == place.acc, envelopes.c.stream == place.stream,
        envelopes.c.pos.between(place.first, place.last),
    )  # fmt: skip
    query = select(envelopes.c.pos, envelopes.c.size).where(here).order_by(envelopes.c.pos).limit(count + 1)
    fits = total = 0
    for number, (pos, one) in enumerate(conn.execute(query)):
        total += one
        if number and (number == count or total > size):
            return fits
        fits = pos
    return place.last
