"""Route: what this hub is, whom it connects, how much it is used and how to join, for everybody and without script."""

from flask import Blueprint, Response, current_app

from hub import peers
from hub.context import Hub, hub
from hub.organisations import TYPES
from hub.peers import Peer
from hub.plain_pages import Words, plain_page
from hub.portal.views import file

LEAST = 10
"""No smaller number of people or of their envelopes is told."""

pages = Blueprint("public_page", __name__, template_folder="portal/templates")


@pages.get("/")
def public_page() -> Response:
    """The page for everybody."""
    home, page = hub(), plain_page("public_page")
    found = current_app.extensions["obhut.counted"].figures.now(home)
    words = page.words
    return page.answer(
        config=home.config, persons=_told(found.persons, words), packets=_told(found.envelopes, words),
        kinds=[(words[f"type-{kind}"], found.organisations[kind]) for kind in TYPES if kind in found.organisations],
        hubs=sorted(home.peers), block=peers.block(_self(home)), program=file("portal.js").digest.hex(),
    )  # fmt: skip


def _told(number: int, words: Words) -> str:
    return str(number) if number >= LEAST else words["few"]


def _self(home: Hub) -> Peer:
    return Peer(home.config.domain, home.config.base_url, home.key.public, home.peer_key.public)
