"""Route: what this hub is, whom it connects, how much it is used and how to join, for everybody and without script."""

import json
from dataclasses import dataclass
from importlib.resources import files
from threading import Lock

from flask import Blueprint, Response, current_app, render_template, request

from hub import peers
from hub.context import Hub, hub
from hub.directory import TYPES
from hub.peers import Peer
from hub.portal.views import file
from hub.store.figures import Figures, figures

LANGUAGES = {"de": "Deutsch", "en": "English"}
LEAST = 10
"""No smaller number of people or of their envelopes is told."""
FRESH_SECONDS = 3600
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_WORDS = json.loads((files("hub") / "public_page.json").read_bytes())

pages = Blueprint("public_page", __name__, template_folder="portal/templates")


@dataclass
class Counted:
    """The figures as they were counted last, and when (Unix seconds)."""

    figures: Figures | None = None
    at: float = 0

    def __post_init__(self) -> None:
        self._counting = Lock()

    def now(self, home: Hub) -> Figures:
        """Not older than an hour. So nobody keeps the hub counting, or watches whom it is that comes."""
        with self._counting:
            if self.figures is None or home.clock() - self.at >= FRESH_SECONDS:
                with home.db.read() as conn:
                    self.figures = figures(conn, home.config.domain)
                self.at = home.clock()
            return self.figures


@pages.get("/")
def public_page() -> Response:
    """The page, in German or English: as `lang` asks, or as the browser would have it."""
    home, asked = hub(), request.args.get("lang", "")
    language = asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "de"
    found = current_app.extensions["obhut.counted"].now(home)
    words = _WORDS[language]
    html = render_template(
        "public_page.html", title=home.config.title, config=home.config, language=language, languages=LANGUAGES,
        words=words, persons=_told(found.persons, words), packets=_told(found.envelopes, words),
        kinds=[(words[f"type-{kind}"], found.organisations[kind]) for kind in TYPES if kind in found.organisations],
        hubs=sorted(home.peers), block=peers.block(_self(home)), style=file("portal.css"), icon=file("icon.svg"),
        program=file("portal.js").digest.hex(),
    )  # fmt: skip
    headers = {"Content-Security-Policy": POLICY, "Vary": "Accept-Language", "Content-Language": language}
    return Response(html, content_type="text/html; charset=utf-8", headers=headers)


def _told(number: int, words: dict[str, str]) -> str:
    return str(number) if number >= LEAST else words["few"]


def _self(home: Hub) -> Peer:
    return Peer(home.config.domain, home.config.base_url, home.key.public, home.peer_key.public)
