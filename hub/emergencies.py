"""Routes: a house declares an emergency, and the grant that a patient made for one opens (PROTOCOL.md 5.13)."""

from flask import Blueprint, Response

from consent.frames import MAX_HEADER
from hub import auth, declarations, forwarding, wire
from hub.context import hub

BODY_BYTES = 2 * MAX_HEADER

pages = Blueprint("emergencies", __name__)


@pages.post("/v1/emergencies")
def post_declaration() -> Response:
    """Declare an emergency: opens the grant that it names for that grant's span."""
    caller = auth.reader()
    body = wire.json_body("frame", limit=BODY_BYTES)
    declared = declarations.read(wire.binary(body["frame"], "frame"))
    if forwarding.elsewhere(hub(), declared.acc):
        return wire.answer(forwarding.declaration(hub(), caller, declared))
    return wire.answer(declarations.told(declarations.declare(hub(), caller, declared)))
