"""Bodies, arguments and answers: read strictly, written compactly. Whatever is wrong is a `Problem` that says where."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from consent import identifiers
from consent.primitives import Rejected, unb64
from fhir_profiles.problems import Problem
from hub.rights import nothing_here

T = TypeVar("T")
SMALL = 64 * 1024
MAX_NAME = 43


def answer(value: Any, status: int = 200, media_type: str = "application/json") -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value), status=status, content_type=media_type)


def raw_body(limit: int, media_type: str) -> bytes:
    """The body as it came. Raises `Problem` with `media-type` or `too-large`."""
    if request.mimetype != media_type:
        raise Problem("media-type", f"Send {media_type}.")
    request.max_content_length = limit
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise Problem("too-large", f"The body is at most {limit} bytes.") from None


def json_body(*members: str, optional: Sequence[str] = (), limit: int = SMALL) -> dict[str, Any]:
    """A JSON object with these members and none else. Raises `Problem`."""
    return closed(json_object(limit), "the body", *members, optional=optional)


def json_object(limit: int = SMALL) -> dict[str, Any]:
    """A JSON object with any members. Raises `Problem`."""
    try:
        body = orjson.loads(raw_body(limit, "application/json"))
    except orjson.JSONDecodeError:
        raise Problem("invalid", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Problem("invalid", "An object is expected as the body.")
    return body


def closed(value: Any, where: str, *members: str, optional: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON object with these members and none else. Raises `Problem`."""
    if not isinstance(value, dict):
        raise Problem("invalid", f"An object is expected as {where}.")
    for name in members:
        if name not in value:
            raise Problem("invalid", f"The member {name} is missing in {where}.")
    if value.keys() - set(members) - set(optional):
        raise Problem("invalid", f"There is a member that does not belong in {where}.")
    return value


def text(value: Any, where: str, limit: int = 1024) -> str:
    """A string."""
    if not isinstance(value, str) or len(value) > limit or "\0" in value:
        raise Problem("invalid", f"A string is expected in {where}.")
    return value


def integer(value: Any, where: str) -> int:
    """A whole number, not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise Problem("invalid", f"A whole number is expected in {where}.")
    return value


def binary(value: Any, where: str, size: int | None = None) -> bytes:
    """Bytes as base64url without padding."""
    try:
        return unb64(text(value, where, 2**26), size)
    except (Rejected, UnicodeEncodeError):
        raise Problem("invalid", f"Base64url without padding is expected in {where}.") from None


def sealed(value: Any, where: str, limit: int) -> bytes:
    """Something sealed: at least a byte, at most `limit`."""
    data = binary(value, where)
    if not data:
        raise Problem("invalid", f"Nothing is sealed in {where}.")
    if len(data) > limit:
        raise Problem("too-large", f"What is sealed in {where} is at most {limit} bytes.")
    return data


def array(value: Any, where: str, read: Callable[[Any, str], T], limit: int = 1000) -> list[T]:
    """An array of alike values."""
    if not isinstance(value, list) or len(value) > limit:
        raise Problem("invalid", f"An array of at most {limit} is expected in {where}.")
    return [read(item, where) for item in value]


def account(value: str) -> str:
    """An account's name in an address; what is none does not exist."""
    try:
        return str(identifiers.account(value))
    except (Rejected, UnicodeEncodeError):
        raise nothing_here() from None


def name(value: str) -> str:
    """The base64url name of a set, stream or bundle in an address; what is none does not exist."""
    if len(value) > MAX_NAME or not all(c.isascii() and (c.isalnum() or c in "-_") for c in value):
        raise nothing_here()
    return value


def number_argument(name: str, default: int, least: int, most: int, arguments: Mapping[str, str] | None = None) -> int:
    """A whole number of the query. Raises `Problem`."""
    given = (request.args if arguments is None else arguments).get(name)
    if given is None:
        return default
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 17 and least <= int(given) <= most):
        raise Problem("invalid", f"{name} must be a whole number from {least} to {most}.")
    return int(given)


def text_argument(name: str, limit: int = 1024) -> str:
    """A text of the query; empty where there is none. Raises `Problem`."""
    return text(request.args.get(name, ""), name, limit)


def word_argument(name: str, default: str, allowed: Callable[[str], bool]) -> str:
    """A word of the query. Raises `Problem`."""
    given = request.args.get(name, default)
    if not allowed(given):
        raise Problem("invalid", f"{name} is not one of the words that can stand here.")
    return given
