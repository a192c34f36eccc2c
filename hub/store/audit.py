"""The access log."""

import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select

from consent.identifiers import new_id
from consent.primitives import b64
from hub.models import log
from hub.store import forwards
from hub.store.database import Tx, domain_of


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to an account's things, when and for what."""

    seq: int
    at: int
    actor: str
    device: str
    action: str
    purpose: str
    detail: dict[str, Any]
    sealed: bytes | None = field(default=None, repr=False)


def write(
    tx: Tx, *, at: int, actor: str, device: str = "", action: str, purpose: str = "", detail: dict[str, Any],
    sealed: bytes | None = None, ref: str | None = None,
) -> None:  # fmt: skip
    """Add an entry to the log of the account that `tx` holds. An entry whose `ref` is known is not added again.

    The log of an account is at its home hub: an entry for one of another hub waits here for that hub.
    """
    if tx.home and domain_of(tx.acc) != tx.home:
        entry = {"acc": tx.acc, "at": at, "actor": actor, "device": device, "action": action, "purpose": purpose}
        more = {"detail": detail} | ({"sealed": b64(sealed)} if sealed is not None else {})
        forwards.put(tx, forwards.ENTRY, ref or new_id(), json.dumps(entry | more).encode())
        return
    if ref is not None and tx.conn.execute(select(log.c.seq).where(log.c.acc == tx.acc, log.c.ref == ref)).first():
        return
    tx.logged += 1
    text = json.dumps(detail, separators=(",", ":"), sort_keys=True)
    tx.conn.execute(
        insert(log).values(
            acc=tx.acc, seq=tx.log_seq + tx.logged, at=at, actor=actor, device=device, action=action, purpose=purpose,
            detail=text, sealed=sealed, ref=ref,
        )
    )  # fmt: skip


def entries(conn: Connection, acc: str, after: int, limit: int) -> list[Entry]:
    """The log of an account behind an entry."""
    columns = (
        log.c.seq, log.c.at, log.c.actor, log.c.device, log.c.action, log.c.purpose, log.c.detail, log.c.sealed,
    )  # fmt: skip
    query = select(*columns).where(log.c.acc == acc, log.c.seq > after).order_by(log.c.seq).limit(limit)
    return [Entry(*row[:6], json.loads(row[6]), row[7]) for row in conn.execute(query)]
