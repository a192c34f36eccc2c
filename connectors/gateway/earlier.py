"""What a house wrote about its patient before it knew her card: sent when somebody of the house says so."""

import time

from sqlalchemy import and_, select

from connectors.gateway.access import HOUSE_TYPE, Reader
from connectors.gateway.models import index_text, resources
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope
from connectors.gateway.writing import Writing
from consent.opening import subject
from fhir_profiles.resources import parse

BATCH = 100


def send(store: Store, local: str, person: str) -> int:
    """Write whatever is about the house's Patient `local` as of the Obhut patient it is linked to: each a new version.

    Returns how many resources went. What was sent is not about `local` any more, so that a second call goes on after a
    crash. Raises `Problem(forbidden)` where she does not permit it.
    """
    reader = Reader(person, "", "TREAT", writes=True, house=store.state(HOUSE_TYPE) or "")
    sent, after = 0, 0
    while True:
        rows = _about(store, local, after)
        if not rows:
            return sent
        after = rows[-1][0]
        with store.change() as change:
            change.alone(f"{type_}/{id_}" for _, type_, id_ in rows)
            scope = Scope((), int(time.time()), store.house)
            writing = Writing(store, change, "", reader, scope)
            for _, type_, id_ in rows:
                found = change.find_own(type_, id_, store.house)
                if found is not None and not found.deleted and not found.owner:
                    resource = parse(found.body)
                    if type_ != "Patient" and subject(resource) == f"Patient/{local}":
                        writing.put(resource, None)
                        sent += 1


def _about(store: Store, local: str, after: int) -> list[tuple[int, str, str]]:
    indexed = select(index_text.c.rid).where(index_text.c.patient == local)
    query = (
        select(resources.c.rid, resources.c.type, resources.c.id)
        .where(
            and_(resources.c.rid.in_(indexed), resources.c.rid > after),
            resources.c.owner == "",
            resources.c.deleted.is_(False),
        )
        .order_by(resources.c.rid)
        .limit(BATCH)
    )
    with store.database.read() as connection:
        return [(row.rid, row.type, row.id) for row in connection.execute(query)]
