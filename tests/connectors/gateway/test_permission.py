"""What a program may do with a token: each interaction, each entry of a Bundle, each search within one."""

import pytest

from connectors.gateway.smart import BUNDLE, INTERACTIONS, OPEN
from fhir_profiles.scopes import LETTERS
from tests.connectors.gateway.conftest import FHIR_JSON, ids, issue, observation

EVERYTHING = "system/*.cruds"
PATIENT = {"resourceType": "Patient", "id": "p-1", "identifier": [{"system": "urn:mrn", "value": "1"}]}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

INTERACTION = {
    "c": lambda api: api.post("Observation", observation()),
    "r": lambda api: api.get("Observation/o-1"),
    "u": lambda api: api.put("Observation/o-1", observation(id="o-1")),
    "d": lambda api: api.delete("Observation/o-1"),
    "s": lambda api: api.get("Observation?code=8867-4"),
    "s by form": lambda api: api.post("Observation/_search", b"code=8867-4", **FORM),
    "s for nothing but the number": lambda api: api.get("Observation?_summary=count"),
    "cs": lambda api: api.post("Observation", observation(), If_None_Exist="code=8867-4"),
}


def entry(method, url, resource=None, **request):
    members = {"request": {"method": method, "url": url} | request}
    return members | ({"resource": resource} if resource else {})


ENTRIES = {
    "c": entry("POST", "Observation", observation()),
    "r": entry("GET", "Observation/o-1"),
    "u": entry("PUT", "Observation/o-1", observation(id="o-1")),
    "d": entry("DELETE", "Observation/o-1"),
    "s": entry("GET", "Observation?code=8867-4"),
    "cs": entry("POST", "Observation", observation(), ifNoneExist="code=8867-4"),
}


def bundle(kind, *entries):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


@pytest.fixture
def filled(programs):
    """With a patient and an observation in it."""
    api = programs.allowed(EVERYTHING)
    assert api.put("Patient/p-1", PATIENT).status_code == 201
    assert api.put("Observation/o-1", observation(id="o-1")).status_code == 201
    return programs


def lacking(letters):
    """All scopes for Observation but one of these letters, and all for Patient."""
    for missing in letters:
        rest = "".join(letter for letter in LETTERS if letter != missing)
        yield f"system/Observation.{rest} system/Patient.cruds", missing


def content(programs):
    """The database without what signing in writes."""
    return {name: rows for name, rows in programs.dump().items() if name not in {"clients", "used_assertions"}}


@pytest.mark.parametrize("what", INTERACTION)
def test_an_interaction_needs_its_letters(filled, what):
    """With all of them it is done; without one of them, 403 and nothing changes."""
    letters = what.partition(" ")[0]
    before = content(filled)
    for scope, missing in lacking(letters):
        refused = INTERACTION[what](filled.allowed(scope))
        assert (refused.status_code, issue(refused)["code"]) == (403, "forbidden")
        assert f"system/Observation.{missing}" in issue(refused)["diagnostics"]
    assert content(filled) == before
    assert INTERACTION[what](filled.allowed(f"system/Observation.{letters}")).status_code < 300


@pytest.mark.parametrize("what", ENTRIES)
def test_an_entry_of_a_transaction_needs_the_same(filled, what):
    """One entry that may not be done, and nothing is done."""
    allowed = entry("PUT", "Patient/p-2", {"resourceType": "Patient", "id": "p-2"})
    before = content(filled)
    for scope, missing in lacking(what):
        refused = filled.allowed(scope).post("", bundle("transaction", allowed, ENTRIES[what]))
        assert (refused.status_code, issue(refused)["expression"]) == (403, ["Bundle.entry[1]"])
        assert f"system/Observation.{missing}" in issue(refused)["diagnostics"]
    assert content(filled) == before
    api = filled.allowed(f"system/Observation.{what} system/Patient.u")
    assert api.post("", bundle("transaction", allowed, ENTRIES[what])).status_code == 200


@pytest.mark.parametrize("what", ENTRIES)
def test_an_entry_of_a_batch_needs_the_same(filled, what):
    """Each entry for itself: what may be done is done, the other answers 403 and changes nothing."""
    allowed = entry("GET", "Patient/p-1")
    before = content(filled)
    for scope, _ in lacking(what):
        answers = filled.allowed(scope).post("", bundle("batch", allowed, ENTRIES[what])).json["entry"]
        assert [answer["response"]["status"][:3] for answer in answers] == ["200", "403"]
        assert "resource" not in answers[1]
    assert content(filled) == before


def test_a_reference_by_search_needs_that_search(filled):
    """Else it would tell who is here."""
    asking = entry("POST", "Observation", observation(subject={"reference": "Patient?identifier=urn:mrn|1"}))
    before = content(filled)
    for scope in ("system/Observation.cruds", "system/Observation.cruds system/Patient.crud"):
        refused = filled.allowed(scope).post("", bundle("transaction", asking))
        assert (refused.status_code, "system/Patient.s" in issue(refused)["diagnostics"]) == (403, True)
    assert content(filled) == before
    assert (
        filled.allowed("system/Observation.c system/Patient.s").post("", bundle("transaction", asking)).status_code
        == 200
    )


def test_a_type_that_the_token_lacks_is_not_searched(filled):
    """403, not an empty answer."""
    api = filled.allowed("system/Patient.rs")
    assert ids(api.get("Patient")) == ["p-1"]
    assert api.get("Observation?patient=p-1").status_code == 403
    assert api.get("Heartbeat").status_code == 403


def test_a_link_to_the_next_page_needs_the_scope_too(filled):
    """A page is a search, whoever was given the link."""
    everything = filled.allowed(EVERYTHING)
    everything.post("Observation", observation())
    following = everything.get("Observation?_count=1").json["link"][1]["url"]
    assert everything.get(following).status_code == 200
    assert filled.allowed("system/Patient.rs").get(following).status_code == 403


def test_version_1_scopes_mean_the_same(filled):
    """`read` reads and searches; `write` creates, updates and deletes."""
    reading, writing = filled.allowed("system/Observation.read"), filled.allowed("system/Observation.write")
    assert [INTERACTION[what](reading).status_code for what in "rscud"] == [200, 200, 403, 403, 403]
    assert [INTERACTION[what](writing).status_code for what in "cudrs"] == [201, 200, 204, 403, 403]


def test_every_address_asks_for_a_token(programs):
    """All but the open ones answer 401 as OperationOutcome, whatever the method; none was forgotten."""
    rules = [rule for rule in programs.app.url_map.iter_rules() if rule.endpoint not in OPEN]
    assert {rule.endpoint for rule in rules} == {*INTERACTIONS, BUNDLE}
    client = programs.app.test_client()
    for rule in rules:
        path = rule.rule.replace("<type_>", "Patient").replace("<id_>", "p-1")
        for method in rule.methods:
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
                answer = client.open(path, method=method, headers=headers | {"Content-Type": FHIR_JSON})
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), (method, path)
                if method != "HEAD":
                    assert issue(answer)["code"] == "login"


def test_the_open_addresses_ask_for_none(programs):
    """Health, the CapabilityStatement, and where to get a token."""
    client = programs.app.test_client()
    for path in ("/healthz", "/readyz", "/fhir/metadata", "/fhir/.well-known/smart-configuration"):
        assert client.get(path).status_code == 200
