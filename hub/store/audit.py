"""The access log: entries that name the ones before them (`consent.log`)."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select

from consent.identifiers import new_id
from consent.log import SWEPT, Entry
from consent.primitives import b64
from hub.models import accounts, log
from hub.store import forwards
from hub.store.database import Tx, domain_of

RELEASE = "release"
LATE_DAYS = 31
"""So late another hub may tell what happened there: an entry counts as no older when it comes."""


def write(
    tx: Tx, *, at: int, actor: str, device: str = "", action: str, purpose: str = "", detail: dict[str, Any],
    sealed: bytes | None = None, ref: str | None = None,
) -> None:  # fmt: skip
    """Add an entry to the log of the account that `tx` holds. An entry whose `ref` is known is not added again.

    The log of an account is at its home hub: an entry for one of another hub waits here for that hub.
    Raises `Rejected(broken, canon)` for what has no canonical spelling: what others say is to be asked before.
    """
    if tx.home and domain_of(tx.acc) != tx.home:
        told = {"acc": tx.acc, "at": at, "actor": actor, "device": device, "action": action, "purpose": purpose}
        more = {"detail": detail} | ({"sealed": b64(sealed)} if sealed is not None else {})
        forwards.put(tx, forwards.ENTRY, ref or new_id(), json.dumps(told | more).encode())
        return
    if ref is not None and _known(tx, ref):
        return
    tx.log_seq += 1
    entry = Entry(tx.acc, tx.log_seq, at, actor, device, action, purpose, detail, sealed or b"")
    tx.log_hash = entry.hash_behind(tx.log_hash)
    tx.released += told_released(action, detail)
    tx.entries.append({
        "acc": tx.acc, "seq": tx.log_seq, "at": at, "actor": actor, "device": device, "action": action,
        "purpose": purpose, "detail": json.dumps(detail, separators=(",", ":"), sort_keys=True), "sealed": sealed,
        "ref": ref, "hash": tx.log_hash,
    })  # fmt: skip


def _known(tx: Tx, ref: str) -> bool:
    if any(entry["ref"] == ref for entry in tx.entries):
        return True
    return tx.conn.execute(select(log.c.seq).where(log.c.acc == tx.acc, log.c.ref == ref)).first() is not None


def told_released(action: str, detail: Mapping[str, Any]) -> int:
    """Of how many released envelopes an entry tells; what an earlier version took for a count and is none counts 0."""
    count = detail.get("count", 0) if action == RELEASE else 0
    return count if isinstance(count, int) else 0


_COLUMNS = (
    log.c.acc, log.c.seq, log.c.at, log.c.actor, log.c.device, log.c.action, log.c.purpose, log.c.detail, log.c.sealed,
    log.c.hash,
)  # fmt: skip


def entries(conn: Connection, acc: str, after: int, limit: int) -> list[Entry]:
    """The log of an account behind an entry."""
    query = select(*_COLUMNS).where(log.c.acc == acc, log.c.seq > after).order_by(log.c.seq).limit(limit)
    return [Entry(*row[:7], json.loads(row[7]), row[8] or b"", row[9]) for row in conn.execute(query)]


def entry(conn: Connection, acc: str, seq: int) -> Entry | None:
    """One entry of the log of an account."""
    found = entries(conn, acc, seq - 1, 1)
    return found[0] if found and found[0].seq == seq else None


def end(conn: Connection, acc: str) -> tuple[int, str, int]:
    """Where the log of an account ends, and of how many released envelopes it has ever told: seq, hash, number."""
    columns = accounts.c.log_seq, accounts.c.log_hash, accounts.c.log_released
    row = conn.execute(select(*columns).where(accounts.c.acc == acc)).one_or_none()
    return (0, "", 0) if row is None else (row[0], row[1], row[2])


def accounts_at(conn: Connection, domain: str) -> list[str]:
    """All accounts that are at home at a hub."""
    here = accounts.c.acc.endswith(f"@{domain}", autoescape=True)
    return list(conn.execute(select(accounts.c.acc).where(here).order_by(accounts.c.acc)).scalars())


# --- what is too old ----------------------------------------------------------------------------------------------


def beginning_before(conn: Connection, moment: int, limit: int) -> list[str]:
    """So many accounts at most whose log begins before a moment."""
    first = select(log.c.at).where(log.c.acc == accounts.c.acc).order_by(log.c.seq).limit(1)
    query = select(accounts.c.acc).where(first.scalar_subquery() < moment).order_by(accounts.c.acc)
    return list(conn.execute(query.limit(limit)).scalars())


def sweep(tx: Tx, before: int, now: int) -> int:
    """Remove the beginning of the log that `tx` holds, as far as all of it is older than `before`; returns how many.

    Another entry says that and up to where, with the hash of the last one removed: the chain begins there.
    """
    mine = log.c.acc == tx.acc
    young = tx.conn.execute(select(func.min(log.c.seq)).where(mine, log.c.at >= before)).scalar_one()
    old: ColumnElement[bool] = mine & (log.c.seq < young) if young is not None else mine
    rows = tx.conn.execute(
        select(log.c.seq, log.c.hash, log.c.action, log.c.detail).where(old).order_by(log.c.seq)
    ).all()
    if not rows:
        return 0
    released = 0
    for _, _, action, text in rows:
        detail = json.loads(text)
        released = detail["released"] if action == SWEPT else released + told_released(action, detail)
    tx.conn.execute(delete(log).where(old))
    said = {"last": rows[-1][0], "hash": rows[-1][1], "before": before, "released": released}
    write(tx, at=now, actor=tx.home, action=SWEPT, detail=said)
    return len(rows)
