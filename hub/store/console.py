"""Who may see the operator's page: links that count once, and the sessions they began; by the hash of the secret."""

from sqlalchemy import delete, insert, select

from hub.models import console
from hub.store.database import Database, Tx


def put(tx: Tx, secret: str, until: int, *, session: bool) -> None:
    """Keep a link, or a session; `secret` is the hash of its secret."""
    tx.conn.execute(insert(console).values(secret=secret, session=session, until=until))


def use_link(tx: Tx, secret: str, now: int) -> bool:
    """Take a link. False where there is none of this secret, or it has expired."""
    here = (console.c.secret == secret) & console.c.session.is_(False) & (console.c.until > now)
    return tx.conn.execute(delete(console).where(here)).rowcount == 1


def is_open(db: Database, secret: str, now: int) -> bool:
    """Whether a session goes on."""
    here = (console.c.secret == secret) & console.c.session.is_(True) & (console.c.until > now)
    with db.read() as conn:
        return conn.execute(select(console.c.until).where(here)).first() is not None


def end(tx: Tx, secret: str) -> None:
    """End a session."""
    tx.conn.execute(delete(console).where(console.c.secret == secret))


def sweep(tx: Tx, now: int) -> None:
    """Forget what has expired."""
    tx.conn.execute(delete(console).where(console.c.until <= now))
