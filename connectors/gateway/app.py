"""`create_app(config)`: the gateway's routes, all on one page."""

import time
from collections.abc import Callable

from flask import Flask, Response, g, request
from werkzeug.http import http_date

from connectors.gateway import access, emergency, fhir_api, rim, schema, transactions
from connectors.gateway.access import Reader
from connectors.gateway.answers import Answer
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.fhir_api import Gateway
from connectors.gateway.links import Args, Links
from connectors.gateway.negotiation import FHIR_JSON, accept, accept_format, bearer, json_body, lenient, preferred
from connectors.gateway.store import Store
from fhir_profiles import resources
from fhir_profiles.problems import Problem

FORM = "application/x-www-form-urlencoded"


def create_app(config: Config, base_url: str | None = None, clock: Callable[[], float] = time.time) -> Flask:
    """The WSGI app over `config.database`; `base_url` is where clients see `/fhir`."""
    app = Flask("gateway", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_body
    app.config["MAX_FORM_MEMORY_SIZE"] = config.max_body
    database = Database(config.database, config.threads)
    store = Store(database)
    url = (base_url or config.base_url or f"http://{config.host}:{config.port}/fhir").rstrip("/")
    gateway = Gateway(store, Links(store), url, config.standalone, config.auth, clock)
    fhir_api.prepare()
    app.extensions["gateway"] = gateway
    rim.init_app(app, database)
    _health(app, database)
    _fhir(app, gateway)
    if config.auth:
        from connectors.gateway import smart  # noqa: PLC0415 - Authlib is not needed without

        smart.init_app(app, store, url, clock)
    return app


def _health(app: Flask, database: Database) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        """The process is alive."""
        return Response("ok\n", content_type="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        """The database answers, and its tables are those of this version."""
        with database.read() as connection:
            schema.check(connection)
        return Response("ready\n", content_type="text/plain")


def _fhir(app: Flask, gateway: Gateway) -> None:
    @app.get("/fhir/metadata")
    def metadata() -> Response:
        accept(request)
        return _response(gateway, fhir_api.capabilities(gateway))

    @app.post("/fhir")
    @app.post("/fhir/")
    def bundle() -> Response:
        reader = _begin(gateway)
        body = json_body(request)
        wanted = preferred(request.headers.get("Prefer"))
        answers = transactions.process(gateway, resources.parse(body), wanted, reader, g.get("scopes"))
        return Response(answers, content_type=FHIR_JSON)

    def _search(type_: str, args: Args, reader: Reader | None) -> Answer:
        handling = lenient(request.headers.get("Prefer"))
        return fhir_api.search_type(gateway, type_, args, reader, lenient=handling)

    @app.get("/fhir/<type_>")
    def search(type_: str) -> Response:
        reader = _begin(gateway)
        return _response(gateway, _search(type_, _args(), reader))

    @app.post("/fhir/<type_>/_search")
    def search_by_form(type_: str) -> Response:
        reader = _begin(gateway)
        if request.mimetype != FORM:
            raise Problem("media-type", f"Send the parameters as {FORM}.")
        accept_format(request.form.get("_format"))
        args = _args() + list(request.form.items(multi=True))
        return _response(gateway, _search(type_, args, reader))

    @app.get("/fhir/<type_>/<id_>")
    def read(type_: str, id_: str) -> Response:
        reader = _begin(gateway)
        return _response(gateway, fhir_api.read(gateway, type_, id_, reader, request.headers.get("If-None-Match")))

    _writing(app, gateway)
    if not gateway.standalone:
        _emergency(app, gateway)


def _writing(app: Flask, gateway: Gateway) -> None:
    @app.post("/fhir/<type_>")
    def create(type_: str) -> Response:
        reader = _begin(gateway)
        resource = resources.parse(json_body(request))
        wanted = preferred(request.headers.get("Prefer"))
        none_exist = request.headers.get("If-None-Exist")
        return _response(gateway, fhir_api.create(gateway, type_, resource, reader, none_exist, wanted))

    @app.put("/fhir/<type_>/<id_>")
    def update(type_: str, id_: str) -> Response:
        reader = _begin(gateway)
        resource = resources.parse(json_body(request))
        wanted = preferred(request.headers.get("Prefer"))
        if_match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
        answer = fhir_api.update(gateway, type_, id_, resource, reader, if_match, wanted, none_match)
        return _response(gateway, answer)

    @app.delete("/fhir/<type_>/<id_>")
    def delete(type_: str, id_: str) -> Response:
        reader = _begin(gateway)
        return _response(gateway, fhir_api.delete(gateway, type_, id_, reader, request.headers.get("If-Match")))


def _emergency(app: Flask, gateway: Gateway) -> None:
    @app.get(f"/fhir/OperationDefinition/{emergency.OPERATION}")
    def operation() -> Response:
        accept(request)
        return _response(gateway, fhir_api.operation(gateway))

    @app.post(f"/fhir/Patient/<id_>/${emergency.OPERATION}")
    def declare(id_: str) -> Response:
        reader = _begin(gateway)
        return _response(gateway, fhir_api.declare(gateway, id_, resources.parse(json_body(request)), reader))


def _begin(gateway: Gateway) -> Reader | None:
    """Who asks (nobody, standalone), once it is known that the answer's format suits. Raises `Problem`."""
    accept(request)
    if gateway.standalone:
        return None
    token = bearer(request)
    reader = access.reader_of(gateway.store.database, token, gateway.clock()) if token else None
    if reader is None:
        raise Problem("unauthenticated", "Send the bearer token of a person of this house.")
    return reader


def _args() -> Args:
    return [(name, value) for name, value in request.args.items(multi=True) if name not in {"_format", "_pretty"}]


def _response(gateway: Gateway, answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status, content_type=FHIR_JSON)
    if not answer.body:
        del response.headers["Content-Type"]
    if answer.version is not None:
        response.headers["ETag"] = answer.version.etag
        response.headers["Last-Modified"] = http_date(answer.version.updated / 1_000_000)
    if answer.location is not None:
        response.headers["Location"] = f"{gateway.base_url}/{answer.location}"
    response.headers["Cache-Control"] = "private, no-cache"
    return response
