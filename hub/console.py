"""Routes: the operator's page. Who can run a command on the hub's machine gets a link that counts once; it begins a
session, whose secret is in a cookie that no other site's request brings along."""

import hmac
import logging
import secrets

from flask import Blueprint, Response, request, url_for

from consent.primitives import b64
from fhir_profiles.problems import Problem
from hub import limits, wire
from hub.admission import admit
from hub.context import Hub, hub
from hub.observability import say
from hub.organisations import TYPES
from hub.overview import overview
from hub.plain_pages import PlainPage, plain_page
from hub.store import console as store
from hub.store.hashing import digest

LINK_SECONDS, SESSION_SECONDS = 600, 8 * 3600
SECRET_BYTES = 32
FIELDS = ("name", "title", "type", "part-of")

pages = Blueprint("console", __name__, url_prefix="/console", template_folder="portal/templates")


def new_link(home: Hub) -> str:
    """A link that begins one session; kept by its hash."""
    secret = b64(secrets.token_bytes(SECRET_BYTES))
    with home.db.write() as tx:
        store.put(tx, digest(secret), home.now() + LINK_SECONDS, session=False)
    return f"{home.config.base_url}/console/open/{secret}"


def _cookie(home: Hub) -> str:
    """Ports do not separate cookies: two hubs on one machine would take each other's."""
    return f"obhut-console-{home.config.domain}"


def _secret() -> str:
    """The secret of the session that the present request belongs to; empty where it has none."""
    home = hub()
    secret = request.cookies.get(_cookie(home), "")
    return secret if secret and store.is_open(home.db, digest(secret), home.now()) else ""


def _form_key(secret: str) -> str:
    """What only a page of this session knows, so that no other one can send its forms."""
    return digest(f"form {secret}")


@pages.get("/open/<link>")
def ask(link: str) -> Response:
    """What the link leads to, and a button: a program that only looks at links does not use it up."""
    return plain_page("console").answer(forms=True, view="open", link=link)


@pages.post("/open/<link>")
def begin(link: str) -> Response:
    """Take the link, and begin a session."""
    limits.slow_down()
    home, page = hub(), plain_page("console")
    secret = b64(secrets.token_bytes(SECRET_BYTES))
    with home.db.write() as tx:
        taken = store.use_link(tx, digest(link), home.now())
        if taken:
            store.put(tx, digest(secret), home.now() + SESSION_SECONDS, session=True)
    if not taken:
        return page.answer(403, view="closed", spent=True)
    say(logging.INFO, event="the operator's page was opened")
    answer = _to_the_page(page)
    answer.set_cookie(
        _cookie(home), secret, max_age=SESSION_SECONDS, path="/console", httponly=True, samesite="Strict",
        secure=home.config.base_url.startswith("https:"),
    )  # fmt: skip
    return answer


@pages.get("")
def show() -> Response:
    """The page, as things stand now; what takes long to count as it was counted last, or anew."""
    return _shown(200)


@pages.post("/admit")
def take_in() -> Response:
    """Admit an organisation, as `obhut hub admit` does; the page then shows its code, once."""
    home = hub()
    if not _checked():
        return plain_page("console").answer(403, view="closed", spent=False)
    said = {name: request.form.get(name, "").strip() for name in FIELDS}
    try:
        code = admit(home, said["name"], said["type"], said["title"], said["part-of"])
    except Problem as problem:
        return _shown(400, said=said, wrong=problem.extra["field"])
    say(logging.INFO, event="an organisation was admitted")
    return _shown(200, admitted=said["title"], code=code, name=said["name"])


@pages.post("/leave")
def leave() -> Response:
    """End the session."""
    home, secret = hub(), _checked()
    if secret:
        with home.db.write() as tx:
            store.end(tx, digest(secret))
    answer = _to_the_page(plain_page("console"))
    answer.delete_cookie(_cookie(home), path="/console")
    return answer


def _to_the_page(page: PlainPage) -> Response:
    return Response("", 303, {"Location": url_for("console.show", lang=page.language)})


def _checked() -> str:
    """The session's secret, empty where there is none any more. Raises `Problem(forbidden)` for another page's form."""
    secret = _secret()
    if secret and not hmac.compare_digest(request.form.get("key", ""), _form_key(secret)):
        raise Problem("forbidden", "This form is not of the operator's page.")
    return secret


def _shown(status: int, **values: object) -> Response:
    home, page, secret = hub(), plain_page("console"), _secret()
    if not secret:
        return page.answer(403, view="closed", spent=False)
    seen = overview(home, page, after=wire.text_argument("after"), anew="count" in request.args)
    return page.answer(
        status, forms=True, view="overview", seen=seen, key=_form_key(secret), fields=FIELDS, types=TYPES,
        url=home.config.base_url, **values,
    )  # fmt: skip
