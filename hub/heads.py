"""Routes: where chains end, vouched for by the home hub of each, in answer to a question with a nonce (5.8)."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response

from consent import heads, identifiers
from consent.primitives import Rejected, b64
from consent.statements import chain_id
from fhir_profiles.problems import Problem
from hub import auth, rights, wire
from hub.context import Hub, hub
from hub.store import chains as store
from hub.store.chains import ChainName

KINDS = ("acct", "set", "rel")
NONCE_BYTES = 16
BODY_BYTES = 256 * 1024

pages = Blueprint("heads", __name__)


@pages.post("/v1/heads")
def read_heads() -> Response:
    """The heads of at most 250 chains: a signed frame of each home hub. What the caller may not see is left out."""
    caller = auth.caller()
    body = wire.json_body("nonce", "chains", limit=BODY_BYTES)
    nonce = b64(wire.binary(body["nonce"], "nonce", NONCE_BYTES))
    wanted = wire.array(body["chains"], "chains", chain_name, heads.MAX_CHAINS)
    home, by_hub = hub(), dict[str, list[ChainName]]()
    for chain in dict.fromkeys(filter(caller.seals_by, wanted)):
        by_hub.setdefault(identifiers.account(chain[1]).domain, []).append(chain)
    frames = [
        signed(home, caller.acc, nonce, chains)
        if domain == home.config.domain
        else home.peer_heads(domain, caller.acc, nonce, chains)
        for domain, chains in by_hub.items()
    ]
    return wire.answer({"frames": [b64(frame) for frame in frames if frame is not None]})


def chain_name(value: Any, where: str) -> ChainName:
    """Read `[kind, acc, oth]`. Raises `Problem`."""
    kind, acc, oth = wire.array(value, where, wire.text, 3) if isinstance(value, list) and len(value) == 3 else [""] * 3
    try:
        identifiers.account(acc)
    except (Rejected, UnicodeEncodeError):
        kind = ""
    if kind not in KINDS:
        raise Problem("invalid", "A chain is named by kind, account and the other; the first is acct, set or rel.")
    return kind, acc, oth


def signed(home: Hub, asker: str, nonce: str, chains: Sequence[ChainName]) -> bytes:
    """This hub's word on chains of its own accounts, as far as the asker may read them."""
    now = home.now()
    with home.db.read() as conn:
        places = store.heads_of(conn, chains)
        met = rights.counterpart_of(conn, [acc for kind, acc, _ in chains if kind == "acct"], asker)
        states = home.chains(conn)
        seen = [
            (chain_id(*chain), places[chain])
            for chain in chains
            if chain in places and ((chain[0] == "acct" and chain[1] in met) or rights.sees(states, chain, asker, now))
        ]
    return heads.sign(home.key, hub=home.config.domain, to=asker, nonce=nonce, at=now, heads=seen)
