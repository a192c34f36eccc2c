"""The FHIR interactions, one function each; routes and entries of a batch both end here.

Each begins with the paragraph of the specification that it implements.
"""

import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any
from urllib.parse import parse_qsl, urlencode

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.answers import Answer, written
from connectors.gateway.change import Change
from connectors.gateway.links import PAGE, Args, Links
from connectors.gateway.negotiation import Return, versions
from connectors.gateway.records import Stored, instant, microseconds
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope
from consent.purposes import purposes_above
from fhir_profiles import bundles, capability, definitions, resources, search
from fhir_profiles.bundles import Entry
from fhir_profiles.problems import Problem

SERVED_SINCE = datetime(2026, 11, 23, tzinfo=UTC)
"""When what the CapabilityStatement says last changed."""

SUMMARY = "_summary"
NOT_SEARCHED = ("_format", "_pretty", PAGE)
"""Arguments that are not criteria."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the interactions work with. `standalone`: there is no hub, and everything may be written.

    `auth`: programs are asked who they are and keep to their scopes; standalone without it nobody is asked.
    """

    store: Store
    links: Links
    base_url: str
    standalone: bool
    auth: bool = False


def prepare() -> None:
    """Build the checks and index paths of all types now, by one thread, rather than with the first requests."""
    for type_ in sorted(definitions.resource_types()):
        search.parameters(type_)
        with suppress(Problem):
            resources.check({"resourceType": type_})


def capabilities(gateway: Gateway) -> Answer:
    """https://hl7.org/fhir/R4/http.html#capabilities: what is served, and nothing else."""
    return Answer(200, _statement(gateway.base_url, gateway.standalone, gateway.auth))


@cache
def _statement(base_url: str, standalone: bool, auth: bool) -> bytes:
    interactions: tuple[str, ...] = ("read", "search-type")
    features: dict[str, Any] = {"conditionalRead": "not-match"}
    if standalone:
        interactions = ("read", "update", "delete", "create", "search-type")
        features |= {"versioning": "versioned", "updateCreate": True, "conditionalCreate": True}
    types = [
        capability.Served(type_, interactions, tuple(search.parameters(type_)), features=features)
        for type_ in definitions.resource_types()
    ]
    statement = capability.statement(
        url=base_url,
        software="Obhut gateway",
        version=_version(),
        date=SERVED_SINCE,
        types=types,
        interactions=("transaction", "batch"),
        security=_security(base_url, standalone, auth),
    )
    return resources.dump(statement)


def _security(base_url: str, standalone: bool, auth: bool) -> dict[str, Any] | None:
    if auth:
        return capability.smart(token_endpoint(base_url), "Programs sign in by SMART Backend Services.")
    return None if standalone else {"description": "Bearer tokens of the people of the house."}


def token_endpoint(base_url: str) -> str:
    """Where programs ask for tokens, beside the FHIR base."""
    return base_url.removesuffix("/fhir") + "/oauth/token"


def _version() -> str:
    try:
        return metadata.version("obhut")
    except metadata.PackageNotFoundError:  # run from the sources
        return "0"


def read(
    gateway: Gateway,
    type_: str,
    id_: str,
    reader: Reader | None,
    none_match: str | None = None,
    change: Change | None = None,
) -> Answer:
    """https://hl7.org/fhir/R4/http.html#read and #cread (If-None-Match)."""
    served(type_)
    stored = gateway.store.read(type_, id_, _scope(reader), change)
    if stored is None:
        raise Problem("not-found", "There is no such resource.")
    if stored.deleted:
        raise Problem("gone", "This resource has been deleted.")
    if reader is not None:
        access.report(gateway.store.database, reader, type_, {stored.owner: 1})
    if none_match is not None and set(versions(none_match)) & {"*", str(stored.version)}:
        return Answer(304, b"", stored)
    return Answer(200, stored.body, stored)


def search_type(
    gateway: Gateway, type_: str, args: Args, reader: Reader | None, change: Change | None = None
) -> Answer:
    """https://hl7.org/fhir/R4/http.html#search: one page of matches as a searchset Bundle."""
    served(type_)
    after = None
    own_link = urlencode(args)
    tokens = [value for name, value in args if name == PAGE]
    if tokens:
        args, after = gateway.links.read(type_, tokens[0])
    query, counting = _query(gateway, type_, args)
    if not tokens:
        own_link = urlencode(query.used)
    scope = _scope(reader)
    links = {"self": f"{gateway.base_url}/{type_}" + ("?" + own_link if own_link else "")}
    if counting:
        numbers = gateway.store.count(query, scope, change)
        _report(gateway, reader, type_, numbers)
        return Answer(200, bundles.searchset([], sum(numbers.values()), links))
    page = gateway.store.search(query, scope, after, change)
    _report(gateway, reader, type_, Counter(stored.owner for stored in page.matches))
    if page.after is not None:
        links["next"] = f"{gateway.base_url}/{type_}?{PAGE}={gateway.links.write(type_, args, page.after)}"
    entries = (Entry(f"{gateway.base_url}/{type_}/{stored.id}", stored.body) for stored in page.matches)
    return Answer(200, bundles.searchset(entries, page.total, links))


def _query(gateway: Gateway, type_: str, args: Args) -> tuple[search.Query, bool]:
    """The search that the arguments mean, and whether only its total is wanted."""
    summaries = {value for name, value in args if name == SUMMARY}
    if not summaries <= {"count", "false"}:
        raise Problem("not-supported", "Of _summary only count is served here.")
    query = search.parse(type_, args, other=(*NOT_SEARCHED, SUMMARY), base=gateway.base_url)
    return query, "count" in summaries or query.count == 0


def create(gateway: Gateway, type_: str, resource: dict[str, Any], if_none_exist: str | None, wanted: Return) -> Answer:
    """https://hl7.org/fhir/R4/http.html#create and #ccreate (If-None-Exist)."""
    served(type_)
    condition = criteria(gateway, type_, if_none_exist) if if_none_exist is not None else None
    checked(type_, resource)
    with gateway.store.change() as change:
        if condition is not None:
            change.alone([conditional_lock(type_)])
            found = matched(gateway.store, change, condition)
            if found is not None:
                return written(found, False, wanted, existed=True)
        stored = add(change, resource, str(uuid.uuid4()))
    return written(stored, True, wanted)


def update(
    gateway: Gateway, type_: str, id_: str, resource: dict[str, Any], if_match: str | None, wanted: Return
) -> Answer:
    """https://hl7.org/fhir/R4/http.html#update, #upsert (creates under the client's id) and #concurrency (If-Match)."""
    served(type_)
    named(resource, id_)
    checked(type_, resource)
    with gateway.store.change() as change:
        change.alone([f"{type_}/{id_}"])
        stored, created = put(change, resource, if_match)
    return written(stored, created, wanted)


def delete(gateway: Gateway, type_: str, id_: str, if_match: str | None) -> Answer:
    """https://hl7.org/fhir/R4/http.html#delete: the id stays known as deleted; deleting twice changes nothing."""
    served(type_)
    with gateway.store.change() as change:
        change.alone([f"{type_}/{id_}"])
        bury(change, type_, id_, if_match)
    return Answer(204)


# Parts that transactions share


def served(type_: str) -> None:
    """Raises `Problem(not-found)` for what is no resource type of R4, https://hl7.org/fhir/R4/http.html#create."""
    if type_ not in definitions.resource_types():
        raise Problem("not-found", "This is no resource type of FHIR R4.")


def checked(type_: str, resource: dict[str, Any]) -> None:
    """Raises `Problem` unless the resource is of the type and R4."""
    if resource.get("resourceType") != type_:
        raise Problem("invalid", "The resource is not of the type that the address names.", expression="resourceType")
    resources.check(resource)


def named(resource: dict[str, Any], id_: str) -> None:
    """Raises `Problem(invalid)` unless the resource carries the id of its address."""
    if resource.get("id") != id_:
        raise Problem("invalid", "The resource must carry the id that the address names.", expression="id")


def criteria(gateway: Gateway, type_: str, text: str) -> search.Query:
    """The search of a conditional interaction. Raises `Problem` for one that names no criterion."""
    args = parse_qsl(text.removeprefix("?"), keep_blank_values=True)
    query = search.parse(type_, args, other=NOT_SEARCHED, base=gateway.base_url)
    if not query.criteria:
        raise Problem("invalid", "The condition names nothing to look for.")
    return query


def conditional_lock(type_: str) -> str:
    """The name that conditional creates of a type hold, so that of several at once one creates."""
    return f"conditional {type_}"


def matched(store: Store, change: Change, condition: search.Query) -> Stored | None:
    """The one resource that meets the condition, or none. Raises `Problem(multiple-matches)`."""
    found = store.find(change, condition)
    if len(found) > 1:
        raise Problem("multiple-matches", "The condition is met by more than one resource.")
    return found[0] if found else None


def add(change: Change, resource: dict[str, Any], id_: str) -> Stored:
    """Put a new resource under a new id."""
    return _versioned(change, resource | {"id": id_}, None)


def put(change: Change, resource: dict[str, Any], if_match: str | None) -> tuple[Stored, bool]:
    """Put a resource under its own id; the second value says whether it was created. Raises `Problem(precondition)`."""
    before = change.find_house(resource["resourceType"], resource["id"])
    _match(before, if_match)
    return _versioned(change, resource, before), before is None or before.deleted


def bury(change: Change, type_: str, id_: str, if_match: str | None) -> None:
    """Delete what is there. Raises `Problem(precondition)`."""
    before = change.find_house(type_, id_)
    _match(before, if_match)
    if before is not None and not before.deleted:
        change.bury(before, microseconds())


def _match(before: Stored | None, if_match: str | None) -> None:
    if if_match is None:
        return
    here = before is not None and not before.deleted
    if not here or not set(versions(if_match)) & {"*", str(before.version if before else "")}:
        raise Problem("precondition", "The resource is not at the version that If-Match names.")


def _versioned(change: Change, resource: dict[str, Any], before: Stored | None) -> Stored:
    version = before.version + 1 if before is not None else 1
    updated = microseconds()
    meta = resource.get("meta", {}) | {"versionId": str(version), "lastUpdated": instant(updated)}
    resource = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": meta} | {
        name: value for name, value in resource.items() if name not in {"resourceType", "id", "meta"}
    }
    body = resources.dump(resource)
    if before is None:
        change.add(resource, body, version, updated)
    else:
        change.replace(before, resource, body, version, updated)
    return Stored(0, resource["resourceType"], resource["id"], version, updated, False, "", body)


def _scope(reader: Reader | None) -> Scope | None:
    if reader is None:
        return None
    return Scope(tuple(sorted(purposes_above(reader.purpose))), int(time.time()))


def _report(gateway: Gateway, reader: Reader | None, type_: str, numbers: Mapping[str, int]) -> None:
    if reader is not None:
        access.report(gateway.store.database, reader, type_, numbers)
