"""Bundles: searchset and collection from verbatim bodies, transactions in and out (https://hl7.org/fhir/R4/bundle.html).

A stored body is spliced in as it is, byte for byte; only the frame around it is written here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from fhir_profiles import paths
from fhir_profiles.definitions import resource_types
from fhir_profiles.problems import Problem

MAX_ENTRIES = 10_000

_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_LINKS = frozenset({"reference", "uri", "url", "valueUri", "valueUrl", "valueUuid"})
_HREF = re.compile(r"""((?:href|src)\s*=\s*["'])([^"']+)""")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Entry(NamedTuple):
    """An entry to send: where the resource is, its body verbatim, and why it is in a searchset (match, include)."""

    full_url: str | None
    resource: bytes
    mode: str = "match"


class Result(NamedTuple):
    """What became of one request of a transaction or batch: `status` such as `201 Created`; a body if one goes back."""

    status: str
    location: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    resource: bytes | None = None
    outcome: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One entry of a transaction or batch, taken apart.

    `index` is its place in the Bundle, where its answer belongs; `type` and `id` come from the URL, `query` is the text
    after its question mark (a condition for PUT and DELETE, a search for GET).
    """

    index: int
    method: str
    type: str | None
    id: str | None = None
    query: str | None = None
    full_url: str | None = None
    if_none_exist: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    resource: dict[str, Any] | None = field(default=None, repr=False)


def searchset(entries: Iterable[Entry], total: int | None, links: Mapping[str, str]) -> bytes:
    """A searchset. `links`: relation (`self`, `next`) → URL; no `total` where it is `None`."""
    frame: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        frame["total"] = total
    if links:
        frame["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    return _framed(frame, (_spliced(entry, {"search": {"mode": entry.mode}}) for entry in entries))


def collection(entries: Iterable[Entry]) -> bytes:
    """A collection; the modes of the entries do not matter."""
    return _framed({"resourceType": "Bundle", "type": "collection"}, (_spliced(entry, {}) for entry in entries))


def response(kind: str, results: Iterable[Result]) -> bytes:
    """A `transaction-response` or `batch-response`, its entries in the order of the request's."""
    frame = {"resourceType": "Bundle", "type": kind}
    return _framed(frame, (_spliced(Entry(None, each.resource or b""), _answer(each)) for each in results))


def _answer(result: Result) -> dict[str, Any]:
    members = {
        "status": result.status,
        "location": result.location,
        "etag": result.etag,
        "lastModified": result.last_modified,
        "outcome": result.outcome,
    }
    return {"response": {name: value for name, value in members.items() if value is not None}}


def _framed(frame: Mapping[str, Any], entries: Iterator[bytes]) -> bytes:
    joined = b",".join(entries)
    head = orjson.dumps(frame)[:-1]
    return head + (b',"entry":[' + joined + b"]}" if joined else b"}")


def _spliced(entry: Entry, rest: Mapping[str, Any]) -> bytes:
    members = [b'"fullUrl":' + orjson.dumps(entry.full_url)] if entry.full_url is not None else []
    members += [b'"resource":' + entry.resource] if entry.resource else []
    members += [orjson.dumps(name) + b":" + orjson.dumps(value) for name, value in rest.items()]
    return b"{" + b",".join(members) + b"}"


def transaction_entries(bundle: Mapping[str, Any]) -> list[Request]:
    """The requests of a checked transaction or batch in the order of processing: DELETE, POST, PUT and PATCH, GET.

    (https://hl7.org/fhir/R4/http.html#trules) Raises `Problem`: `invalid` for another kind of Bundle or a request that
    does not fit its resource, and in a transaction for two requests that change the same resource; `not-supported` for
    a version or an operation; `too-large`.
    """
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in {"transaction", "batch"}:
        raise Problem("invalid", "the Bundle is no transaction and no batch", expression="Bundle.type")
    entries = bundle.get("entry", [])
    if len(entries) > MAX_ENTRIES:
        raise Problem("too-large", f"a Bundle may have {MAX_ENTRIES} entries", expression="Bundle.entry")
    requests = [_request(index, entry) for index, entry in enumerate(entries)]
    if kind == "transaction":
        _refuse_twice(requests)
    return sorted(requests, key=lambda request: _ORDER[request.method])


def _request(index: int, entry: Mapping[str, Any]) -> Request:
    request = entry.get("request", {})
    method, place = request.get("method"), f"Bundle.entry[{index}].request"
    path, _, query = str(request.get("url", "")).partition("?")
    parts = path.strip("/").split("/") if path.strip("/") else []
    resource = entry.get("resource")
    if method not in _ORDER:
        raise Problem("invalid", "the method must be DELETE, POST, PUT, PATCH, GET or HEAD", expression=place)
    if method in {"POST", "PUT", "DELETE", "PATCH"}:
        _refuse_misfit(method, parts, query, resource, place)
    elif len(parts) > 2 or (len(parts) == 2 and not _ID.fullmatch(parts[1])):
        detail = "a GET names a type, or a type and an id: versions and operations are not served within a Bundle"
        raise Problem("not-supported", detail, expression=place + ".url")
    return Request(
        index,
        method,
        parts[0] if parts else None,
        parts[1] if len(parts) > 1 else None,
        query or None,
        entry.get("fullUrl"),
        request.get("ifNoneExist"),
        request.get("ifMatch"),
        request.get("ifNoneMatch"),
        resource,
    )


def _refuse_misfit(method: str, parts: list[str], query: str, resource: Any, place: str) -> None:
    """A change names a type of R4 that is its resource's, and an id or a condition where it needs one."""
    if not parts or parts[0] not in resource_types() or len(parts) > 2:
        raise Problem("invalid", "the URL must name a resource type, and at most an id", expression=place + ".url")
    if len(parts) == 2 and not _ID.fullmatch(parts[1]):
        raise Problem("invalid", "the URL holds no id of FHIR", expression=place + ".url")
    if method == "POST" and (len(parts) == 2 or query):
        raise Problem("invalid", "a POST names a type only", expression=place + ".url")
    if method != "POST" and (len(parts) == 2) == bool(query):
        raise Problem("invalid", f"a {method} names an id or a condition", expression=place + ".url")
    if method in {"POST", "PUT"}:
        if not isinstance(resource, dict) or resource.get("resourceType") != parts[0]:
            raise Problem("invalid", f"a {method} needs a resource of the type of its URL", expression=place)
        if method == "PUT" and len(parts) == 2 and resource.get("id") != parts[1]:
            raise Problem("invalid", "the resource must have the id of the URL", expression=place + ".url")


def _refuse_twice(requests: Iterable[Request]) -> None:
    seen: set[tuple[str | None, str]] = set()
    for request in requests:
        if request.method in {"PUT", "PATCH", "DELETE"} and request.id is not None:
            if (request.type, request.id) in seen:
                place = f"Bundle.entry[{request.index}]"
                raise Problem("invalid", "a transaction may change a resource once", expression=place)
            seen.add((request.type, request.id))


def conditional_references(resource: Any) -> set[str]:
    """The references of a resource that name a condition instead of an id (`Patient?identifier=…`)."""
    if isinstance(resource, dict):
        own = resource.get("reference")
        found = {own} if isinstance(own, str) and _is_conditional(own) else set()
        return found.union(*(conditional_references(each) for each in resource.values()))
    return set().union(*(conditional_references(each) for each in resource)) if isinstance(resource, list) else set()


def _is_conditional(reference: str) -> bool:
    kind, mark, _ = reference.partition("?")
    return bool(mark) and kind in resource_types()


def places(requests: Iterable[Request], ids: Mapping[int, str]) -> dict[str, str]:
    """Where the entries of a transaction went: their fullUrl, and its relative form, → `Type/id`.

    `ids`: index of a request → the id that its resource got or has.
    """
    found = {}
    for request in requests:
        if request.full_url is not None and request.index in ids:
            place = f"{request.type}/{ids[request.index]}"
            found[request.full_url] = place
            kind, old = paths.target(request.full_url)
            if kind is not None and request.method == "POST":
                found[f"{kind}/{old}"] = place
    return found


def resolved(resource: Any, where: Mapping[str, str], find: Callable[[str], str] | None = None) -> Any:
    """A copy of a resource in which links to other entries lead to their `places`; the resource stays as it was.

    Links are references, elements of type uri and url, and the narrative's `href` and `src`. `find` turns a conditional
    reference into `Type/id`, or raises `Problem` (none or several found). Without it such a reference is refused.
    """
    if isinstance(resource, list):
        return [resolved(each, where, find) for each in resource]
    if not isinstance(resource, dict):
        return resource
    return {name: _resolved_member(name, value, where, find) for name, value in resource.items()}


def _resolved_member(name: str, value: Any, where: Mapping[str, str], find: Callable[[str], str] | None) -> Any:
    if not isinstance(value, str):
        return resolved(value, where, find)
    if name == "reference" and _is_conditional(value):
        if find is None:
            raise Problem("invalid", "a reference with a condition is understood in a transaction only")
        return find(value)
    if name in _LINKS:
        target, mark, fragment = value.partition("#")
        return where[target] + mark + fragment if target in where else value
    if name == "div":
        return _HREF.sub(lambda found: found[1] + where.get(found[2], found[2]), value)
    return value
