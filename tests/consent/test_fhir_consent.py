"""FHIR Consent in and out: what is signed, what is read, and what is refused with the place."""

import base64
import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.categories import NAMES
from consent.dates import interval
from consent.decide import decide
from consent.facts import facts
from consent.fhir_consent import Agreement, Paper, agreement, build, check_written, proposed, read
from consent.fhir_export import write_r5
from consent.policy import READ_DEPTH, compile, depth  # noqa: A004
from consent.state import Request, State
from fhir_profiles import resources
from fhir_profiles.problems import Problem

PATIENT = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub-a.example"
PRACTICE = "praxis-nord@hub-a.example"
NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
TERMS = Agreement(PATIENT, PRACTICE, frozenset({1, 2}), ("TREAT",), "2026-01-01", "2026-03-31")


def signed(**changes):
    return build(replace(TERMS, **changes), "c1", NOW)


def ask(at="2026-02-01T12:00:00Z", actor=PRACTICE, purpose="TREAT"):
    return Request(PATIENT, frozenset({actor}), purpose, interval(at)[0])


def observation(name, category):
    coding = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category}
    return facts({"resourceType": "Observation", "id": name, "category": [{"coding": [coding]}]})


RECORD = [observation("weight", "vital-signs"), observation("steps", "activity"), observation("crp", "laboratory")]


# --- what is written


@pytest.mark.parametrize("make", [build, proposed])
def test_what_is_made_is_valid_r4(make):
    """Signed and proposed Consents pass the check that every resource has to pass."""
    resources.check(make(TERMS, "c1", NOW))
    resources.check(make(replace(TERMS, start="", end="", purposes=("TREAT", "PROJ7")), "c1", NOW))


DESK = "buergeramt@hub-b.example"
PAPER = Paper(DESK, "2026-01-01T10:00:00+01:00", "ni:///sha-256;" + "A" * 43, "signed.pdf", "application/pdf")


@pytest.mark.parametrize("policy", ["", "https://fhir.obhut.org/policy/one-visit/1"])
def test_a_consent_on_paper_says_so_and_is_read_back(policy):
    """Valid R4: the scan is its source, by hash; the desk verified it with the patient, who stays its performer."""
    terms = replace(TERMS, paper=PAPER, policy=policy, language="de" if policy else "")
    made = build(terms, "c1", NOW)
    resources.check(made)
    assert agreement(made) == terms
    assert made["sourceAttachment"] == {"contentType": "application/pdf", "url": PAPER.scan, "title": "signed.pdf"}
    (verified,) = made["verification"]
    assert verified["verified"] is True and verified["verificationDate"] == PAPER.date
    assert verified["extension"][0]["valueReference"]["identifier"]["value"] == DESK
    assert verified["verifiedWith"] == made["performer"][0] == made["patient"]
    form = read(made)
    again = write_r5(form)
    assert again["verification"][0]["verifiedBy"]["identifier"]["value"] == DESK
    assert read(again)["verification"] == form["verification"]
    assert compile(form).legal is True


def other(verification=None, **source):
    """A Consent on paper with its verification or source changed."""
    made = signed(paper=PAPER)
    made["verification"] = verification or made["verification"]
    return made | {"sourceAttachment": made["sourceAttachment"] | source}


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (other([{"verified": False}]), "verification"),
        (other([{"verified": True}]), "verification"),
        (other(signed(paper=PAPER)["verification"] * 2), "verification"),
        (other(url="https://elsewhere.example/scan"), "verification"),
        (other(title=""), "verification"),
        (signed(paper=replace(PAPER, desk="a desk")), "verification.verifiedBy"),
        (
            other([signed(paper=PAPER)["verification"][0] | {"verifiedWith": {"reference": "Patient/x"}}]),
            "verification",
        ),
        (other([{"verified": True, "extension": "no list"}]), "verification[0].extension"),
    ],
)
def test_any_other_verification_is_refused(changed, path):
    """A mark that is half there is none that a reader could rely on."""
    with pytest.raises(Problem) as refused:
        agreement(changed)
    assert refused.value.expression == f"Consent.{path}"


def test_template_and_language_are_named_and_read_back():
    """A Consent by a template is valid R4, gives back the same terms, and carries the text in the language shown."""
    terms = replace(TERMS, start="", policy="https://fhir.obhut.org/policy/one-visit/1", language="de-simple")
    made = build(terms, "c1", NOW)
    resources.check(made)
    assert agreement(made) == terms and made["policy"] == [{"uri": terms.policy}]
    shown = made["sourceAttachment"]
    assert (shown["language"], shown["url"]) == ("de-simple", terms.policy)
    text = base64.b64decode(shown["data"]).decode()
    assert PRACTICE in text and "31. März 2026" in text and "Wofür?" in text


def test_a_request_may_name_a_template_without_a_language():
    """In which language she reads it is for her to say; what is not known here cannot be signed, but asked for."""
    terms = replace(TERMS, policy="https://example.org/policy/of-somebody-else")
    asked = proposed(terms, "c1", NOW)
    resources.check(asked)
    assert "language" not in asked and agreement(asked) == terms
    with pytest.raises(Problem):
        build(terms, "c1", NOW)


def test_the_signed_consent_permits_what_it_names_and_nothing_else():
    """From FHIR to the decision: counterpart, categories, purpose and time all count."""
    state = State((compile(read(signed())),))
    assert decide(state, ask(), RECORD).kept == ("Observation/weight", "Observation/steps")
    assert decide(state, ask(purpose="ETREAT"), RECORD).decision == "redact"
    for other in (
        ask(actor="other@hub-a.example"),
        ask(purpose="HMARKT"),
        ask("2026-03-31T22:00:00Z"),
        ask("2025-12-31T00:00:00Z"),
    ):
        assert decide(state, other, RECORD).decision == "deny"
    assert decide(state, ask("2026-03-31T21:59:59Z"), RECORD).decision == "redact"


def test_the_signed_consent_refuses_nobody_else():
    """It is an opt-in for its counterpart: another consent goes on to count beside it."""
    other = build(replace(TERMS, counterpart="other@hub-b.example"), "c2", NOW)
    state = State((compile(read(signed())), compile(read(other))))
    assert decide(state, ask(actor="other@hub-b.example"), RECORD).kept == ("Observation/weight", "Observation/steps")


def test_a_proposed_consent_permits_nothing():
    """Asking is not being allowed."""
    assert decide(State((compile(read(proposed(TERMS, "c1", NOW))),)), ask(), RECORD).decision == "deny"


def test_an_amendment_replaces_what_was_signed_before():
    """The same id is the same lineage: the newer record counts, the elder no longer."""
    narrower = build(replace(TERMS, categories=frozenset({2})), "c1", NOW.replace(hour=10))
    state = State((compile(read(signed())), compile(read(narrower))))
    assert decide(state, ask(), RECORD).kept == ("Observation/steps",)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.frozensets(st.integers(0, 15), min_size=1),
    st.lists(st.sampled_from(["TREAT", "HRESCH", "PROJ7"]), min_size=1, max_size=3, unique=True),
    st.sampled_from([("", ""), ("2026-01-01", ""), ("", "2026-12"), ("2026-01-01T10:00:00Z", "2026-01-02")]),
)
def test_an_agreement_survives_the_way_through_fhir(categories, purposes, time):
    """What was agreed is what is read back, from the signed and from the proposed Consent."""
    terms = Agreement(PATIENT, PRACTICE, categories, tuple(purposes), *time)
    assert agreement(build(terms, "c1", NOW)) == agreement(proposed(terms, "c1", NOW)) == terms


@given(st.frozensets(st.integers(0, 15), min_size=1))
@settings(deadline=None)
def test_nothing_withheld_is_named(granted):
    """The Consent that a counterpart sees has no word for a category it was not given."""
    text = str(signed(categories=granted))
    assert all((f"'{name}'" in text) == (index in granted) for index, name in enumerate(NAMES))


def test_the_time_of_an_agreement_in_seconds_ends_with_the_last_day():
    """First second and first one after, in Berlin; open ends as far as a JSON number goes."""
    assert TERMS.seconds() == (
        int(datetime.fromisoformat("2026-01-01T00:00:00+01:00").timestamp()),
        int(datetime.fromisoformat("2026-04-01T00:00:00+02:00").timestamp()),
    )
    assert replace(TERMS, start="", end="").seconds() == (0, 2**53 - 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"categories": frozenset()},
        {"categories": frozenset({16})},
        {"purposes": ()},
        {"purposes": ("FUN",)},
        {"start": "2026-05-01"},
        {"end": "soon"},
        {"counterpart": "Praxis Nord"},
        {"patient": "p-x@hub-a.example"},
    ],
)
def test_terms_that_say_nothing_or_nonsense_are_not_signed(changes):
    """No categories, no purpose, an end before the start, no account."""
    with pytest.raises(Problem) as caught:
        signed(**changes)
    assert caught.value.code == "unprocessable"


def test_an_agreement_is_read_from_nothing_wider_than_a_list():
    """A Consent with a wider or finer tree is not taken for a simple list."""
    for change in (
        lambda c: c["provision"].update(type="permit"),
        lambda c: c["category"].pop(),
        lambda c: c["provision"]["provision"].append(copy.deepcopy(c["provision"]["provision"][0])),
        lambda c: c["provision"]["provision"][0].pop("actor"),
        lambda c: c["provision"]["provision"][0].update({"class": [{"code": "Observation"}]}),
        lambda c: c["provision"]["provision"][0].update(dataPeriod={"start": "2026"}),
        lambda c: c["provision"]["provision"][0]["actor"].append({"reference": {"reference": "Group/1"}}),
    ):
        consent = signed()
        change(consent)
        with pytest.raises(Problem):
            agreement(consent)


# --- what is read


def r4(provision=None, **elements):
    consent = {
        "resourceType": "Consent",
        "id": "x",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"},
        "dateTime": "2024-01-01",
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        **({} if provision is None else {"provision": provision}),
        **elements,
    }
    return {name: value for name, value in consent.items() if value is not None}


FULL = {
    "type": "permit",
    "period": {"start": "2024-01-01", "end": "2024-12-31"},
    "actor": [{"role": {"coding": [{"code": "IRCP"}]}, "reference": {"reference": "Organization/1"}}],
    "action": [{"coding": [{"code": "access"}]}],
    "securityLabel": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}],
    "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
    "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}],
    "code": [{"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}],
    "dataPeriod": {"start": "2022"},
    "data": [{"meaning": "related", "reference": {"reference": "Encounter/e1"}}],
    "provision": [{"type": "deny", "actor": [{"reference": {"reference": "Practitioner/b"}}]}],
}


def test_every_element_of_a_provision_is_read():
    """Nothing of an R4 provision is left out: that would widen the rule."""
    assert read(r4(FULL))["provision"] == {
        "type": "permit",
        "period": {"start": "2024-01-01", "end": "2024-12-31"},
        "actor": ["Organization/1"],
        "action": ["access"],
        "securityLabel": ["N"],
        "purpose": ["TREAT"],
        "class": ["Observation"],
        "code": ["http://loinc.org|8867-4"],
        "dataPeriod": {"start": "2022"},
        "data": [["related", "Encounter/e1"]],
        "provision": [{"type": "deny", "actor": ["Practitioner/b"]}],
    }


def test_whatever_is_read_compiles():
    """The plain form of a Consent is one that compile takes."""
    assert depth(compile(read(r4(FULL))).root) == 2


@pytest.mark.parametrize(("code", "expected"), [("OPTIN", "permit"), ("OPTOUT", "deny"), ("other", None)])
def test_a_root_without_type_takes_that_of_the_policy(code, expected):
    """Where neither says it, the Consent never applies."""
    form = read(r4({"purpose": [{"code": "TREAT"}]}, policyRule={"coding": [{"code": code}]}))
    assert form["provision"].get("type") == expected
    assert (compile(form).root is None) == (expected is None)


def test_the_german_marker_makes_an_opt_in_list():
    """Only the marker's own system and code do."""
    marker = {"system": "http://fhir.de/ConsentManagement/CodeSystem/TemplateType", "code": "CONSENT-OPT-IN"}
    assert compile(read(r4(FULL, category=[{"coding": [marker]}]))).opt_in
    assert not compile(read(r4(FULL, category=[{"coding": [marker | {"system": "urn:x"}]}]))).opt_in


def test_policy_and_controller_make_a_lineage():
    """Two Consents to the same policy and controller replace each other; otherwise each stands alone."""
    both = {"policy": [{"uri": "urn:policy"}], "organization": [{"reference": "Organization/1"}]}
    assert compile(read(r4(FULL, **both))).lineage == compile(read(r4(FULL, id="y", **both))).lineage
    assert compile(read(r4(FULL))).lineage != compile(read(r4(FULL, id="y"))).lineage


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, True),
        ({"performer": [{"reference": "Patient/p"}]}, True),
        ({"performer": [{"reference": "RelatedPerson/mother"}]}, True),
        ({"performer": [{"reference": "RelatedPerson/aunt"}]}, None),
        ({"verification": [{"verified": True}]}, True),
        ({"verification": [{"verified": True}, {"verified": False}]}, False),
    ],
)
def test_a_consent_counts_when_the_right_person_gave_it(elements, expected):
    """The patient, or one mandated; and it was not found void. Of others the mandates tell at the decision."""
    policy = compile(read(r4({"type": "permit"}, **elements), mandated=["RelatedPerson/mother"]))
    assert policy.legal is expected
    asking = Request("Patient/p", frozenset({"Organization/1"}), "TREAT", interval("2024-06-01")[0])
    assert (decide(State((policy,)), asking, RECORD).decision == "permit") is (expected is True)


def test_actors_of_one_role_keep_it_as_a_condition():
    """A role that says more than "recipient" limits the rule."""
    actor = {"role": {"coding": [{"code": "physician"}]}, "reference": {"reference": "Organization/1"}}
    assert read(r4({"type": "permit", "actor": [actor]}))["provision"] == {
        "type": "permit", "actor": ["Organization/1"], "role": ["physician"],
    }  # fmt: skip


def nested(levels, same=False):
    tree = {"type": "permit"}
    for level in range(levels - 1):
        tree = {"type": "permit" if same or level % 2 else "deny", "provision": [tree]}
    return tree


@pytest.mark.parametrize(
    ("consent", "path"),
    [
        ({"resourceType": "Patient"}, "Consent.resourceType"),
        (r4(FULL, id=None), "Consent.id"),
        (r4(FULL, status=None), "Consent.status"),
        (r4(FULL, dateTime=None), "Consent.dateTime"),
        (r4(FULL, patient={"display": "Erika"}), "Consent.patient"),
        (r4(FULL, modifierExtension=[{}]), "Consent.modifierExtension"),
        (r4(FULL, scope={"coding": [{"code": "adr"}]}), "Consent.scope"),
        (r4([]), "Consent.provision"),
        (r4("permit"), "Consent.provision"),
        (r4({"type": "maybe"}), "Consent.provision.type"),
        (r4({"type": "permit", "modifierExtension": [{}]}), "Consent.provision.modifierExtension"),
        (r4({"type": "permit", "expression": {}}), "Consent.provision.expression"),
        (r4({"type": "permit", "actor": []}), "Consent.provision.actor"),
        (r4({"type": "permit", "actor": [{"reference": {"reference": "#a"}}]}), "Consent.provision.actor[0].reference"),
        (r4({"type": "permit", "purpose": [{"code": "FUN"}]}), "Consent.provision.purpose"),
        (r4({"type": "permit", "action": [{"coding": [{"code": "sell"}]}]}), "Consent.provision.action"),
        (r4({"type": "permit", "code": [{"text": "heart"}]}), "Consent.provision.code[0]"),
        (r4({"type": "permit", "period": {"start": "2025", "end": "2024"}}), "Consent.provision.period"),
        (r4({"type": "permit", "data": [{"meaning": "near"}]}), "Consent.provision.data[0].meaning"),
        (r4({"type": "permit", "provision": [{"type": "deny"}, 7]}), "Consent.provision.provision[1]"),
        (
            r4({"type": "permit", "class": [{"system": "https://fhir.obhut.org/CodeSystem/category", "code": "mood"}]}),
            "Consent.provision.class[0]",
        ),
        (
            r4({"type": "permit", "actor": [
                {"role": {"coding": [{"code": role}]}, "reference": {"reference": f"Practitioner/{role}"}}
                for role in ("physician", "nurse")
            ]}),
            "Consent.provision.actor",
        ),
    ],
)  # fmt: skip
def test_a_malformed_consent_is_refused_with_place_and_remedy(consent, path):
    """The problem names the element and says in a sentence what to do."""
    with pytest.raises(Problem) as caught:
        read(consent)
    assert (caught.value.code, caught.value.status, caught.value.expression) == ("unprocessable", 422, path)
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize(
    ("provision", "path"),
    [
        ({"purpose": [{"code": "TREAT"}]}, "Consent.provision.type"),
        (nested(2, same=True), "Consent.provision.provision[0].type"),
        ({"type": "deny", "provision": [{}]}, "Consent.provision.provision[0].type"),
        (nested(4), "Consent.provision.provision[0].provision[0].provision[0]"),
    ],
)
def test_what_is_written_here_states_its_types_and_stays_shallow(provision, path):
    """Imports are read leniently; what is written here is not."""
    read(r4(provision))
    with pytest.raises(Problem) as caught:
        check_written(r4(provision))
    assert caught.value.expression == path
    assert check_written(r4(nested(3)))["provision"] == nested(3)


def test_an_import_nested_too_deep_denies_there():
    """Beyond what is read, nothing permits."""
    form = read(r4(nested(READ_DEPTH + 5)))
    assert str(form).count("provision") == READ_DEPTH + 1
    policy = compile(form)
    rule = policy.root
    while rule.children:
        (rule,) = rule.children
    assert not rule.permit
    assert depth(policy.root) == READ_DEPTH + 1


def test_r5_states_its_decision_once():
    """The R5 shape: each level of provisions is an exception to the one above, a grantee limits the whole."""
    consent = {
        "resourceType": "Consent",
        "id": "x",
        "status": "active",
        "subject": {"reference": "Patient/p"},
        "date": "2024-01-01",
        "period": {"end": "2026"},
        "grantor": [{"reference": "Patient/p"}],
        "grantee": [{"reference": "Organization/1"}],
        "decision": "permit",
        "provision": [
            {
                "resourceType": [{"system": "http://hl7.org/fhir/fhir-types", "code": "Observation"}],
                "provision": [{"documentType": [{"system": "urn:ietf:rfc:3986", "code": "urn:profile"}]}],
            }
        ],
    }
    assert read(consent)["provision"] == {
        "type": "permit",
        "actor": ["Organization/1"],
        "period": {"end": "2026"},
        "provision": [
            {"type": "deny", "class": ["Observation"], "provision": [{"type": "permit", "class": ["urn:profile"]}]}
        ],
    }
    assert read({**consent, "decision": "deny"})["provision"]["provision"][0]["type"] == "permit"
    assert compile(read({name: value for name, value in consent.items() if name != "decision"})).root is None
