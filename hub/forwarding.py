"""What is brought to this hub for an account of another: checked as far as it can be, kept durably, answered 202.

Only the home hub's stamp makes an envelope; the same bytes sent again get its answer (PROTOCOL.md 5.7). Statements are
not kept: appending is compare-and-swap at the home hub, so they are passed on while the sender waits.
"""

import json
from collections.abc import Sequence
from typing import Any

from consent import rules
from consent.declarations import Declaration
from consent.envelope import OBJECT, Envelope
from consent.primitives import Rejected, b64, broken
from fhir_profiles.problems import Problem
from hub import peer_client, rights
from hub.auth import Caller
from hub.context import Hub
from hub.peer_client import unreachable
from hub.refusals import Result, deposit_status, newer_links, refusal
from hub.replicas import Replicas, understood
from hub.statements import Head, Offer
from hub.store import chains as chain_store
from hub.store import envelopes as store
from hub.store import forwards, objects
from hub.store.chains import ChainName
from hub.store.database import Tx, domain_of
from hub.store.forwards import ENVELOPE, MESSAGE, Forward
from hub.store.hashing import digest

WAITING = {"reason": "forwarded"}


def elsewhere(hub: Hub, acc: str) -> bool:
    """Whether an account is at home at another hub."""
    return domain_of(acc) != hub.config.domain


def bring(hub: Hub, chain: ChainName, fingerprint: str = "") -> None:
    """Fetch a chain of another hub's account where none of it is held here: first contact by card or directory.

    Raises `Problem(busy)` where that hub cannot be reached; what it does not give stays unknown.
    """
    kind, acc, oth = chain
    if domain_of(acc) not in hub.peers:
        return
    with hub.db.read() as conn:
        if chain_store.chain_head(conn, acc, kind, oth) is not None:
            return
    try:
        Replicas(hub, peer_client.clients(hub)).fetch(chain, domain_of(acc), fingerprint)
    except Problem as problem:
        if problem.code != "not-found":
            raise unreachable() from None


def deposit(hub: Hub, caller: Caller, acc: str, part: Sequence[tuple[int, Envelope]]) -> dict[int, Result]:
    """Take envelopes for a patient of another hub; the answer for each number is 202, or what her hub said."""
    if domain_of(acc) not in hub.peers or elsewhere(hub, caller.acc):
        return {number: Result(e.bid, 404, {"reason": "unknown"}) for number, e in part}
    with hub.db.write(acc) as tx:
        chains, now = hub.chains(tx.conn), hub.now()
        record, author = chains.record(acc, [caller.acc]), chains.account(caller.acc)
        stamped = store.by_bid(tx.conn, acc, (e.bid for _, e in part))
        kept = forwards.named(tx.conn, acc, ENVELOPE, (e.bid for _, e in part))
        large = objects.by_bid(tx.conn, acc, (e.bid for _, e in part if e.cty == OBJECT))
        results: dict[int, Result] = {}
        for number, e in part:
            if e.aut != caller.acc:
                results[number] = Result(e.bid, 404, {"reason": "unknown"})
            elif e.bid in stamped:
                same = stamped[e.bid].frame == e.raw
                results[number] = Result(e.bid, 200, {"stamp": b64(stamped[e.bid].stamp)}) if same else _conflict(e)
            elif e.bid in kept:
                results[number] = _outcome(tx, e, kept[e.bid], has_object=e.bid in large)
            else:
                try:
                    rules.accept(record, author, e, (e.seq - 1, e.prev), now)  # its place only the home hub knows
                    if e.cty == OBJECT and (e.bid not in large or large[e.bid].stream != e.str):
                        raise broken("object")
                    forwards.put(tx, ENVELOPE, e.bid, e.raw)
                    results[number] = Result(e.bid, 202, dict(WAITING))
                except Rejected as rejected:
                    more = newer_links(record, e) if rejected.reason == "stale-epoch" else {}
                    results[number] = Result(
                        e.bid, deposit_status(rejected.reason), {"reason": rejected.reason, **more}
                    )
        forwards.tell(tx, [f.id for f in kept.values()], now)
    return results


def _outcome(tx: Tx, e: Envelope, kept: Forward, *, has_object: bool) -> Result:
    """What the patient's hub said. Where it lacked the object, and that is here by now, it is asked once more."""
    if kept.body != e.raw:
        return _conflict(e)
    said: dict[str, Any] = json.loads(kept.outcome) if kept.answered else {}
    if said.get("reason") == "object" and has_object:
        forwards.offer_again(tx, kept.id)
        said = {}
    if not said:
        return Result(e.bid, 202, dict(WAITING))
    return Result(e.bid, said.pop("status"), said)


def _conflict(e: Envelope) -> Result:
    return Result(e.bid, 409, {"reason": "conflict"})


def message(hub: Hub, caller: Caller, to: str, frame: bytes, fingerprint: str) -> str:
    """Keep a sealed message for an account of another hub; returns its name. Raises `Problem`."""
    bring(hub, ("acct", to, ""), fingerprint)
    with hub.db.write(to) as tx:
        chains = hub.chains(tx.conn)
        near = rights.knows(chains, to, caller.acc)
        if not tx.known or not (near or rights.sees_account(chains, to, caller.acc, fingerprint, hub.now())):
            raise rights.nothing_here()
        name = digest(caller.acc.encode() + frame)
        body = {"from": caller.acc, "device": caller.dev, "to": to, "frame": b64(frame), "fp": fingerprint}
        forwards.put(tx, MESSAGE, name, json.dumps(body).encode())
    return name


def declaration(hub: Hub, caller: Caller, declared: Declaration) -> dict[str, int]:
    """Pass a declared emergency on to the patient's hub, and its answer back. Raises `Problem`.

    Nothing is kept for later: without that hub there is no emergency access (PROTOCOL.md 5.13).
    """
    with hub.db.read() as conn:
        try:
            declared.verify(hub.chains(conn).account(caller.acc), hub.now())
        except Rejected as rejected:
            raise refusal(rejected, now=hub.now()) from None
    if domain_of(declared.acc) not in hub.peers:
        raise rights.nothing_here()
    client = peer_client.clients(hub)(domain_of(declared.acc))
    try:
        said = client.post("/v1/peer/emergencies", {"device": caller.dev, "frame": b64(declared.frame.raw)})
    finally:
        client.close()
    return understood(lambda: {name: int(said[name]) for name in ("at", "until")})


def statements(hub: Hub, caller: Caller, acc: str, offers: Sequence[Offer]) -> list[Head]:
    """Pass a delegate's statements on to the patient's hub, and its answer back. Raises `Problem`."""
    with hub.db.read() as conn:
        if not rights.is_delegate(hub.chains(conn).account(acc), caller.acc, hub.now()):
            raise rights.nothing_here()
    items = [{"frame": b64(o.statement.raw)} | ({"blob": b64(o.blob)} if o.blob is not None else {}) for o in offers]
    if domain_of(acc) not in hub.peers:
        raise unreachable()
    client = peer_client.clients(hub)(domain_of(acc))
    try:
        said = client.post("/v1/peer/statements", {"statements": items})
    finally:
        client.close()
    return understood(lambda: [(str(h[0]), str(h[1]), str(h[2]), int(h[3]), str(h[4])) for h in said["heads"]])
