"""The FHIR interactions and the CapabilityStatement, one function each; routes and entries of a batch both end here.

Each begins with the paragraph of the specification that it implements.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Connection

from connectors.gateway import access, audit, emergency
from connectors.gateway.access import Reader
from connectors.gateway.answers import Answer, written
from connectors.gateway.change import Change
from connectors.gateway.linking import asked_about, is_obhut, known_as, widened
from connectors.gateway.links import LONGEST_LINK, PAGE, Args, Links
from connectors.gateway.negotiation import Return, versions
from connectors.gateway.records import Page, Stored
from connectors.gateway.references import check_query, without_refused
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope, scope
from connectors.gateway.writing import Writing
from consent.purposes import within
from fhir_profiles import bundles, capability, definitions, resources, search
from fhir_profiles.bundles import Entry
from fhir_profiles.problems import Problem

SERVED_SINCE = datetime(2026, 11, 26, tzinfo=UTC)
"""When what the CapabilityStatement says last changed."""

SECURITY = "Bearer tokens of the people of the house; writing needs one that was made for it."
DESCRIPTION = (
    "The record of one house: what patients have granted to it, what it writes about them, and what is its own. About"
    " an Obhut patient (Patient/p-…, or a Patient of the house that is linked to one) the house writes while she"
    " permits it; all other resources stay in the house. What another author wrote can be read, not changed."
)
SUMMARY = "_summary"
NOT_SEARCHED = ("_format", "_pretty", PAGE)
"""Arguments that are not criteria."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the interactions work with. `standalone`: there is no hub, and everything may be written.

    `auth`: programs are asked who they are and keep to their scopes; standalone without it nobody is asked. `clock`
    gives Unix seconds.
    """

    store: Store
    links: Links
    base_url: str
    standalone: bool
    auth: bool = False
    clock: Callable[[], float] = time.time

    @property
    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())


@cache
def prepare() -> None:
    """Build the checks and index paths of all types now, by one thread, rather than with the first requests.

    What is forked afterwards has them, and builds nothing.
    """
    for type_ in sorted(definitions.resource_types()):
        search.parameters(type_)
        with suppress(Problem):
            resources.check({"resourceType": type_})


def capabilities(gateway: Gateway) -> Answer:
    """https://hl7.org/fhir/R4/http.html#capabilities: what is served, and nothing else."""
    return Answer(200, _statement(gateway.base_url, gateway.standalone, gateway.auth))


@cache
def _statement(base_url: str, standalone: bool, auth: bool) -> bytes:
    types = [
        audit.served() if type_ == audit.TYPE and not standalone else _type(type_, base_url, standalone)
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
        description=None if standalone else DESCRIPTION,
    )
    return resources.dump(statement)


def _type(type_: str, base_url: str, standalone: bool) -> capability.Served:
    features = {
        "conditionalRead": "not-match", "versioning": "versioned", "updateCreate": True, "conditionalCreate": True
    }  # fmt: skip
    return capability.Served(
        type_,
        ("read", "update", "delete", "create", "search-type"),
        tuple(search.parameters(type_)),
        features=features | ({} if standalone or type_ != "Patient" else _operations(base_url)),
    )


def _operations(base_url: str) -> dict[str, Any]:
    name = emergency.OPERATION
    return {"operation": [{"name": name, "definition": f"{base_url}/OperationDefinition/{name}"}]}


def _security(base_url: str, standalone: bool, auth: bool) -> dict[str, Any] | None:
    if auth:
        return capability.smart(token_endpoint(base_url), "Programs sign in by SMART Backend Services.")
    return None if standalone else {"description": SECURITY}


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
    audit.check_reader(reader, type_)
    stored = gateway.store.read(type_, id_, _scope(gateway, reader), change)
    if stored is None:
        if type_ == "Patient" and is_obhut(id_):
            _report(gateway, reader, type_, {}, lambda connection: known_as(connection, id_), f"{type_}/{id_}")
        raise Problem("not-found", "There is no such resource.")
    if stored.deleted:
        raise Problem("gone", "This resource has been deleted.")
    if reader is not None:
        access.report(gateway.store.database, reader, type_, {stored.owner: 1}, gateway.now, f"{type_}/{id_}")
    if none_match is not None and set(versions(none_match)) & {"*", str(stored.version)}:
        return Answer(304, b"", stored)
    return Answer(200, stored.body, stored)


def search_type(
    gateway: Gateway,
    type_: str,
    args: Args,
    reader: Reader | None,
    change: Change | None = None,
    *,
    lenient: bool = False,
) -> Answer:
    """https://hl7.org/fhir/R4/http.html#search: one page of matches as a searchset Bundle. `lenient`: see `parse`."""
    served(type_)
    audit.check_reader(reader, type_)
    after = None
    own_link = urlencode(args)
    tokens = [value for name, value in args if name == PAGE]
    if tokens:
        args, after = gateway.links.read(type_, tokens[0])
    query, summaries = _query(gateway, type_, args, lenient)
    if not tokens:
        own_link = urlencode([*query.used, *((SUMMARY, each) for each in summaries)])
    seen = _scope(gateway, reader)
    links = {"self": f"{gateway.base_url}/{type_}" + ("?" + own_link if own_link else "")}
    address = f"{type_}?{urlencode(args)}"
    if "count" in summaries or query.count == 0:
        numbers = gateway.store.count(query, seen, change)
        _report(gateway, reader, type_, numbers, lambda connection: asked_about(connection, query), address)
        return Answer(200, bundles.searchset([], sum(numbers.values()), links))
    page = gateway.store.search(query, seen, after, change)
    if page.after is not None:
        links["next"] = _next(gateway, query, page.after)
    found = Counter(stored.owner for stored in page.matches)
    begins = after is None
    _report(gateway, reader, type_, found, lambda connection: asked_about(connection, query) if begins else (), address)
    entries = (Entry(_full_url(gateway, each, page), each.body) for each in page.matches)
    return Answer(200, bundles.searchset(entries, page.total, links))


def _next(gateway: Gateway, query: search.Query, after: tuple[object, ...]) -> str:
    """The link to the page behind `after`. Raises `Problem(too-large)` where nobody could follow it."""
    link = f"{gateway.base_url}/{query.type}?{PAGE}={gateway.links.write(query.type, list(query.used), after)}"
    if len(link) > LONGEST_LINK:
        detail = (
            "The search has more than a page, and is too long for a link to the next: ask for less, or raise _count."
        )
        raise Problem("too-large", detail)
    return link


def _full_url(gateway: Gateway, stored: Stored, page: Page) -> str:
    """The address of a match, https://hl7.org/fhir/R4/bundle.html#invs (bdl-7); one that leads nowhere, rather than to
    another patient's."""
    if stored.rid in page.elsewhere:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{stored.owner}/{stored.type}/{stored.id}").urn
    return f"{gateway.base_url}/{stored.type}/{stored.id}"


def _query(gateway: Gateway, type_: str, args: Args, lenient: bool) -> tuple[search.Query, list[str]]:
    """The search that the arguments mean, and which summaries of it are wanted."""
    asked = [value for name, value in args if name == SUMMARY]
    summaries = [value for value in asked if value in {"count", "false"}]
    if summaries != asked and not lenient:
        raise Problem("not-supported", "Of _summary only count is served here.")
    query = search.parse(type_, args, other=(*NOT_SEARCHED, SUMMARY), lenient=lenient, base=gateway.base_url)
    if lenient and not gateway.standalone:
        query = without_refused(query)
    return _widened(gateway, query), summaries


def _widened(gateway: Gateway, query: search.Query) -> search.Query:
    """The search with both ids of patients whom the house has linked to their cards."""
    if gateway.standalone:
        return query
    check_query(query)
    with gateway.store.database.read() as connection:
        return widened(connection, query)


def declare(gateway: Gateway, id_: str, parameters: Mapping[str, Any], reader: Reader | None) -> Answer:
    """Patient/[id]/$emergency: the same answer whatever the patient allows, and whether the house knows her or not.

    https://hl7.org/fhir/R4/operations.html. Raises `Problem(busy)` where the patient's hub cannot be reached.
    """
    if reader is None:
        raise Problem("not-supported", "A plain server has no patient's hub, and so no emergency access.")
    resources.check(dict(parameters))
    code, text = emergency.reason_of(parameters)
    database = gateway.store.database
    emergency.await_answer(database, emergency.declare(database, reader, id_, code, text, gateway.now))
    return Answer(200, resources.dump(emergency.outcome()))


def operation(gateway: Gateway) -> Answer:
    """The OperationDefinition of what is served beside the interactions."""
    return Answer(200, resources.dump(emergency.definition(gateway.base_url)))


def create(
    gateway: Gateway,
    type_: str,
    resource: dict[str, Any],
    reader: Reader | None,
    if_none_exist: str | None,
    wanted: Return,
) -> Answer:
    """https://hl7.org/fhir/R4/http.html#create and #ccreate (If-None-Exist)."""
    served(type_)
    may_write(gateway, reader)
    condition = criteria(gateway, type_, if_none_exist) if if_none_exist is not None else None
    checked(type_, resource)
    with noted(gateway, reader, "create", type_), gateway.store.change() as change:
        if condition is not None:
            change.alone([conditional_lock(type_)])
            found = writing(gateway, change, reader).matched(condition)
            if found is not None:
                return written(found, False, wanted, existed=True)
        stored = writing(gateway, change, reader).add(resource, str(uuid.uuid4()))
    return written(stored, True, wanted)


def update(
    gateway: Gateway,
    type_: str,
    id_: str,
    resource: dict[str, Any],
    reader: Reader | None,
    if_match: str | None,
    wanted: Return,
    if_none_match: str | None = None,
) -> Answer:
    """https://hl7.org/fhir/R4/http.html#update, #upsert (creates under the client's id) and #concurrency (If-Match).

    `If-None-Match: *` (RFC 9110, 13.1.2) creates, and changes nothing.
    """
    served(type_)
    may_write(gateway, reader)
    named(resource, id_)
    checked(type_, resource)
    with noted(gateway, reader, "update", type_), gateway.store.change() as change:
        change.alone([f"{type_}/{id_}"])
        stored, created = writing(gateway, change, reader).put(resource, if_match, if_none_match)
    return written(stored, created, wanted)


def delete(gateway: Gateway, type_: str, id_: str, reader: Reader | None, if_match: str | None) -> Answer:
    """https://hl7.org/fhir/R4/http.html#delete: the id stays known as deleted; deleting twice changes nothing."""
    served(type_)
    may_write(gateway, reader)
    with noted(gateway, reader, "delete", type_), gateway.store.change() as change:
        change.alone([f"{type_}/{id_}"])
        writing(gateway, change, reader).bury(type_, id_, if_match)
    return Answer(204)


# Parts that transactions share


def served(type_: str) -> None:
    """Raises `Problem(not-found)` for what is no resource type of R4, https://hl7.org/fhir/R4/http.html#create."""
    if type_ not in definitions.resource_types():
        raise Problem("not-found", "This is no resource type of FHIR R4.")


def may_write(gateway: Gateway, reader: Reader | None) -> None:
    """Raises `Problem(forbidden)` unless the person may write."""
    if not gateway.standalone and not (reader is not None and reader.writes):
        raise Problem(
            "forbidden", "This token is for reading: `obhut gateway token create --write` makes one to write."
        )


def noted(gateway: Gateway, reader: Reader | None, action: str, type_: str) -> AbstractContextManager[None]:
    """Within this, what is refused to a person of the house goes into its audit."""
    return audit.refusals(gateway.store, reader, action, type_, gateway.clock)


def writing(gateway: Gateway, change: Change, reader: Reader | None) -> Writing:
    """What the person writes within a transaction."""
    return Writing(gateway.store, change, gateway.base_url, reader, _scope(gateway, reader))


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
    if type_ == audit.TYPE and not gateway.standalone:
        raise Problem("not-supported", "Nothing depends on the audit here.")
    query = search.parse(type_, args, other=NOT_SEARCHED, base=gateway.base_url)
    if not query.criteria:
        raise Problem("invalid", "The condition names nothing to look for.")
    return _widened(gateway, query)


def conditional_lock(type_: str) -> str:
    """The name that conditional creates of a type hold, so that of several at once one creates."""
    return f"conditional {type_}"


def _scope(gateway: Gateway, reader: Reader | None) -> Scope | None:
    if reader is None:
        return None
    treats = reader.person if within(reader.purpose, emergency.CARE) else ""
    return replace(scope(reader, gateway.store.house, gateway.now), person=treats)


def _report(
    gateway: Gateway,
    reader: Reader | None,
    type_: str,
    numbers: Mapping[str, int],
    asked: Callable[[Connection], Iterable[str]],
    address: str,
) -> None:
    """Note what was shown of whom; and of whom was `asked` and nothing shown, be it withheld or not there.

    Of the audit nothing: it holds no data of hers.
    """
    if reader is not None and type_ != audit.TYPE:
        with gateway.store.database.read() as connection:
            nothing = dict.fromkeys(asked(connection), 0)
        access.report(gateway.store.database, reader, type_, nothing | dict(numbers), gateway.now, address)
