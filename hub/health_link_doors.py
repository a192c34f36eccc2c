"""Routes: a SMART Health Link is opened by somebody without an account: manifest, then file.

Pages of other places may ask, too: these two doors, and no others, answer every origin (CORS). Unknown, expired,
revoked and closed are one same answer (https://hl7.org/fhir/uv/smart-health-cards-and-links/STU1/).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response

from consent.primitives import b64, random_bytes
from fhir_profiles.problems import Problem
from hub import limits, wire
from hub.context import Hub, hub
from hub.health_links import LONGEST, TRIES, is_right, note
from hub.rights import nothing_here
from hub.store import health_links as store
from hub.store.hashing import digest
from hub.store.health_links import HealthLink

FILE_SECONDS = 300
"""So long the address of a file counts; the standard allows an hour."""
MAX_RECIPIENT = 100
"""So many characters of whoever opens it stand in the log."""
JOSE = "application/jose"
ORIGINS = {
    "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type", "Access-Control-Expose-Headers": "Retry-After",
    "Access-Control-Max-Age": "600", "Cross-Origin-Resource-Policy": "cross-origin",
}  # fmt: skip

pages = Blueprint("health_link_doors", __name__)


@pages.after_request
def answer_every_origin(response: Response) -> Response:
    """What is given out here is sealed, and no cookie or token opens it: any page may ask."""
    response.headers.update(ORIGINS)
    return response


@dataclass(frozen=True, slots=True)
class Asked:
    """A manifest request. `passcode` is empty where none came; `embedded`: so long a file may stand in the answer."""

    recipient: str
    passcode: str
    embedded: int


@pages.post("/shl/<secret>")
def read_manifest(secret: str) -> Response:
    """The files behind a link, for whoever has its passcode, and says who it is."""
    limits.slow_down()
    home, asked = hub(), _asked()
    link = _live(home, secret)
    right = is_right(link, asked.passcode)
    if link is None:
        raise nothing_here()
    if not asked.passcode:
        raise _wrong(TRIES - link.wrong)  # whoever did not know that one is needed may ask again
    if not right:
        raise _wrong(_refuse(home, link, asked.recipient))
    ticket = _admit(home, link, asked.recipient)
    location = f"{home.config.base_url}/shl/{secret}/{ticket}"
    return wire.answer({"files": [_file(home, link, location, asked.embedded)]})


def _asked() -> Asked:
    """The body; members that are not known are passed over, as the standard wants it. Raises `Problem`."""
    body = wire.json_object()
    recipient = wire.text(body.get("recipient"), "recipient")
    # It stands in the patient's log: one line of what can be seen.
    shown = "".join(one if one.isprintable() else " " for one in recipient)
    told = " ".join(shown.split())[:MAX_RECIPIENT]
    if not told:
        raise Problem("invalid", "The recipient must say who it is.")
    embedded = wire.integer(body.get("embeddedLengthMax", 0), "embeddedLengthMax")
    return Asked(told, wire.text(body.get("passcode", ""), "passcode", LONGEST), embedded)


def _live(home: Hub, secret: str) -> HealthLink | None:
    with home.db.read() as conn:
        link = store.by_name(conn, digest(secret))
    return link if link and link.until > home.now() and link.wrong < TRIES else None


def _wrong(left: int) -> Problem:
    return Problem("unauthenticated", "The passcode is not right.", remainingAttempts=left)


def _admit(home: Hub, link: HealthLink, recipient: str) -> str:
    """The passcode was right: it is noted, and a ticket for the file is made."""
    ticket, now = b64(random_bytes(32)), home.now()
    with home.db.write(link.acc) as tx:
        _still(home, store.by_name(tx.conn, link.name))
        store.open_for(tx, link.name, digest(ticket), now, now + FILE_SECONDS)
        note(tx, home, link, "opened", recipient=b64(recipient.encode()))
    return ticket


def _refuse(home: Hub, link: HealthLink, recipient: str) -> int:
    """The passcode was wrong: it is counted and noted; returns how many more may be. The last one closes the link."""
    with home.db.write(link.acc) as tx:
        left = TRIES - _still(home, store.by_name(tx.conn, link.name)).wrong - 1
        store.count_wrong(tx, link.name)
        note(tx, home, link, "wrong", recipient=b64(recipient.encode()), left=left)
        if not left:
            store.drop_file(tx, link.name)
    return left


def _still(home: Hub, link: HealthLink | None) -> HealthLink:
    """The link as it is under the lock: others may have tried meanwhile, and its maker may have revoked it."""
    if link is None or link.until <= home.now() or link.wrong >= TRIES:
        raise nothing_here()
    return link


def _file(home: Hub, link: HealthLink, location: str, embedded: int) -> dict[str, str]:
    entry = {
        "contentType": "application/fhir+json", "fhirVersion": "4.0.1", "status": "finalized",
        "lastUpdated": datetime.fromtimestamp(link.at, UTC).isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    if link.size <= embedded:
        return entry | {"embedded": b"".join(_stored(home, link)).decode("ascii")}
    return entry | {"location": location}


@pages.get("/shl/<secret>/<ticket>")
def read_file(secret: str, ticket: str) -> Response:
    """The sealed file, by the address that a manifest gave a moment ago."""
    limits.slow_down()
    home, link = hub(), _live(hub(), secret)
    with home.db.read() as conn:
        if link is None or not store.may_fetch(conn, link, digest(ticket), home.now()):
            raise nothing_here()
    headers = {"Content-Length": str(link.size)}
    return Response(_stored(home, link), content_type=JOSE, headers=headers)


def _stored(home: Hub, link: HealthLink) -> Iterator[bytes]:
    """A file, part after part; where it goes meanwhile, less than was said, which opens for nobody."""
    n = 0
    while True:
        with home.db.read() as conn:
            found = store.parts(conn, link, n)
        if not found:
            return
        yield b"".join(found)
        n += len(found)
