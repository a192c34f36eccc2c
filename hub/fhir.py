"""Routes: the directory as FHIR R4 Organization, Endpoint and PractitionerRole.

https://hl7.org/fhir/R4/organization.html: the hub tells what it knows, and it knows organisations, not the people in
them; the PractitionerRole of an organisation stands for whoever acts in it.
"""

import hashlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Blueprint, Response, request
from sqlalchemy import Connection

from consent.identifiers import account
from consent.primitives import Rejected
from fhir_profiles import bundles, capability
from fhir_profiles import search as searching
from fhir_profiles.bundles import Entry
from fhir_profiles.capability import Served
from fhir_profiles.problems import Problem
from fhir_profiles.search import Criterion, IndexValue, Query, Token, fold
from hub import auth, wire
from hub.context import Hub, hub
from hub.organisations import read_whole
from hub.rights import nothing_here
from hub.states import Chains
from hub.store import directory as store
from hub.store.directory import Organisation, Search

MEDIA_TYPE = "application/fhir+json"
FORMATS = ("application/fhir+json", "application/json")
MAX_ID = 64
CHANGED = datetime(2026, 11, 28, tzinfo=UTC)
ACCOUNT_SYSTEM = "urn:obhut:account"
FINGERPRINT_SYSTEM = "urn:obhut:fingerprint"
EMERGENCY_ROOM = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
    "code": "ER",
    "display": "Emergency room",
}
FINGERPRINT_LETTERS = 32
PAGE, MAX_PAGE = 50, 200

pages = Blueprint("fhir", __name__, url_prefix="/fhir")


Rows = Callable[[Hub, Chains, Organisation, Criterion], list[IndexValue]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type: how one is built, and what it is found by, for each search parameter."""

    build: Callable[[Hub, Chains, Organisation], dict[str, Any]]
    search: Mapping[str, Rows]


def _id(home: Hub, acc: str) -> str:
    """An organisation's id here: its name; of one that is at home at another hub, its name and that hub's domain.

    Where that is too long for an id, it is a hash: of 64 digits, which no name has, and without a dot.
    """
    name = account(acc)
    plain = name.local if name.domain == home.config.domain else f"{name.local}.{name.domain}"
    return plain if len(plain) <= MAX_ID else hashlib.sha256(acc.encode()).hexdigest()


def _account(home: Hub, conn: Connection, ident: str) -> str:
    """The account that has an id; empty for what is none."""
    if len(ident) == MAX_ID and "." not in ident:
        return next((acc for acc in store.long_names(conn, MAX_ID) if _id(home, acc) == ident), "")
    local, _, domain = ident.partition(".")
    try:
        found = str(account(f"{local}@{domain or home.config.domain}"))
    except Rejected:
        return ""
    return found if _id(home, found) == ident else ""


def _organization(home: Hub, chains: Chains, organisation: Organisation) -> dict[str, Any]:
    provider = organisation.type != "service"
    coding = {
        "system": "http://terminology.hl7.org/CodeSystem/organization-type",
        "code": "prov" if provider else "other",
        "display": "Healthcare Provider" if provider else "Other",
    }
    types = [{"coding": [coding], "text": organisation.type}]
    if organisation.type == "emergency":
        types.append({"coding": [EMERGENCY_ROOM]})
    fingerprint = chains.account(organisation.acc).fingerprint
    whole = read_whole(organisation.part_of)
    return {
        "resourceType": "Organization",
        "id": _id(home, organisation.acc),
        "identifier": [
            {"system": ACCOUNT_SYSTEM, "value": organisation.acc},
            {"system": FINGERPRINT_SYSTEM, "value": fingerprint},
        ],
        "active": not chains.account(organisation.acc).closed,
        "type": types,
        "name": organisation.title,
        **({"partOf": {"reference": f"Organization/{_id(home, whole)}"}} if whole else {}),
        "endpoint": [{"reference": f"Endpoint/{_id(home, organisation.acc)}"}],
    }


def _endpoint(home: Hub, _: Chains, organisation: Organisation) -> dict[str, Any]:
    return {
        "resourceType": "Endpoint",
        "id": _id(home, organisation.acc),
        "status": "active",
        "connectionType": {"system": "urn:obhut:connection", "code": "messages", "display": "Sealed messages"},
        "managingOrganization": {"reference": f"Organization/{_id(home, organisation.acc)}"},
        "payloadType": [{"text": "Message sealed to the organisation's reading key"}],
        "address": f"{home.config.base_url}/v1/messages",
    }


def _role(home: Hub, chains: Chains, organisation: Organisation) -> dict[str, Any]:
    return {
        "resourceType": "PractitionerRole",
        "id": _id(home, organisation.acc),
        "active": not chains.account(organisation.acc).closed,
        "organization": {"reference": f"Organization/{_id(home, organisation.acc)}", "display": organisation.title},
        "code": [{"text": "Whoever acts for the organisation"}],
        "endpoint": [{"reference": f"Endpoint/{_id(home, organisation.acc)}"}],
    }


def _by_id(home: Hub, _: Chains, one: Organisation, __: Criterion) -> list[IndexValue]:
    return [IndexValue("_id", "token", code=_id(home, one.acc))]


def _by_identifier(_: Hub, chains: Chains, one: Organisation, criterion: Criterion) -> list[IndexValue]:
    """Account and fingerprint; the chain that tells this one is read only where it can be meant."""
    rows = [IndexValue("identifier", "token", ACCOUNT_SYSTEM, one.acc)]
    codes = (value.code if isinstance(value, Token) else None for value in criterion.values)
    if any(code is None or len(code) == FINGERPRINT_LETTERS for code in codes):
        rows.append(IndexValue("identifier", "token", FINGERPRINT_SYSTEM, chains.account(one.acc).fingerprint))
    return rows


def _by_name(_: Hub, __: Chains, one: Organisation, ___: Criterion) -> list[IndexValue]:
    return [IndexValue("name", "string", text=fold(one.title), exact=one.title)]


def _by_organization(home: Hub, _: Chains, one: Organisation, __: Criterion) -> list[IndexValue]:
    return [IndexValue("organization", "reference", "Organization", _id(home, one.acc))]


KINDS: Mapping[str, Kind] = {
    "Organization": Kind(_organization, {"_id": _by_id, "identifier": _by_identifier, "name": _by_name}),
    "Endpoint": Kind(_endpoint, {"_id": _by_id, "organization": _by_organization}),
    "PractitionerRole": Kind(_role, {"_id": _by_id, "organization": _by_organization}),
}
_CONTROLS = ("_count", "_format", "page")
"""Arguments that are no search parameters."""


@pages.get("/metadata")
def metadata() -> Response:
    """What is served here, and nothing else."""
    _acceptable()
    config = hub().config
    served = [Served(name, ("read", "search-type"), tuple(kind.search)) for name, kind in KINDS.items()]
    found = capability.statement(
        url=f"{config.base_url}/fhir", software="Obhut hub", version=importlib.metadata.version("obhut"), date=CHANGED,
        types=served, description=f"Directory of {config.title}", formats=("application/fhir+json", "json"),
        security=capability.smart(config.token_endpoint, "SMART Backend Services"),
    )  # fmt: skip
    return wire.answer(found, media_type=MEDIA_TYPE)


@pages.get("/<any(Organization, Endpoint, PractitionerRole):name>/<ident>")
def read(name: str, ident: str) -> Response:
    """One resource."""
    _acceptable()
    auth.caller(f"system/{name}.rs")
    home = hub()
    with home.db.read() as conn:
        acc = _account(home, conn, ident)
        found = store.organisation(conn, acc) if acc else None
        if found is None:
            raise nothing_here()
        resource = KINDS[name].build(home, home.chains(conn), found)
    return wire.answer(resource, media_type=MEDIA_TYPE)


@pages.get("/<any(Organization, Endpoint, PractitionerRole):name>")
def search(name: str) -> Response:
    """A searchset, by account."""
    _acceptable()
    auth.caller(f"system/{name}.rs")
    home, kind = hub(), KINDS[name]
    base = f"{home.config.base_url}/fhir"
    query = searching.parse(name, request.args.items(multi=True), offered=kind.search, other=_CONTROLS, base=base)
    if query.sort or query.total or any(one.param not in kind.search for one in query.criteria):
        raise Problem("not-supported", "A search parameter is not served here.")
    count, after = wire.number_argument("_count", PAGE, 0, MAX_PAGE), wire.text_argument("page")
    url = f"{base}/{name}"
    with home.db.read() as conn:
        chains = home.chains(conn)
        found, total = _found(home, chains, query, after, count)
        entries = [Entry(f"{url}/{_id(home, one.acc)}", orjson.dumps(kind.build(home, chains, one))) for one in found]
    links = {"self": _link(url, request.args.items(multi=True))}
    if found and len(found) == count and total > count:
        asked = [(name, value) for name, value in request.args.items(multi=True) if name != "page"]
        links["next"] = _link(url, [*asked, ("page", found[-1].acc)])
    return Response(bundles.searchset(entries, total, links), content_type=MEDIA_TYPE)


def _link(url: str, arguments: Iterable[tuple[str, str]]) -> str:
    said = urlencode(list(arguments))
    return f"{url}?{said}" if said else url


def _found(home: Hub, chains: Chains, query: Query, after: str, count: int) -> tuple[list[Organisation], int]:
    """So many organisations behind an account that fit a query, and how many fit in all."""
    if not query.criteria:
        return store.organisations_found(chains.conn, Search(), after, count)
    every, _ = store.organisations_found(chains.conn, Search(), "", None)
    search = KINDS[query.type].search
    fitting = [
        one
        for one in every
        if all(searching.satisfies(search[each.param](home, chains, one, each), each) for each in query.criteria)
    ]
    behind = sorted((one for one in fitting if one.acc > after), key=lambda one: one.acc)
    return behind[:count], len(fitting)


def _acceptable() -> None:
    """Only JSON is served. Raises `Problem(not-acceptable)`."""
    asked = request.args.get("_format")
    asked = asked and asked.replace(" ", "+")  # a plus that the client did not escape arrives as a space
    if asked is not None and asked not in ("json", *FORMATS):
        raise Problem("not-acceptable", "Only JSON is served here.")
    if asked is None and request.accept_mimetypes and not request.accept_mimetypes.best_match(FORMATS):
        raise Problem("not-acceptable", "Only JSON is served here.")
