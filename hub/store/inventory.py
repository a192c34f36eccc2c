"""What a hub holds, as its operator may know it: who takes part, what waits, how much is kept. Nobody's patient."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from hub.models import envelopes, heads, messages, objects, organisations
from hub.peer_models import doubts, forwards, held
from hub.store.database import Database, domain_of


@dataclass(frozen=True, slots=True)
class Participant:
    """An organisation or service that was admitted. `joined`: Unix second at which it came, None before it has."""

    acc: str
    title: str
    type: str
    joined: int | None
    part_of: str


def participants(conn: Connection, after: str, limit: int) -> list[Participant]:
    """Those that were admitted, by account, behind one of them."""
    row = organisations.c
    query = select(row.acc, row.title, row.type, row.joined, row.part_of).where(row.acc > after)
    return [Participant(*found) for found in conn.execute(query.order_by(row.acc).limit(limit))]


def number_of_participants(conn: Connection) -> int:
    """How many were admitted, whether they have come or not."""
    return conn.execute(select(func.count()).select_from(organisations)).scalar_one()


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits: things for each other hub, by its domain; envelopes held back for readers here until its patients'
    hub speaks, in runs; messages that nobody has fetched and deleted."""

    forwards: Mapping[str, int]
    held: Mapping[str, int]
    messages: int


def queues(conn: Connection) -> Queues:
    """What waits now."""
    waits = select(forwards.c.peer, func.count().label("number")).where(forwards.c.answered.is_(False))
    back: dict[str, int] = {}
    for acc, count in conn.execute(select(held.c.acc, func.count()).group_by(held.c.acc)):
        back[domain_of(acc)] = back.get(domain_of(acc), 0) + count
    total = conn.execute(select(func.count()).select_from(messages)).scalar_one()
    return Queues({row.peer: row.number for row in conn.execute(waits.group_by(forwards.c.peer))}, back, total)


def chains_in_doubt(conn: Connection) -> Mapping[str, int]:
    """How many chains of each other hub do not hold, by domain."""
    found: dict[str, int] = {}
    for acc in conn.execute(select(doubts.c.acc)).scalars():
        found[domain_of(acc)] = found.get(domain_of(acc), 0) + 1
    return found


@dataclass(frozen=True, slots=True)
class Storage:
    """Envelopes and objects that are kept, copies of other hubs' too, with their bytes; those of the database."""

    envelopes: int
    envelope_bytes: int
    objects: int
    object_bytes: int
    database_bytes: int


def storage(db: Database, conn: Connection) -> Storage:
    """Count. It reads all envelopes' sizes: whoever asks often keeps the answer."""
    size = (
        "pg_database_size(current_database())"
        if db.postgresql
        else ("(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())")
    )
    sums = (
        conn.execute(select(func.count(), func.coalesce(func.sum(column), 0))).one()
        for column in (envelopes.c.size, objects.c.come)
    )
    (envelope_count, envelope_bytes), (object_count, object_bytes) = sums
    database = conn.execute(text(f"SELECT {size}")).scalar_one()
    return Storage(envelope_count, int(envelope_bytes), object_count, int(object_bytes), int(database))


def patients_with_relations(conn: Connection, domain: str) -> list[str]:
    """Patients at home at a hub who have to do with anybody."""
    here = heads.c.acc.endswith(f"@{domain}", autoescape=True)
    query = select(heads.c.acc).where(heads.c.kind == "rel", here)
    return list(conn.execute(query.distinct().order_by(heads.c.acc)).scalars())
