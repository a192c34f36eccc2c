"""Routes: statements, chains, permits, bundles, the vault."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Blueprint, Response, request

from consent.chains import Chain
from consent.primitives import b64
from fhir_profiles.problems import Problem
from hub import auth, forwarding, rights, statements, wire
from hub.context import hub
from hub.models import NAME
from hub.rights import nothing_here
from hub.statements import Keeping, Offer
from hub.store import audit
from hub.store import chains as store

MAX_STATEMENTS = 512
MAX_WRAPS = 80
BODY_BYTES = 48 * 1024 * 1024

pages = Blueprint("chains", __name__)


@pages.post("/v1/statements")
def post_statements() -> Response:
    """Append statements of one account, all or nothing."""
    caller = auth.caller_or_recoverer()
    body = wire.json_body("statements", optional=["wraps", "fetch"], limit=BODY_BYTES)
    offers = wire.array(body["statements"], "statements", offer, MAX_STATEMENTS)
    keeping = Keeping(_wraps(body.get("wraps")), _fetch(body.get("fetch")))
    if (not offers or keeping != Keeping()) and not (caller.recovers or caller.role == "client"):
        raise Problem("forbidden", "Only a client of the account changes who can open its vault.")
    acc = statements.account_of(caller, offers)
    if forwarding.elsewhere(hub(), acc) and keeping == Keeping():
        heads = forwarding.statements(hub(), caller, acc, offers)
    else:
        heads = statements.post(hub(), caller, offers, keeping)
    return wire.answer({"heads": heads})


def offer(value: Any, where: str) -> Offer:
    """Read an offered statement of a body. Raises `Problem`."""
    item = wire.closed(value, where, "frame", optional=["blob"])
    blob = wire.binary(item["blob"], where) if "blob" in item else None
    return statements.read(wire.binary(item["frame"], where), blob)


def _wraps(value: Any) -> dict[str, bytes] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > MAX_WRAPS:
        raise Problem("invalid", f"An object of at most {MAX_WRAPS} wraps is expected.")
    return {wire.text(name, "wraps", NAME): wire.binary(wrap, "wraps") for name, wrap in value.items()}


def _fetch(value: Any) -> str:
    return b64(wire.binary(value, "fetch", 32)) if value is not None else ""


# --- reading chains -----------------------------------------------------------------------------------------------


@pages.get("/v1/chains/acct/<acc>")
def read_account(acc: str) -> Response:
    """An account's chain; whoever signed in or recovers reads the own one, to check the vault against it.

    Beside it the chains of those whom it cites: without them nobody can check what a delegate has signed in it.
    """
    caller, acc = auth.caller_or_recoverer(), wire.account(acc)
    if caller.recovers and caller.acc != acc:
        raise nothing_here()
    forwarding.bring(hub(), ("acct", acc, ""), request.args.get("fp", ""))
    with hub().db.read() as conn:
        chains = hub().chains(conn)
        fingerprint = request.args.get("fp", "")
        allowed = rights.sees_account(chains, acc, caller.acc, fingerprint, hub().now())
        cited = rights.cited(chains, chains.account(acc)) if allowed else {}
        return _frames(allowed, chains.account(acc), cited)


@pages.get("/v1/chains/set/<acc>/<set_id>")
def read_set(acc: str, set_id: str) -> Response:
    """A set's stream chain."""
    caller, acc, set_id = auth.caller(), wire.account(acc), wire.name(set_id)
    forwarding.bring(hub(), ("set", acc, set_id))
    with hub().db.read() as conn:
        chains = hub().chains(conn)
        return _frames(rights.sees_set(chains, acc, set_id, caller.acc, hub().now()), chains.set(acc, set_id))


@pages.get("/v1/chains/rel/<acc>/<oth>")
def read_relation(acc: str, oth: str) -> Response:
    """A relation chain."""
    caller, acc, oth = auth.caller(), wire.account(acc), wire.account(oth)
    if not caller.seals_by(("rel", acc, oth)):
        raise nothing_here()
    forwarding.bring(hub(), ("rel", acc, oth))
    with hub().db.read() as conn:
        chains = hub().chains(conn)
        allowed = rights.sees_relation(chains, acc, oth, caller.acc, hub().now())
        return _frames(allowed, chains.relation(acc, oth))


def _frames(allowed: bool, chain: Chain, cited: Mapping[str, Chain] = MappingProxyType({})) -> Response:
    after = wire.number_argument("after", -1, -1, 2**53)
    if not (allowed and chain.links):
        raise nothing_here()
    found = {name: [b64(link.raw) for link in state.links] for name, state in cited.items()}
    beside = {"cited": found} if found else {}
    return wire.answer({"frames": [b64(link.raw) for link in chain.links[after + 1 :]], **beside})


@pages.get("/v1/sets/<acc>")
def list_sets(acc: str) -> Response:
    """The sets of a patient, for her side."""
    caller, acc = auth.reader(), wire.account(acc)
    with hub().db.read() as conn:
        if not rights.of_patients_side(hub().chains(conn).account(acc), caller.acc, hub().now()):
            raise nothing_here()
        found = sorted(oth for kind, oth in store.chain_heads(conn, acc) if kind == "set")
    return wire.answer({"sets": found})


@pages.get("/v1/relations/<acc>")
def list_relations(acc: str) -> Response:
    """The relations of an account: for its own side all, for a counterpart the one with it."""
    caller, acc = auth.reader(), wire.account(acc)
    with hub().db.read() as conn:
        found = store.relations_of(conn, acc)
        if caller.acc != acc:
            side = rights.of_patients_side(hub().chains(conn).account(acc), caller.acc, hub().now())
            found = [pair for pair in found if pair[0] == acc] if side else [p for p in found if caller.acc in p]
            if not found and not side:
                raise nothing_here()
    return wire.answer({"relations": found})


@pages.get("/v1/permits/<acc>/<set_id>")
def read_permit(acc: str, set_id: str) -> Response:
    """The permit of a set, for who reads its chain."""
    caller, acc, set_id = auth.caller(), wire.account(acc), wire.name(set_id)
    with hub().db.read() as conn:
        allowed = rights.sees_set(hub().chains(conn), acc, set_id, caller.acc, hub().now())
        frame = store.permits_of(conn, acc, [set_id]).get(set_id)
    if not allowed or frame is None:
        raise nothing_here()
    return wire.answer({"frame": b64(frame)})


@pages.get("/v1/bundles/<acc>/<lst>")
def read_bundle(acc: str, lst: str) -> Response:
    """A bundle, for the two sides of its relation; for the counterpart while its grant is live, and open."""
    caller, acc, lst = auth.reader(), wire.account(acc), wire.name(lst)
    with hub().db.read() as conn:
        found, chains, now = store.bundle(conn, acc, lst), hub().chains(conn), hub().now()
        oth = found[0] if found else ""
        allowed = rights.sees_relation(chains, acc, oth, caller.acc, now)
        allowed = allowed and rights.opens_bundle(conn, chains.relation(acc, oth), lst, caller.acc, now)
    if not allowed or found is None:
        if found is not None:
            hub().refused.note(hub(), caller, acc, "bundle", lst)
        raise nothing_here()
    return Response(found[1], content_type="application/octet-stream")


@pages.get("/v1/vault/<acc>")
def read_vault(acc: str) -> Response:
    """The sealed vault, for the account's own clients, or who signed in or recovers; with one wrap for a delegate."""
    caller, acc = auth.caller_or_recoverer(), wire.account(acc)
    if not (caller.recovers or caller.role == "client"):
        raise nothing_here()
    home = hub()
    with home.db.write(acc) as tx:
        own = caller.acc == acc
        found = store.vault(tx.conn, acc)
        allowed = own or rights.holds_keys(home.chains(tx.conn).account(acc), caller.acc, home.now())
        if found is None or not allowed or (caller.recovers and not own):
            raise nothing_here()
        audit.write(tx, at=home.now(), actor=caller.acc, device=caller.dev, action="vault", detail={"ver": found[0]})
    wraps = {name: b64(wrap) for name, wrap in found[2].items() if own or name == caller.acc}
    return wire.answer({"ver": found[0], "ciphertext": b64(found[1]), "wraps": wraps})
