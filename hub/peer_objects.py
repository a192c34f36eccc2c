"""Objects between hubs: given ahead of the envelope that names them, fetched when a reader here first asks for one.

In parts, each a request of its own, so that none is held whole and what has come is not sent again (PROTOCOL.md 5.7).
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from consent.envelope import Envelope
from consent.objects import MAX_SEALED_OBJECT
from consent.primitives import unb64
from fhir_profiles.problems import Problem
from hub import peer_client
from hub.context import Hub
from hub.peer_client import Answer, PeerClient, unreachable
from hub.release import Rule, kept_in
from hub.replicas import understood
from hub.rights import nothing_here
from hub.store import envelopes as envelopes_store
from hub.store import objects as store
from hub.store.database import domain_of
from hub.store.envelopes import Kept, Range
from hub.store.objects import PART_BYTES, Object

STRETCH_PARTS = 64
STRETCH_BYTES = STRETCH_PARTS * PART_BYTES
"""At most so much travels in one request: its digest is signed, so it is held in memory."""
PATIENCE_SECONDS = 15.0
"""So long a reader waits for an object that is on its way; it goes on from there when he asks again."""
CLAIM_SECONDS = 200
"""Longer than one request takes: who dies while he fetches holds up the others only so long."""
POLL_SECONDS = 0.1
_RANGE = re.compile(r"bytes (\d{1,9})-(\d{1,9})/(\d{1,9})")


# --- giving -------------------------------------------------------------------------------------------------------


def give(hub: Hub, client: PeerClient, acc: str, e: Envelope) -> str:
    """Give the patient's hub what it lacks of the object that an envelope names; why it refuses it, or nothing.

    Raises `Problem(busy)`.
    """
    with hub.db.read() as conn:
        kept = store.by_bid(conn, acc, [e.bid]).get(e.bid)
    if kept is None:
        return "object"
    path = f"/v1/peer/objects/{e.aut}/{e.dev}/{e.str}/{e.bid}?size={kept.size}&hash={kept.hash}"
    come = 0
    for _ in range(2 + 2 * kept.size // STRETCH_BYTES):
        if come == kept.size:
            return ""
        with hub.db.read() as conn:
            data = b"".join(store.parts(conn, acc, e.bid, come // PART_BYTES, STRETCH_PARTS))
        if not data:
            return "object"
        try:
            said = client.put_bytes(f"{path}&from={come}", data)
        except Problem as problem:
            if problem.code == "busy":
                raise
            return str(problem.extra.get("reason", "object"))
        come = _come(said)
    raise unreachable()


def _come(said: Mapping[str, Any]) -> int:
    return understood(lambda: int(said["come"]))


# --- giving out ---------------------------------------------------------------------------------------------------


def stretch(conn: Connection, acc: str, stream: str, bid: str, first: int, allowed: Rule) -> tuple[Object, bytes]:
    """An object and its bytes from one on, as many as one answer holds, where a rule allows its envelope.

    Raises `Problem(not-found)`.
    """
    envelope = envelopes_store.by_bid(conn, acc, [bid]).get(bid)
    kept = store.by_bid(conn, acc, [bid]).get(bid)
    if envelope is None or kept is None or envelope.stream != stream or first % PART_BYTES or first >= kept.size:
        raise nothing_here()
    if not any(True for _ in kept_in(conn, acc, [Range(acc, stream, envelope.pos, envelope.pos)], allowed)):
        raise nothing_here()
    return kept, b"".join(store.parts(conn, acc, bid, first // PART_BYTES, STRETCH_PARTS))


# --- fetching -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of an object from `first` on, as another hub gave them."""

    object: Object
    first: int
    data: bytes = field(repr=False)


def fetch(hub: Hub, acc: str, envelope: Kept) -> None:
    """Have the object of an envelope of another hub's patient here. One fetches, whoever else asks waits for it.

    Raises `Problem`: `not-found` where the patient's hub does not give it, `busy` where that hub cannot be reached or
    the rest takes longer; what has come is kept.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while not _is_here(hub, acc, envelope.bid):
        with hub.db.write(acc) as tx:
            mine = store.claim(tx, envelope.bid, hub.now(), hub.now() + CLAIM_SECONDS)
        if mine:
            _fetch_rest(hub, acc, envelope, end)
            return
        if time.monotonic() >= end:
            raise _on_its_way()
        time.sleep(POLL_SECONDS)


def _is_here(hub: Hub, acc: str, bid: str) -> bool:
    with hub.db.read() as conn:
        return bid in store.by_bid(conn, acc, [bid])


def _on_its_way() -> Problem:
    return Problem("busy", "The object is on its way from the patient's hub; ask again.", retry_after=1)


def _fetch_rest(hub: Hub, acc: str, envelope: Kept, end: float) -> None:
    client = peer_client.clients(hub)(domain_of(acc))
    path = f"/v1/peer/objects/{acc}/{envelope.stream}/{envelope.bid}"
    try:
        with hub.db.read() as conn:
            known = store.arrived(conn, acc, envelope.bid)
        size, come = (known[0].size, known[1]) if known else (0, 0)
        while known is None or come < size:
            if time.monotonic() >= end:
                raise _on_its_way()
            part = _ask(client, f"{path}?from={come}", envelope, come)
            known, size, come = (part.object, 0), part.object.size, _keep(hub, acc, part)
    finally:
        client.close()
        with hub.db.write(acc) as tx:
            store.give_up(tx, envelope.bid)


def _ask(client: PeerClient, path: str, envelope: Kept, come: int) -> _Part:
    try:
        answer = client.get_part(path)
    except Problem as problem:
        raise (nothing_here() if problem.code == "not-found" else unreachable()) from None
    return understood(lambda: _read(answer, envelope, come))


def _read(answer: Answer, envelope: Kept, come: int) -> _Part:
    """A part that follows the `come` bytes that are here. Raises what `understood` turns into `busy`."""
    found = _RANGE.fullmatch(answer.headers["Content-Range"])
    if found is None:
        raise ValueError
    first, last, size = map(int, found.groups())
    if not (first == come and last + 1 == first + len(answer.content) <= size <= MAX_SEALED_OBJECT):
        raise ValueError
    if not answer.content or (last + 1 < size and len(answer.content) != STRETCH_BYTES):
        raise ValueError
    hash_ = answer.headers["ETag"].strip('"')
    unb64(hash_, 32)
    return _Part(Object(envelope.bid, envelope.stream, size, hash_), first, answer.content)


def _keep(hub: Hub, acc: str, part: _Part) -> int:
    """Keep a part; how many bytes are here. Raises `Problem`."""
    bid, good = part.object.bid, True
    with hub.db.write(acc) as tx:
        if not envelopes_store.by_bid(tx.conn, acc, [bid]):
            raise nothing_here()  # it was withdrawn meanwhile
        known, come = store.arrived(tx.conn, acc, bid) or (part.object, 0)
        if known != part.object:
            store.remove(tx, [bid])
            good = False
        elif come == part.first:
            store.go_on(tx, bid, hub.now() + CLAIM_SECONDS)
            good = store.add_next(tx, part.object, come, part.data, hub.now())
            come += len(part.data)
    if not good:
        raise unreachable()
    return come
