"""Resources and their index: what is written, read, searched and purged.

A write is one transaction: the resources, their index rows, and whatever state the writer keeps beside them. Bodies
are bytes and come back as they were put.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from connectors.gateway.change import Change, stored
from connectors.gateway.database import Database
from connectors.gateway.intake import take
from connectors.gateway.models import (
    confirmations,
    decided,
    deletions,
    destinations,
    envelopes,
    live_streams,
    permitted,
    readers,
    resources,
    state,
    stored_columns,
)
from connectors.gateway.query import PAGE_SIZE, numbers, page, some
from connectors.gateway.records import Deletion, Item, Live, Page, Place, Stored, microseconds
from connectors.gateway.references import without_hidden
from connectors.gateway.visibility import Scope, own, visible
from consent.readers import Readers
from fhir_profiles.problems import Problem
from fhir_profiles.resources import parse
from fhir_profiles.search import Query

_HERE = and_(resources.c.type == bindparam("type"), resources.c.id == bindparam("id"))
_READ = select(*stored_columns).where(_HERE).order_by(resources.c.deleted, resources.c.rid).limit(1)
_OWN = own(resources).label("own")
_READ_VISIBLE = (
    select(*stored_columns, _OWN)
    .where(_HERE, visible(resources))
    .order_by(resources.c.deleted, _OWN.desc(), resources.c.rid)
    .limit(2)
)
_NAMED = and_(resources.c.type == bindparam("type"), resources.c.id.in_(bindparam("ids", expanding=True)))
# Told by one index, so that it costs little where no two patients use one id, as usual.
_SHARED = (
    select(resources.c.id)
    .where(_NAMED)
    .group_by(resources.c.id)
    .having(func.min(resources.c.owner) != func.max(resources.c.owner))
)
_NAMESAKES = (
    select(resources.c.id, resources.c.rid, _OWN)
    .where(_NAMED, resources.c.deleted.is_(False), visible(resources))
    .order_by(resources.c.id, _OWN.desc(), resources.c.rid)
)
OWNED_ROWS = 500
_OWNED = (
    select(*stored_columns)
    .where(
        resources.c.owner == bindparam("owner"), resources.c.rid > bindparam("after"), resources.c.deleted.is_(False)
    )
    .order_by(resources.c.rid)
    .limit(bindparam("size"))
)
HOUSE_ACCOUNT = "account"


class Store:
    """Resources and their index in one database. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._spans: dict[str, int] = {}
        self._house = ""

    # Reading

    def read(self, type_: str, id_: str, scope: Scope | None = None, change: Change | None = None) -> Stored | None:
        """The resource as it is now, a deleted one too; `None` for one absent or not visible for the scope.

        Several patients' authors may use one id: the house's own goes first, and of others' none is taken for another.
        Raises `Problem(conflict)` for those. With `change`, as that transaction sees it; so too below.
        """
        statement = _READ if scope is None else _READ_VISIBLE
        parameters = {"type": type_, "id": id_} | (scope.parameters() if scope is not None else {})
        with self._reading(change) as connection:
            rows = connection.execute(statement, parameters).all()
            if len(rows) > 1 and not rows[0].own and not rows[1].deleted:
                raise _namesakes()
            found = _shown(connection, rows[:1], scope)
        return found[0] if found else None

    def search(
        self,
        query: Query,
        scope: Scope | None = None,
        after: tuple[object, ...] | None = None,
        change: Change | None = None,
    ) -> Page:
        """One page of what matches and is visible for the scope, beginning behind `after` of the page before.

        A resource that is there throughout is on exactly one of the pages, whatever is written meanwhile.
        """
        size = PAGE_SIZE if query.count is None else query.count
        prepared = page(query, scope, size + 1, after)
        with self._reading(change) as connection:
            rows = connection.execute(prepared.statement, prepared.parameters).all()
            matches = _shown(connection, rows[:size], scope)
            elsewhere = _elsewhere(connection, matches, scope)
        following = tuple(rows[size - 1][-prepared.keys :]) if len(rows) > size else None
        total = None
        if query.total in {"accurate", "estimate"}:
            total = sum(self.count(query, scope, change).values())
        elif query.total is None and after is None and following is None:
            total = len(rows)  # all are on this page, so that counting costs nothing
        return Page(matches, following, total, elsewhere)

    def count(self, query: Query, scope: Scope | None = None, change: Change | None = None) -> dict[str, int]:
        """How many match and are visible for the scope, by owner ('': house-local)."""
        prepared = numbers(query, scope)
        with self._reading(change) as connection:
            return {row[0]: row[1] for row in connection.execute(prepared.statement, prepared.parameters)}

    def owned(self, owner: str, scope: Scope) -> Iterator[Stored]:
        """All of one patient's resources that are visible for the scope, in the order in which they came."""
        statement = _OWNED.where(visible(resources))
        after = 0
        while True:
            parameters = {"owner": owner, "after": after, "size": OWNED_ROWS} | scope.parameters()
            with self.database.read() as connection:
                rows = connection.execute(statement, parameters).all()
                found = _shown(connection, rows, scope)
            yield from found
            if len(rows) < OWNED_ROWS:
                return
            after = rows[-1].rid

    @contextmanager
    def _reading(self, change: Change | None) -> Iterator[Connection]:
        if change is not None:
            change.flush()
            yield change.connection
        else:
            with self.database.read() as connection:
                yield connection

    # Writing

    @contextmanager
    def change(self) -> Iterator[Change]:
        """A transaction of writes: durable when the block is left, undone when it raises."""
        with self.database.write() as connection:
            change = Change(connection, self.database.sqlite, self._spans)
            yield change
            change.flush()
        for type_, span in change.spans.items():
            self._spans[type_] = max(span, self._spans.get(type_, 0))

    def find(self, change: Change, query: Query, scope: Scope | None = None) -> list[Stored]:
        """Two of the matches that are visible for the scope, as seen by a running transaction.

        Raises `Problem(conflict)` for one to which its address does not lead.
        """
        change.flush()
        prepared = some(query, scope, 2)
        rows = change.connection.execute(prepared.statement, prepared.parameters).all()
        found = _shown(change.connection, rows, scope)
        if len(found) == 1 and _elsewhere(change.connection, found, scope):
            raise _namesakes()
        return found

    def put_many(
        self, items: Iterable[Item | Deletion], states: Mapping[str, str] | None = None, now: float | None = None
    ) -> int:
        """Take what opened envelopes brought, and `states` (such as the feed's cursor), in one transaction.

        Items of an envelope (`source.bid`) taken before are left out. Returns the number of resources taken.
        """
        with self.change() as change:
            number = take(change, items, microseconds(now))
            for key, value in (states or {}).items():
                self._set_state(change, key, value)
        return number

    def purge(self, patient: str, streams: Collection[str] | None = None, keep_author: str = "") -> int:
        """Remove what a patient's streams brought (`None`: all of them), with index and grants, in one transaction.

        What the house itself (`keep_author`) wrote or took over stays as house-local (duty to document). Returns how
        many went.
        """
        ours = or_(resources.c.author == keep_author, resources.c.kept)
        with self.change() as change:
            own = update(resources).where(_of(resources, patient, streams), ours)
            change.connection.execute(own.values(owner=""))
            gone = change.purge(_of(resources, patient, streams))
            still_here = select(resources.c.bid).where(ours, resources.c.bid != "")
            seen = delete(envelopes).where(_of(envelopes, patient, streams), envelopes.c.bid.not_in(still_here))
            change.connection.execute(seen)
            change.connection.execute(delete(deletions).where(_of(deletions, patient, streams)))
            grants = delete(live_streams).where(live_streams.c.patient == patient)
            if streams is not None:
                grants = grants.where(live_streams.c.stream.in_(streams))
            change.connection.execute(grants)
        return gone

    # What is granted now

    def set_live(self, patient: str, streams: Iterable[Live]) -> None:
        """Put the streams of a patient that may be shown now in the place of those of before, if they differ."""
        rows: list[dict[str, Any]] = [
            {
                "patient": patient,
                "stream": live.stream,
                "purpose": purpose,
                "from_epoch": live.from_epoch,
                "person": live.person,
                "until": live.until,
                "rules": live.rules,
                "category": live.category,
            }
            for live in streams
            for purpose in sorted(live.purposes)
        ]
        longest = {_live_key(row): row for row in sorted(rows, key=lambda row: row["until"])}
        here = live_streams.c.patient == patient
        with self.database.read() as connection:
            present = {
                _live_key(row): dict(row) for row in connection.execute(select(live_streams).where(here)).mappings()
            }
        if present == longest:
            return
        with self.database.write() as connection:
            connection.execute(delete(live_streams).where(here))
            if longest:  # two grants may give the same stream from the same epoch: the longer one counts
                connection.execute(insert(live_streams), list(longest.values()))

    def decided(self, patient: str) -> dict[str, str]:
        """A patient's grants of whose finer rules it is known what they permit, and the hash of those rules."""
        query = select(decided.c.rules, decided.c.name).where(decided.c.patient == patient)
        with self.database.read() as connection:
            return dict(connection.execute(query).all())

    def undecide(self, grants: Collection[str]) -> None:
        """Under the finer rules of these grants nothing is permitted until it is decided again."""
        if grants:
            with self.database.write() as connection:
                for table in (permitted, readers, decided):
                    connection.execute(delete(table).where(table.c.rules.in_(sorted(grants))))

    def decide(
        self, patient: str, streams: Collection[str], gid: str, name: str,
        permits: Callable[[dict[str, Any], str], bool], admitted: Readers,
    ) -> None:  # fmt: skip
        """Decide anew which resources of these streams a grant's finer rules permit: `permits(resource, author)`.

        `admitted`: who may read those. What was decided is kept as it goes; done is it only at the end, so that after
        a crash it begins again.
        """
        row = resources.c
        ours = and_(row.owner == patient, row.stream.in_(sorted(streams)), row.deleted.is_(False))
        with self.database.read() as connection:
            rids = sorted(connection.execute(select(row.rid).where(ours)).scalars())
        self.undecide([gid])
        for start in range(0, len(rids), OWNED_ROWS):
            some_ = row.rid.in_(rids[start : start + OWNED_ROWS])
            with self.change() as change:
                rows = change.connection.execute(select(row.rid, row.body, row.author).where(some_, ours)).all()
                parsed = ((each.rid, parse(each.body, max_bytes=len(each.body)), each.author) for each in rows)
                change.permit([(gid, rid) for rid, resource, author in parsed if permits(resource, author)])
        with self.database.write() as connection:
            cells = [dict(zip(readers.c.keys(), (gid, *row), strict=True)) for row in admitted.rows()]
            connection.execute(insert(readers), cells)
            connection.execute(insert(decided), {"rules": gid, "patient": patient, "name": name})

    def confirm(self, patients: Collection[str], at: int, until: int) -> None:
        """Note that the heads of these patients' chains were confirmed at a second, which counts until another."""
        if not patients:
            return
        statement = self._insert(confirmations)
        later = {"at": statement.excluded.at, "until": statement.excluded.until}
        statement = statement.on_conflict_do_update(index_elements=["patient"], set_=later)
        with self.database.write() as connection:
            connection.execute(
                statement, [{"patient": patient, "at": at, "until": until} for patient in sorted(patients)]
            )

    def confirmations(self) -> dict[str, int]:
        """When each patient was confirmed last."""
        with self.database.read() as connection:
            return dict(connection.execute(select(confirmations.c.patient, confirmations.c.at)).all())

    # Where the house may write now

    @property
    def house(self) -> str:
        """The account whose gateway this is; empty before its inbox has run once."""
        if not self._house:
            self._house = self.state(HOUSE_ACCOUNT) or ""
        return self._house

    def set_destinations(self, patient: str, places: Iterable[Place]) -> None:
        """Put the streams into which the house may write about a patient in the place of those of before."""
        name = patient.partition("@")[0]
        rows = [{"name": name, "patient": patient} | asdict(place) for place in places]
        with self.database.read() as connection:
            query = select(destinations).where(destinations.c.patient == patient).order_by(destinations.c.category)
            if [row._asdict() for row in connection.execute(query)] == sorted(rows, key=lambda row: row["category"]):
                return
        with self.database.write() as connection:
            connection.execute(delete(destinations).where(destinations.c.patient == patient))
            if rows:
                connection.execute(insert(destinations), rows)

    # What a writer keeps beside

    def state(self, key: str) -> str | None:
        """A value kept under a name, such as the feed's cursor."""
        with self.database.read() as connection:
            return connection.execute(select(state.c.value).where(state.c.key == key)).scalar_one_or_none()

    def set_state(self, key: str, value: str) -> None:
        """Keep a value under a name."""
        with self.change() as change:
            self._set_state(change, key, value)

    def state_once(self, key: str, value: str) -> str:
        """Keep a value under a name unless there is one; returns the one that is there."""
        with self.database.write() as connection:
            connection.execute(self._insert(state).on_conflict_do_nothing(), {"key": key, "value": value})
            there: str = connection.execute(select(state.c.value).where(state.c.key == key)).scalar_one()
            return there

    def _set_state(self, change: Change, key: str, value: str) -> None:
        statement = self._insert(state)
        change.connection.execute(
            statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value}),
            {"key": key, "value": value},
        )

    def _insert(self, table: Table) -> Any:
        return sqlite_insert(table) if self.database.sqlite else postgresql_insert(table)


def _shown(connection: Connection, rows: Sequence[Row[Any]], scope: Scope | None) -> list[Stored]:
    found = [stored(row) for row in rows]
    return found if scope is None else without_hidden(connection, found, scope)


def _elsewhere(connection: Connection, found: Sequence[Stored], scope: Scope | None) -> frozenset[int]:
    """The `rid` of each of these (of one type) that is not what `read` gives for its id."""
    if scope is None or not found:
        return frozenset()
    named = {"type": found[0].type, "ids": [each.id for each in found]}
    shared = connection.execute(_SHARED, named).scalars().all()
    if not shared:
        return frozenset()
    led_to: set[int] = set()
    rows = connection.execute(_NAMESAKES, named | {"ids": shared} | scope.parameters())
    for _, same in groupby(rows, key=lambda row: row.id):
        first, *others = same
        if first.own or not others:
            led_to.add(first.rid)
    return frozenset(each.rid for each in found if each.id in shared and each.rid not in led_to)


def _namesakes() -> Problem:
    detail = "Resources of several patients have this id: search for it with `_id` and the patient."
    return Problem("conflict", detail)


def _live_key(row: Mapping[Any, Any]) -> tuple[str, str, int, str, str]:
    return row["stream"], row["purpose"], row["from_epoch"], row["rules"], row["person"]


def _of(table: Table, patient: str, streams: Collection[str] | None) -> ColumnElement[bool]:
    owned = table.c.owner == patient
    return owned if streams is None else and_(owned, table.c.stream.in_(streams))
