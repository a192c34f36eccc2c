"""The rim: every error leaves as an OperationOutcome, and none says more than a caller may know."""

import logging

import orjson
from flask import Flask, Response
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import ClientDisconnected, HTTPException

from connectors.gateway import schema
from connectors.gateway.database import Database
from fhir_profiles.logs import places
from fhir_profiles.problems import PROBLEMS, Problem

FHIR_JSON = "application/fhir+json"

log = logging.getLogger("obhut.gateway")

_CODES = {404: "not-found", 405: "method", 406: "not-acceptable", 411: "length", 413: "too-large", 415: "media-type"}


def init_app(app: Flask, database: Database) -> None:
    """Render problems, Flask's own errors, what the database could not do, and defects."""
    app.register_error_handler(Problem, answer)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ParseException, lambda _: answer(Problem("invalid", "The body is not sent as HTTP.")))
    app.register_error_handler(ClientDisconnected, lambda _: answer(Problem("busy", "The body stopped coming.")))
    app.register_error_handler(Exception, lambda error: answer(defect(database, error)))


def answer(problem: Problem) -> Response:
    """The OperationOutcome of a problem, https://hl7.org/fhir/R4/http.html#2.21.0.4."""
    if problem.code == "busy":
        log.warning("busy", extra={"reason": problem.extra.get("reason", "")})
    response = Response(orjson.dumps(problem.outcome()), status=problem.status, content_type=FHIR_JSON)
    if problem.code == "unauthenticated":
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after" in problem.extra or problem.status == 503:
        response.headers["Retry-After"] = str(problem.extra.get("retry_after", 1))
    if "allow" in problem.extra:
        response.headers["Allow"] = problem.extra["allow"]
    return response


def _http_error(error: HTTPException) -> Response:
    if error.code is not None and error.code < 400:
        return Response(status=error.code, headers=[(k, v) for k, v in error.get_headers() if k == "Location"])
    code = _CODES.get(error.code or 500, "invalid" if (error.code or 500) < 500 else "internal")
    response = answer(Problem(code, PROBLEMS[code].title + "."))
    allow = dict(error.get_headers()).get("Allow")
    if allow:
        response.headers["Allow"] = allow
    return response


def defect(database: Database, error: Exception) -> Problem:
    """What is told of a failure that is no problem of the list: nothing, but that the tables are of another version."""
    if isinstance(error, DBAPIError):
        try:
            with database.read() as connection:
                schema.check(connection)
        except Problem as problem:
            return problem
    # The type and the places, never the message: it may quote what it stumbled over.
    log.error("defect", extra={"error": type(error).__name__, "where": places(error)})
    return Problem("internal", "Something failed here; it has been noted.")
