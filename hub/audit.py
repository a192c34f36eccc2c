"""Routes: the access log, and the reads that gateways report into it."""

from typing import Any

from flask import Blueprint, Response

from consent.messages import MAX_SEALED
from consent.primitives import b64
from hub import auth, wire
from hub.auth import Caller
from hub.context import Hub, hub
from hub.rights import nothing_here
from hub.store import audit, chains
from hub.store.audit import Entry
from hub.store.hashing import digest

MAX_ENTRIES = 500
MAX_REPORTS = 100
BODY_BYTES = 4 * 1024 * 1024

pages = Blueprint("audit", __name__)


@pages.get("/v1/log/<acc>")
def read_log(acc: str) -> Response:
    """The account's access log, for its own clients."""
    caller, acc = auth.reader(), wire.account(acc)
    after = wire.number_argument("after", 0, 0, 2**53)
    limit = wire.number_argument("limit", MAX_ENTRIES, 1, MAX_ENTRIES)
    if caller.acc != acc:
        raise nothing_here()
    with hub().db.read() as conn:
        found = audit.entries(conn, acc, after, limit)
    return wire.answer({"entries": [_entry(e) for e in found], "next": found[-1].seq if found else after})


def _entry(entry: Entry) -> dict[str, Any]:
    members: dict[str, Any] = {
        "seq": entry.seq, "at": entry.at, "actor": entry.actor, "device": entry.device, "action": entry.action,
        "purpose": entry.purpose, "detail": entry.detail,
    }  # fmt: skip
    return members if entry.sealed is None else members | {"sealed": b64(entry.sealed)}


@pages.post("/v1/reads")
def report_reads() -> Response:
    """Reads in a house, reported to the patients whose data were read; sealed to their reading keys."""
    caller = auth.reader()
    body = wire.json_body("reports", limit=BODY_BYTES)
    reports = wire.array(body["reports"], "reports", _report, MAX_REPORTS)
    return wire.answer({"results": [{"status": _take(hub(), caller, *report)} for report in reports]}, 202)


def _report(value: Any, where: str) -> tuple[str, int, str, bytes]:
    item = wire.closed(value, where, "acc", "at", "purpose", "sealed")
    sealed = wire.sealed(item["sealed"], where, MAX_SEALED)
    return wire.text(item["acc"], where), wire.integer(item["at"], where), wire.text(item["purpose"], where, 64), sealed


def _take(home: Hub, caller: Caller, acc: str, at: int, purpose: str, sealed: bytes) -> int:
    """Keep a report in the patient's log, where the caller has or had to do with her. Returns its status."""
    with home.db.write(acc) as tx:
        if chains.chain_head(tx.conn, acc, "rel", caller.acc) is None:
            return 404
        audit.write(
            tx, at=home.now(), actor=caller.acc, device=caller.dev, action="read", purpose=purpose, detail={"at": at},
            sealed=sealed, ref=digest(sealed),
        )  # fmt: skip
    return 202
