"""Receipts: what they prove from the fingerprint of a card on, and that nothing in them can be changed unnoticed."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consent import identifiers, receipts, steps, told
from consent.fhir_consent import Agreement, Paper, build
from consent.identifiers import Card
from consent.primitives import Rejected, random_bytes, unb64
from consent.template import template
from consent.vault import Terms
from consent.who import who
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.consent import world
from tests.consent.delegation import appoint, pass_on
from tests.consent.world import DAY


def sign(client, other, language="de", gid=None, name="practice-90-days", paper=None):
    """A grant by a template, signed and posted; returns its id and terms."""
    client.meet(other)
    found, gid = template(name), gid or identifiers.new_id()
    now = datetime.fromtimestamp(client.now, UTC)
    agreed = Agreement(
        client.me.account, other.account, found.categories, found.purposes, end=found.end(now), policy=found.uri,
        language=language, paper=paper,
    )  # fmt: skip
    consent = resources.dump(build(agreed, unb64(gid, 16).hex(), now))
    terms = Terms(
        other.account, found.categories, True, True, found.purposes, *agreed.seconds(), consent, random_bytes(16)
    )
    client.save(client.vault.with_terms(gid, terms))
    client.post(steps.grant(client.hub.record, client.vault, gid, terms, client.me.signer, client.now))
    client.settle()
    return gid, terms


@pytest.fixture
def signed():
    """A patient, a practice, a grant by template, and its receipt."""
    client, practice = world.client(), world.organisation("praxis")
    gid, terms = sign(client, practice)
    return client, practice, gid, terms, receipts.make(client.hub.record, practice.account, gid, terms)


PAPER = Paper("amt@hub.example", "2026-01-01T10:00:00+01:00", "ni:///sha-256;" + "A" * 43, "a.pdf", "application/pdf")


def test_a_consent_on_paper_is_proven_as_one():
    """Terms and fields name the desk and the scan's hash, and so does who sees what; of other consents nothing does."""
    client, practice = world.client(), world.organisation("praxis")
    gid, terms = sign(client, practice, paper=PAPER)
    proven = receipts.verify(receipts.make(client.hub.record, practice.account, gid, terms), card(client))
    assert proven.terms.paper == PAPER
    collected = receipts.fields(proven)["pii_processing"]["collection_method"]
    assert PAPER.desk in collected and PAPER.scan in collected
    (line,) = told.lines(who(client.hub.record, client.vault, client.now), "en", client.me.account)
    assert "signed on paper, recorded at the desk of amt@hub.example" in line
    sign(client, practice, gid=gid)
    (line,) = told.lines(who(client.hub.record, client.vault, client.now), "en", client.me.account)
    assert "paper" not in line


def card(client):
    return Card(identifiers.account(client.me.account), client.me.state.fingerprint)


def test_a_receipt_proves_who_consented_to_what_when(signed):
    """Patient, counterpart, terms, template, language, statement and moment follow from the card."""
    client, practice, gid, terms, made = signed
    proven = receipts.verify(made, card(client))
    assert (proven.card, proven.counterpart, proven.gid) == (card(client), practice.account, gid)
    assert proven.terms.policy == "https://fhir.obhut.org/policy/practice-90-days/1"
    assert (proven.terms.language, proven.terms.categories) == ("de", terms.categories)
    link = world.relation(client.hub, practice).links[1]
    assert proven.signed.position == link.position and proven.signed.iat == client.now
    assert (proven.ended, proven.replaced) == (None, False)


def test_its_parts_are_valid_fhir(signed):
    """Bundle, Consent, Provenance and both Binaries pass the check of R4; the text that was shown is in the Consent."""
    made = resources.parse(signed[-1])
    resources.check(made)
    consent, provenance, record, proof = (entry["resource"] for entry in made["entry"])
    for one in (consent, provenance, record, proof):
        resources.check(one)
    shown = base64.b64decode(consent["sourceAttachment"]["data"]).decode()
    assert shown.startswith(signed[1].account) and "widerrufen" in shown
    assert provenance["signature"][0]["data"]
    assert provenance["target"] == [{"reference": f"Consent/{consent['id']}"}]


def test_the_fields_of_the_standard_are_there(signed):
    """Header, processing, parties and events of ISO/IEC TS 27560; every field that it asks for has a value."""
    made = resources.parse(signed[-1])
    fields = json.loads(base64.b64decode(made["entry"][2]["resource"]["data"]))
    assert {
        "schema_version",
        "record_id",
        "receipt_id",
        "pii_principal_id",
        "pii_processing",
        "events",
    } <= fields.keys()
    processing = fields["pii_processing"]
    for name in ("privacy_notice", "language", "purposes", "pii_information", "pii_controllers", "withdrawal_method"):
        assert processing[name], name
    assert [event["event_state"] for event in fields["events"]] == ["given"]


def test_it_stays_a_receipt_when_a_tool_has_indented_it(signed):
    """What counts is what it says, not its white space."""
    client, *_, made = signed
    indented = json.dumps(json.loads(made), indent=2, ensure_ascii=False).encode()
    assert receipts.verify(indented, card(client)).gid == signed[2]


def test_every_word_of_it_is_proven(signed):
    """A changed value anywhere, in Consent, Provenance, fields or proof, is refused."""
    client, *_, made = signed
    places = list(_leaves(json.loads(made)))
    assert len(places) > 60
    for path, value in places:
        changed = json.loads(made)
        _put(changed, path, value + "x" if isinstance(value, str) else "x")
        with pytest.raises((Rejected, Problem)):
            receipts.verify(json.dumps(changed).encode(), card(client))


def test_every_value_of_the_proof_counts(signed):
    """A proof with another salt, Consent, patient, counterpart, grant, or without a link does not hold."""
    client, practice, *_, made = signed
    value = json.loads(made)
    proof = json.loads(base64.b64decode(value["entry"][3]["resource"]["data"]))
    other = world.client()
    changes = {
        "salt": base64.urlsafe_b64encode(bytes(16)).decode().rstrip("="),
        "patient": other.me.account,
        "counterpart": "klinik@hub-a.example.org",
        "grant": identifiers.new_id(),
        "relation": proof["relation"][:1],
        "accounts": {practice.account: proof["accounts"][practice.account]},
        "consent": proof["consent"][:-4] + "AAAA",
    }
    for name, changed in changes.items():
        data = json.dumps(proof | {name: changed}).encode()
        value["entry"][3]["resource"]["data"] = base64.b64encode(data).decode()
        with pytest.raises((Rejected, Problem)):
            receipts.verify(json.dumps(value).encode(), card(client))


def test_another_persons_card_does_not_fit(signed):
    """The fingerprint decides: a receipt of the same words by another root key is refused."""
    wrong = replace(card(signed[0]), fingerprint=card(world.client()).fingerprint)
    with pytest.raises(Rejected, match="fingerprint"):
        receipts.verify(signed[-1], wrong)


def test_what_became_of_it_by_the_end_of_its_chain_is_told(signed):
    """A receipt made after a renewal and a withdrawal says both; the old Consent still proves itself, as replaced."""
    client, practice, gid, terms, _ = signed
    client.now += DAY
    _, renewed = sign(client, practice, gid=gid)
    client.now += DAY
    client.withdraw(practice, gid)
    old = receipts.verify(receipts.make(client.hub.record, practice.account, gid, terms))
    assert (old.replaced, old.ended) == (True, client.now)
    new = receipts.verify(receipts.make(client.hub.record, practice.account, gid, renewed))
    assert (new.replaced, [state for _, state, _ in new.events]) == (False, ["given", "changed", "withdrawn"])


def test_a_receipt_with_representatives_in_the_chains_holds(signed):
    """Delegates' account chains are in the proof where a statement of theirs is in the relation."""
    client, practice, gid, terms, _ = signed
    relative = world.person()
    appoint(client, relative, "manage", client.now + 400 * DAY)
    own = client.grant(relative, range(16), until=client.now + 300 * DAY)
    client.post(pass_on(client, relative, own, practice))
    client.permit(practice)
    client.settle()
    made = receipts.make(client.hub.record, practice.account, gid, terms)
    assert relative.account in receipts._proof(json.loads(made))["accounts"]
    assert receipts.verify(made, card(client)).gid == gid


def test_nothing_of_other_counterparts_is_in_it(signed):
    """What else the patient granted to whom cannot be told from a receipt."""
    client, practice, gid, terms, _ = signed
    other = world.organisation("klinik")
    sign(client, other, name="one-visit")
    made = receipts.make(client.hub.record, practice.account, gid, terms)
    assert not any(other.account.encode() in part for part in _opened(made))


def test_what_is_no_receipt_is_said_to_be_none():
    """Other FHIR, other JSON: a `Problem`, never a traceback."""
    for text in (b"{}", b'{"resourceType":"Bundle","type":"collection"}', b'{"resourceType":"Consent"}'):
        with pytest.raises(Problem):
            receipts.verify(text)


def test_terms_that_were_never_signed_have_no_receipt(signed):
    """The Consent must be named by a statement of the chain."""
    client, practice, gid, terms, _ = signed
    with pytest.raises(Problem, match="no statement"):
        receipts.make(client.hub.record, practice.account, gid, replace(terms, salt=bytes(16)))


def _leaves(value, path=()):
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from _leaves(member, (*path, i))
    else:
        yield path, value


def _put(value, path, leaf):
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = leaf


def _opened(made):
    """Everything in a receipt, frames and Binaries taken out of their base64."""
    yield made
    proof = receipts._proof(json.loads(made))
    for frames in (*proof["accounts"].values(), proof["relation"]):
        yield from (unb64(raw) for raw in frames)
