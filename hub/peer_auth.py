"""Which hub is calling: a peer, by its signature over the whole request, which counts once (RFC 9421)."""

import time
from typing import Any

import orjson
from flask import current_app, request

from fhir_profiles.problems import Problem
from hub import limits, signatures, wire
from hub.context import Hub, hub
from hub.limits import Buckets
from hub.peers import Peer
from hub.signatures import BODY_SECONDS, NONCE_SECONDS, Message, Signed
from hub.store import peers as store


def caller(limit: int = 0, media_type: str = "application/json") -> tuple[Peer, bytes]:
    """Which peer makes the present request, and its body of at most `limit` bytes. Raises `Problem`."""
    home = hub()
    try:
        signed = _signed(home)
        # Only who is known by his signature is listened to for as long as a body takes.
        body = wire.raw_body(limit, media_type) if limit else b""
        signed.check_body(body)
        _use(home, signed)
    except Problem as problem:
        if problem.extra.get("reason") == "clock" and limit:
            wire.raw_body(limit, media_type)  # a known hub that sends much must be able to read the time in the answer
        home.metrics.peer_refusals.labels(problem.extra.get("reason", problem.code)).inc()
        limits.slow_down()
        raise
    buckets: Buckets = current_app.extensions["obhut.peer_buckets"][signed.peer.domain]
    if not buckets.take(signed.peer.domain, time.monotonic()):
        raise Problem("too-many", "Too many requests of this hub.", retry_after=int(limits.MINUTE / 10))
    return signed.peer, body


def json_caller(*members: str, limit: int) -> tuple[Peer, dict[str, Any]]:
    """Which peer makes the present request, and its body: a JSON object with these members. Raises `Problem`."""
    peer, body = caller(limit)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Problem("invalid", "The body is not JSON.") from None
    return peer, wire.closed(value, "the body", *members)


def _signed(home: Hub) -> Signed:
    # The target is what this hub is called by its configuration, whatever Host and forwarded headers say.
    message = Message(request.method, home.config.base_url + request.environ["RAW_URI"], request.headers)
    return signatures.verify(message, home.peers, home.config.domain, home.now())


def _use(home: Hub, signed: Signed) -> None:
    """It counts once, and a request that was changed on its way does not use up the one that was signed."""
    if home.now() >= signed.expires + BODY_SECONDS:
        raise signatures.refused("clock", now=home.now())
    with home.db.write() as tx:
        if not store.use_nonce(home.db, tx, signed.peer.domain, signed.nonce, home.now() + NONCE_SECONDS):
            raise signatures.refused("replay")
