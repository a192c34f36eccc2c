"""Routes: the hub itself, and the organisations and services it knows, with their public keys."""

from typing import Any

from flask import Blueprint, Response

from consent import rules, statements
from consent.envelope import MAX_FRAME
from consent.frames import MAX_HEADER
from consent.objects import MAX_SEALED_OBJECT
from consent.primitives import b64
from hub import auth, deposit, wire
from hub.context import hub
from hub.envelopes import MAX_EVENTS, MAX_WAIT_SECONDS
from hub.states import Chains
from hub.store import directory as store
from hub.store.directory import Organisation, Search

PAGE = 100

pages = Blueprint("directory", __name__)


@pages.get("/v1/hub")
def describe_hub() -> Response:
    """Who this hub is, its key and clock, the keys of the hubs it knows, and what it takes."""
    home = hub()
    return wire.answer(
        {
            "domain": home.config.domain,
            "title": home.config.title,
            "key": b64(home.key.public),
            "peers": {peer.domain: b64(peer.key) for peer in home.peers.values()},
            "now": home.now(),
            "token_endpoint": home.config.token_endpoint,
            "limits": {
                "statement_bytes": MAX_HEADER,
                "bundle_bytes": rules.MAX_BUNDLE,
                "envelope_bytes": MAX_FRAME,
                "object_bytes": MAX_SEALED_OBJECT,
                "batch_envelopes": deposit.MAX_FRAMES,
                "batch_bytes": deposit.MAX_BYTES,
                "feed_events": MAX_EVENTS,
                "feed_wait_seconds": MAX_WAIT_SECONDS,
                "streams": statements.STREAMS,
            },
        }
    )


@pages.get("/v1/directory")
def list_organisations() -> Response:
    """Organisations and services in whose title or account all words of `q` occur."""
    auth.caller()
    search = Search(words=wire.text_argument("q", 200))
    with hub().db.read() as conn:
        found, _ = store.organisations_found(conn, search, wire.text_argument("after"), PAGE)
        chains = hub().chains(conn)
        entries = [_entry(chains, organisation) for organisation in found]
    return wire.answer({"organisations": entries, "next": found[-1].acc if len(found) == PAGE else None})


def _entry(chains: Chains, organisation: Organisation) -> dict[str, Any]:
    account = chains.account(organisation.acc)
    return {
        "account": organisation.acc, "name": organisation.title, "type": organisation.type,
        "part_of": organisation.part_of,
        "fingerprint": account.fingerprint, "reading_key": account.reading_key(),
    }  # fmt: skip
