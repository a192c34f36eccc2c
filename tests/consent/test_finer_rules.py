"""Finer rules: what they hide, what they leave out by date, and what is no finer rule."""

import json
from datetime import date

import pytest

from consent import finer_rules
from consent.facts import facts
from consent.finer_rules import decider, hiding, since
from consent.primitives import Rejected

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


@pytest.mark.parametrize(
    "value",
    [
        None, [], {}, {"v": 1}, {"v": 2, "policies": []}, {"v": 1, "policies": []}, {"v": 1, "policies": [{}]},
        {"v": 1, "policies": [{"opt-in": 1, "provision": {"type": "permit"}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit", "purpose": ["TREAT"]}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit", "period": {}}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit", "provision": [{"class": []}]}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit", "provision": "x"}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit", "class": [1]}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit", "role": ["nurse"]}}]},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit"}}], "readers": None},
        {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit"}}], "readers": {"purposes": ["TREAT"]}},
    ],
)  # fmt: skip
def test_finer_rules_that_say_more_are_not_kept_to(value):
    """A rule by purpose or time has no place there: whoever reads it so would read it wrongly."""
    with pytest.raises(Rejected) as rejected:
        finer_rules.read(value)
    assert (rejected.value.kind, rejected.value.reason) == ("broken", "rules")


def test_finer_rules_deeper_than_a_consent_goes_are_not_kept_to():
    """A tree may be as deep as one is read, and no deeper."""
    tree = {"type": "deny"}
    for _ in range(8):
        tree = {"type": "permit", "provision": [tree]}
    with pytest.raises(Rejected):
        finer_rules.read({"v": 1, "policies": [{"opt-in": False, "provision": tree}]})
    assert finer_rules.read({"v": 1, "policies": [{"opt-in": False, "provision": tree["provision"][0]}]})


def verdicts(rules, *items):
    return [rules is None or decider(finer_rules.read(rules)).verdict(item).permit for item in items]


A, C = (facts({"resourceType": "Condition", "id": name, "recordedDate": "2026-02-01"}) for name in "ac")


@pytest.mark.parametrize("meaning", ["instance", "authoredby"])
def test_what_is_hidden_is_hidden_besides_what_the_rules_leave_out(meaning):
    """No rule of a Consent is lost by hiding, also not a refusal of single resources."""
    reference = "Condition/b" if meaning == "instance" else "klinik@a.example"
    refusal = {"opt-in": False, "provision": {"type": "deny", "data": [[meaning, reference]]}}
    ruled = {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit"}}, refusal]}
    other = facts({"resourceType": "Condition", "id": "b", "recordedDate": "2026-02-01"}, ["klinik@a.example"])
    for rules in (None, ruled):
        assert hiding(rules, []) == rules
        assert verdicts(hiding(rules, ["Condition/a"]), A, other, C) == [False, rules is None, True]


def test_from_a_day_on_older_and_undated_data_are_left_out():
    """By the clinical date at the patient's place; what has none by its nature, such as a device, stays."""
    rules = since(date(2026, 3, 1))
    dates = ("2026-02-28T23:30:00Z", "2026-02-28T22:30:00Z", "2026-03", None)
    observed = [facts({"resourceType": "Observation", "id": "1", "effectiveDateTime": date}) for date in dates]
    assert verdicts(rules, *observed, facts({"resourceType": "Device", "id": "d"})) == [True, False, True, False, True]
    assert verdicts(hiding(rules, ["Observation/1"]), observed[0]) == [False]


def test_a_first_day_narrows_what_other_rules_permit():
    """What they do not permit stays so, whatever its date; of what they permit the elder is left out, at any depth."""
    inner = {"type": "permit", "code": ["1-8"]}
    tree = {"type": "deny", "provision": [{"type": "permit", "class": ["lab"], "provision": [
        {"type": "deny", "code": ["1-8", "2-7"], "provision": [inner]}
    ]}, {"type": "permit", "class": ["Device"]}]}  # fmt: skip
    rules = {"v": 1, "policies": [{"opt-in": True, "provision": tree}]}
    coded = {code: {"coding": [{"code": code}]} for code in ("1-8", "2-7", "3-6")}
    lab = {"category": [{"coding": [{"system": CATEGORY, "code": "laboratory"}]}]}
    observed = [
        facts({"resourceType": "Observation", "id": "1", "effectiveDateTime": date, "code": code} | lab)
        for code in coded.values() for date in ("2026-02-01", "2026-03-02")
    ]  # fmt: skip
    others = [facts({"resourceType": kind, "id": "d"}) for kind in ("Condition", "Device")]
    assert verdicts(rules, *observed, *others) == [True, True, False, False, True, True, False, True]
    narrowed = since(date(2026, 3, 1), rules)
    assert verdicts(narrowed, *observed, *others) == [False, True, False, False, False, True, False, True]


def test_rules_of_a_first_day_are_told_from_rules_that_say_more():
    """From a day on, for any day, and nothing else; hiding an entry besides is more."""
    for day in (date(2027, 1, 1), date(2024, 2, 29)):
        assert finer_rules.only_since(json.loads(json.dumps(finer_rules.since(day))))
        assert not finer_rules.only_since(finer_rules.hiding(finer_rules.since(day), ["Observation/x"]))
    assert not finer_rules.only_since(finer_rules.hiding(None, ["Observation/x"]))
    assert not finer_rules.only_since({"v": 1, "policies": []})


NURSES = {"purposes": ["TREAT"], "roles": ["nurse"], "admitted": [["TREAT", "nurse"]]}
NOT_IN_EMERGENCIES = {"purposes": ["TREAT", "ETREAT"], "roles": [], "admitted": [["TREAT", ""]]}


def test_whom_rules_admit_stays_when_they_narrow():
    """Hiding and a first day take nothing from the table of readers; of two tables both count."""
    rules = finer_rules.rules_of([]) | {"readers": NURSES}
    for narrowed in (
        hiding(rules, ["Observation/x"]),
        since(date(2026, 3, 1), rules),
        finer_rules.both(rules, ANYBODY),
    ):
        assert narrowed["readers"] == NURSES
    found = finer_rules.readers_of(finer_rules.both(rules, ANYBODY | {"readers": NOT_IN_EMERGENCIES}))
    assert [found.admits(*one) for one in (("TREAT", "nurse"), ("ETREAT", "nurse"), ("TREAT", ""))] == [
        True,
        False,
        False,
    ]
    assert not finer_rules.leaves_out(rules) and finer_rules.leaves_out(hiding(rules, ["Observation/x"]))


ANYBODY = {"v": 1, "policies": [{"opt-in": False, "provision": {"type": "permit", "class": ["lab"]}}]}
