"""The rim: every error becomes an answer here, and only here.

RFC 9457 problem details (https://www.rfc-editor.org/rfc/rfc9457), and under `/fhir` an OperationOutcome.
"""

import logging

from flask import Flask, Response, g, request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import ClientDisconnected, HTTPException

from consent.primitives import Rejected
from fhir_profiles.logs import places
from fhir_profiles.outages import busy, outage
from fhir_profiles.problems import PROBLEMS, Problem
from hub import schema
from hub.context import hub
from hub.observability import say
from hub.refusals import refusal
from hub.wire import answer

_BY_STATUS = {
    400: ("invalid", "The request cannot be understood."),
    404: ("not-found", "There is nothing here for you."),
    405: ("method", "This method is not served here."),
    411: ("length", "The length of the body must be stated."),
    413: ("too-large", "The body is too large."),
    415: ("media-type", "This media type is not taken here."),
    429: ("too-many", "Too many requests; wait a little."),
}


def register(app: Flask) -> None:
    """Let the app answer every error here."""
    app.register_error_handler(Problem, render)
    app.register_error_handler(Rejected, lambda rejected: render(refusal(rejected)))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ParseException, lambda _: render(Problem("invalid", "The body is not sent as HTTP.")))
    app.register_error_handler(ClientDisconnected, lambda _: render(Problem("busy", "The body stopped coming.")))
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _database)
    app.register_error_handler(Exception, _unexpected)


def render(problem: Problem) -> Response:
    """The answer for a problem."""
    g.problem = {"code": problem.code, "reason": problem.extra.get("reason", "")}
    hub().metrics.refused(**g.problem)
    if request.path.startswith("/fhir"):
        response = answer(problem.outcome(), problem.status, "application/fhir+json")
    else:
        response = answer(problem.details(), problem.status, "application/problem+json")
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after" in problem.extra:
        response.headers["Retry-After"] = str(problem.extra["retry_after"])
    return response


def _http(error: HTTPException) -> Response:
    code, detail = _BY_STATUS.get(error.code or 500, ("invalid", "The request cannot be understood."))
    response = render(Problem(code, detail))
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _database(error: Exception) -> Response:
    """A database that is full, gone or locked for too long is busy; so is one whose tables are of another version."""
    problem = outage(error.orig) if isinstance(error, DBAPIError) else busy("locked")  # no connection became free
    if problem is None:
        try:
            with hub().db.read() as conn:
                schema.check(conn)
        except Problem as other:
            problem = other
        except SQLAlchemyError:
            problem = busy("gone")
        else:
            return _unexpected(error)
    say(
        logging.WARNING, event="database", reason=problem.extra["reason"], error=type(error).__name__,
        where=places(error),
    )  # fmt: skip
    return render(problem)


def _unexpected(error: Exception) -> Response:
    say(logging.ERROR, event="fault", error=type(error).__name__, where=places(error))
    return render(Problem("internal", PROBLEMS["internal"].title))
