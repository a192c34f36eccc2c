"""Bundles: verbatim bodies, the order of a transaction, links between its entries."""

import copy

import orjson
import pytest

from fhir_profiles import bundles, resources
from fhir_profiles.problems import Problem
from tests.fhir_profiles.examples import OBSERVATION, PATIENT


def transaction(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method, url, resource=None, **more):
    made = {"request": {"method": method, "url": url} | more.pop("request", {})} | more
    return made | ({"resource": resource} if resource else {})


def test_a_searchset_carries_bodies_byte_for_byte():
    """Digits and spaces of a stored body arrive as they were."""
    body = b'{"resourceType":"Patient",  "id":"p-1", "multipleBirthInteger":1}'
    made = bundles.searchset(
        [bundles.Entry("http://h/fhir/Patient/p-1", body)], 1, {"self": "http://h/fhir/Patient?_id=p-1"}
    )
    assert body in made
    resources.check(resources.parse(made))
    assert orjson.loads(made)["entry"][0]["search"] == {"mode": "match"}


def test_an_empty_searchset_has_no_entry_and_maybe_no_total():
    """Empty arrays are no FHIR."""
    made = orjson.loads(bundles.searchset([], None, {}))
    assert made == {"resourceType": "Bundle", "type": "searchset"}
    assert orjson.loads(bundles.searchset([], 0, {}))["total"] == 0


def test_a_collection_is_valid():
    """Converted files leave as a collection."""
    resources.check(resources.parse(bundles.collection([bundles.Entry(None, resources.dump(PATIENT))])))


def test_a_response_keeps_the_order_of_the_request():
    """Entries answer at their places, with or without a body."""
    made = bundles.response(
        "transaction-response",
        [
            bundles.Result("201 Created", "Patient/1/_history/1", 'W/"1"', "2024-01-01T00:00:00Z"),
            bundles.Result("200 OK", resource=resources.dump(PATIENT)),
            bundles.Result("404 Not Found", outcome=Problem("not-found", "nothing").outcome()),
        ],
    )
    resources.check(resources.parse(made))
    assert [each["response"]["status"][:3] for each in orjson.loads(made)["entry"]] == ["201", "200", "404"]


def test_requests_are_processed_in_the_order_of_the_specification():
    """DELETE, POST, PUT, GET; each remembers its place."""
    requests = bundles.transaction_entries(
        transaction(
            entry("GET", "Patient?name=x"),
            entry("PUT", "Patient/p-1", PATIENT),
            entry("POST", "Observation", OBSERVATION),
            entry("DELETE", "Device/1"),
        )
    )
    assert [(each.method, each.index, each.type, each.id, each.query) for each in requests] == [
        ("DELETE", 3, "Device", "1", None),
        ("POST", 2, "Observation", None, None),
        ("PUT", 1, "Patient", "p-1", None),
        ("GET", 0, "Patient", None, "name=x"),
    ]


def test_conditions_are_taken_from_the_request():
    """ifNoneExist, ifMatch, and the query of a conditional update."""
    create, update = bundles.transaction_entries(
        transaction(
            entry("POST", "Patient", PATIENT, request={"ifNoneExist": "identifier=x"}),
            entry("PUT", "Patient?identifier=y", PATIENT, request={"ifMatch": 'W/"2"'}),
        )
    )
    assert create.if_none_exist == "identifier=x"
    assert (update.query, update.if_match) == ("identifier=y", 'W/"2"')


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Bundle", "type": "collection"},
        PATIENT,
        transaction({"resource": PATIENT}),
        transaction(entry("BREW", "Patient", PATIENT)),
        transaction(entry("POST", "Banana", PATIENT)),
        transaction(entry("POST", "Observation", PATIENT)),
        transaction(entry("POST", "Patient/1", PATIENT)),
        transaction(entry("POST", "Patient")),
        transaction(entry("PUT", "Patient", PATIENT)),
        transaction(entry("PUT", "Patient/other", PATIENT)),
        transaction(entry("PUT", "Patient/p-1?x=y", PATIENT)),
        transaction(entry("DELETE", "Patient")),
        transaction(entry("DELETE", "Patient/a b")),
        transaction(entry("DELETE", "Patient/p-1"), entry("PUT", "Patient/p-1", PATIENT)),
    ],
)
def test_a_request_that_does_not_fit_is_refused(bundle):
    """Nothing of such a transaction is done."""
    with pytest.raises(Problem) as caught:
        bundles.transaction_entries(bundle)
    assert caught.value.code == "invalid"


def test_a_batch_may_change_a_resource_twice():
    """Its entries do not depend on each other."""
    twice = transaction(entry("DELETE", "Patient/1"), entry("DELETE", "Patient/1"), kind="batch")
    assert len(bundles.transaction_entries(twice)) == 2


def test_links_between_entries_lead_to_their_new_places():
    """urn:uuid, relative and narrative links are rewritten; identifiers and the original are not."""
    urn = "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    observation = copy.deepcopy(OBSERVATION) | {
        "subject": {"reference": urn},
        "device": {"reference": "Device/old"},
        "identifier": [{"system": "urn:x", "value": urn}],
        "text": {"status": "generated", "div": f'<div><a href="{urn}">x</a></div>'},
    }
    requests = bundles.transaction_entries(
        transaction(
            entry("POST", "Observation", observation),
            entry("POST", "Patient", PATIENT, fullUrl=urn),
            entry("POST", "Device", {"resourceType": "Device"}, fullUrl="http://h/fhir/Device/old"),
        )
    )
    where = bundles.places(requests, {0: "o", 1: "p", 2: "d"})
    made = bundles.resolved(observation, where)
    assert made["subject"]["reference"] == "Patient/p"
    assert made["device"]["reference"] == "Device/d"
    assert made["identifier"] == observation["identifier"]
    assert 'href="Patient/p"' in made["text"]["div"]
    assert observation["subject"]["reference"] == urn


def test_conditional_references_are_found_and_asked_for():
    """`Type?query` becomes what the server finds; elsewhere it is refused."""
    condition = "Patient?identifier=urn:x|1"
    observation = copy.deepcopy(OBSERVATION) | {"subject": {"reference": condition}}
    assert bundles.conditional_references(observation) == {condition}
    assert bundles.resolved(observation, {}, lambda _: "Patient/7")["subject"]["reference"] == "Patient/7"
    with pytest.raises(Problem):
        bundles.resolved(observation, {})
