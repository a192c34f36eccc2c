"""Objects over 1 MiB: put by the author before their envelope, given out by its rule (PROTOCOL.md 3.5).

What is for a patient of another hub is kept for that hub, and what is asked of one is fetched there (5.7). Nothing of
an object is held in memory but a part at a time, and no lock while bytes come in or go out.
"""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from consent import rules
from consent.objects import MAX_SEALED_OBJECT, object_hash
from consent.primitives import Rejected, broken
from fhir_profiles.problems import Problem
from hub import auth, forwarding, peer_objects, wire
from hub.auth import Caller
from hub.context import Hub, hub
from hub.envelopes import purpose
from hub.refusals import CONFLICT, deposit_status
from hub.release import may_have, release
from hub.rights import nothing_here
from hub.states import Chains
from hub.store import envelopes as envelopes_store
from hub.store import objects as store
from hub.store.database import Tx, domain_of
from hub.store.envelopes import Range
from hub.store.objects import PART_BYTES, Object

KEEP_SECONDS = 7 * 24 * 3600
"""So long an object waits for its envelope."""
ID = 22
SPOOL_BYTES = 1024 * 1024
"""So much of a body is held in memory; more goes to a temporary file."""

pages = Blueprint("objects", __name__)


@pages.put("/v1/objects/<stream>/<bid>")
def put_object(stream: str, bid: str) -> Response:
    """Keep the object that an envelope with this id will name."""
    caller, home, stream, bid = auth.caller(), hub(), wire.name(stream), envelope_id(bid)
    if request.mimetype != "application/octet-stream":
        raise Problem("media-type", "Send application/octet-stream.")
    with home.db.read() as conn:
        acc = envelopes_store.owners(conn, [stream]).get(stream, "")
        if forwarding.elsewhere(home, acc) and domain_of(acc) not in home.peers:
            acc = ""
        try:
            _check_writer(home.chains(conn), caller, acc, stream)
        except Problem:
            if acc:
                home.refused.note(home, caller, acc, "deposit", bid)
            raise
    with SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        size = _receive(file)
        kept = Object(bid, stream, size, object_hash(_parts(file), size))
        return Response(status=_keep(home, caller, acc, kept, file))


def envelope_id(bid: str) -> str:
    """The id of an envelope in an address. Raises `Problem`."""
    if len(bid) != ID or wire.name(bid) != bid:
        raise Problem("invalid", "The id of an envelope is 16 bytes as base64url.")
    return bid


def _check_writer(chains: Chains, caller: Caller, acc: str, stream: str) -> None:
    """Raises `Problem(refused)` unless the caller may deposit envelopes there now."""
    try:
        if not acc:
            raise broken("unknown")
        record, author = chains.record(acc, [caller.acc]), chains.account(caller.acc)
        rules.writer(record, author, caller.dev, stream)
    except Rejected as refused:
        status = deposit_status(refused.reason)
        raise Problem("refused", "The protocol refuses this.", status=status, reason=refused.reason) from None


def _receive(file: IO[bytes]) -> int:
    """The body into a file; returns its size."""
    request.max_content_length = MAX_SEALED_OBJECT
    size = 0
    try:
        while piece := request.stream.read(SPOOL_BYTES):
            file.write(piece)
            size += len(piece)
    except RequestEntityTooLarge:
        raise Problem("too-large", f"A sealed object is at most {MAX_SEALED_OBJECT} bytes.") from None
    return size


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PART_BYTES):
        yield piece


def _keep(home: Hub, caller: Caller, acc: str, kept: Object, file: IO[bytes]) -> int:
    """Keep it, if the author may still write there; the status. The same bytes again are answered as the first time."""
    with home.db.write(acc) as tx:
        _check_writer(home.chains(tx.conn), caller, acc, kept.stream)
        known = store.by_bid(tx.conn, acc, [kept.bid]).get(kept.bid)
        if known == kept:
            return 200
        if known is not None:
            raise _conflict("conflict")
        store.add(tx, kept, _parts(file), home.now())
        _remove_late(home, tx)
    return 201


def _remove_late(home: Hub, tx: Tx) -> int:
    late = store.without_envelope(tx.conn, home.now() - KEEP_SECONDS, tx.acc)
    store.remove(tx, (bid for _, bid in late))
    return len(late)


def take_next(home: Hub, caller: Caller, kept: Object, first: int, data: bytes) -> int:
    """Keep the next bytes of an object that the author's hub gives; returns how many of it are here.

    What does not follow what is here changes nothing. Raises `Problem`.
    """
    whole = first + len(data) == kept.size
    if not data or first % PART_BYTES or first + len(data) > kept.size or (len(data) % PART_BYTES and not whole):
        raise Problem("invalid", f"A part of an object begins and ends at a multiple of {PART_BYTES}, or at its end.")
    with home.db.read() as conn:
        acc = envelopes_store.owners(conn, [kept.stream]).get(kept.stream, "")
    good = True
    with home.db.write(acc) as tx:
        _check_writer(home.chains(tx.conn), caller, "" if forwarding.elsewhere(home, acc) else acc, kept.stream)
        known, come = store.arrived(tx.conn, acc, kept.bid) or (kept, 0)
        if known != kept:
            raise _conflict("conflict")
        if come == first:
            good = store.add_next(tx, kept, first, data, home.now())
            come += len(data)
            _remove_late(home, tx)
    if not good:
        raise _conflict("hash")
    return come


def _conflict(reason: str) -> Problem:
    return Problem("refused", "The protocol refuses this.", status=CONFLICT, reason=reason)


@pages.get("/v1/objects/<acc>/<stream>/<bid>")
def read_object(acc: str, stream: str, bid: str) -> Response:
    """The object of an envelope that is released to the caller now."""
    caller, home = auth.reader(), hub()
    acc, stream, bid = wire.account(acc), wire.name(stream), wire.name(bid)
    with home.db.read() as conn:
        envelope = envelopes_store.by_bid(conn, acc, [bid]).get(bid)
    if envelope is None or envelope.stream != stream:
        raise nothing_here()
    place, aim = Range(acc, stream, envelope.pos, envelope.pos), purpose()
    if not may_have(home, caller, acc, place, aim):
        home.refused.note(home, caller, acc, "object", bid, aim)
        raise nothing_here()
    if forwarding.elsewhere(home, acc):
        peer_objects.fetch(home, acc, envelope)
    with home.db.read() as conn:
        kept = store.by_bid(conn, acc, [bid]).get(bid)
    if kept is None or not release(home, caller, acc, [place], aim, large=bid)[0]:
        raise nothing_here()
    return Response(
        _stored(home, acc, bid), content_type="application/octet-stream", headers={"Content-Length": str(kept.size)}
    )


def _stored(home: Hub, acc: str, bid: str) -> Iterator[bytes]:
    """An object, part after part; where it goes meanwhile, less than was said, which no client takes for the whole."""
    n = 0
    while True:
        with home.db.read() as conn:
            found = store.parts(conn, acc, bid, n)
        if not found:
            return
        yield b"".join(found)
        n += len(found)


def sweep(home: Hub) -> int:
    """Forget objects whose envelope has not come; returns how many. One transaction a patient."""
    with home.db.read() as conn:
        late = store.without_envelope(conn, home.now() - KEEP_SECONDS)
    count = 0
    for acc in dict.fromkeys(acc for acc, _ in late):
        with home.db.write(acc) as tx:
            count += _remove_late(home, tx)
    return count
