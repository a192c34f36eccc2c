"""Routes: the access log and its signed head, the reads of gateways, and what the patient says against an entry."""

from typing import Any

from flask import Blueprint, Response

from consent import canonical
from consent.log import Entry, sign_head
from consent.messages import MAX_SEALED
from consent.primitives import Rejected, b64
from fhir_profiles.problems import Problem
from hub import auth, requests, wire
from hub.auth import Caller
from hub.context import Hub, hub
from hub.rights import holds_keys, nothing_here
from hub.store import audit, chains
from hub.store.database import domain_of
from hub.store.hashing import digest

MAX_ENTRIES = 500
MAX_REPORTS = 100
BODY_BYTES = 4 * 1024 * 1024
DAY_SECONDS = 24 * 3600

pages = Blueprint("audit", __name__)


@pages.get("/v1/log/<acc>")
def read_log(acc: str) -> Response:
    """The account's access log, and its head, signed: for its own clients, and for who acts for it with its keys."""
    caller, acc = auth.reader(), wire.account(acc)
    after = wire.number_argument("after", 0, 0, 2**53)
    limit = wire.number_argument("limit", MAX_ENTRIES, 1, MAX_ENTRIES)
    home = hub()
    if caller.acc != acc:
        _note_look(home, caller, acc)
    with home.db.read() as conn:
        found = audit.entries(conn, acc, after, limit)
        seq, hash_, _ = audit.end(conn, acc)
    head = sign_head(home.key, hub=home.config.domain, acc=acc, seq=seq, hash_=hash_, at=home.now())
    answer = {"entries": [_entry(e) for e in found], "next": found[-1].seq if found else after, "head": b64(head)}
    return wire.answer(answer)


def _note_look(home: Hub, caller: Caller, acc: str) -> None:
    """A delegate looks into the log, which stands in it: once a day. Raises `Problem(not-found)` for anybody else."""
    with home.db.write(acc) as tx:
        now = home.now()
        allowed = caller.role == "client" and domain_of(acc) == home.config.domain
        if not allowed or not holds_keys(home.chains(tx.conn).account(acc), caller.acc, now):
            raise nothing_here()
        looked = f"{caller.acc} {now // DAY_SECONDS}"
        audit.write(tx, at=now, actor=caller.acc, device=caller.dev, action="log", detail={}, ref=_once(looked))


def _once(looked: str) -> str:
    """The `ref` of an entry about a look: shorter than a digest, so that no report of a reader can bear the same."""
    return f"log-{digest(looked)[:32]}"


def _entry(entry: Entry) -> dict[str, Any]:
    members: dict[str, Any] = {
        "seq": entry.seq, "at": entry.at, "actor": entry.actor, "device": entry.device, "action": entry.action,
        "purpose": entry.purpose, "detail": entry.detail, "hash": entry.hash,
    }  # fmt: skip
    return members | {"sealed": b64(entry.sealed)} if entry.sealed else members


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
    return wire.text(item["acc"], where), wire.integer(item["at"], where), _purpose(item["purpose"], where), sealed


def _purpose(value: Any, where: str) -> str:
    """The purpose as it stands in the clear; what cannot stand there is told by what is sealed alone."""
    purpose = wire.text(value, where, 64)
    try:
        canonical.dump([purpose])
    except Rejected:
        return ""
    return purpose


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


@pages.post("/v1/objections")
def object_to_entry() -> Response:
    """Say against an entry of the own log that it was not right: a sealed message to whom it is about, and an entry."""
    caller, home = auth.reader(), hub()
    body = wire.json_body("entry", "frame", limit=requests.BODY_BYTES)
    seq, frame = wire.integer(body["entry"], "entry"), wire.sealed(body["frame"], "frame", MAX_SEALED)
    if caller.role != "client":
        raise Problem("forbidden", "Only a client of the account objects to an entry of its log.")
    with home.db.read() as conn:
        entry = audit.entry(conn, caller.acc, seq)
    if entry is None or entry.actor == caller.acc or "@" not in entry.actor:
        raise nothing_here()
    name = requests.send(home, caller, entry.actor, frame, "")
    with home.db.write(caller.acc) as tx:
        audit.write(
            tx, at=home.now(), actor=caller.acc, device=caller.dev, action="objection",
            detail={"entry": seq, "to": entry.actor, "id": name}, ref=f"objection-{name[:32]}",
        )  # fmt: skip
    return wire.answer({"id": name}, 202)
