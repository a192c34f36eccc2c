"""Declared emergencies: which grant each opened, from when until when (PROTOCOL.md 5.13)."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select

from hub.models import declarations
from hub.store.database import Tx


@dataclass(frozen=True, slots=True)
class Opening:
    """A declaration as the home hub took it: `gid` is open for `oth` from `at` until `until` (Unix seconds)."""

    rnd: str
    oth: str
    gid: str
    at: int
    until: int
    frame: bytes = field(repr=False)


_COLUMNS = (
    declarations.c.rnd, declarations.c.oth, declarations.c.gid, declarations.c.at, declarations.c.until,
    declarations.c.frame,
)  # fmt: skip


def put(tx: Tx, opening: Opening) -> None:
    """Keep what a declaration opened."""
    values = {name: getattr(opening, name) for name in ("rnd", "oth", "gid", "at", "until", "frame")}
    tx.conn.execute(insert(declarations).values(acc=tx.acc, **values))


def find(conn: Connection, acc: str, rnd: str) -> Opening | None:
    """The declaration that bears a number."""
    query = select(*_COLUMNS).where(declarations.c.acc == acc, declarations.c.rnd == rnd)
    row = conn.execute(query).one_or_none()
    return None if row is None else Opening(*row)


def opened(conn: Connection, acc: str, now: int) -> dict[str, int]:
    """The grants of a patient that are open at a moment, and until when.

    What is held here has begun: her home hub took it, by a clock that may be ahead of this one.
    """
    columns = declarations.c.gid, declarations.c.until
    query = select(*columns).where(declarations.c.acc == acc, declarations.c.until > now)
    found: dict[str, int] = {}
    for gid, until in conn.execute(query):
        found[gid] = max(until, found.get(gid, 0))
    return found
