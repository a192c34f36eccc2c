"""One transaction of writes: resources and their index rows, sent to the database in as few statements as it takes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql import bindparam

from connectors.gateway.indexing import Indexed, indexed
from connectors.gateway.models import (
    index_date,
    index_quantity,
    index_text,
    permitted,
    resources,
    spans,
    stored_columns,
)
from connectors.gateway.records import HOUSE, Source, Stored
from fhir_profiles.resources import parse

INDEXES = (index_text, index_date, index_quantity)

_INSERT = insert(resources).returning(resources.c.rid, sort_by_parameter_order=True)
_UNINDEX = delete(index_text).where(
    *(index_text.c[name] == bindparam(f"at_{name}") for name in ("param", "value", "patient", "low", "rid"))
)

_OWN_ROW = (
    select(*stored_columns)
    .where(
        resources.c.type == bindparam("type"),
        resources.c.id == bindparam("id"),
        resources.c.author.in_(["", bindparam("house")]),
    )
    .order_by(resources.c.deleted, resources.c.rid.desc())
    .limit(1)
)
_REPLACE = update(resources).where(resources.c.rid == bindparam("at"))


class Change:
    """Collects writes within one transaction and sends them at `flush`. Made by `Store.change`."""

    def __init__(self, connection: Connection, sqlite: bool, known_spans: Mapping[str, int]) -> None:
        self.connection = connection
        self._sqlite = sqlite
        self._known_spans = known_spans
        self._new: list[tuple[dict[str, Any], Indexed, frozenset[str]]] = []
        self._again: list[tuple[int, Indexed]] = []
        self.spans: dict[str, int] = {}

    def add(
        self, resource: dict[str, Any], body: bytes, version: int, updated: int, source: Source = HOUSE,
        under: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        """A new resource. `updated` in microseconds since 1970; `under`: the grants whose finer rules permit it."""
        rows = indexed(resource)
        self._new.append((_row(resource, body, version, updated, source, rows.low), rows, under))

    def replace(
        self,
        before: Stored,
        resource: dict[str, Any],
        body: bytes,
        version: int,
        updated: int,
        source: Source = HOUSE,
    ) -> None:
        """Another body for a resource that is there, and where it is from now; `find_own` has locked it."""
        rows = indexed(resource)
        values = _row(resource, body, version, updated, source, rows.low)
        self.connection.execute(_REPLACE.values(**values), {"at": before.rid})
        self._unindex([(before.rid, before.body)])
        self._again.append((before.rid, rows))

    def mark_back(self, before: Stored, source: Source) -> None:
        """Note that what the house wrote has come back by the feed, in this envelope."""
        values = {"epoch": source.epoch, "bid": source.bid, "handle": source.handle}
        self.connection.execute(_REPLACE.values(**values), {"at": before.rid})

    def bury(self, before: Stored, updated: int, version: int) -> None:
        """Delete by FHIR, which makes a version: the id stays known as deleted, the content goes."""
        values = {"version": version, "updated": updated, "deleted": True, "body": b"", "handle": ""}
        self.connection.execute(_REPLACE.values(**values), {"at": before.rid})
        self._unindex([(before.rid, before.body)])

    def keep(self, condition: ColumnElement[bool]) -> int:
        """Take the resources that fit over into the house's own record; returns how many."""
        return self.connection.execute(update(resources).where(condition).values(kept=True)).rowcount

    def remove(self, condition: ColumnElement[bool], again: Collection[tuple[str, str]] = ()) -> list[tuple[str, str]]:
        """Remove the resources that fit, with their index rows. Quick for a few.

        What the house took over stays with it, except where a newer version comes `again` (types and ids); returns
        those, which are taken over again.
        """
        row = resources.c
        found = self.connection.execute(select(row.rid, row.body, row.type, row.id, row.kept).where(condition)).all()
        stays = [each.rid for each in found if each.kept and (each.type, each.id) not in again]
        gone = [(each.rid, each.body) for each in found if each.rid not in stays]
        if stays:
            self.connection.execute(update(resources).where(row.rid.in_(stays)).values(owner=""))
        if gone:
            self._unindex(gone)
            self.connection.execute(delete(resources).where(row.rid.in_([rid for rid, _ in gone])))
        return [(each.type, each.id) for each in found if each.kept and each.rid not in stays]

    def purge(self, condition: ColumnElement[bool]) -> int:
        """Remove the resources that fit, and whatever any index holds of them, by looking through all of it."""
        rids = select(resources.c.rid).where(condition)
        for table in (*INDEXES, permitted):
            self.connection.execute(delete(table).where(table.c.rid.in_(rids)))
        return self.connection.execute(delete(resources).where(condition)).rowcount

    def find_own(self, type_: str, id_: str, house: str) -> Stored | None:
        """What the house wrote under an id, house-local or by its account; locked until the transaction ends.

        One deleted too.
        """
        statement = _OWN_ROW if self._sqlite else _OWN_ROW.with_for_update()
        row = self.connection.execute(statement, {"type": type_, "id": id_, "house": house}).one_or_none()
        return stored(row) if row is not None else None

    def alone(self, names: Iterable[str]) -> None:
        """Wait until no other transaction holds one of these names; they are given back when this one ends.

        SQLite has one writer at any time, so there nothing is to be done.
        """
        if not self._sqlite:
            for name in sorted(set(names)):
                self.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    def permit(self, rows: Collection[tuple[str, int]]) -> None:
        """Note that finer rules, named by their grant, permit resources, named by their `rid`."""
        if rows:
            self.connection.execute(insert(permitted), [{"rules": gid, "rid": rid} for gid, rid in rows])

    def flush(self) -> None:
        """Send what was collected; needed before reading it in the same transaction."""
        numbered = list(self._again)
        if self._new:
            rids = self.connection.execute(_INSERT, [row for row, _, _ in self._new]).scalars().all()
            numbered += [(rid, rows) for rid, (_, rows, _) in zip(rids, self._new, strict=True)]
            self.permit([(gid, rid) for rid, (_, _, under) in zip(rids, self._new, strict=True) for gid in under])
        if numbered:
            self._index(
                {
                    index_text: [row for rid, rows in numbered for row in rows.text_rows(rid)],
                    index_date: [row for rid, rows in numbered for row in rows.date_rows(rid)],
                    index_quantity: [row for rid, rows in numbered for row in rows.quantity_rows(rid)],
                }
            )
        for _, rows in numbered:
            if rows.span > max(self._known_spans.get(rows.type, 0), self.spans.get(rows.type, 0)):
                self.spans[rows.type] = rows.span
        for type_, span in self.spans.items():
            self._widen(type_, span)
        self._new.clear()
        self._again.clear()

    def _unindex(self, bodies: Sequence[tuple[int, bytes]]) -> None:
        # The text index has no order by resource: its rows are found again from the body that gave them.
        texts = [
            {"at_param": row[0], "at_value": row[1], "at_patient": row[2], "at_low": row[3], "at_rid": rid}
            for rid, body in bodies
            if body
            for row in indexed(parse(body, max_bytes=len(body))).text_rows(rid)
        ]
        if texts:
            self.connection.execute(_UNINDEX, texts)
        for table in (index_date, index_quantity, permitted):
            self.connection.execute(delete(table).where(table.c.rid.in_([rid for rid, _ in bodies])))

    def _index(self, found: Mapping[Table, list[tuple[Any, ...]]]) -> None:
        if not self._sqlite:
            self.connection.execute(_POPULATE, {table.name: _as_json(table, rows) for table, rows in found.items()})
            return
        for table, rows in found.items():
            marks = ", ".join("?" * len(table.columns))
            if rows:
                self.connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", rows)  # noqa: S608 - own name

    def _widen(self, type_: str, span: int) -> None:
        upsert: Callable[[Table], Any] = sqlite_insert if self._sqlite else postgresql_insert
        statement = upsert(spans).values(type=type_, span=span)
        wider = {"set_": {"span": statement.excluded.span}, "where": statement.excluded.span > spans.c.span}
        self.connection.execute(statement.on_conflict_do_update(index_elements=["type"], **wider))


def stored(row: Row[Any]) -> Stored:
    """A row that begins with the `stored_columns` as a record."""
    return Stored(*row[: len(stored_columns)])


def _row(resource: dict[str, Any], body: bytes, version: int, updated: int, source: Source, low: int) -> dict[str, Any]:
    return {
        "type": resource["resourceType"],
        "id": resource["id"],
        "version": version,
        "updated": updated,
        "deleted": False,
        "low": low,
        "owner": source.owner,
        "set": source.set,
        "stream": source.stream,
        "index": source.index,
        "epoch": source.epoch,
        "author": source.author,
        "bid": source.bid,
        "handle": source.handle,
        "body": body,
    }


def _plain(value: Any) -> Any:
    # JSON has no infinite numbers; PostgreSQL reads them, and all others exactly, from text.
    return repr(value) if isinstance(value, float) else value


def _as_json(table: Table, rows: Iterable[tuple[Any, ...]]) -> str:
    names = [str(column.name) for column in table.columns]  # orjson knows no SQLAlchemy
    return orjson.dumps([dict(zip(names, map(_plain, row), strict=True)) for row in rows]).decode()


def _populate(table: Table) -> str:
    # One parameter for any number of rows: arrays are put together value by value, JSON at once.
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    rows = f"json_populate_recordset(NULL::{table.name}, CAST(:{table.name} AS json))"
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {rows}"  # noqa: S608 - own names


# All indexes in one statement: what a statement costs by itself is more than its few rows do.
_POPULATE = text(
    "WITH "
    + ", ".join(f"into_{table.name} AS ({_populate(table)})" for table in INDEXES[1:])
    + f" {_populate(INDEXES[0])}"
)
