"""Routes: what two devices tell each other while one is added to an account (PROTOCOL.md 5.2).

The hub keeps two sealed words for ten minutes, under a name that follows from what the new device shows. The first is a
signed-in client's; the second anybody's who knows the name, because a new device is nobody's yet. A word that lies here
is never replaced. Which account made the place is known here, and told to nobody.
"""

from flask import Blueprint, Response

from consent.pairing import MAX_WORD
from consent.primitives import b64
from fhir_profiles.problems import Problem
from hub import auth, wire
from hub.auth import Caller
from hub.context import hub
from hub.limits import slow_down
from hub.rights import nothing_here
from hub.store import pairing as store

PLACES = 8
"""So many may an account have at a time."""

pages = Blueprint("pairing", __name__)


def _client() -> Caller:
    caller = auth.caller()
    if caller.role != "client":
        raise Problem("forbidden", "Only a client of the account adds a device to it.")
    return caller


def _place(name: str) -> str:
    if len(wire.name(name)) != wire.MAX_NAME:
        raise nothing_here()
    return name


def _word() -> bytes:
    return wire.sealed(wire.json_body("sealed")["sealed"], "sealed", MAX_WORD)


@pages.put("/v1/pairings/<place>/reply")
def put_reply(place: str) -> Response:
    """The account's device speaks first, and makes the place by it."""
    caller, name, sealed = _client(), _place(place), _word()
    home = hub()
    with home.db.write(caller.acc) as tx:
        if store.find(tx.conn, name, home.now()) is None:
            if store.count(tx.conn, caller.acc, home.now()) >= PLACES:
                raise Problem("too-many", "This account has begun to add enough devices.", retry_after=store.SECONDS)
            store.make(home.db, tx, name, sealed, home.now())
        held = store.find(tx.conn, name, home.now())
        if held is None or (held.acc, held.reply) != (caller.acc, sealed):
            raise Problem("conflict", "Another device has answered already.")
    return Response(status=204)


@pages.put("/v1/pairings/<place>/reveal")
def put_reveal(place: str) -> Response:
    """The new device answers."""
    slow_down()
    name, sealed = _place(place), _word()
    home = hub()
    with home.db.write() as tx:
        if not store.answer(tx, name, sealed, home.now()):
            held = store.find(tx.conn, name, home.now())
            if held is None:
                raise nothing_here()
            if held.reveal != sealed:
                raise Problem("conflict", "Another device has answered already.")
    return Response(status=204)


@pages.get("/v1/pairings/<place>")
def read_pairing(place: str) -> Response:
    """Both words, as far as they are there; of a place that there is not, or not any more, neither."""
    slow_down()
    name = _place(place)
    with hub().db.read() as conn:
        held = store.find(conn, name, hub().now())
    words = {"reply": held.reply, "reveal": held.reveal} if held else {}
    return wire.answer({name: b64(word) for name, word in words.items() if word})


@pages.delete("/v1/pairings/<place>")
def end_pairing(place: str) -> Response:
    """The account's device is done with it; the new one finds the place empty, and looks whether it was added."""
    caller, name = _client(), _place(place)
    with hub().db.write(caller.acc) as tx:
        store.end(tx, name)
    return Response(status=204)
