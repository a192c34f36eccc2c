"""On its way out: from the gateway's database into the outbox, and from there to the hub.

A row moves by its mark, which the outbox takes once; so a crash between the two databases repeats, and doubles nothing.
What may not go out any more, because the permit ended while it waited, stays in the house (duty to document).
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from connectors.entries import Entry
from connectors.gateway.database import Database
from connectors.gateway.destinations import destination
from connectors.gateway.inbox import Inbox
from connectors.gateway.models import destinations, outgoing, resources
from connectors.gateway.store import HOUSE_ACCOUNT
from connectors.gateway.writing import QUEUED, REFUSED, WAITING
from connectors.hub_keys import HubKeys
from connectors.outbox import Outbox
from consent.sealing import Destination
from fhir_profiles.problems import Problem

BATCH = 100
NO_PERMIT = "no-permit"
"""Why something was refused: the patient lets the house write no more."""

log = logging.getLogger("obhut.gateway")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that was written and is not known to be at the hub. `state` and `reason` as in the table."""

    at: int
    state: str
    reason: str
    patient: str
    type: str
    id: str
    version: int
    deletes: bool
    person: str = field(repr=False)


def waiting(database: Database) -> list[Waiting]:
    """All that waits or was refused, oldest first."""
    row = outgoing.c
    columns = row.at, row.state, row.reason, row.patient, row.type, row.resource, row.version, row.deletes, row.person
    with database.read() as connection:
        return [Waiting(*each) for each in connection.execute(select(*columns).order_by(row.id))]


def forget_refused(database: Database) -> int:
    """Forget what was refused; the resources stay in the house. Returns how many there were."""
    with database.write() as connection:
        return connection.execute(delete(outgoing).where(outgoing.c.state == REFUSED)).rowcount


class Sender:
    """Sends what people of the house wrote; beside the inbox, whose chains and connection it uses."""

    def __init__(self, inbox: Inbox) -> None:
        keyring, self._keystore = inbox.keystore.keyring, inbox.keystore
        self._database, self._chains, self._hub, self._clock = (
            inbox.store.database,
            inbox.chains,
            inbox.hub,
            inbox.clock,
        )
        self.outbox = Outbox(
            self._keystore.db, keyring.author, keyring.handle_key, self._destination, self._refresh, inbox.clock,
            HubKeys(self._keystore.db, keyring, inbox.hub).key,
        )  # fmt: skip
        inbox.store.set_state(HOUSE_ACCOUNT, inbox.me)

    def send(self) -> int:
        """Move what was written into the outbox and send it; returns how many envelopes the home hubs took.

        Raises `Problem` where the hub cannot be reached; everything is kept. What a hub refuses holds back its own
        stream.
        """
        while _move(self._database, self.outbox):
            pass
        _stay(self._database, self.outbox)
        try:
            return self.outbox.send(self._hub)
        except Problem as problem:
            if problem.code == "busy":
                raise
            log.warning("some of what was written waits", extra={"reason": problem.extra.get("reason", problem.code)})
            return 0
        finally:
            _forget_sent(self._database, self.outbox)

    def _destination(self, patient: str, category: int) -> Destination:
        return destination(self._chains, self._keystore, patient, category, int(self._clock()))

    def _refresh(self, patient: str) -> None:
        """Fetch what is new in the chains of the sets into which the house writes."""
        relation = self._chains.relations.get((patient, self._keystore.keyring.account))
        for set_id in relation.permits if relation is not None else ():
            self._chains.refresh("set", patient, set_id)


def _move(database: Database, outbox: Outbox) -> int:
    """Put the next rows into the outbox, in the order of writing; returns how many there were."""
    query = select(outgoing).where(outgoing.c.state == WAITING).order_by(outgoing.c.id).limit(BATCH)
    with database.read() as connection:
        rows = connection.execute(query).all()
        permitted = set(connection.execute(select(destinations.c.patient).distinct()).scalars())
    moved, refused = [], {}
    for row in rows:
        if row.patient not in permitted:
            refused[row.id] = NO_PERMIT
            continue
        lines = [] if row.deletes else [row.body]
        try:
            outbox.put([Entry(row.patient, row.category, lines, _name(row), row.deletes)], row.mark)
            moved.append(row.id)
        except Problem as problem:
            refused[row.id] = problem.code
    with database.write() as connection:
        connection.execute(update(outgoing).where(outgoing.c.id.in_(moved)).values(state=QUEUED, body=b""))
        _refuse(connection, rows, refused)
    return len(rows)


def _stay(database: Database, outbox: Outbox) -> None:
    """Take back from the outbox what its patient does not permit any more."""
    row = outgoing.c
    ended = and_(row.state.in_([QUEUED, REFUSED]), row.patient.not_in(select(destinations.c.patient)))
    with database.read() as connection:
        rows = connection.execute(select(outgoing).where(ended).order_by(row.id)).all()
    queued = [each for each in rows if each.state == QUEUED]
    if queued:
        with database.write() as connection:
            _refuse(connection, queued, dict.fromkeys(_left(queued, outbox), NO_PERMIT))
    for patient in {each.patient for each in rows}:  # those whose rows a crash left behind, too
        outbox.take_back(patient)


def _forget_sent(database: Database, outbox: Outbox) -> None:
    """Forget what the outbox has not any more: the home hub has it."""
    with database.read() as connection:
        rows = connection.execute(
            select(outgoing.c.id, outgoing.c.patient, outgoing.c.type, outgoing.c.resource)
            .where(outgoing.c.state == QUEUED)
            .order_by(outgoing.c.id)
        ).all()
    left = _left(rows, outbox)
    sent = [row.id for row in rows if row.id not in left]
    for start in range(0, len(sent), BATCH):
        with database.write() as connection:
            connection.execute(delete(outgoing).where(outgoing.c.id.in_(sent[start : start + BATCH])))


def _left(rows: Sequence[Any], outbox: Outbox) -> set[int]:
    """The rows that the outbox still has: of those about one resource, the last ones."""
    names: Counter[tuple[str, str]] = Counter()
    for patient in {row.patient for row in rows}:
        names.update((patient, name) for name in outbox.handles(patient))
    left = set()
    for row in reversed(rows):
        if names[row.patient, _name(row)] > 0:
            names[row.patient, _name(row)] -= 1
            left.add(row.id)
    return left


def _refuse(connection: Connection, rows: Iterable[Any], reasons: dict[int, str]) -> None:
    """Note why rows never go out. The resources are the house's alone from now on."""
    for row in rows:
        reason = reasons.get(row.id)
        if reason is None:
            continue
        log.warning("what was written stays in the house", extra={"reason": reason})
        values = {"state": REFUSED, "reason": reason, "body": b""}
        connection.execute(update(outgoing).where(outgoing.c.id == row.id).values(**values))
        own = and_(
            resources.c.type == row.type, resources.c.id == row.resource, resources.c.owner == row.patient,
            resources.c.bid == "",
        )  # fmt: skip
        connection.execute(update(resources).where(own).values(owner=""))


def _name(row: Any) -> str:
    return f"{row.type}/{row.resource}"
