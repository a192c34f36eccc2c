"""Routes: the doors for other hubs. Each request is signed by a hub that the operator has pinned (RFC 9421).

A hub speaks for its own accounts and for nobody else; what it brings is checked as if they had come themselves.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from consent import canonical
from consent import envelope as envelopes
from consent.heads import MAX_CHAINS
from consent.messages import MAX_SEALED
from consent.objects import MAX_SEALED_OBJECT
from consent.primitives import Rejected, b64
from fhir_profiles.problems import Problem
from hub import chains as chain_routes
from hub import declarations, deposit, emergencies, heads, objects, peer_feed, peer_objects, rights, statements, wire
from hub.auth import Caller
from hub.context import hub
from hub.deposit import MAX_FRAMES
from hub.envelopes import MAX_EVENTS
from hub.peer_auth import caller, json_caller
from hub.peer_client import clients
from hub.peer_objects import STRETCH_BYTES
from hub.peers import Peer
from hub.release import Cursor
from hub.replicas import Replicas
from hub.requests import deliver
from hub.statements import Keeping
from hub.store import audit
from hub.store import chains as store
from hub.store.chains import ChainName
from hub.store.database import domain_of
from hub.store.hashing import digest
from hub.store.objects import Object
from hub.store.peers import FEEDS

MAX_WAIT_SECONDS = 10
BODY_BYTES = 64 * 1024
BATCH_BYTES = 16 * 1024 * 1024
MAX_DETAIL = 4096

pages = Blueprint("peering", __name__, url_prefix="/v1/peer")


@pages.post("/feed")
def read_feed() -> Response:
    """The next page of what is new for the calling hub, behind its three cursors, with the note that confirms it."""
    peer, body = json_caller(*FEEDS, "nonce", "wait", limit=BODY_BYTES)
    cursors = {name: Cursor.parse(wire.text(body[name], name, 64)) for name in FEEDS}
    nonce = b64(wire.binary(body["nonce"], "nonce", heads.NONCE_BYTES))
    seconds = min(wire.integer(body["wait"], "wait"), MAX_WAIT_SECONDS)
    return wire.answer(peer_feed.wait_for_page(hub(), peer, cursors, nonce, seconds).json())


@pages.get("/chains/acct/<acc>")
def read_account(acc: str) -> Response:
    """An account's chain, as far as somebody of the calling hub may see it, or has the card."""
    return _links(("acct", wire.account(acc), ""))


@pages.get("/chains/set/<acc>/<set_id>")
def read_set(acc: str, set_id: str) -> Response:
    """A set's stream chain, where somebody of the calling hub may see it."""
    return _links(("set", wire.account(acc), wire.name(set_id)))


@pages.get("/chains/rel/<acc>/<oth>")
def read_relation(acc: str, oth: str) -> Response:
    """A relation chain, where somebody of the calling hub may see it."""
    return _links(("rel", wire.account(acc), wire.account(oth)))


@pages.get("/chains/of/<acc>")
def list_chains(acc: str) -> Response:
    """The sets and relations of a patient that somebody of the calling hub may see: (kind, the other)."""
    peer, _ = caller()
    home, acc = hub(), wire.account(acc)
    with home.db.read() as conn:
        chains, now = home.chains(conn), home.now()
        names = [(kind, acc, oth) for kind, oth in store.chain_heads(conn, acc) if kind != "acct"]
        seen = [
            (kind, oth) for kind, _, oth in names if rights.hub_sees(chains, (kind, acc, oth), peer.domain, "", now)
        ]
    return wire.answer({"chains": sorted(seen)})


def _links(chain: ChainName) -> Response:
    peer, _ = caller()
    home = hub()
    after = wire.number_argument("after", -1, -1, 2**53)
    fingerprint = request.args.get("fp", "")
    with home.db.read() as conn:
        chains, now = home.chains(conn), home.now()
        if not rights.hub_sees(chains, chain, peer.domain, fingerprint, now):
            raise rights.nothing_here()
        person = chain[0] == "acct" and chains.account(chain[1]).cls == "person"
        links, more = peer_feed.links_behind(chains, chain, after, peer.domain, now)
    if person:
        with home.db.write(chain[1]) as tx:
            store.tie(tx, [peer.domain])  # from now on it is told of what is added
    return wire.answer({"links": links, "more": more})


@pages.post("/heads")
def read_heads() -> Response:
    """Where chains of this hub's accounts end, for an account of the calling hub."""
    peer, body = json_caller("asker", "nonce", "chains", limit=BODY_BYTES)
    asker = wire.account(wire.text(body["asker"], "asker"))
    if domain_of(asker) != peer.domain:
        raise rights.nothing_here()
    nonce = b64(wire.binary(body["nonce"], "nonce", heads.NONCE_BYTES))
    chains = wire.array(body["chains"], "chains", heads.chain_name, MAX_CHAINS)
    own = [chain for chain in chains if domain_of(chain[1]) == hub().config.domain]
    return wire.answer({"frame": b64(heads.signed(hub(), asker, nonce, own))})


@pages.get("/objects/<acc>/<stream>/<bid>")
def read_object(acc: str, stream: str, bid: str) -> Response:
    """A part of an object whose envelope a live grant of an account of the calling hub covers now."""
    peer, _ = caller()
    home, acc = hub(), wire.account(acc)
    first = wire.number_argument("from", 0, 0, MAX_SEALED_OBJECT)
    if domain_of(acc) != home.config.domain:
        raise rights.nothing_here()
    with home.db.read() as conn:
        allowed = peer_feed.granted_there(home.chains(conn), acc, peer.domain, home.now())
        kept, data = peer_objects.stretch(conn, acc, wire.name(stream), wire.name(bid), first, allowed)
    headers = {"Content-Range": f"bytes {first}-{first + len(data) - 1}/{kept.size}", "ETag": f'"{kept.hash}"'}
    return Response(data, 206, headers, content_type="application/octet-stream")


# --- what accounts of the calling hub have for accounts of this one ------------------------------------------------


@pages.post("/envelopes")
def take_envelopes() -> Response:
    """Deposit envelopes of authors of the calling hub: LE32 length and frame, repeated; an answer for each."""
    peer, body = caller(deposit.BODY_BYTES, "application/octet-stream")
    frames = deposit.split(body)
    authors = [_author(frame, peer.domain) for frame in frames]
    _bring(peer, {author for author in authors if author})
    results: dict[int, Any] = {}
    for author in dict.fromkeys(authors):
        mine = [number for number, one in enumerate(authors) if one == author]
        if author is None:
            results |= {number: {"bid": "", "status": 404, "reason": "unknown"} for number in mine}
        else:
            found = deposit.deposit(hub(), _vouched(*author), [frames[number] for number in mine])
            results |= {number: result.json() for number, result in zip(mine, found, strict=True)}
    return wire.answer({"results": [results[number] for number in range(len(frames))]})


def _author(frame: bytes, domain: str) -> tuple[str, str] | None:
    """Account and device that wrote an envelope, if they are of this hub."""
    try:
        e = envelopes.parse(frame)
    except Rejected:
        return None
    return (e.aut, e.dev) if domain_of(e.aut) == domain else None


@pages.put("/objects/<author>/<device>/<stream>/<bid>")
def take_object(author: str, device: str, stream: str, bid: str) -> Response:
    """Keep the next part of an object of an author of the calling hub; how many bytes of it are here."""
    peer, body = caller(STRETCH_BYTES, "application/octet-stream")
    author, device = wire.account(author), wire.name(device)
    if domain_of(author) != peer.domain:
        raise rights.nothing_here()
    size = wire.number_argument("size", 0, 1, MAX_SEALED_OBJECT)
    kept = Object(objects.envelope_id(bid), wire.name(stream), size, wire.name(request.args.get("hash", "")))
    _bring(peer, [(author, device)])
    first = wire.number_argument("from", 0, 0, MAX_SEALED_OBJECT)
    return wire.answer({"come": objects.take_next(hub(), _vouched(author, device), kept, first, body)})


@pages.post("/statements")
def take_statements() -> Response:
    """Append statements that a delegate of a patient here signed, who is at home at the calling hub."""
    peer, body = json_caller("statements", limit=chain_routes.BODY_BYTES)
    offers = wire.array(body["statements"], "statements", chain_routes.offer, chain_routes.MAX_STATEMENTS)
    signers = {offer.statement.by for offer in offers}
    if len(signers) != 1 or len(by := signers.pop()) != 2 or domain_of(by[0]) != peer.domain:
        raise Problem("forbidden", "A hub passes on statements of one device of one of its accounts.")
    if any(domain_of(offer.statement.acc) != hub().config.domain for offer in offers):
        raise rights.nothing_here()
    _bring(peer, [(by[0], by[1])])
    return wire.answer({"heads": statements.post(hub(), _vouched(by[0], by[1]), offers, Keeping())})


@pages.post("/emergencies")
def take_declaration() -> Response:
    """Open what a house of the calling hub declares an emergency for, of a patient here."""
    peer, body = json_caller("device", "frame", limit=emergencies.BODY_BYTES)
    declared, device = declarations.read(wire.binary(body["frame"], "frame")), wire.text(body["device"], "device", 17)
    if domain_of(declared.sender) != peer.domain or domain_of(declared.acc) != hub().config.domain:
        raise rights.nothing_here()
    _bring(peer, [(declared.sender, device)])
    return wire.answer(declarations.told(declarations.declare(hub(), _vouched(declared.sender, device), declared)))


@pages.post("/messages")
def take_messages() -> Response:
    """Sealed messages from accounts of the calling hub to accounts of this one; a status for each."""
    peer, body = json_caller("items", limit=BATCH_BYTES)
    return wire.answer({"results": wire.array(body["items"], "items", _each(_message, peer), MAX_FRAMES)})


def _each(take: Callable[[Peer, Any, str], None], peer: Peer) -> Callable[[Any, str], dict[str, int]]:
    """The status of one of many things: what is wrong with one holds up no other."""

    def status(value: Any, where: str) -> dict[str, int]:
        try:
            take(peer, value, where)
        except Problem as problem:
            if problem.code == "busy":
                raise
            return {"status": problem.status}
        return {"status": 202}

    return status


def _message(peer: Peer, value: Any, where: str) -> None:
    item = wire.closed(value, where, "ref", "from", "device", "to", "frame", "fp")
    sender, to = _account(item["from"], where), _account(item["to"], where)
    frame = wire.sealed(item["frame"], where, MAX_SEALED)
    if domain_of(sender) != peer.domain or domain_of(to) != hub().config.domain:
        raise rights.nothing_here()
    deliver(hub(), _vouched(sender, wire.text(item["device"], where, 17)), to, frame, wire.text(item["fp"], where))


@pages.post("/entries")
def take_entries() -> Response:
    """Entries for the access logs of patients here: what the calling hub released to its accounts, what they read."""
    peer, body = json_caller("items", limit=BATCH_BYTES)
    return wire.answer({"results": wire.array(body["items"], "items", _each(_entry, peer), MAX_FRAMES)})


def _count(value: Any, where: str) -> int:
    """How many envelopes were released by one page."""
    if not 1 <= (count := wire.integer(value, where)) <= MAX_EVENTS:
        raise Problem("invalid", f"A number from 1 to {MAX_EVENTS} is expected in {where}.")
    return count


_TOLD: Mapping[str, Mapping[str, Callable[[Any, str], object]]] = {
    "release": {"set": wire.text, "stream": wire.text, "count": _count, "from": wire.integer, "to": wire.integer},
    "refusal": {"what": wire.text, "name": wire.text, "reason": wire.text},
    "read": {"at": wire.integer},
}
"""The actions of which another hub tells, and the members of each (PROTOCOL.md 5.17)."""


def _entry(peer: Peer, value: Any, where: str) -> None:
    names = ("ref", "acc", "at", "actor", "device", "action", "purpose", "detail")
    item = wire.closed(value, where, *names, optional=["sealed"])
    acc, actor = _account(item["acc"], where), _account(item["actor"], where)
    action = wire.text(item["action"], where)
    purpose, device = wire.text(item["purpose"], where, 64), wire.text(item["device"], where, 17)
    if action not in _TOLD:
        raise Problem("invalid", f"This is no entry of an access log in {where}.")
    detail = wire.closed(item["detail"], where, *_TOLD[action])
    for name, check in _TOLD[action].items():
        check(detail[name], where)
    if not _canonical([purpose, device, detail]):
        raise Problem("invalid", f"This is no entry of an access log in {where}.")
    sealed = wire.sealed(item["sealed"], where, MAX_SEALED) if "sealed" in item else None
    home = hub()
    if domain_of(acc) != home.config.domain:
        raise rights.nothing_here()
    with home.db.write(acc) as tx:
        if domain_of(actor) != peer.domain or store.chain_head(tx.conn, acc, "rel", actor) is None:
            raise rights.nothing_here()
        audit.write(
            tx, at=_moment(home.now(), wire.integer(item["at"], where)), actor=actor, detail=detail, action=action,
            device=device, purpose=purpose, sealed=sealed, ref=_ref(peer, wire.text(item["ref"], where, wire.MAX_NAME)),
        )  # fmt: skip


def _canonical(value: list[Any]) -> bool:
    try:
        return len(canonical.dump(value)) <= MAX_DETAIL
    except Rejected:
        return False


def _moment(now: int, told: int) -> int:
    """When it was, as the other hub says; not so long ago that the entry would go before its time (`hub.sweeping`)."""
    return min(max(told, now - audit.LATE_DAYS * 24 * 3600), now)


def _ref(peer: Peer, name: str) -> str:
    """By what an entry is known here: a hub's name for one can hide no entry of anybody else."""
    return f"peer-{digest(f'{peer.domain} {name}'.encode())[:32]}"


def _account(value: Any, where: str) -> str:
    return wire.account(wire.text(value, where))


def _vouched(acc: str, dev: str) -> Caller:
    """A device for which its hub speaks: what it signed is checked, and it is given nothing."""
    return Caller(acc, dev, "", frozenset())


def _bring(peer: Peer, devices: Iterable[tuple[str, str]]) -> None:
    """Fetch the account chains in which these devices are not known here yet. Raises `Problem(busy)`."""
    home = hub()
    with home.db.read() as conn:
        chains = home.chains(conn)
        new = {acc for acc, dev in devices if dev not in chains.account(acc).devices}
    for acc in sorted(new):
        try:
            Replicas(home, clients(home)).fetch(("acct", acc, ""), peer.domain)
        except Problem as problem:
            if problem.code != "not-found":
                raise
