"""Bundles of requests: a transaction is done whole or not at all, a batch entry by entry.

https://hl7.org/fhir/R4/http.html#transaction
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from connectors.gateway import fhir_api, rim
from connectors.gateway.access import Reader
from connectors.gateway.answers import Answer, written
from connectors.gateway.change import Change
from connectors.gateway.fhir_api import Gateway
from connectors.gateway.negotiation import Return
from connectors.gateway.permission import require_entry
from connectors.gateway.records import Stored, instant
from connectors.gateway.writing import Writing
from fhir_profiles import bundles, resources
from fhir_profiles.bundles import Request, Result
from fhir_profiles.problems import Issue, Problem
from fhir_profiles.scopes import Scopes

_UNRESOLVED = b'"reference":"urn:'


def process(
    gateway: Gateway, bundle: dict[str, Any], wanted: Return, reader: Reader | None, scopes: Scopes | None = None
) -> bytes:
    """Do what a batch or transaction asks; returns the Bundle of answers, in the order of the entries.

    `scopes` are those of the program that asks; `None` where none are asked for.
    """
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in {"batch", "transaction"}:
        raise Problem("invalid", "Send a Bundle of the type batch or transaction.", expression="Bundle.type")
    if kind == "transaction":
        resources.check(bundle)
        results = _transaction(gateway, bundle, wanted, reader, scopes)
    else:
        entries = bundle.get("entry", [])
        if not isinstance(entries, list) or len(entries) > bundles.MAX_ENTRIES:
            raise Problem("invalid", "Bundle.entry must be a list, and not too long.", expression="Bundle.entry")
        results = [_alone(gateway, place, entry, wanted, reader, scopes) for place, entry in enumerate(entries)]
    return bundles.response(f"{kind}-response", results)


def _alone(
    gateway: Gateway, place: int, entry: Any, wanted: Return, reader: Reader | None, scopes: Scopes | None
) -> Result:
    """One entry of a batch: its own request, its own transaction."""
    try:
        resources.check({"resourceType": "Bundle", "type": "batch", "entry": [entry]})
        [request] = bundles.transaction_entries({"resourceType": "Bundle", "type": "batch", "entry": [entry]})
        _refuse_unserved(gateway, request, reader)
        if scopes is not None:
            require_entry(scopes, request)
        return _result(gateway, _do(gateway, request, wanted, reader))
    except Problem as told:
        problem = told
    except Exception as failed:  # noqa: BLE001 - whoever is not told that the other entries are done repeats them
        problem = rim.defect(gateway.store.database, failed)
    outcome = _moved(problem, place).outcome()
    return Result(f"{problem.status} {HTTPStatus(problem.status).phrase}", outcome=outcome)


def _do(gateway: Gateway, request: Request, wanted: Return, reader: Reader | None) -> Answer:
    type_, id_, resource = request.type or "", request.id or "", request.resource or {}
    match request.method:
        case "POST":
            return fhir_api.create(gateway, type_, resource, reader, request.if_none_exist, wanted)
        case "PUT":
            matches = request.if_match, wanted, request.if_none_match
            return fhir_api.update(gateway, type_, id_, resource, reader, *matches)
        case "DELETE":
            return fhir_api.delete(gateway, type_, id_, reader, request.if_match)
    return _get(gateway, request, reader)


def _get(gateway: Gateway, request: Request, reader: Reader | None, change: Change | None = None) -> Answer:
    if request.id is not None:
        return fhir_api.read(gateway, request.type or "", request.id, reader, request.if_none_match, change)
    args = parse_qsl(request.query or "", keep_blank_values=True)
    return fhir_api.search_type(gateway, request.type or "", args, reader, change)


def _refuse_unserved(gateway: Gateway, request: Request, reader: Reader | None) -> None:
    if request.method not in {"DELETE", "POST", "PUT", "GET"}:
        raise Problem("not-supported", "This method is not served within a Bundle.")
    if request.method != "GET":
        fhir_api.may_write(gateway, reader)
    if request.method != "GET" and request.query is not None:
        raise Problem("not-supported", "Conditional updates and deletes are not served here.")
    if request.type is None:
        raise Problem("not-supported", "A request must name a resource type.")


# A transaction: identities first, so that entries can refer to each other; then the writes; then the reads


def _transaction(
    gateway: Gateway, bundle: dict[str, Any], wanted: Return, reader: Reader | None, scopes: Scopes | None
) -> list[Result]:
    requests = bundles.transaction_entries(bundle)
    for request in requests:
        with _naming(request.index):
            _refuse_unserved(gateway, request, reader)
            if scopes is not None:
                require_entry(scopes, request)
    writes = [request for request in requests if request.method != "GET"]
    answers: dict[int, Answer] = {}
    refused = fhir_api.noted(gateway, reader, "create", "Bundle") if writes else nullcontext()
    with refused, gateway.store.change() if writes else nullcontext() as change:
        if change is not None:
            answers |= _write_all(gateway, fhir_api.writing(gateway, change, reader), writes, wanted)
        for request in requests:
            if request.method == "GET":
                with _naming(request.index):
                    answers[request.index] = _get(gateway, request, reader, change)
    return [_result(gateway, answers[place]) for place in sorted(answers)]


def _write_all(gateway: Gateway, writing: Writing, writes: list[Request], wanted: Return) -> dict[int, Answer]:
    writing.change.alone(_locks(writes))
    found: dict[int, Stored] = {}
    ids = {request.index: request.id for request in writes if request.id is not None}
    first: dict[tuple[str | None, str], int] = {}
    for request in writes:
        if request.method != "POST":
            continue
        with _naming(request.index):
            match = _existing(gateway, writing, request)
        if match is not None:
            found[request.index] = match
        # Two entries that ask for the same thing unless it exists mean the same thing.
        leader = request.index
        if request.if_none_exist is not None:
            leader = first.setdefault((request.type, request.if_none_exist), request.index)
        ids[request.index] = match.id if match else ids.get(leader) or str(uuid.uuid4())
    places = bundles.places(writes, ids)
    answers: dict[int, Answer] = {}
    for request in _conditional_last(writes):
        with _naming(request.index):
            if request.index in found:
                answers[request.index] = written(found[request.index], False, wanted, existed=True)
            elif request.if_none_exist and first[request.type, request.if_none_exist] != request.index:
                answers[request.index] = Answer(200, location=f"{request.type}/{ids[request.index]}")
            else:
                settled = replace(request, id=ids[request.index], resource=_linked(gateway, writing, request, places))
                answers[request.index] = _write(writing, settled, wanted)
    writing.change.flush()
    return answers


def _locks(writes: list[Request]) -> Iterator[str]:
    for request in writes:
        if request.if_none_exist is not None:
            yield fhir_api.conditional_lock(request.type or "")
        elif request.id is not None:
            yield f"{request.type}/{request.id}"


def _existing(gateway: Gateway, writing: Writing, request: Request) -> Stored | None:
    if request.if_none_exist is None:
        return None
    condition = fhir_api.criteria(gateway, request.type or "", request.if_none_exist)
    return writing.matched(condition)


def _conditional_last(writes: list[Request]) -> list[Request]:
    """Resources whose references are searches come last: such a search may find what the others write."""
    return sorted(writes, key=lambda request: bool(bundles.conditional_references(request.resource)))


def _linked(gateway: Gateway, writing: Writing, request: Request, places: dict[str, str]) -> dict[str, Any] | None:
    def find(reference: str) -> str:
        type_, _, text = reference.partition("?")
        match = writing.matched(fhir_api.criteria(gateway, type_, text))
        if match is None:
            raise Problem("precondition", "A conditional reference finds nothing.")
        return places.setdefault(reference, f"{type_}/{match.id}")

    def cached(reference: str) -> str:
        return places.get(reference) or find(reference)

    linked: dict[str, Any] | None = bundles.resolved(request.resource, places, cached)
    return linked


def _write(writing: Writing, request: Request, wanted: Return) -> Answer:
    type_, id_, resource = request.type or "", request.id or "", request.resource or {}
    if request.method == "DELETE":
        writing.bury(type_, id_, request.if_match)
        return Answer(204)
    if request.method == "PUT":
        stored, created = writing.put(resource, request.if_match, request.if_none_match)
    else:
        stored, created = writing.add(resource, id_), True
    if _UNRESOLVED in stored.body:
        raise Problem("value", "A reference names an entry that is not in the Bundle.")
    return written(stored, created, wanted)


def _result(gateway: Gateway, answer: Answer) -> Result:
    return Result(
        f"{answer.status} {HTTPStatus(answer.status).phrase}",
        f"{gateway.base_url}/{answer.location}" if answer.location is not None else None,
        answer.version.etag if answer.version is not None else None,
        instant(answer.version.updated) if answer.version is not None else None,
        answer.body or None,
    )


@contextmanager
def _naming(place: int) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        raise _moved(problem, place) from None


def _moved(problem: Problem, place: int) -> Problem:
    """The same problem, its paths leading to the entry of the request's Bundle."""
    here = f"Bundle.entry[{place}]"

    def path(expression: str | None) -> str:
        if expression is None or not expression.startswith("Bundle.entry["):
            return here
        return here + expression.partition("]")[2]

    issues = [Issue(issue.code, f"{here}: {issue.detail}", path(issue.expression)) for issue in problem.issues]
    return Problem(problem.code, f"{here}: {problem.detail}", expression=path(problem.expression), issues=issues)
