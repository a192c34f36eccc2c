"""`obhut hub reconcile`: what the hub did, held against what its access logs say of it.

A log that misses entries looks like one in which nothing happened. So what left traces elsewhere in the tables is
counted: the links of chains, the messages, the health links, the positions of streams, the number of envelopes
released, and the chain of the log itself. Each gap is told in a sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from consent import statements
from consent.log import SWEPT, Entry, faults, untold
from hub.store import audit
from hub.store import chains as chain_store
from hub.store import envelopes as envelope_store
from hub.store import feed as feed_store
from hub.store import health_links as health_link_store
from hub.store.database import Database
from hub.store.health_links import ACTION

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Gap:
    """What does not fit in an account's log."""

    acc: str
    what: str


def reconcile(db: Database) -> Iterator[Gap]:
    """All gaps of the logs of accounts that are at home here; each account as of one moment."""
    with db.read() as conn:
        names = audit.accounts_at(conn, db.home)
    for acc in names:
        with db.read() as conn:
            for what in _gaps(conn, acc):
                yield Gap(acc, what)


def _gaps(conn: Connection, acc: str) -> Iterator[str]:
    log = _whole(conn, acc)
    last, hash_, released = audit.end(conn, acc)
    for fault in faults(log, []):
        yield str(fault)
    seq, stated = (log[-1].seq, log[-1].hash) if log else (0, "")
    if seq < last:
        yield f"entries {seq + 1} to {last} are missing at the end"
    elif (seq, stated) != (last, hash_):
        yield f"it ends with entry {seq}, and the account says entry {last} with another hash"
    yield from _statements(conn, acc, log)
    yield from _messages(conn, acc, log)
    yield from _deposits(conn, acc, log)
    yield from _health_links(conn, acc, log)
    counted = _released(log)
    if counted != released:
        yield f"{released} envelopes were released, and its entries tell of {counted}"


def _whole(conn: Connection, acc: str) -> list[Entry]:
    found: list[Entry] = []
    while page := audit.entries(conn, acc, found[-1].seq if found else 0, PAGE):
        found += page
    return found


def _statements(conn: Connection, acc: str, log: Sequence[Entry]) -> Iterator[str]:
    for kind, oth in sorted(chain_store.chain_heads(conn, acc)):
        links = [statements.parse(frame) for frame in chain_store.chain_links(conn, acc, kind, oth)]
        for link in untold(log, links):
            yield f"nothing is said of the statement {link.typ}, link {link.seq} of the chain {kind} {oth}".rstrip()


def _messages(conn: Connection, acc: str, log: Sequence[Entry]) -> Iterator[str]:
    if _shortened(log):
        return  # a message bears no time: it may be older than the log
    told = {entry.detail.get("id") for entry in log if entry.action == "message"}
    for name in sorted(set(feed_store.messages_of(conn, acc)) - told):
        yield f"nothing is said of the message {name}"


def _health_links(conn: Connection, acc: str, log: Sequence[Entry]) -> Iterator[str]:
    if _shortened(log):
        return  # one that was extended again and again may be older than the log
    told = {entry.detail.get("link") for entry in log if entry.action == ACTION}
    for link in health_link_store.of_account(conn, acc):
        if link.shown not in told:
            yield f"nothing is said of the health link {link.shown}"


def _deposits(conn: Connection, acc: str, log: Sequence[Entry]) -> Iterator[str]:
    told = _sums(log)
    for stream in envelope_store.streams_written(conn, acc):
        count = told.get(stream.id, 0)
        if count > stream.pos or (count < stream.pos and not _shortened(log)):
            yield f"{stream.pos} envelopes were taken into the stream {stream.id}, and its entries tell of {count}"


def _sums(log: Sequence[Entry]) -> Mapping[str, int]:
    deposits = sorted((e.detail["stream"], e.detail["count"]) for e in log if e.action == "deposit")
    return {stream: sum(count for _, count in rows) for stream, rows in groupby(deposits, lambda row: row[0])}


def _released(log: Sequence[Entry]) -> int:
    """So many as the entries tell of; what was removed because of its age is told by the last removal."""
    swept = [entry.detail["released"] for entry in log if entry.action == SWEPT]
    counts = [audit.told_released(entry.action, entry.detail) for entry in log]
    return sum(counts) + int(swept[-1] if swept else 0)


def _shortened(log: Sequence[Entry]) -> bool:
    return bool(log) and log[0].seq > 1
