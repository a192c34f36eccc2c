"""The hub's Flask application: all wiring on one page."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from flask import Flask, Response
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.middleware.proxy_fix import ProxyFix

from hub import (
    audit,
    chains,
    console,
    directory,
    emergencies,
    enrolment,
    envelopes,
    fhir,
    heads,
    health_link_doors,
    health_links,
    keys,
    limits,
    objects,
    observability,
    openapi,
    pairing,
    peer_client,
    peering,
    problems,
    public_page,
    requests,
    schema,
    tokens,
)
from hub.bell import Bell
from hub.config import Config
from hub.context import Hub, hub
from hub.counted import Counts
from hub.models import counters
from hub.observability import Metrics
from hub.portal import views
from hub.store import peers
from hub.store.database import Database
from hub.sweeping import Sweep

BODY_BYTES = 64 * 1024
PAGES = (
    audit.pages, chains.pages, console.pages, directory.pages, emergencies.pages, enrolment.pages, envelopes.pages,
    fhir.pages, heads.pages, health_link_doors.pages, health_links.pages, objects.pages, observability.pages,
    openapi.pages, pairing.pages, peering.pages, public_page.pages, requests.pages, tokens.pages, views.pages,
)  # fmt: skip
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def create_app(config: Config, clock: Callable[[], float] = time.time) -> Flask:
    """A hub. `clock` gives Unix seconds. A SQLite database is made or migrated; a server's must be migrated before."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES  # routes that take more say so
    app.extensions["obhut"] = open_hub(config, clock)
    app.extensions["obhut.buckets"] = limits.Buckets(config.rate)
    app.extensions["obhut.counted"] = Counts()
    known = app.extensions["obhut"].peers.values()
    app.extensions["obhut.peer_buckets"] = {peer.domain: limits.Buckets(peer.rate) for peer in known}
    if config.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.proxies, x_proto=config.proxies)  # type: ignore[method-assign]
    problems.register(app)
    observability.observe(app, app.extensions["obhut"].metrics)
    for pages in PAGES:
        app.register_blueprint(pages)
    app.before_request(Sweep(app.extensions["obhut"]))
    app.after_request(_headers)
    app.add_url_rule("/healthz", "healthz", healthz)
    app.add_url_rule("/readyz", "readyz", readyz)
    app.add_url_rule("/metrics", "metrics", metrics)
    return app


def open_hub(config: Config, clock: Callable[[], float]) -> Hub:
    """The hub behind the routes: database, keys, bell."""
    home = Path(config.data)
    home.mkdir(parents=True, exist_ok=True)
    bell = Bell(config.waiters)
    db = Database(config.database_url, bell.ring, config.domain)
    if config.migrates_itself:
        schema.upgrade(db)
    db.open()
    stamp_key, token_key, peer_key = (keys.load(home, name) for name in keys.ALL)
    known = config.known_peers()
    ask = partial(peer_client.heads, known, config.domain, peer_key, clock)
    opened = Hub(config, db, stamp_key, token_key, clock, bell, Metrics(), known, peer_key, peer_heads=ask)
    opened.metrics.waiting.set_function(lambda: bell.count)
    return opened


def _headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if hub().config.base_url.startswith("https:"):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    return response


def healthz() -> Response:
    """The process answers."""
    return Response("ok\n", content_type="text/plain")


def readyz() -> Response:
    """The database answers, and its tables are those of this version."""
    with hub().db.read() as conn:
        schema.check(conn)
        conn.execute(select(counters.c.name).limit(1))
    return Response("ready\n", content_type="text/plain")


def metrics() -> Response:
    """Counters for Prometheus. A reverse proxy should keep them inside."""
    home = hub()
    if home.peers:
        # Without the database the moment stays the last one known, which an alarm notices all the same.
        with suppress(DBAPIError, PoolTimeout), home.db.read() as conn:
            for domain in home.peers:
                home.metrics.peer_confirmed.labels(domain).set(peers.progress(conn, domain).confirmed)
    return Response(home.metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")
