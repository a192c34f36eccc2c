"""From Consents to grants: what is released and passes the finer rules is what the Consents permit."""

import os
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from consent import categories
from consent.dates import interval
from consent.decide import decide
from consent.facts import facts
from consent.fhir_consent import agreement, build
from consent.finer_rules import decider, read
from consent.policy import compile  # noqa: A004
from consent.projection import project, project_plain
from consent.purposes import within
from consent.state import Request, State
from fhir_profiles.problems import Problem

PATIENT, PRACTICE, OTHER = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@a.example", "praxis@a.example", "klinik@a.example"
NOW = interval("2026-03-01T10:00:00Z")[0] // 1_000_000
DAYS = ["2026-02-01", "2026-03-05", "2026-03-10", "2026-06-01"]
PURPOSES = ["TREAT", "ETREAT", "BTG", "HRESCH", "PROJ1"]
TIMES = [NOW, *(interval(f"{day}T{hour}Z")[0] // 1_000_000 for day in DAYS[1:] for hour in ("00:00:00", "22:30:00"))]
VITAL = "http://terminology.hl7.org/CodeSystem/observation-category"


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


PERIODS = st.sampled_from([{"start": a, "end": b} for a in DAYS for b in DAYS if a <= b] + [{"end": b} for b in DAYS])
LIMITS = {
    "actor": some([PRACTICE, OTHER]), "purpose": some(PURPOSES), "action": some(["access", "disclose"]),
    "class": some(["vitals", "lab", "mental", "Observation", "Condition", "conditions"]),
    "code": some(["8867-4", "718-7"]), "securityLabel": some(["N", "R", "PSY"]), "period": PERIODS,
    "dataPeriod": PERIODS, "data": st.sampled_from([[["instance", "Observation/1"]], [["authoredby", PRACTICE]]]),
}  # fmt: skip


@st.composite
def trees(draw, kind=None, level=1):
    kind = kind or draw(st.sampled_from(["permit", "deny"]))
    tree = draw(st.fixed_dictionaries({}, optional=LIMITS)) | {"type": kind}
    if kind == "permit" and "purpose" not in tree and draw(st.integers(0, 3)):  # else most permit for every purpose
        tree["purpose"] = draw(some(PURPOSES))
    if level < 3 and draw(st.booleans()):
        below = trees("deny" if kind == "permit" else "permit", level + 1)
        tree["provision"] = draw(st.lists(below, min_size=1, max_size=2))
    return tree


@st.composite
def forms(draw):
    return {
        "id": str(draw(st.uuids())), "status": draw(st.sampled_from(["active", "active", "inactive"])),
        "dateTime": "2026-01-01", "patient": PATIENT, "legal": True, "provision": draw(trees()),
        "template": draw(st.sampled_from(["", "OPT-IN"])),
    }  # fmt: skip


def resource(kind, category, code, labels, date):
    found = {"resourceType": kind, "id": "1", "code": {"coding": [{"code": code}]}}
    found |= {"meta": {"security": [{"code": label} for label in labels]}} if labels else {}
    found |= {"category": [{"coding": [{"system": VITAL, "code": category}]}]} if kind == "Observation" else {}
    return found | ({"effectiveDateTime": date} if date else {})


ITEMS = st.builds(
    lambda *parts: facts(resource(*parts[:5]), [parts[5]]),
    st.sampled_from(["Observation", "Condition"]), st.sampled_from(["vital-signs", "laboratory"]),
    st.sampled_from(["8867-4", "718-7", "1-8"]), st.lists(st.sampled_from(["PSY", "R"]), max_size=1),
    st.sampled_from([None, *DAYS]), st.sampled_from([PRACTICE, OTHER]),
)  # fmt: skip


def served(projections, purpose, second, item):
    """Whether any of the grants releases the item's category, and its finer rules permit the item."""
    name = next(word for word in item.classes if word in categories.INDEX)
    for one in projections:
        start, until = one.agreed.seconds()
        released = (
            start <= second < until
            and within(purpose, one.agreed.purposes)
            and categories.INDEX[name] in one.agreed.categories
        )
        if released and (one.rules is None or decider(read(one.rules)).verdict(item).permit):
            return True
    return False


@settings(
    deadline=None, max_examples=5_000 if os.environ.get("OBHUT_SOAK") else 400,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(st.lists(forms(), min_size=1, max_size=3), st.lists(ITEMS, min_size=1, max_size=4))
def test_what_the_hub_releases_and_the_finer_rules_permit_is_what_the_consents_permit(given_forms, items):
    """At every time and for every purpose: no rule without a key serves anything, no key without a rule."""
    state = State(tuple(map(compile, given_forms)))
    try:
        projections = project_plain(given_forms, PRACTICE, NOW)
    except Problem as problem:
        assume(problem.detail.startswith("Nothing is permitted"))
        projections = []
    for second in TIMES:
        for purpose in PURPOSES:
            request = Request(PATIENT, frozenset({PRACTICE}), purpose, second * 1_000_000)
            for item in items:
                permitted = decide(state, request, [item]).decision == "permit"
                assert served(projections, purpose, second, item) == permitted, (purpose, second)


def permit(**limits):
    """A Consent of one opt-in list with one permission for treatment."""
    rule = {"type": "permit", "actor": [PRACTICE], "purpose": ["TREAT"]} | limits
    form = {"id": "c", "status": "active", "patient": PATIENT, "template": "OPT-IN"}
    return form | {"provision": {"type": "deny", "provision": [rule]}}


def test_an_agreement_needs_no_finer_rules():
    """What a patient agrees by categories, purposes and time is itself again, and says all."""
    first = project_plain([permit(**{"class": ["vitals", "lab"], "period": {"end": "2026-06-30"}})], PRACTICE, NOW)
    (one,) = first
    assert (one.agreed.end, one.rules) == ("2026-06-30", None)
    consent = build(one.agreed, "c1", datetime.fromtimestamp(NOW, UTC))
    assert agreement(consent) == one.agreed
    assert project([consent], PRACTICE, NOW) == first


def test_a_time_within_a_time_becomes_grants_that_follow_each_other():
    """Denied in March only: one grant until then, and one that begins in April; neither has finer rules."""
    pause = {"type": "deny", "period": {"start": "2026-03-05", "end": "2026-03-31"}}
    found = project_plain([permit(**{"class": ["vitals"], "provision": [pause]})], PRACTICE, NOW)
    assert [(one.agreed.start, one.agreed.end) for one in found] == [("", "2026-03-04"), ("2026-04-01", "")]
    assert all(one.rules is None for one in found)


def test_what_is_said_of_other_parties_and_purposes_is_not_told_to_this_one():
    """The finer rules name neither another practice, nor what she refuses it, nor a purpose or a time."""
    refusal = {"type": "deny", "actor": [OTHER], "class": ["mental"]}
    hidden = {"type": "deny", "code": ["718-7"]}
    (one,) = project_plain([permit(**{"class": ["lab"], "provision": [refusal, hidden]})], PRACTICE, NOW)
    assert one.rules["policies"] == [
        {"opt-in": True, "provision": {"type": "deny", "provision": [
            {"type": "permit", "class": ["lab"], "provision": [hidden]}
        ]}}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"purpose": []}, "Name the purposes"),
        ({"role": ["physician"]}, "role"),
        ({"class": ["vitals"], "provision": [{"type": "deny", "purpose": ["ETREAT"]}]}, "ETREAT"),
        ({"actor": [OTHER]}, "Nothing is permitted"),
        ({"period": {"end": "2026-02-28"}}, "Nothing is permitted"),
        ({"class": ["vitals"], "provision": [{"type": "deny", "class": ["vitals"]}]}, "Nothing is permitted"),
        ({"action": ["disclose"]}, "Nothing is permitted"),
    ],
)
def test_what_no_grant_can_keep_to_is_refused(rule, words):
    """With the remedy, before anything is signed."""
    with pytest.raises(Problem) as refused:
        project_plain([permit(**rule)], PRACTICE, NOW)
    assert refused.value.code == "unprocessable"
    assert words in refused.value.detail
