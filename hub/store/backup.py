"""All rows out of the tables, as they stood at one moment, and into empty ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import BigInteger, Connection, Table, column, delete, func, insert, inspect, select, table, text

import hub.health_link_models
import hub.peer_models  # noqa: F401 - their tables are the metadata's too
from hub.models import counters, metadata
from hub.store.database import Database, Tx, leap

BATCH = 500


def dump(db: Database, keep: Callable[[str, Sequence[str], Iterable[Sequence[Any]]], object]) -> None:
    """Give out each table (name, columns, rows), all as of one moment, while others write on."""
    with db.read() as conn:
        for one in metadata.sorted_tables:
            rows = conn.execute(select(one).execution_options(yield_per=BATCH))
            keep(one.name, one.columns.keys(), rows)


def empty(conn: Connection) -> bool:
    """Whether there are no tables."""
    return not inspect(conn).get_table_names()


def load(tx: Tx, name: str, rows: Iterator[dict[str, Any]]) -> None:
    """Put rows into a new table, in the place of what its migration put there."""
    tx.conn.execute(delete(table(name)))
    while batch := list(islice(rows, BATCH)):
        target = table(name, *(column(key) for key in batch[0]))
        tx.conn.execute(insert(target), batch)


def go_on(db: Database, tx: Tx) -> None:
    """What counts rows or transactions goes on behind what may have been given out since the copy was made."""
    leap(tx.conn)
    tx.conn.execute(counters.update().where(counters.c.name == "cluster").values(value=0))
    if db.postgresql:
        for one in metadata.sorted_tables:
            _number(tx.conn, one)


def _number(conn: Connection, one: Table) -> None:
    """PostgreSQL's own numbering of rows begins behind those that were loaded."""
    for key in one.primary_key.columns:
        if one.autoincrement_column is key and isinstance(key.type, BigInteger):
            query = text("SELECT setval(pg_get_serial_sequence(:table, :key), :last)")
            last = conn.execute(select(func.coalesce(func.max(key), 1))).scalar_one()
            conn.execute(query, {"table": one.name, "key": key.name, "last": last})
