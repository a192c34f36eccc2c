"""The feed: what each transaction announced to whom, and grants that are to be announced later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, select, tuple_

from hub.models import feed, messages, openings
from hub.store.database import Database, Tx

CHAINS = ("acct", "set", "rel")


@dataclass(frozen=True, slots=True)
class Notice:
    """What is announced: `what` and `ref` as in `hub.models.FeedColumns`, from `first` to `last`, `size` in bytes."""

    what: str
    ref: str
    first: int = 0
    last: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A notice where it stands in a recipient's feed."""

    acc: str
    tx: int
    n: int
    notice: Notice


def announce(tx: Tx, recipients: Iterable[str], notices: Sequence[Notice]) -> None:
    """Announce to each recipient, in order, with this transaction."""
    rows = []
    for recipient in sorted(set(recipients)):
        for notice in notices:
            rows.append(
                {
                    "acc": tx.acc, "tx": tx.number, "n": tx.announced, "recipient": recipient, "what": notice.what,
                    "ref": notice.ref, "first": notice.first, "last": notice.last, "size": notice.size,
                }
            )  # fmt: skip
            tx.announced += 1
        tx.recipients.add(recipient)
    if rows:
        tx.conn.execute(insert(feed), rows)


def replace_envelopes(tx: Tx, recipient: str, notices: Sequence[Notice]) -> None:
    """Announce streams to a recipient from their beginning, in place of all that was announced of them before."""
    gone = [notice.ref for notice in notices]
    here = and_(feed.c.acc == tx.acc, feed.c.recipient == recipient, feed.c.what == "envelope", feed.c.ref.in_(gone))
    tx.conn.execute(delete(feed).where(here))
    announce(tx, [recipient], notices)


def rows(
    db: Database, conn: Connection, recipient: str, start: tuple[int, int], kinds: Sequence[str], limit: int
) -> list[Row]:
    """The recipient's rows from (tx, n) on, that one included."""
    columns = (
        feed.c.acc, feed.c.tx, feed.c.n, feed.c.what, feed.c.ref, feed.c.first, feed.c.last, feed.c.size,
    )  # fmt: skip
    query = (
        select(*columns)
        .where(feed.c.recipient == recipient, tuple_(feed.c.tx, feed.c.n) >= tuple_(*start))
        .where(feed.c.what.in_(kinds), db.settled(feed.c.tx))
        .order_by(feed.c.tx, feed.c.n)
        .limit(limit)
    )
    return [Row(row[0], row[1], row[2], Notice(*row[3:])) for row in conn.execute(query)]


def add_message(tx: Tx, message: str, sender: str, frame: bytes) -> bool:
    """Keep a message to the account. False if it is known."""
    known = select(messages.c.id).where(messages.c.acc == tx.acc, messages.c.id == message)
    if tx.conn.execute(known).first():
        return False
    tx.conn.execute(insert(messages).values(acc=tx.acc, id=message, sender=sender, frame=frame))
    return True


def message(conn: Connection, acc: str, name: str) -> tuple[str, bytes]:
    """Sender and frame of a message."""
    row = conn.execute(
        select(messages.c.sender, messages.c.frame).where(messages.c.acc == acc, messages.c.id == name)
    ).one()
    return row[0], row[1]


# --- grants that begin later --------------------------------------------------------------------------------------


def put_opening(tx: Tx, gid: str, recipient: str, at: int | None) -> None:
    """Announce what a grant covers at `at`; None: not any more."""
    tx.conn.execute(delete(openings).where(openings.c.acc == tx.acc, openings.c.gid == gid))
    if at is not None:
        tx.conn.execute(insert(openings).values(acc=tx.acc, gid=gid, recipient=recipient, at=at))


def due_openings(conn: Connection, recipient: str, now: int) -> list[tuple[str, str]]:
    """Grants to a recipient that have begun and are not announced yet: (patient, grant)."""
    due = and_(openings.c.recipient == recipient, openings.c.at <= now)
    return [(acc, gid) for acc, gid in conn.execute(select(openings.c.acc, openings.c.gid).where(due))]
