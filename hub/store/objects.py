"""Objects beside envelopes: sealed, in parts, under the patient and the id of the envelope that names them.

One that comes from another hub is not whole before its last part is here and its hash is the one that was told.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, select, update

from consent.objects import object_hash
from hub.models import envelopes, object_parts, objects
from hub.peer_models import fetches, forwards
from hub.store.database import Tx
from hub.store.forwards import ENVELOPE

PART_BYTES = 64 * 1024
PARTS_AT_ONCE = 16
"""So much of an object is held in memory at a time."""
TABLES = (object_parts, objects, fetches)


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it is kept: whose envelope of which stream will name it, its size, its hash."""

    bid: str
    stream: str
    size: int
    hash: str


_COLUMNS = objects.c.bid, objects.c.stream, objects.c.size, objects.c.hash


def by_bid(conn: Connection, acc: str, bids: Iterable[str]) -> dict[str, Object]:
    """Objects of a patient that are here whole, by the ids of their envelopes."""
    wanted = sorted(set(bids))
    if not wanted:
        return {}
    here = and_(objects.c.acc == acc, objects.c.bid.in_(wanted), objects.c.come == objects.c.size)
    return {row[0]: Object(*row) for row in conn.execute(select(*_COLUMNS).where(here))}


def arrived(conn: Connection, acc: str, bid: str) -> tuple[Object, int] | None:
    """An object of which anything is here, and how many bytes."""
    row = conn.execute(select(*_COLUMNS, objects.c.come).where(objects.c.acc == acc, objects.c.bid == bid)).first()
    return (Object(*row[:4]), row[4]) if row else None


def add(tx: Tx, kept: Object, parts: Iterable[bytes], now: int) -> None:
    """Keep a whole object, in the place of what may have come of it before."""
    remove(tx, [kept.bid])
    _put(tx, kept, kept.size, now)
    _put_parts(tx, kept.bid, 0, parts)


def add_next(tx: Tx, kept: Object, come: int, data: bytes, now: int) -> bool:
    """Keep the next bytes of an object of which `come` are here.

    False where it is whole and has not the hash that was told: then nothing of it is kept.
    """
    if come == 0:
        _put(tx, kept, len(data), now)
    else:
        here = and_(objects.c.acc == tx.acc, objects.c.bid == kept.bid)
        tx.conn.execute(update(objects).where(here).values(come=come + len(data)))
    pieces = (data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES))
    _put_parts(tx, kept.bid, come // PART_BYTES, pieces)
    if come + len(data) < kept.size or object_hash(_all_parts(tx, kept.bid), kept.size) == kept.hash:
        return True
    remove(tx, [kept.bid])
    return False


def _put(tx: Tx, kept: Object, come: int, now: int) -> None:
    row = {"acc": tx.acc, "bid": kept.bid, "stream": kept.stream, "size": kept.size, "hash": kept.hash}
    tx.conn.execute(insert(objects), row | {"at": now, "come": come})


def _put_parts(tx: Tx, bid: str, first: int, parts: Iterable[bytes]) -> None:
    rows = ({"acc": tx.acc, "bid": bid, "n": n, "part": part} for n, part in enumerate(parts, first))
    while batch := list(islice(rows, PARTS_AT_ONCE)):
        tx.conn.execute(insert(object_parts), batch)


def _all_parts(tx: Tx, bid: str) -> Iterator[bytes]:
    n = 0
    while found := parts(tx.conn, tx.acc, bid, n):
        yield from found
        n += len(found)


def parts(conn: Connection, acc: str, bid: str, first: int, count: int = PARTS_AT_ONCE) -> list[bytes]:
    """The next parts of an object from one on; none behind the last, and where the object is gone."""
    span = object_parts.c.n.between(first, first + count - 1)
    here = and_(object_parts.c.acc == acc, object_parts.c.bid == bid, span)
    return list(conn.execute(select(object_parts.c.part).where(here).order_by(object_parts.c.n)).scalars())


def remove(tx: Tx, bids: Iterable[str]) -> None:
    """Forget objects of a patient: with their envelopes, or because none came."""
    for bid in bids:
        for table in TABLES:
            tx.conn.execute(delete(table).where(table.c.acc == tx.acc, table.c.bid == bid))


def _loose() -> ColumnElement[bool]:
    """Of objects that no envelope names which is here, or waits here for the patient's hub."""
    deposited = exists().where(envelopes.c.acc == objects.c.acc, envelopes.c.bid == objects.c.bid)
    waits = exists().where(
        forwards.c.acc == objects.c.acc, forwards.c.kind == ENVELOPE, forwards.c.ref == objects.c.bid,
        forwards.c.answered.is_(False),
    )  # fmt: skip
    return and_(~deposited, ~waits)


def without_envelope(conn: Connection, before: int, acc: str = "") -> list[tuple[str, str]]:
    """Patient and id of objects kept before a moment, whose envelope has not come; of one patient, or of all."""
    query = select(objects.c.acc, objects.c.bid).where(objects.c.at < before, _loose())
    if acc:
        query = query.where(objects.c.acc == acc)
    return [(row[0], row[1]) for row in conn.execute(query)]


def loose(conn: Connection, acc: str) -> list[tuple[str, str]]:
    """Stream and id of a patient's objects whose envelope is not here."""
    query = select(objects.c.stream, objects.c.bid).where(objects.c.acc == acc, _loose())
    return [(row[0], row[1]) for row in conn.execute(query)]


# --- fetching from another hub ------------------------------------------------------------------------------------


def claim(tx: Tx, bid: str, now: int, until: int) -> bool:
    """Be the one who fetches an object until then. False where somebody else does."""
    here = and_(fetches.c.acc == tx.acc, fetches.c.bid == bid)
    if tx.conn.execute(select(fetches.c.until).where(here, fetches.c.until > now)).first():
        return False
    give_up(tx, bid)
    tx.conn.execute(insert(fetches).values(acc=tx.acc, bid=bid, until=until))
    return True


def go_on(tx: Tx, bid: str, until: int) -> None:
    """Stay the one who fetches an object."""
    tx.conn.execute(update(fetches).where(fetches.c.acc == tx.acc, fetches.c.bid == bid).values(until=until))


def give_up(tx: Tx, bid: str) -> None:
    """Let another fetch an object, or the rest of it."""
    tx.conn.execute(delete(fetches).where(fetches.c.acc == tx.acc, fetches.c.bid == bid))
