"""SMART Health Links: sealed files that somebody without an account opens by link and passcode."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from hub.health_link_models import health_link_parts, health_link_tickets, health_links
from hub.store.database import Tx
from hub.store.objects import PART_BYTES, PARTS_AT_ONCE

ACTION = "health-link"
"""What entries of the access log are called that are about a link."""
TABLES = (health_link_tickets, health_link_parts, health_links)


@dataclass(frozen=True, slots=True)
class HealthLink:
    """A link as it is kept; moments in Unix seconds, `size` of its file in bytes, `opened_at` 0 for never."""

    acc: str
    name: str
    at: int
    until: int
    salt: bytes = field(repr=False)
    verifier: bytes = field(repr=False)
    size: int
    sealed: bytes = field(repr=False)
    wrong: int = 0
    opened: int = 0
    opened_at: int = 0

    @property
    def shown(self) -> str:
        """So much of its name stands in the access log."""
        return self.name[:22]


_COLUMNS = (
    health_links.c.acc, health_links.c.name, health_links.c.at, health_links.c.until, health_links.c.salt,
    health_links.c.verifier, health_links.c.size, health_links.c.sealed, health_links.c.wrong, health_links.c.opened,
    health_links.c.opened_at,
)  # fmt: skip


def by_name(conn: Connection, name: str) -> HealthLink | None:
    """The link of this name, whoever made it."""
    row = conn.execute(select(*_COLUMNS).where(health_links.c.name == name).limit(1)).one_or_none()
    return None if row is None else HealthLink(*row)


def of_account(conn: Connection, acc: str) -> list[HealthLink]:
    """All links of an account, the newest first."""
    query = select(*_COLUMNS).where(health_links.c.acc == acc)
    return [HealthLink(*row) for row in conn.execute(query.order_by(health_links.c.at.desc(), health_links.c.name))]


def put(tx: Tx, link: HealthLink, file: bytes) -> None:
    """Keep a link and its file."""
    tx.conn.execute(insert(health_links), {column.name: getattr(link, column.name) for column in _COLUMNS})
    rows = [
        {"acc": link.acc, "name": link.name, "n": n, "part": file[at : at + PART_BYTES]}
        for n, at in enumerate(range(0, len(file), PART_BYTES))
    ]
    tx.conn.execute(insert(health_link_parts), rows)


def extend(tx: Tx, name: str, until: int) -> None:
    """Let a link hold until another moment."""
    tx.conn.execute(update(health_links).where(*_at(tx, name)).values(until=until))


def count_wrong(tx: Tx, name: str) -> None:
    """One more wrong passcode."""
    tx.conn.execute(update(health_links).where(*_at(tx, name)).values(wrong=health_links.c.wrong + 1))


def open_for(tx: Tx, name: str, ticket: str, now: int, until: int) -> None:
    """It was opened; its file is given out by this ticket (a hash) until then. Tickets of before go."""
    opened = {"opened": health_links.c.opened + 1, "opened_at": now}
    tx.conn.execute(update(health_links).where(*_at(tx, name)).values(**opened))
    mine = health_link_tickets.c.acc == tx.acc, health_link_tickets.c.name == name
    tx.conn.execute(delete(health_link_tickets).where(*mine, health_link_tickets.c.until <= now))
    tx.conn.execute(insert(health_link_tickets), {"acc": tx.acc, "name": name, "ticket": ticket, "until": until})


def may_fetch(conn: Connection, link: HealthLink, ticket: str, now: int) -> bool:
    """Whether a ticket still counts."""
    columns = health_link_tickets.c
    here = columns.acc == link.acc, columns.name == link.name, columns.ticket == ticket
    return conn.execute(select(columns.until).where(*here, columns.until > now)).first() is not None


def drop_file(tx: Tx, name: str) -> None:
    """Forget the file behind a link that nobody opens any more; the link stays to be seen by who made it."""
    for table in (health_link_tickets, health_link_parts):
        tx.conn.execute(delete(table).where(table.c.acc == tx.acc, table.c.name == name))


def remove(tx: Tx, name: str) -> bool:
    """Forget a link and its file. False where there is none."""
    found = tx.conn.execute(select(health_links.c.name).where(*_at(tx, name))).first() is not None
    for table in TABLES:
        tx.conn.execute(delete(table).where(table.c.acc == tx.acc, table.c.name == name))
    return found


def parts(conn: Connection, link: HealthLink, first: int) -> list[bytes]:
    """The next parts of a file from one on; none behind the last, and where it is gone."""
    columns = health_link_parts.c
    here = columns.acc == link.acc, columns.name == link.name, columns.n.between(first, first + PARTS_AT_ONCE - 1)
    return list(conn.execute(select(columns.part).where(*here).order_by(columns.n)).scalars())


def expired(conn: Connection, now: int) -> Mapping[str, list[str]]:
    """The links whose time is over: their names, by account."""
    query = select(health_links.c.acc, health_links.c.name).where(health_links.c.until <= now)
    found: dict[str, list[str]] = {}
    for acc, name in conn.execute(query):
        found.setdefault(acc, []).append(name)
    return found


def count(conn: Connection, acc: str, now: int) -> int:
    """How many links of an account are not over."""
    open_ = health_links.c.acc == acc, health_links.c.until > now
    query = select(func.count()).select_from(health_links).where(*open_)
    return conn.execute(query).scalar_one()


def _at(tx: Tx, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return health_links.c.acc == tx.acc, health_links.c.name == name
