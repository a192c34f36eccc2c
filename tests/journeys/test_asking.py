"""A practice's software asks a patient by FHIR: a Consent of status proposed goes to her, and tells what came of it."""

import json
import time
from datetime import UTC, datetime

import pytest
import requests

from connectors.gateway.asking import Asker
from connectors.patient import enrolment, sharing
from consent.categories import INDEX
from consent.fhir_consent import Agreement, proposed
from consent.template import template
from tests.journeys.conftest import obhut, serving
from tests.journeys.test_writing import PATIENCE_SECONDS, Ward

VITALS, LAB = INDEX["vitals"], INDEX["lab"]


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is stored is a resource like any other."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def ward(practice):
    """The practice's FHIR API, and the turns of the process beside it."""
    made = Ward(practice)
    made.asker = Asker(practice.inbox)
    yield made
    made.close()


def turn(ward):
    ward.practice.inbox.catch_up()
    return ward.asker.turn()


def wish(client, ward, *, card="", actor="", categories=(VITALS, LAB), **more):
    """A Consent as a practice's software would write it."""
    found = template("practice-90-days")
    asks = Agreement(
        client.account, actor or ward.practice.account, frozenset(categories), ("TREAT",), end="2099-12-31",
        policy=found.uri,
    )  # fmt: skip
    made = proposed(asks, "x", datetime.now(UTC))
    del made["id"]
    value = card or str(enrolment.card(client))
    return made | {"patient": {"identifier": {"system": "urn:obhut:card", "value": value}}} | more


def post(ward, consent):
    answer = ward.call("POST", "Consent", consent)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].rpartition("Consent/")[2].partition("/")[0]


def status(ward, id_):
    return ward.call("GET", f"Consent/{id_}").json["status"]


def test_it_is_sent_answered_and_followed_by_a_search(client, ward):
    """Proposed until she answers; active with what she granted instead; inactive when it has ended."""
    id_ = post(ward, wish(client, ward))
    assert turn(ward) == 0 and status(ward, id_) == "proposed"
    client.sync()
    (request,) = sharing.requests(client)
    assert request.asks.policy.endswith("practice-90-days/1") and request.asks.categories == {VITALS, LAB}
    gid = sharing.grant(client, ward.practice.account, {VITALS}, end="2099-12-31", request=request)
    assert turn(ward) == 1
    found = ward.call("GET", "Consent?status=active").json
    (consent,) = [entry["resource"] for entry in found["entry"]]
    assert consent["id"] == id_ and consent["meta"]["versionId"] == "2"
    permit = consent["provision"]["provision"][0]
    assert [one["code"] for one in permit["class"]] == ["vitals"]
    assert turn(ward) == 0
    sharing.withdraw(client, ward.practice.account, gid)
    assert turn(ward) == 1 and status(ward, id_) == "inactive"


def test_a_refusal_is_told_and_asking_again_is_a_new_version(client, ward):
    """Rejected; the same Consent proposed once more is one more request, and it is sent once."""
    consent = wish(client, ward)
    id_ = post(ward, consent)
    turn(ward)
    client.sync()
    sharing.refuse(client, sharing.requests(client)[0])
    assert turn(ward) == 1 and status(ward, id_) == "rejected"
    ward.put(consent | {"id": id_})
    turn(ward)
    turn(ward)
    client.sync()
    assert len(sharing.requests(client)) == 1


def test_what_cannot_be_asked_is_refused_at_once(client, ward):
    """A card that is none, another house, rules that a request cannot hold: 422 with the place."""
    for consent, place in (
        (wish(client, ward, card="obhut:nobody"), "identifier"),
        (wish(client, ward, actor="klinik@hub-a.obhut.example"), "actor"),
        (wish(client, ward, category=[{"text": "none"}]), "provision"),
    ):
        answer = ward.call("POST", "Consent", consent)
        assert (answer.status_code, place in answer.text) == (422, True), answer.text


def test_a_card_of_nobody_is_told_by_the_status(client, ward):
    """The fingerprint is another's: nothing is sent, and the Consent says that it is void."""
    card = str(enrolment.card(client))
    wrong = card[:-4] + ("aaaa" if card[-4:] != "aaaa" else "bbbb")
    id_ = post(ward, wish(client, ward, card=wrong))
    assert turn(ward) == 1 and status(ward, id_) == "entered-in-error"
    assert turn(ward) == 0


def test_any_other_consent_is_a_resource_like_all_others(client, ward):
    """Without a card, or of another status, nothing is asked; it stays in the house."""
    consent = wish(client, ward)
    post(ward, consent | {"patient": {"display": "a patient of the house"}})
    post(ward, consent | {"status": "draft"})
    assert turn(ward) == 0
    client.sync()
    assert sharing.requests(client) == []


def test_a_served_gateway_asks_and_follows_by_itself(client, ward):
    """Over HTTP, with the real process beside the server: posted, in her hands, refused, found as rejected."""
    words = ("--card", str(enrolment.card(client)), "--template", "pharmacy-3-days", "--print")
    printed = obhut("gateway", "ask", "--keystore", str(ward.practice.directory / "keys"), *words)
    consent = json.loads(printed.stdout)
    ward.practice.close()
    ward.close()
    with serving(ward.practice) as (url, _):
        posted = requests.post(f"{url}/Consent", json=consent, headers=ward.headers, timeout=60)
        assert posted.status_code == 201, posted.text
        request = until(lambda: client.sync() or sharing.requests(client))[0]
        assert request.asks.policy.endswith("pharmacy-3-days/1")
        sharing.refuse(client, request)

        def rejected():
            found = requests.get(f"{url}/Consent?status=rejected", headers=ward.headers, timeout=60).json()
            return [entry["resource"]["id"] for entry in found.get("entry", [])]

        assert until(rejected) == [posted.json()["id"]]


def until(found):
    """What a call gives once it gives anything."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (value := found()) and time.monotonic() < end:
        time.sleep(0.1)
    return value
