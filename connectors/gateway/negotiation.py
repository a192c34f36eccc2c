"""What a client sends and takes: media types, `_format`, `Prefer`, entity tags."""

import re
from typing import Literal

from flask import Request
from werkzeug.http import parse_options_header

from fhir_profiles.problems import Problem

FHIR_JSON = "application/fhir+json"

Return = Literal["minimal", "representation", "OperationOutcome"]

_FORMATS = {"json", "application/json", "application/fhir+json", "application/fhir json", "text/json"}
_ACCEPTED = {"application/fhir+json", "application/json", "text/json", "application/*", "text/*", "*/*"}
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def accept(request: Request) -> None:
    """Refuse a client that does not take FHIR JSON, https://hl7.org/fhir/R4/http.html#mime-type. Raises `Problem`."""
    wanted = request.args.get("_format")
    if wanted is not None:
        accept_format(wanted)
        return
    header = request.headers.get("Accept")
    if header is None or header in _ACCEPTED:
        return
    for media in request.accept_mimetypes:
        kind, options = parse_options_header(media[0])
        if kind.lower() in _ACCEPTED and media[1] > 0 and options.get("fhirversion", "4.0") == "4.0":
            return
    raise Problem("not-acceptable", f"Only {FHIR_JSON} of FHIR 4.0 is served here.")


def accept_format(wanted: str | None) -> None:
    """Refuse another format than JSON in `_format`, which a form may name too. Raises `Problem`."""
    if wanted is not None and parse_options_header(wanted)[0].lower() not in _FORMATS:
        raise Problem("not-acceptable", "Only JSON is served here: _format=json.")


def bearer(request: Request) -> str:
    """The bearer token of a request (RFC 6750); empty without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def json_body(request: Request) -> bytes:
    """The body of a request that declares JSON. Raises `Problem(media-type)`."""
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    if kind.lower() not in _FORMATS or options.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise Problem("media-type", f"Send {FHIR_JSON} in UTF-8.")
    if options.get("fhirversion", "4.0") != "4.0":
        raise Problem("media-type", "Send FHIR 4.0.")
    return request.get_data(cache=False)


def preferred(header: str | None) -> Return:
    """What a write answers with, https://hl7.org/fhir/R4/http.html#ops."""
    match _preferences(header).get("return"):
        case "minimal":
            return "minimal"
        case "operationoutcome":
            return "OperationOutcome"
    return "representation"


def lenient(header: str | None) -> bool:
    """Whether a search leaves out what it does not know, https://hl7.org/fhir/R4/search.html#errors."""
    return _preferences(header).get("handling") == "lenient"


def _preferences(header: str | None) -> dict[str, str]:
    """What a `Prefer` header says; of one that is said twice the first counts (RFC 7240, 2)."""
    parts = (part.partition("=") for part in reversed((header or "").replace(";", ",").split(",")))
    return {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in parts}


def versions(header: str) -> list[str]:
    """The version ids of an If-Match or If-None-Match header; `*` stands for any."""
    return ["*"] if header.strip() == "*" else _TAG.findall(header)
