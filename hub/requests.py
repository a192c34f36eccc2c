"""Routes: sealed messages from one account to another."""

from flask import Blueprint, Response

from consent.messages import MAX_SEALED
from hub import auth, forwarding, rights, wire
from hub.auth import Caller
from hub.context import Hub, hub
from hub.store import audit
from hub.store.feed import Notice, add_message, announce
from hub.store.hashing import digest

BODY_BYTES = 2 * MAX_SEALED

pages = Blueprint("requests", __name__)


@pages.post("/v1/messages")
def post_message() -> Response:
    """Send a sealed message: to an organisation, to whom one deals with, or to whose card one holds."""
    caller = auth.reader()
    body = wire.json_body("to", "frame", optional=["fp"], limit=BODY_BYTES)
    to, frame = wire.account(wire.text(body["to"], "to")), wire.sealed(body["frame"], "frame", MAX_SEALED)
    fingerprint = wire.text(body.get("fp", ""), "fp")
    return wire.answer({"id": send(hub(), caller, to, frame, fingerprint)}, 202)


def send(home: Hub, caller: Caller, to: str, frame: bytes, fingerprint: str) -> str:
    """Deliver a sealed message, or keep it for another hub; returns its name. Raises `Problem`."""
    if forwarding.elsewhere(home, to):
        return forwarding.message(home, caller, to, frame, fingerprint)
    return deliver(home, caller, to, frame, fingerprint)


def deliver(home: Hub, sender: Caller, to: str, frame: bytes, fingerprint: str) -> str:
    """Keep a sealed message to an account of this hub, and announce it; returns its name. Raises `Problem`."""
    with home.db.write(to) as tx:
        chains = home.chains(tx.conn)
        near = rights.knows(chains, to, sender.acc)
        allowed = near or rights.sees_account(chains, to, sender.acc, fingerprint, home.now())
        if not tx.known or not allowed or chains.account(to).closed:
            raise rights.nothing_here()
        name, acting = digest(sender.acc.encode() + frame), rights.with_keys(chains.account(to), home.now())
        if add_message(tx, name, sender.acc, frame):
            announce(tx, [to, *acting], [Notice("message", name, size=len(frame))])
            audit.write(tx, at=home.now(), actor=sender.acc, device=sender.dev, action="message", detail={"id": name})
    return name
