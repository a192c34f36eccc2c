"""Routes: the directory as FHIR R4 Organization, Endpoint and PractitionerRole.

https://hl7.org/fhir/R4/organization.html: the hub tells what it knows, and it knows organisations, not the people in
them; the PractitionerRole of an organisation stands for whoever acts in it.
"""

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Blueprint, Response, request

from consent.identifiers import Account, account
from fhir_profiles import bundles, capability
from fhir_profiles.bundles import Entry
from fhir_profiles.capability import Served
from fhir_profiles.problems import Problem
from hub import auth, wire
from hub.context import Hub, hub
from hub.organisations import read_whole
from hub.rights import nothing_here
from hub.states import Chains
from hub.store import directory as store
from hub.store.directory import Organisation, Search

MEDIA_TYPE = "application/fhir+json"
FORMATS = ("application/fhir+json", "application/json")
CHANGED = datetime(2026, 11, 1, tzinfo=UTC)
ACCOUNT_SYSTEM = "urn:obhut:account"
FINGERPRINT_SYSTEM = "urn:obhut:fingerprint"
EMERGENCY_ROOM = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
    "code": "ER",
    "display": "Emergency room",
}
PAGE, MAX_PAGE = 50, 200

pages = Blueprint("fhir", __name__, url_prefix="/fhir")


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type: how one is built, and by what it is searched."""

    build: Callable[[Hub, Chains, Organisation], dict[str, Any]]
    search: tuple[str, ...]


def _id(home: Hub, acc: str) -> str:
    """An organisation's id here: its name; of one that is at home at another hub, its name and that hub's domain."""
    name = account(acc)
    return name.local if name.domain == home.config.domain else f"{name.local}.{name.domain}"


def _account(home: Hub, ident: str) -> str:
    """The account that has an id; whatever else is asked for has none."""
    local, _, domain = ident.partition(".")
    return str(Account(local, domain or home.config.domain))


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


KINDS: Mapping[str, Kind] = {
    "Organization": Kind(_organization, ("_id", "identifier", "name")),
    "Endpoint": Kind(_endpoint, ("_id", "organization")),
    "PractitionerRole": Kind(_role, ("_id", "organization")),
}
_CONTROLS = ("_count", "_format", "page")


@pages.get("/metadata")
def metadata() -> Response:
    """What is served here, and nothing else."""
    _acceptable()
    config = hub().config
    served = [Served(name, ("read", "search-type"), kind.search) for name, kind in KINDS.items()]
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
        found = store.organisation(conn, _account(home, ident))
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
    wanted = _search(home, kind)
    count = wire.number_argument("_count", PAGE, 0, MAX_PAGE)
    base = f"{home.config.base_url}/fhir/{name}"
    with home.db.read() as conn:
        found, total = store.organisations_found(conn, wanted, request.args.get("page", ""), count)
        chains = home.chains(conn)
        entries = [Entry(f"{base}/{_id(home, one.acc)}", orjson.dumps(kind.build(home, chains, one))) for one in found]
    links = {"self": _link(base, dict(request.args))}
    if found and len(found) == count and total > count:
        links["next"] = _link(base, {**request.args, "page": found[-1].acc})
    return Response(bundles.searchset(entries, total, links), content_type=MEDIA_TYPE)


def _link(base: str, arguments: Mapping[str, str]) -> str:
    return f"{base}?{urlencode(arguments)}" if arguments else base


def _search(home: Hub, kind: Kind) -> Search:
    """The search that the query asks for. Raises `Problem(not-supported)` for a parameter that is not served."""
    given = request.args
    for name in given:
        if name not in (*kind.search, *_CONTROLS) or len(given.getlist(name)) > 1:
            raise Problem("not-supported", "A search parameter is not served here, or not more than once.")
    accounts = []
    if "_id" in given:
        accounts.append(_account(home, given["_id"]))
    if "organization" in given:
        local = given["organization"].removeprefix("Organization/")
        accounts.append(_account(home, local))
    if "identifier" in given:
        system, bar, value = given["identifier"].rpartition("|")
        accounts.append(value if not bar or system == ACCOUNT_SYSTEM else "-")
    if len(set(accounts)) > 1:
        accounts = ["-"]
    return Search(acc=accounts[0] if accounts else "", title=given.get("name", ""))


def _acceptable() -> None:
    """Only JSON is served. Raises `Problem(not-acceptable)`."""
    asked = request.args.get("_format")
    if asked is not None and asked not in ("json", *FORMATS):
        raise Problem("not-acceptable", "Only JSON is served here.")
    if asked is None and request.accept_mimetypes and not request.accept_mimetypes.best_match(FORMATS):
        raise Problem("not-acceptable", "Only JSON is served here.")
