"""The directory, as JSON and as FHIR."""

import re
from dataclasses import replace

import orjson
import pytest

from consent.keys import SigningKey
from consent.primitives import b64
from fhir_profiles import resources
from hub.peers import Peer
from hub.store import directory
from tests.hub.test_console import opened

ALL = ["klinik", "praxis-sonne", "waage"]


@pytest.fixture
def place(town):
    """Three organisations and one that was admitted and has not come."""
    houses = [
        town.organisation("praxis-sonne", "Praxis Dr. Sönnichsen"),
        town.organisation("klinik", "Klinik am Ring", "hospital"),
        town.organisation("waage", "Waage 100%_", "service"),
    ]
    with town.hub.db.write() as tx:
        directory.admit(tx, "spaeter@hub-a.example.org", "Später", "care", "x")
    return houses


def names(answer):
    return [one["account"].partition("@")[0] for one in answer.json["organisations"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [("", ["klinik", "praxis-sonne", "waage"]), ("klin ring", ["klinik"]), ("praxis ring", []), ("%", ["waage"]),
     ("_", ["waage"]), ("PRAXIS", ["praxis-sonne"]), ("spät", [])],
)  # fmt: skip
def test_organisations_are_found_by_words(town, place, query, found):
    """Every word must occur in title or account; wildcards are letters like others."""
    assert names(town.get("/v1/directory", place[0], q=query)) == found


def test_an_entry_has_the_public_keys(town, place):
    """Fingerprint and reading key as in the account's chain."""
    (entry,) = town.get("/v1/directory", place[1], q="sonne").json["organisations"]
    assert entry["fingerprint"] == place[0].state.fingerprint
    assert entry["reading_key"] == place[0].state.reading_key()
    assert entry["type"] == "practice"


def test_a_ward_is_a_part_of_its_hospital(town, place):
    """As JSON by account, as FHIR by reference."""
    with town.hub.db.write() as tx:
        directory.admit(tx, place[0].account, "Station 3", "hospital", "x", place[1].account)
    (entry,) = town.get("/v1/directory", place[1], q="station").json["organisations"]
    assert entry["part_of"] == place[1].account
    ward = town.get("/fhir/Organization/praxis-sonne", place[1]).json
    assert ward["partOf"] == {"reference": "Organization/klinik"}
    assert "partOf" not in town.get("/fhir/Organization/klinik", place[1]).json
    resources.check(ward)


def test_an_entry_that_an_older_version_kept_breaks_no_page(town, place):
    """It took from other hubs whatever they said: such a type is shown as it is, and what is no account is left out."""
    other = "zahnarzt@hub-b.example.org"
    with town.hub.db.write() as tx:
        directory.put_organisation(tx, directory.Organisation(other, "Zahnarzt", "dental", "no account"), 1)
    (found,) = town.get("/fhir/Organization", place[0], identifier=other).json["entry"]
    assert "partOf" not in found["resource"]
    assert "dental" in opened(town)[1].text


@pytest.mark.parametrize("name", ["Organization", "Endpoint", "PractitionerRole"])
def test_every_resource_is_valid_r4_and_found_by_search_and_read(town, place, name):
    """The searchset's resources pass HL7's definitions and are what a read gives."""
    bundle = town.get(f"/fhir/{name}", place[0]).json
    assert (bundle["type"], bundle["total"]) == ("searchset", 3)
    for entry in bundle["entry"]:
        resources.check(resources.parse(orjson.dumps(entry["resource"])))
        path = entry["fullUrl"].removeprefix(town.hub.config.base_url)
        assert town.get(path, place[0]).json == entry["resource"]


@pytest.mark.parametrize(
    ("query", "found"),
    [("name=praxis", ["praxis-sonne"]), ("name=am ring", []), ("_id=klinik", ["klinik"]), ("_id=spaeter", []),
     ("identifier=urn:obhut:account|waage@hub-a.example.org", ["waage"]), ("identifier=urn:other|waage", []),
     ("_id=klinik&identifier=waage@hub-a.example.org", []), ("_id=waage,niemand,klinik", ["klinik", "waage"]),
     ("identifier=klinik@hub-a.example.org,urn:obhut:account|waage@hub-a.example.org", ["klinik", "waage"]),
     ("name=sonne,waage,klinik am", ["klinik", "waage"]), ("name=praxis dr. sonn", ["praxis-sonne"]),
     (r"name=klinik\,waage", []), ("name=praxis&name=klinik", []), ("identifier=urn:obhut:fingerprint|", ALL),
     ("name:contains=am ring", ["klinik"]), ("_id:not=klinik", ["praxis-sonne", "waage"]), ("_id=klinik.a", [])],
)  # fmt: skip
def test_organizations_are_searched_by_what_is_declared(town, place, query, found):
    """The search parameters of the CapabilityStatement work, as the specification says."""
    bundle = town.get(f"/fhir/Organization?{query}", place[0]).json
    assert [entry["resource"]["id"] for entry in bundle.get("entry", [])] == found


def test_an_organization_is_found_by_its_fingerprint(town, place):
    """With its system, without one, and beside others; under another system it is nobody's."""
    print_ = place[1].state.fingerprint
    for value in (print_, f"urn:obhut:fingerprint|{print_}", f"waage@nowhere.example.org,{print_}"):
        (entry,) = town.get("/fhir/Organization", place[0], identifier=value).json["entry"]
        assert entry["resource"]["id"] == "klinik"
    assert town.get("/fhir/Organization", place[0], identifier=f"urn:obhut:account|{print_}").json["total"] == 0


@pytest.mark.parametrize(("letters", "plain"), [(64, True), (65, False)])
def test_an_id_is_never_longer_than_fhir_allows(town, place, letters, plain):
    """A name and a domain of another hub that are too long together have another id, by which they are found."""
    local, domain = "gemeinschaftspraxis", ".kreis-rhein-sieg.example.org"
    domain = "o" * (letters - len(f"{local}.{domain}")) + domain
    with town.hub.db.write() as tx:
        directory.put_organisation(tx, directory.Organisation(f"{local}@{domain}", "Gemeinschaft", "practice"), 1)
        directory.put_organisation(tx, directory.Organisation(f"x{local}@{domain}", "Andere", "practice"), 1)
    for name in ("Organization", "Endpoint", "PractitionerRole"):
        entries = town.get(f"/fhir/{name}", place[0]).json["entry"]
        assert all(re.fullmatch(r"[A-Za-z0-9.-]{1,64}", entry["resource"]["id"]) for entry in entries)
        assert len({entry["resource"]["id"] for entry in entries}) == len(entries) == 5
    (entry,) = town.get("/fhir/Organization", place[0], identifier=f"{local}@{domain}").json["entry"]
    ident = entry["resource"]["id"]
    assert (ident == f"{local}.{domain}") == plain
    assert town.get(f"/fhir/Organization/{ident}", place[0]).json == entry["resource"]
    assert town.get("/fhir/Organization", place[0], _id=ident).json["total"] == 1
    assert town.get("/fhir/Endpoint", place[0], organization=f"Organization/{ident}").json["total"] == 1


def test_a_plus_that_was_not_escaped_asks_for_json_all_the_same(town, place):
    """It arrives as a space."""
    for value in ("application/fhir+json", "application/fhir%2Bjson"):
        assert town.get(f"/fhir/Organization?_format={value}", place[0]).status_code == 200


@pytest.mark.parametrize("query", ["", "&name=k,p,w", "&name=k&name=kl"])
def test_pages_of_a_search_link_on(town, place, query):
    """Following `next` meets each organisation once."""
    found, url = [], f"/fhir/Organization?_count=1{query}"
    while url:
        bundle = town.get(url, place[0]).json
        found += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "").removeprefix(
            town.hub.config.base_url
        )
    assert found == (["klinik"] if "kl" in query else ALL)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/fhir/Organization/niemand", 404, "not-found"), ("/fhir/Organization?birthdate=1", 400, "not-supported"),
     ("/fhir/Patient", 404, "not-found"), ("/fhir/Organization?_count=x", 400, "invalid"),
     ("/fhir/Organization?_format=xml", 406, "not-supported"), ("/fhir/Organization/a b", 404, "not-found")],
)  # fmt: skip
def test_errors_under_fhir_are_operation_outcomes(town, place, path, status, code):
    """The face of an error under /fhir."""
    answer = town.get(path, place[0])
    assert answer.status_code == status
    assert answer.content_type == "application/fhir+json"
    assert answer.json["issue"][0]["code"] == code


def test_the_capability_statement_says_what_is_served(town, place):
    """Valid R4, the three types, their interactions and parameters, and no more."""
    answer = town.get("/fhir/metadata")
    statement = resources.parse(answer.data)
    resources.check(statement)
    served = {entry["type"]: entry for entry in answer.json["rest"][0]["resource"]}
    assert served.keys() == {"Organization", "Endpoint", "PractitionerRole"}
    for name, entry in served.items():
        for parameter in entry["searchParam"]:
            assert town.get(f"/fhir/{name}?{parameter['name']}=x", place[0]).status_code == 200
    assert town.get("/fhir/metadata?_format=xml").status_code == 406


def test_the_directory_is_for_those_who_signed_in(town, place):
    """Without a token: 401."""
    assert town.get("/v1/directory").status_code == 401
    assert town.get("/fhir/Organization").status_code == 401


def test_a_hub_tells_its_own_key_and_those_of_its_peers(town):
    """Alone it has no peers; one that it knows is told by domain."""
    own, other = town.hub.key.public, SigningKey.generate().public
    assert town.get("/v1/hub").json["peers"] == {}
    peer = Peer("hub-b.example.org", "https://hub-b.example.org", other, bytes(32))
    town.app.extensions["obhut"] = replace(town.hub, peers={peer.domain: peer})
    said = town.get("/v1/hub").json
    assert said["key"] == b64(own)
    assert said["peers"] == {"hub-b.example.org": b64(other)}


def test_an_emergency_department_is_told_as_one(town):
    """In the directory by its type; in FHIR by the code of an emergency room beside that of a provider."""
    er = town.organisation("notaufnahme", "Notaufnahme", "emergency")
    (entry,) = town.get("/v1/directory", er).json["organisations"]
    assert entry["type"] == "emergency"
    organisation = town.get("/fhir/Organization/notaufnahme", er).json
    resources.check(organisation)
    assert [coding["code"] for one in organisation["type"] for coding in one["coding"]] == ["prov", "ER"]
