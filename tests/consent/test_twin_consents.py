"""Consents are understood alike by the portal's twin: dates, rules, decisions, grants, and what is said of them."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import cases, fhir_consent, floor, standing, words
from consent.template import templates
from tests.consent import test_fhir_consent as consents
from tests.consent import test_projection as projections
from tests.consent.random_states import Chance
from tests.consent.test_finer_rules import test_finer_rules_that_say_more_are_not_kept_to as odd_rules
from tests.consent.twin import agree
from tests.consent.twin_consents import agreement, decision, questions

CASES = {
    case.id: (case.state, case.requests, case.items)
    for case in cases.parse(Path(__file__).with_name("decision_cases.json").read_bytes())
}
SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


# --- dates --------------------------------------------------------------------------------------------------------

ODD_DATES = [
    "", "24", "2024-13", "2024-02-30", "2023-02-29", "2024-06-01T10:00:00", "2024-06-01T25:00:00Z", "0000", "2024-6-1",
    "9999-12-31T00:00:00+99:99", "9999-12-31", "9999", "9999-12", "0001", "0001-01-01", "2024-00", "2024-01-00",
    "2024-00-05", "2024-06-01T24:00:00Z", "2024-06-01T23:59:60Z", "2024-06-01T10:60Z", "2024-06-01T10:00:00+10:99",
    "2024-06-01T10:00:00-23:59", "2024-06-01T10:00:00+23:60", "2024-06-01T10:00:00+24:00", "2024-06-01T10:00:00.1Z",
    "2024-06-01T10:00:00.123456789Z", "2024-06-01T10:00:00.1234567890Z", "2024-06-01T10:00+02:00", "2024-06-01T10:00Z",
    "1893-04-01", "1893-03-31", "1916-04-30", "1916-05-01", "1916-10-01", "1945-05-24", "1945-09-24", "1946-10-07",
    "1947-05-11", "1980-04-06", "2024-03-31", "2024-10-27", "2100-07-01", "today", "2024-06-01 ", "2024-06-01\n",
    "٢٠٢٤",
]  # fmt: skip
DATES = st.one_of(
    st.dates().map(str),
    st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}+02:00".rjust(25, "0")),
    st.text("0123456789-:TZ+.", max_size=26),
)


def dates_asked():
    """Months and days of many years, and every kind of date that is none."""
    every = [f"{year}-{month:02}" for year in range(1890, 2060) for month in range(1, 13)]
    days = [
        f"{year}-{month:02}-{day:02}"
        for year in (1916, 1946, 2025)
        for month in (3, 4, 5, 9, 10)
        for day in range(1, 31)
    ]
    return [("interval", {"text": text}) for text in [*ODD_DATES, *every, *days]]


def test_dates_mean_the_same_interval(twin):
    """Whole days at the patient's place, in every year and on every day on which clocks were set there."""
    agree(twin, dates_asked())


@SOME
@given(st.lists(DATES, max_size=20))
def test_any_date_means_the_same_or_none_to_both(twin, texts):
    """What is no date is none to both."""
    agree(twin, [("interval", {"text": text}) for text in texts])


# --- decisions ----------------------------------------------------------------------------------------------------


def decide_alike(twin, cases):
    """Ask both for decisions by name, compare verdicts, bases and sentences, and give Python's."""
    mine = {name: {"ok": json.loads(json.dumps(decision(*one)))} for name, one in cases.items()}
    theirs = twin.ask([("decide", questions(*one)) for one in cases.values()])
    different = [trio for trio in zip(cases, mine.values(), theirs, strict=True) if trio[1] != trio[2]]
    assert not different, different[0]
    return mine


def test_the_decision_cases_come_out_alike(twin):
    """Verdicts, bases and sentences of every case of our own, and for how long each holds."""
    decide_alike(twin, CASES)


def test_random_states_decide_alike(twin):
    """Whatever was said, whoever asks: the same resources, for the same reasons."""
    chances = [Chance(seed) for seed in range(400)]
    found = {i: (one.state(), (one.request(),), tuple(one.items())) for i, one in enumerate(chances)}
    mine = decide_alike(twin, found)
    assert {one["ok"]["decision"] for one in mine.values()} == {"permit", "redact", "deny"}


JSON = st.recursive(
    st.sampled_from([None, True, 1, "", "x", "2024-06-01", "permit", "deny"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "period", "start", "end", "actor", "class", "data", "provision", "dataPeriod", "id"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
FORM = {
    "id": "c", "status": "active", "dateTime": "2026-01-01", "patient": "p", "policy": ["b", "a"], "controller": ["c"],
    "performer": ["y", "x"], "template": "OPT-IN", "legal": True,
    "provision": {
        "type": "deny", "period": {"start": "2026-01-01"}, "provision": [
            {"type": "permit", "actor": ["b"], "class": ["lab"], "code": ["1"], "data": [["instance", "Observation/1"]],
             "dataPeriod": {"end": "2026"}, "role": ["r"], "action": ["access"], "securityLabel": ["R"],
             "purpose": ["TREAT"]}
        ],
    },
}  # fmt: skip


def places(value, path=()):
    """Every place in a value of JSON."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


ADDED = st.sampled_from(["type", "role", "action", "purpose", "resourceType", "text", "_x"])


@st.composite
def altered(draw, value, junk=JSON):
    """The value with something in it replaced, dropped or added."""
    found = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([path for path in places(found) if path]))
        inner = found
        for key in way:
            inner = inner[key]
        change = draw(st.sampled_from(["replace", "drop", "add"]))
        if change == "replace":
            inner[last] = copy.deepcopy(draw(junk))
        elif change == "drop":
            del inner[last]
        elif isinstance(inner, dict):
            inner[draw(ADDED)] = copy.deepcopy(draw(junk))
        if not [path for path in places(found) if path]:
            break
    return found


@settings(SOME, max_examples=150)
@given(st.lists(altered(FORM), min_size=1, max_size=5))
def test_forms_compile_alike_whatever_is_wrong_with_them(twin, forms):
    """The same rules, or the same refusal at the same place."""
    agree(twin, [("compile", {"form": form}) for form in [FORM, *forms]])


# --- what a resource is -------------------------------------------------------------------------------------------

LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
RESOURCE = {
    "resourceType": "Observation", "id": "1",
    "meta": {
        "profile": ["http://example.org/profile", "lab"],
        "security": [{"system": CONFIDENTIALITY, "code": "R"}, {"code": "PSY"}, {"system": SENSITIVITY, "code": "HIV"}],
    },
    "category": [{"coding": [{"system": LABORATORY, "code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}, {"code": "x"}]},
    "subject": {"reference": "Patient/p-a"},
    "encounter": {"reference": "Encounter/e1/_history/2"},
    "effectivePeriod": {"start": "2026-01-01", "end": "2026-01-02"}, "issued": "2026-01-03T10:00:00.123Z",
    "performer": [{"reference": "#contained"}, {"identifier": {"system": "urn:obhut:account", "value": "a@b.de"}}],
    "component": [{"code": {"coding": [{"code": "y"}]}}],
    "derivedFrom": [{"identifier": {"value": "v"}}, {"identifier": {"system": "s", "value": "v"}}],
}  # fmt: skip
WORDS = st.sampled_from(["x", "", 1, None, [], {}, ["x"], {"reference": "Observation/2"}, {"coding": [{"code": "z"}]},
                         {"start": 1}, {"end": "2026"}, "2026-02-30", "9999-12-31", {"code": "V"}])  # fmt: skip


@settings(SOME, max_examples=150)
@given(st.lists(altered(RESOURCE, WORDS), min_size=1, max_size=5))
def test_facts_of_a_resource_are_the_same(twin, resources):
    """Classes, labels, codes, dates, authors and references, of whatever an author sends."""
    known = [one for one in resources if one.get("resourceType") == "Observation" and isinstance(one.get("id"), str)]
    asked = [
        RESOURCE,
        {"resourceType": "DocumentReference", "id": "d", "type": RESOURCE["code"], "date": "2026"},
        *known,
    ]
    agree(twin, [("facts", {"resource": one, "authors": ["who@b.de"]}) for one in asked])


# --- finer rules --------------------------------------------------------------------------------------------------

HERE = {"v": 1, "policies": [{"opt-in": True, "provision": FORM["provision"]["provision"][0] | {"class": ["lab"]}}]}
for _name in ("actor", "role", "action", "purpose"):
    del HERE["policies"][0]["provision"][_name]


READERS = [
    {"purposes": ["TREAT"], "roles": ["nurse"], "admitted": [["TREAT", "nurse"]]},
    {
        "purposes": ["ETREAT", "TREAT"],
        "roles": ["nurse", "x"],
        "admitted": [["ETREAT", "x"], ["TREAT", ""], ["TREAT", "x"]],
    },
    {"purposes": ["HRESCH", "PROJ1"], "roles": [], "admitted": [["HRESCH", ""]]},
]


def test_finer_rules_that_say_more_are_refused_by_both(twin):
    """A rule by purpose or time, an unknown word, a wrong shape."""
    (mark,) = odd_rules.pytestmark
    found = agree(twin, [("finer", {"rules": rules, "resources": [], "authors": []}) for rules in mark.args[1]])
    assert found == [{"kind": "broken", "reason": "rules"}] * len(found)


@settings(SOME, max_examples=100)
@given(st.lists(altered(HERE), min_size=1, max_size=4), st.lists(altered(RESOURCE, WORDS), max_size=3))
def test_finer_rules_show_the_same_resources(twin, rules, resources):
    """Of an opened resource both say whether it may be shown."""
    known = [one for one in resources if one.get("resourceType") == "Observation" and isinstance(one.get("id"), str)]
    asked = {"resources": [RESOURCE, *known], "authors": ["a@b.de"]}
    agree(twin, [("finer", {"rules": one, **asked}) for one in [HERE, *rules]])


def test_hiding_and_a_first_day_are_written_alike(twin):
    """With rules and without; and both tell rules of a first day from others."""
    some = [["Observation/2", "Observation/1", "Observation/2"], []]
    agree(twin, [("hiding", {"rules": rules, "references": refs}) for rules in (None, HERE) for refs in some])
    days = ["2026-03-01", "2024-02-29", "2025-01-01", "2026-03-29", "2026-10-26"]
    found = agree(twin, [("since", {"day": day, "rules": rules}) for day in days for rules in (None, HERE)])
    rules = [one["ok"] for one in found]
    hidden = agree(twin, [("hiding", {"rules": one, "references": ["Observation/x"]}) for one in rules])
    levels = agree(twin, [("up_to", {"confidentiality": one}) for one in (["N", "L"], ["R", "N"], [])])
    several = [None, HERE, *rules[:4], *(one["ok"] for one in levels), *(HERE | {"readers": one} for one in READERS)]
    agree(twin, [("both", {"one": one, "other": other}) for one in several for other in several])
    odd = [None, [], {}, HERE, {"v": 1, "policies": []}, {"v": 1, "policies": [{"provision": {"provision": [1]}}]}]
    every = [*rules, *(one["ok"] for one in hidden), *odd]
    said = agree(twin, [("only_since", {"rules": one}) for one in every])
    assert [one["ok"] for one in said] == [True, False] * len(days) + [False] * (len(every) - 2 * len(days))


# --- FHIR ---------------------------------------------------------------------------------------------------------

TERMS = [
    consents.TERMS,
    replace(consents.TERMS, start="", end=""),
    replace(consents.TERMS, start="2026-01-01T10:00:00Z", end="2026-03-29"),
    replace(consents.TERMS, end="2025-01-01"),
    replace(consents.TERMS, purposes=("TREAT", "PROJ7")),
    replace(consents.TERMS, purposes=("FUN",)),
    replace(consents.TERMS, purposes=()),
    replace(consents.TERMS, categories=frozenset()),
    replace(consents.TERMS, categories=frozenset({16})),
    replace(consents.TERMS, counterpart="nobody"),
    replace(consents.TERMS, start="soon"),
    replace(consents.TERMS, paper=consents.PAPER),
    replace(consents.TERMS, paper=replace(consents.PAPER, desk="a desk")),
    replace(consents.TERMS, policy="https://example.org/policy/of-somebody-else"),
    *(
        replace(consents.TERMS, policy=one.uri, language=language)
        for one in templates()
        for language in (*words.LANGUAGES, "fr")
    ),
]


def terms_asked():
    """Agreements, signed at three moments of a year."""
    moments = (1_767_261_600, 1_774_742_400 + 3599, 1_792_897_200)
    given_ = [agreement(terms) for terms in TERMS]
    return [("build", {"terms": one, "name": "c1", "second": at}) for one in given_ for at in moments]


def test_consents_are_written_alike_and_read_back(twin):
    """What is signed, what is asked for, and what neither is: the same FHIR, or the same refusal at the same place."""
    given_ = [agreement(terms) for terms in TERMS]
    made = agree(twin, terms_asked())
    asked = agree(twin, [("proposed", {"terms": one, "name": "c1", "second": 1_767_261_600}) for one in given_])
    written = [one["ok"] for one in [*made, *asked] if "ok" in one]
    assert len(written) > len(TERMS)
    agree(twin, [(what, {"consent": one}) for one in written for what in ("agreement", "consent", "written")])
    agree(twin, [("seconds", {"terms": one}) for one in given_])


R5 = {
    "resourceType": "Consent", "id": "c", "status": "active", "date": "2026-01-01", "decision": "permit",
    "subject": {"identifier": {"system": "urn:obhut:account", "value": consents.PATIENT}},
    "grantor": [{"reference": "Patient/x"}], "grantee": [{"reference": "Organization/1"}], "period": {"end": "2026"},
    "controller": [{"reference": "Organization/1"}], "policyBasis": {"url": "http://example.org/p"},
    "verification": [{"verified": True, "verifiedBy": {"reference": "x/1"}, "verificationDate": ["2026-01-01"]}],
    "sourceAttachment": [{"url": "x"}], "sourceReference": [{"reference": "DocumentReference/1"}],
    "provision": [{"resourceType": [{"code": "Observation"}], "provision": [{"documentType": [{"code": "x"}]}]}],
}  # fmt: skip
SEEDS = [consents.signed(paper=consents.PAPER), consents.signed(), R5]


@settings(SOME, max_examples=150)
@given(st.lists(st.sampled_from(SEEDS).flatmap(altered), min_size=1, max_size=5))
def test_consents_of_others_are_read_alike_whatever_is_wrong_with_them(twin, given_):
    """R4 and R5: the same plain form, or the same refusal with the same remedy at the same place."""
    whats = ("consent", "written", "agreement")
    agree(twin, [(what, {"consent": one}) for one in [*SEEDS, *given_] for what in whats])


@settings(SOME, max_examples=80)
@given(st.lists(altered(fhir_consent.read(consents.signed(paper=consents.PAPER))), min_size=1, max_size=4))
def test_plain_forms_become_the_same_consent(twin, forms):
    """What R4 has no place for is refused alike."""
    agree(twin, [("export", {"form": form | {"id": "c"}}) for form in [FORM, *forms]])


# --- projections --------------------------------------------------------------------------------------------------


@settings(SOME, max_examples=120)
@given(st.lists(projections.forms(), min_size=1, max_size=3))
def test_consents_become_the_same_grants(twin, forms):
    """The same agreements and finer rules, or the same refusal."""
    asked = {"consents": forms, "counterpart": projections.PRACTICE, "now": projections.NOW, "plain": True}
    more = ({}, {"wholes": [projections.OTHER]}, {"roles": ["hospital"]})
    agree(twin, [("project", asked | one) for one in more])
    asked = {"forms": forms, "counterpart": projections.PRACTICE, "now": projections.NOW}
    agree(twin, [
        ("refused", asked | {"purposes": purposes, "wholes": wholes})
        for purposes in (["TREAT"], ["BTG", "HRESCH"]) for wholes in ([], [projections.OTHER])
    ])  # fmt: skip


def test_a_written_consent_becomes_the_same_grants(twin):
    """From FHIR, with a pause and with an exception."""
    pause = {"type": "deny", "period": {"start": "2026-03-05", "end": "2026-03-31"}}
    lab = {"type": "deny", "code": ["718-7"]}
    forms = [projections.permit(**{"class": ["vitals"], "provision": [one]}) for one in (pause, lab)]
    asked = {"counterpart": projections.PRACTICE, "now": projections.NOW}
    made = agree(twin, [("project", asked | {"consents": [one], "plain": True}) for one in forms])
    assert [len(one["ok"]) for one in made] == [2, 1]
    agree(twin, [("project", asked | {"consents": [one]}) for one in SEEDS[:2]])


# --- words --------------------------------------------------------------------------------------------------------


def test_what_a_house_may_be_granted_is_the_same(twin):
    """What the law closes to it, and by which template it has standing access, for each type of the directory."""
    houses = sorted({*standing.TYPES, "payer", "service", "", "toString"})
    found = agree(twin, [(what, {"house": one}) for what in ("closed_to", "standing_template") for one in houses])
    assert any(one["ok"] for one in found)


def test_the_law_closes_the_same_to_each_role(twin):
    """To each profession, in each kind of house, for each thing that is done with data."""
    people = sorted({*floor.ROLES, "Nurse ", "gardener", "", "toString"})
    houses = ("", "practice", "hospital", "pharmacy", "payer", "occupational", "toString")
    actions = ("read", "search", "create", "update", "delete", "correct", "sign")
    asked = [{"house": h, "person": p, "action": a} for h in houses for p in people for a in actions]
    found = agree(twin, [("closed", one) for one in asked])
    assert any(one["ok"] for one in found) and not all(one["ok"] for one in found)


def test_templates_and_their_texts_are_the_same(twin):
    """Every template by id, version and URI, whole, in each language."""
    agree(twin, [("templates", {})])
    names = [name for one in templates() for name in (one.id, f"{one.id}/1", one.uri)]
    agree(twin, [("template", {"name": name}) for name in [*names, "one-visit/2", "nothing", "", "one-visit/1/x"]])
    about = {"who": "{rule} praxis@hub $& {who}", "what": [8, 1, 0], "why": ["TREAT", "PROJ1"], "until": 1_774_994_400}
    agree(twin, [
        ("text", {"name": name.id, "language": language, **about})
        for name in templates() for language in (*words.LANGUAGES, "fr")
    ])  # fmt: skip


@pytest.mark.parametrize("language", [*words.LANGUAGES, "fr"])
def test_plain_words_are_the_same(twin, language):
    """Categories, purposes, days and the one sentence, also by summer time and for codes without words."""
    seconds = [0, 1_774_738_799, 1_774_738_800, 1_774_994_400, 1_774_994_399, 1_792_965_600, 2**53 - 1]
    asked = [("day", [at]) for at in seconds[:-1]] + [("moment", [at]) for at in seconds[:-1]]
    asked += [("until", [at]) for at in seconds] + [("categories", [list(range(16))]), ("on_paper", ["a@b.de"])]
    asked += [("purposes", [codes]) for codes in (["TREAT"], ["BTG", "CLINTRCH", "PROJ1"], ["SUPNWK", "FUN"])]
    asked += [("rule", ["a@b.de", [3, 1], ["TREAT", "HRESCH"], at]) for at in seconds]
    agree(twin, [("words", {"what": what, "given": given_, "language": language}) for what, given_ in asked])
