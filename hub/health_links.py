"""Routes: SMART Health Links as their maker keeps them: made, listed, extended, revoked.

What somebody without an account asks is in `hub.health_link_doors`. The hub has a file that it cannot open: the key
stands in the link, behind #, and comes to no server (https://hl7.org/fhir/uv/smart-health-cards-and-links/STU1/).
"""

import re
from typing import Any

import orjson
from flask import Blueprint, Response

from consent import identifiers
from consent.primitives import Rejected, b64, equal, random_bytes, stretch, unb64
from fhir_profiles.problems import Problem
from hub import auth, wire
from hub.auth import Caller
from hub.context import Hub, hub
from hub.rights import nothing_here
from hub.store import audit
from hub.store import health_links as store
from hub.store.database import Tx
from hub.store.health_links import ACTION, HealthLink

MAX_LINKS = 20
"""So many of an account at a time."""
MAX_FILE = 16 * 1024 * 1024
MAX_SEALED = 8 * 1024
BODY_BYTES = MAX_FILE + 64 * 1024
MAX_SECONDS = 90 * 24 * 3600
"""So far ahead a link may end, when it is made and when it is extended."""
SHORTEST, LONGEST = 6, 64
"""Characters of a passcode."""
TRIES = 10
"""So many wrong passcodes close a link for good."""
SALT_BYTES, OPERATIONS, MEMORY = 16, 4, 8 * 1024 * 1024
"""Argon2id as costly as many threads of a hub bear at once."""
_JWE = re.compile(r"([\w-]+)\.\.[\w-]{16}\.[\w-]*\.[\w-]{22}", re.ASCII).fullmatch

pages = Blueprint("health_links", __name__)


def maker() -> Caller:
    """A client of a person's account. Raises `Problem`."""
    caller = auth.reader()
    if caller.role != "client" or not identifiers.account(caller.acc).is_person:
        raise Problem("forbidden", "Only a person's own client makes links.")
    return caller


@pages.get("/v1/health-links")
def list_links() -> Response:
    """The caller's links, the newest first; those whose time is over are none any more."""
    caller, now = maker(), hub().now()
    with hub().db.read() as conn:
        found = store.of_account(conn, caller.acc)
    return wire.answer({"links": [_told(link) for link in found if link.until > now]})


def _told(link: HealthLink) -> dict[str, Any]:
    return {
        "name": link.name, "at": link.at, "until": link.until, "size": link.size, "sealed": b64(link.sealed),
        "left": max(TRIES - link.wrong, 0), "opened": link.opened, "opened_at": link.opened_at,
    }  # fmt: skip


@pages.put("/v1/health-links/<name>")
def put_link(name: str) -> Response:
    """Keep a sealed file for whoever comes with the secret of which `name` is the hash, and the passcode."""
    caller, home, name = maker(), hub(), _name(name)
    body = wire.json_body("passcode", "until", "sealed", "file", limit=BODY_BYTES)
    passcode = wire.text(body["passcode"], "passcode", LONGEST)
    if len(passcode) < SHORTEST:
        raise Problem("invalid", f"A passcode has {SHORTEST} characters or more.")
    until, file = _until(home, body["until"]), _file(body["file"])
    sealed = wire.sealed(body["sealed"], "sealed", MAX_SEALED)
    salt = random_bytes(SALT_BYTES)
    link = HealthLink(caller.acc, name, home.now(), until, salt, verifier(passcode, salt), len(file), sealed)
    with home.db.write(caller.acc) as tx:
        known = store.by_name(tx.conn, name)
        if known is not None and known.acc == caller.acc:
            return Response(status=200)  # the same again: its name is the hash of what only its maker knows
        if known is not None or not _is_open(home, tx):
            raise Problem("conflict", "No link can be kept under this name for this account.")
        if store.count(tx.conn, caller.acc, home.now()) >= MAX_LINKS:
            raise Problem("unprocessable", f"An account has {MAX_LINKS} links at most; revoke one first.")
        store.put(tx, link, file)
        note(tx, home, link, "made", caller, until=until)
    return Response(status=201)


@pages.patch("/v1/health-links/<name>")
def extend_link(name: str) -> Response:
    """Let a link hold until another moment."""
    caller, home, name = maker(), hub(), _name(name)
    until = _until(home, wire.json_body("until")["until"])
    with home.db.write(caller.acc) as tx:
        link = _mine(tx, name, home.now())
        if link.wrong >= TRIES:
            raise Problem("conflict", "This link was closed after too many wrong passcodes.")
        if link.until != until:
            store.extend(tx, name, until)
            note(tx, home, link, "extended", caller, until=until)
    return Response(status=204)


@pages.delete("/v1/health-links/<name>")
def revoke_link(name: str) -> Response:
    """Close a link for everybody, and forget its file."""
    caller, home, name = maker(), hub(), _name(name)
    with home.db.write(caller.acc) as tx:
        link = _mine(tx, name, home.now())
        store.remove(tx, name)
        note(tx, home, link, "revoked", caller)
    return Response(status=204)


def _name(value: str) -> str:
    """The name of a link in an address; what is none does not exist."""
    try:
        unb64(wire.name(value), 32)
    except Rejected:
        raise nothing_here() from None
    return value


def _mine(tx: Tx, name: str, now: int) -> HealthLink:
    link = store.by_name(tx.conn, name)
    if link is None or link.acc != tx.acc or link.until <= now:
        raise nothing_here()
    return link


def _is_open(home: Hub, tx: Tx) -> bool:
    return not home.chains(tx.conn).account(tx.acc).closed


def _until(home: Hub, value: Any) -> int:
    until, now = wire.integer(value, "until"), home.now()
    if not now < until <= now + MAX_SECONDS:
        raise Problem("invalid", f"A link ends in the future, and within {MAX_SECONDS} seconds.")
    return until


def _file(value: Any) -> bytes:
    """A JWE in its compact form, `dir` and `A256GCM`: whatever is not sealed is not taken (RFC 7516)."""
    if isinstance(value, str) and len(value) > MAX_FILE:
        raise Problem("too-large", f"The sealed file is at most {MAX_FILE} bytes.")
    parts = _JWE(wire.text(value, "file", MAX_FILE))
    try:
        header = orjson.loads(unb64(parts[1])) if parts else {}
    except (Rejected, orjson.JSONDecodeError):
        header = {}
    if not isinstance(header, dict) or (header.get("alg"), header.get("enc")) != ("dir", "A256GCM"):
        raise Problem("invalid", "The file must be a compact JWE with dir and A256GCM.")
    return str(value).encode("ascii")


# --- shared with the doors ----------------------------------------------------------------------------------------


def verifier(passcode: str, salt: bytes) -> bytes:
    """What is kept of a passcode: Argon2id. Raises `Problem`."""
    try:
        return stretch(passcode, salt, OPERATIONS, MEMORY)
    except Rejected:
        raise Problem("invalid", "This passcode cannot be read.") from None


def is_right(link: HealthLink | None, passcode: str) -> bool:
    """Whether this is the passcode; the work is the same where there is no link."""
    found = verifier(passcode, link.salt if link else bytes(SALT_BYTES))
    return link is not None and equal(found, link.verifier)


def note(tx: Tx, home: Hub, link: HealthLink, what: str, caller: Caller | None = None, **detail: Any) -> None:
    """What happened to a link, in its maker's access log. Without a caller it was somebody without an account."""
    actor, device = (caller.acc, caller.dev) if caller else (home.config.domain, "")
    told = {"what": what, "link": link.shown} | detail
    audit.write(tx, at=home.now(), actor=actor, device=device, action=ACTION, detail=told)


def sweep(home: Hub) -> None:
    """Forget links whose time is over. One transaction an account."""
    with home.db.read() as conn:
        over = store.expired(conn, home.now())
    for acc, names in over.items():
        with home.db.write(acc) as tx:
            for name in names:
                link = store.by_name(tx.conn, name)
                if link is not None and link.until <= home.now():  # it may have been extended just now
                    store.remove(tx, name)
