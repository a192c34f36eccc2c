"""Routes: deposit, feed, streams."""

import re

from flask import Blueprint, Response

from hub import auth, wire
from hub.context import hub
from hub.deposit import BODY_BYTES, deposit, split
from hub.release import ANY_PURPOSE, KINDS, Cursor, Wish, read_stream, wait_for_page

MAX_WAIT_SECONDS = 25
MAX_EVENTS = 1000
EVENTS = 500

_PURPOSE = re.compile(r"[A-Za-z0-9._-]{1,64}")

pages = Blueprint("envelopes", __name__)


@pages.post("/v1/envelopes")
def post_envelopes() -> Response:
    """Deposit a batch of envelopes: an answer for each."""
    caller = auth.caller()
    frames = split(wire.raw_body(BODY_BYTES, "application/octet-stream"))
    return wire.answer({"results": [result.json() for result in deposit(hub(), caller, frames)]})


@pages.get("/v1/feed")
def read_feed() -> Response:
    """What is new for the caller's account behind a cursor; waits for it if asked to."""
    caller = auth.reader()
    after = Cursor.parse(wire.word_argument("after", "", lambda text: len(text) <= 64))
    seconds = wire.number_argument("wait", 0, 0, MAX_WAIT_SECONDS)
    page = wait_for_page(hub(), caller, after, _wish(_kinds()), seconds)
    return wire.answer({"events": page.events, "next": str(page.next), "permits": page.permits})


@pages.get("/v1/streams/<acc>/<stream>")
def read_positions(acc: str, stream: str) -> Response:
    """Envelopes of one stream behind a position."""
    caller, acc, stream = auth.reader(), wire.account(acc), wire.name(stream)
    after = wire.number_argument("after", 0, 0, 2**53)
    page = read_stream(hub(), caller, acc, stream, after, _wish(()))
    kept = [{name: event[name] for name in ("pos", "frame", "stamp")} for event in page.events]
    return wire.answer({"envelopes": kept, "next": page.next.sub, "permits": page.permits})


def purpose() -> str:
    """The purpose that the caller names, or any that a grant allows. Raises `Problem`."""
    return wire.word_argument("purpose", ANY_PURPOSE, lambda text: not text or _PURPOSE.fullmatch(text) is not None)


def _wish(kinds: tuple[str, ...]) -> Wish:
    return Wish(kinds, purpose(), wire.number_argument("limit", EVENTS, 1, MAX_EVENTS))


def _kinds() -> tuple[str, ...]:
    words = wire.word_argument("only", ",".join(KINDS), lambda text: set(text.split(",")) <= KINDS.keys())
    return tuple(kind for word in words.split(",") for kind in KINDS[word])
