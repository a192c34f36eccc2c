"""Objects over 1 MiB: put by the author before their envelope, given out by its rule (PROTOCOL.md 3.5).

Nothing of an object is held in memory but a part at a time, and no lock while bytes come in or go out.
"""

from collections.abc import Iterator
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from consent import rules
from consent.objects import MAX_SEALED_OBJECT, object_hash
from consent.primitives import Rejected, broken
from fhir_profiles.problems import Problem
from hub import auth, forwarding, wire
from hub.auth import Caller
from hub.context import Hub, hub
from hub.envelopes import purpose
from hub.peer_client import clients
from hub.refusals import CONFLICT, deposit_status
from hub.release import Range, release
from hub.rights import nothing_here
from hub.states import Chains
from hub.store import envelopes as envelopes_store
from hub.store import objects as store
from hub.store.database import domain_of
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
    caller, home = auth.caller(), hub()
    if len(bid) != ID or wire.name(bid) != bid:
        raise Problem("invalid", "The id of an envelope is 16 bytes as base64url.")
    if request.mimetype != "application/octet-stream":
        raise Problem("media-type", "Send application/octet-stream.")
    acc = _writer_to(home, caller, stream)
    with SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        return Response(status=_take(home, caller, acc, stream, bid, file, _receive(file)))


def put(home: Hub, caller: Caller, stream: str, bid: str, body: bytes) -> int:
    """Keep an object that an author's hub brings; the status as for the author. Raises `Problem`."""
    return _take(home, caller, _writer_to(home, caller, stream), stream, bid, BytesIO(body), len(body))


def _writer_to(home: Hub, caller: Caller, stream: str) -> str:
    """The patient whose stream it is. Raises `Problem(refused)` unless the caller may deposit envelopes there now."""
    with home.db.read() as conn:
        acc = envelopes_store.owners(conn, [stream]).get(stream, "")
        _check_writer(home.chains(conn), caller, acc, stream)
    return acc


def _take(home: Hub, caller: Caller, acc: str, stream: str, bid: str, file: IO[bytes], size: int) -> int:
    return _keep(home, caller, acc, Object(bid, stream, size, object_hash(_parts(file), size)), file)


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
            raise Problem("refused", "The protocol refuses this.", status=CONFLICT, reason="conflict")
        store.add(tx, kept, _parts(file), home.now())
        late = store.without_envelope(tx.conn, home.now() - KEEP_SECONDS, acc)
        store.remove(tx, (bid for _, bid in late))
    return 201


@pages.get("/v1/objects/<acc>/<stream>/<bid>")
def read_object(acc: str, stream: str, bid: str) -> Response:
    """The object of an envelope that is released to the caller now."""
    caller, home = auth.reader(), hub()
    acc, stream, bid = wire.account(acc), wire.name(stream), wire.name(bid)
    with home.db.read() as conn:
        envelope = envelopes_store.by_bid(conn, acc, [bid]).get(bid)
        kept = store.by_bid(conn, acc, [bid]).get(bid)
    if envelope is None or envelope.stream != stream or (kept is None and not forwarding.elsewhere(home, acc)):
        raise nothing_here()
    released, _ = release(home, caller, acc, [Range(acc, stream, envelope.pos, envelope.pos)], purpose())
    if not released:
        raise nothing_here()
    kept = kept or _bring(home, acc, stream, bid)
    return Response(
        stored(home, acc, bid), content_type="application/octet-stream", headers={"Content-Length": str(kept.size)}
    )


def _bring(home: Hub, acc: str, stream: str, bid: str) -> Object:
    """Fetch the object of a foreign patient's envelope from her hub, and keep a copy beside that of the envelope."""
    client = clients(home)(domain_of(acc))
    try:
        body = client.get_bytes(f"/v1/peer/objects/{acc}/{stream}/{bid}")
    finally:
        client.close()
    made = Object(bid, stream, len(body), object_hash(_parts(BytesIO(body)), len(body)))
    with home.db.write(acc) as tx:
        if bid not in envelopes_store.by_bid(tx.conn, acc, [bid]):
            raise nothing_here()
        if bid not in store.by_bid(tx.conn, acc, [bid]):
            store.add(tx, made, _parts(BytesIO(body)), home.now())
    return made


def stored(home: Hub, acc: str, bid: str) -> Iterator[bytes]:
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
            bids = [bid for _, bid in store.without_envelope(tx.conn, home.now() - KEEP_SECONDS, acc)]
            store.remove(tx, bids)
            count += len(bids)
    return count
