"""From Consents to grants: what is released and passes the finer rules is what the Consents permit."""

import os
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from consent import categories
from consent.actors import at_every_level
from consent.dates import interval
from consent.decide import decide
from consent.facts import facts
from consent.fhir_consent import agreement, build
from consent.finer_rules import decider, read, readers_of
from consent.policy import compile  # noqa: A004
from consent.projection import project, project_plain, refused_plain
from consent.purposes import within
from consent.state import Request, State
from fhir_profiles.problems import Problem

PATIENT, PRACTICE, OTHER = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@a.example", "praxis@a.example", "klinik@a.example"
WHOLE = "verbund@a.example"
ACTOR = at_every_level([PRACTICE], {PRACTICE: [WHOLE]})
NOW = interval("2026-03-01T10:00:00Z")[0] // 1_000_000
DAYS = ["2026-02-01", "2026-03-05", "2026-03-10", "2026-06-01"]
PURPOSES = ["TREAT", "ETREAT", "BTG", "HRESCH", "PROJ1"]
ROLES = ["physician", "nurse"]
TIMES = [NOW, *(interval(f"{day}T{hour}Z")[0] // 1_000_000 for day in DAYS[1:] for hour in ("00:00:00", "22:30:00"))]
VITAL = "http://terminology.hl7.org/CodeSystem/observation-category"


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


PERIODS = st.sampled_from([{"start": a, "end": b} for a in DAYS for b in DAYS if a <= b] + [{"end": b} for b in DAYS])
LIMITS = {
    "actor": some([PRACTICE, OTHER, WHOLE]), "purpose": some(PURPOSES), "action": some(["access", "disclose", "read"]),
    "role": some([*ROLES, "hospital"]),
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
    """Some are of one lineage or have one id, some are withdrawn, and some dated later than now."""
    form = {
        "id": draw(st.sampled_from("abc")), "status": draw(st.sampled_from(["active", "active", "inactive"])),
        "dateTime": draw(st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03", "2026-03-05"])),
        "patient": PATIENT, "legal": True, "provision": draw(trees()),
        "template": draw(st.sampled_from(["", "OPT-IN"])),
    }  # fmt: skip
    return form | draw(st.sampled_from([{}, {}, {"lineage": "x"}]))


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


def served(projections, purpose, role, second, item):
    """Whether any of the grants releases the item's category, and its finer rules permit this reader the item."""
    name = next(word for word in item.classes if word in categories.INDEX)
    for one in projections:
        start, until = one.agreed.seconds()
        released = (
            start <= second < until
            and within(purpose, one.agreed.purposes)
            and categories.INDEX[name] in one.agreed.categories
        )
        readers = readers_of(one.rules)
        admitted = released and (readers is None or readers.admits(purpose, role))
        if admitted and (one.rules is None or decider(read(one.rules)).verdict(item).permit):
            return True
    return False


@settings(
    deadline=None, max_examples=5_000 if os.environ.get("OBHUT_SOAK") else 250,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(
    st.lists(forms(), min_size=1, max_size=3), st.lists(ITEMS, min_size=1, max_size=4),
    st.sampled_from([[], ["hospital"]]),
)  # fmt: skip
def test_what_the_hub_releases_and_the_finer_rules_permit_is_what_the_consents_permit(given_forms, items, house):
    """At every time, for every purpose and role: no rule without a key serves anything, no key without a rule."""
    state = State(tuple(map(compile, given_forms)))
    try:
        projections = project_plain(given_forms, PRACTICE, NOW, [WHOLE], house)
    except Problem:
        assume(False)  # refused: nothing is signed
    for second, purpose, role, action in product(TIMES, PURPOSES, [*ROLES, "janitor"], ("read", "search")):
        request = Request(PATIENT, ACTOR, purpose, second * 1_000_000, action, frozenset({role, *house}))
        for item in items:
            permitted = decide(state, request, [item]).decision == "permit"
            assert served(projections, purpose, role, second, item) == permitted, (purpose, role, second, action)


def permit(**limits):
    """A Consent of one opt-in list with one permission for treatment."""
    rule = {"type": "permit", "actor": [PRACTICE], "purpose": ["TREAT"]} | limits
    form = {"id": "c", "status": "active", "patient": PATIENT, "template": "OPT-IN"}
    return form | {"provision": {"type": "deny", "provision": [rule]}}


def refusal(**limits):
    """A Consent that refuses the whole of which the practice is a part."""
    return {"id": "r", "status": "active", "patient": PATIENT, "provision": {"type": "deny", "actor": [WHOLE]} | limits}


def test_what_is_said_of_a_whole_is_said_of_its_parts():
    """A refusal goes down; a permission too; but nothing that is said of a part goes up."""
    assert project_plain([permit(), refusal()], PRACTICE, NOW, [WHOLE]) == []
    assert len(project_plain([permit(), refusal()], PRACTICE, NOW)) == 1
    assert len(project_plain([permit(actor=[WHOLE])], PRACTICE, NOW, [WHOLE])) == 1
    assert project_plain([permit(actor=[PRACTICE])], WHOLE, NOW) == []


VITALS, LAB = categories.INDEX["vitals"], categories.INDEX["lab"]


@pytest.mark.parametrize(
    ("form", "purposes", "found"),
    [
        (refusal(**{"class": ["vitals"]}), ["TREAT"], {VITALS}),
        (refusal(**{"class": ["vitals"], "code": ["8867-4"]}), ["TREAT"], {VITALS}),
        (refusal(purpose=["ETREAT"], **{"class": ["lab"]}), ["TREAT"], {LAB}),
        (refusal(purpose=["HRESCH"]), ["TREAT"], set()),
        (refusal(period={"start": "2026-06-01"}, **{"class": ["lab"]}), ["TREAT"], {LAB}),
        (refusal(period={"end": "2026-02-01"}), ["TREAT"], set()),
        (refusal(actor=[OTHER]), ["TREAT"], set()),
        (refusal() | {"status": "inactive"}, ["TREAT"], set()),
        (permit(actor=[WHOLE], provision=[{"type": "deny"}]), ["TREAT"], set()),
    ],
    ids=["category", "code", "purpose below", "other purpose", "later", "over", "other", "withdrawn", "list"],
)
def test_which_categories_a_refusal_touches(form, purposes, found):
    """Of what is granted for some purposes: now or later, in whole or in part; a list of permissions refuses none."""
    assert refused_plain([form], PRACTICE, purposes, NOW, [WHOLE]) == found


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
        ({"action": ["read"]}, "reading and searching"),
        ({"class": ["vitals"], "provision": [{"type": "deny", "action": ["search"]}]}, "reading and searching"),
    ],
)
def test_what_no_grant_can_keep_to_is_refused(rule, words):
    """With the remedy, before anything is signed."""
    with pytest.raises(Problem) as refused:
        project_plain([permit(**rule)], PRACTICE, NOW)
    assert refused.value.code == "unprocessable"
    assert words in refused.value.detail


@pytest.mark.parametrize(
    "rule",
    [
        {"actor": [OTHER]},
        {"period": {"end": "2026-02-28"}},
        {"class": ["vitals"], "provision": [{"type": "deny", "class": ["vitals"]}]},
        {"action": ["disclose"]},
        {"period": {"start": "2026-03-05T10:00:00.200Z", "end": "2026-03-05T10:00:00.700Z"}},
        {"period": {"end": "2026-03-01T10:00:00.500Z"}},
    ],
)
def test_what_permits_nothing_makes_no_grant(rule):
    """Another party, a time that is over or has no whole second, nothing left, another action."""
    assert project_plain([permit(**rule)], PRACTICE, NOW) == []


def test_a_pause_shorter_than_a_second_ends_and_begins_at_whole_ones():
    """Two grants, neither of which begins after its end."""
    pause = {"type": "deny", "period": {"start": "2026-03-05T10:00:00.200Z", "end": "2026-03-05T10:00:00.700Z"}}
    found = project_plain([permit(**{"class": ["lab"], "provision": [pause]})], PRACTICE, NOW)
    (_, end), (start, _) = (one.agreed.seconds() for one in found)
    assert start - end == 1


IN_EMERGENCIES = {"type": "deny", "purpose": ["ETREAT"]}


def test_an_exception_for_a_purpose_below_travels_with_the_grant():
    """The hub releases for treatment; who reads for an emergency is not admitted, for other treatment is."""
    (one,) = project_plain([permit(**{"class": ["vitals"], "provision": [IN_EMERGENCIES]})], PRACTICE, NOW)
    assert one.agreed.purposes == ("TREAT",)
    assert one.rules["policies"] == [{"opt-in": False, "provision": {"type": "permit"}}]
    readers = readers_of(one.rules)
    assert [readers.admits(purpose) for purpose in ("TREAT", "COC", "ETREAT", "BTG")] == [True, True, False, False]


def test_a_permission_within_an_exception_is_a_grant_beside():
    """Treatment, but no emergency, but in one the glass broken for lab values: two grants that share no reader."""
    glass = IN_EMERGENCIES | {"provision": [{"type": "permit", "purpose": ["BTG"], "class": ["lab"]}]}
    found = project_plain([permit(**{"class": ["vitals", "lab"], "provision": [glass]})], PRACTICE, NOW)
    assert {one.agreed.purposes: one.agreed.categories for one in found} == {
        ("TREAT",): {VITALS, LAB}, ("BTG",): {LAB}
    }  # fmt: skip
    wide = next(one for one in found if one.agreed.purposes == ("TREAT",))
    assert not readers_of(wide.rules).admits("BTG")


def test_a_rule_for_a_role_travels_with_the_grant():
    """Only physicians, all but nurses; a role in which all act there binds the whole house, and is not told apart."""
    (one,) = project_plain([permit(role=["Physician"])], PRACTICE, NOW)
    assert [readers_of(one.rules).admits("TREAT", role) for role in ("physician", "nurse", "")] == [True, False, False]
    (one,) = project_plain([permit(provision=[{"type": "deny", "role": ["nurse"]}])], PRACTICE, NOW)
    assert [readers_of(one.rules).admits("TREAT", role) for role in ("physician", "nurse", "")] == [True, False, True]
    assert project_plain([permit(role=["hospital"])], PRACTICE, NOW, roles=["hospital"])[0].rules is None
    assert (
        project_plain([permit(provision=[{"type": "deny", "role": ["hospital"]}])], PRACTICE, NOW, (), ["hospital"])
        == []
    )


def test_nobody_is_told_apart_who_only_sees_more():
    """In an emergency, or as a physician, lab values besides: the first grant is for everybody."""
    for more in ({"purpose": ["ETREAT"]}, {"role": ["physician"]}):
        found = project_plain(
            [permit(**{"class": ["vitals"]}), permit(**more, **{"class": ["lab"]}) | {"id": "d"}], PRACTICE, NOW
        )
        plain = next(one for one in found if one.agreed.categories == {VITALS})
        assert plain.rules is None and len(found) == 2


WIDE, NARROW = permit(**{"class": ["lab"]}), permit(**{"class": ["vitals"]})


def test_of_a_lineage_the_newest_consent_counts():
    """Also one with the same id; where the newest is withdrawn, none counts, and no elder one again."""
    for alike in ({}, {"id": "d", "lineage": "x"}):
        newer = NARROW | {"dateTime": "2026-02-01"} | alike
        elder = WIDE | {"dateTime": "2026-01-01"} | {name: value for name, value in alike.items() if name == "lineage"}
        (one,) = project_plain([newer, elder], PRACTICE, NOW)
        assert one.agreed.categories == {categories.INDEX["vitals"]}
        assert project_plain([elder, newer | {"status": "inactive"}], PRACTICE, NOW) == []


def test_what_cannot_be_told_to_be_in_force_is_refused():
    """A Consent dated later than now, and two of one lineage that count together."""
    with pytest.raises(Problem, match="later"):
        project_plain([WIDE | {"dateTime": "2026-03-02"}], PRACTICE, NOW)
    with pytest.raises(Problem, match="together"):
        project_plain([WIDE, NARROW], PRACTICE, NOW)
