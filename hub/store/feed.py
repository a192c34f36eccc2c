"""The feed: what each transaction announced to whom, and grants that are to be announced later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, true, tuple_

from hub.models import feed, messages, openings
from hub.peer_models import held
from hub.store.database import Database, Tx, domain_of

CHAINS = ("acct", "set", "rel")
DECLARE = "declare"
"""A declared emergency."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is announced: `what` and `ref` as in `hub.models.FeedColumns`, from `first` to `last`, `size` in bytes."""

    what: str
    ref: str
    first: int = 0
    last: int = 0
    size: int = 0
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A notice where it stands in a recipient's feed."""

    acc: str
    tx: int
    n: int
    notice: Notice


def destination(tx: Tx, recipient: str) -> str | None:
    """Where a recipient is told of what `tx` changes: an account here itself, one elsewhere by its hub's domain.

    None for an account elsewhere where the changed account is at home elsewhere too: hubs pass nothing on.
    """
    domain = domain_of(recipient)
    if domain == tx.home or not tx.home:
        return recipient
    return domain if domain_of(tx.acc) == tx.home else None


def announce(tx: Tx, recipients: Iterable[str], notices: Sequence[Notice]) -> None:
    """Announce to each recipient, in order, with this transaction; see `destination`."""
    rows = []
    for recipient in sorted({place for name in recipients if (place := destination(tx, name)) is not None}):
        for notice in notices:
            rows.append(
                {
                    "acc": tx.acc, "tx": tx.number, "n": tx.announced, "recipient": recipient, "what": notice.what,
                    "ref": notice.ref, "first": notice.first, "last": notice.last, "size": notice.size,
                    "urgent": notice.urgent,
                }
            )  # fmt: skip
            tx.announced += 1
        tx.recipients.add(recipient)
    if rows:
        tx.conn.execute(insert(feed), rows)


def replace_envelopes(tx: Tx, recipient: str, notices: Sequence[Notice]) -> None:
    """Announce streams to a recipient from a position on, in place of what was announced of them from there on.

    What was announced of them before that stays: another device of the recipient may not have read it yet.
    """
    here = and_(feed.c.acc == tx.acc, feed.c.recipient == destination(tx, recipient), feed.c.what == "envelope")
    again = delete(feed).where(here, feed.c.ref == bindparam("at_ref"), feed.c.first >= bindparam("at_first"))
    if notices:
        tx.conn.execute(again, [{"at_ref": notice.ref, "at_first": notice.first} for notice in notices])
    announce(tx, [recipient], notices)


def retract(tx: Tx, stream: str) -> None:
    """Take back all that was announced of a stream of which nothing is kept any more."""
    tx.conn.execute(delete(feed).where(feed.c.acc == tx.acc, feed.c.what == "envelope", feed.c.ref == stream))


def rows(
    db: Database, conn: Connection, recipient: str, start: tuple[int, int], kinds: Sequence[str], limit: int,
    urgent: bool = False,
) -> list[Row]:  # fmt: skip
    """The recipient's rows from (tx, n) on, that one included; `urgent`: only those that are."""
    columns = (
        feed.c.acc, feed.c.tx, feed.c.n, feed.c.what, feed.c.ref, feed.c.first, feed.c.last, feed.c.size,
    )  # fmt: skip
    query = (
        select(*columns)
        .where(feed.c.recipient == recipient, tuple_(feed.c.tx, feed.c.n) >= tuple_(*start))
        .where(feed.c.what.in_(kinds), db.settled(feed.c.tx), feed.c.urgent if urgent else true())
        .order_by(feed.c.tx, feed.c.n)
        .limit(limit)
    )
    return [Row(row[0], row[1], row[2], Notice(*row[3:])) for row in conn.execute(query)]


def newest(db: Database, conn: Connection, recipient: str) -> tuple[int, int]:
    """The place of the recipient's last row that can be read; (0, 0) where there is none."""
    query = select(feed.c.tx, feed.c.n).where(feed.c.recipient == recipient, db.settled(feed.c.tx))
    row = conn.execute(query.order_by(feed.c.tx.desc(), feed.c.n.desc()).limit(1)).one_or_none()
    return (row[0], row[1]) if row else (0, 0)


def last_statement(conn: Connection, recipient: str) -> int:
    """The number of the last committed transaction that announced a statement to the recipient, readable yet or not."""
    query = select(func.max(feed.c.tx)).where(feed.c.recipient == recipient, feed.c.what.in_(CHAINS))
    return conn.execute(query).scalar_one() or 0


def add_message(tx: Tx, message: str, sender: str, frame: bytes) -> bool:
    """Keep a message to the account. False if it is known."""
    known = select(messages.c.id).where(messages.c.acc == tx.acc, messages.c.id == message)
    if tx.conn.execute(known).first():
        return False
    tx.conn.execute(insert(messages).values(acc=tx.acc, id=message, sender=sender, frame=frame))
    return True


def messages_of(conn: Connection, acc: str) -> list[str]:
    """The names of all messages that are kept for an account."""
    return list(conn.execute(select(messages.c.id).where(messages.c.acc == acc)).scalars())


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
    place = destination(tx, recipient)
    if at is not None and place is not None:
        tx.conn.execute(insert(openings).values(acc=tx.acc, gid=gid, recipient=place, at=at))


def due_openings(conn: Connection, recipient: str, now: int) -> list[tuple[str, str]]:
    """Grants to a recipient, or to accounts of a hub, that have begun and are not announced: (patient, grant)."""
    due = and_(openings.c.recipient == recipient, openings.c.at <= now)
    return [(acc, gid) for acc, gid in conn.execute(select(openings.c.acc, openings.c.gid).where(due))]


# --- what a silent hub holds back ---------------------------------------------------------------------------------


def hold(tx: Tx, recipient: str, stream: str, first: int) -> None:
    """Note that a stream was announced to a recipient and not released, from position `first` on."""
    here = and_(held.c.acc == tx.acc, held.c.recipient == recipient, held.c.stream == stream)
    before = tx.conn.execute(select(held.c.first).where(here)).scalar_one_or_none()
    tx.conn.execute(delete(held).where(here))
    first = first if before is None else min(before, first)
    tx.conn.execute(insert(held).values(acc=tx.acc, recipient=recipient, stream=stream, first=first))


def held_of(conn: Connection, recipient: str) -> list[str]:
    """The patients of whom something is held back from a recipient."""
    query = select(held.c.acc).where(held.c.recipient == recipient).distinct().order_by(held.c.acc)
    return list(conn.execute(query).scalars())


def take_held(tx: Tx, recipient: str) -> dict[str, int]:
    """What is held back of the patient from a recipient: stream → first position. It is forgotten here."""
    here = and_(held.c.acc == tx.acc, held.c.recipient == recipient)
    found = dict(tx.conn.execute(select(held.c.stream, held.c.first).where(here)).all())
    tx.conn.execute(delete(held).where(here))
    return found
