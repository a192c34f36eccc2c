"""Decisions: what each rule of the combining order does, and what holds for any state."""

from dataclasses import replace

import pytest

from consent.dates import interval, period
from consent.decide import Decider, decide
from consent.floor import closing
from consent.items import item
from consent.mandates import Mandate
from consent.policy import READ_DEPTH, compile, depth  # noqa: A004
from consent.purposes import within
from consent.standing import Standing
from consent.state import Request, State

PATIENT, DOCTOR, PRACTICE, OTHER, SON = "p@a.example", "dr-a", "praxis@a.example", "klinik@a.example", "son@a.example"
NOON = interval("2024-06-01T12:00:00+02:00")[0]
ASK = Request(PATIENT, frozenset({DOCTOR, PRACTICE}), "TREAT", NOON, roles=frozenset({"physician"}))
PULSE = item("Observation/pulse", ["Observation", "vitals"])
STEPS = item("Observation/steps", ["Observation", "activity"])
MOOD = item("Observation/mood", ["Observation", "mental"], sensitivity=["PSY"])
SECRET = item("Observation/secret", ["Observation", "lab"], "V")


def consent(name="c1", status="active", when="2024-01-01", provision=None, **elements):
    rule = {"type": "permit"} if provision is None else provision
    return compile({"id": name, "status": status, "dateTime": when, "provision": rule, **elements})


def permits(request=ASK, *policies, one=PULSE, **state):
    return Decider(State(policies=policies, **state), request).verdict(one).permit


# --- counterpart, category, purpose, period


def test_nothing_said_is_no():
    """Without any consent nothing is released."""
    assert decide(State(), ASK, [PULSE]).decision == "deny"


def test_a_permit_reaches_the_named_counterpart_only():
    """A permit for one practice does not permit everybody."""
    named = consent(provision={"type": "permit", "actor": [PRACTICE]})
    assert permits(ASK, named)
    assert not permits(replace(ASK, actor=frozenset({OTHER})), named)


def test_a_permit_reaches_the_named_categories_only():
    """What is granted by class is kept, the rest is withheld."""
    decision = decide(State((consent(provision={"type": "permit", "class": ["vitals"]}),)), ASK, [STEPS, PULSE, MOOD])
    assert (decision.decision, decision.kept) == ("redact", ("Observation/pulse",))


@pytest.mark.parametrize(
    ("granted", "asked", "expected"),
    [
        ("TREAT", "TREAT", True),
        ("TREAT", "ETREAT", True),
        ("TREAT", "BTG", True),
        ("ETREAT", "TREAT", False),
        ("HRESCH", "CLINTRCH", True),
        ("HRESCH", "PROJ1", True),
        ("PROJ1", "HRESCH", False),
        ("PROJ1", "PROJ2", False),
        ("HPAYMT", "ELIGVER", True),
        ("TREAT", "HMARKT", False),
    ],
)
def test_a_purpose_covers_what_lies_below_it(granted, asked, expected):
    """Subsumption goes down the tree of v3-ActReason, never up."""
    assert permits(replace(ASK, purpose=asked), consent(provision={"type": "permit", "purpose": [granted]})) is expected
    assert within(asked, [granted]) is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2024-05-31T21:59:59Z", False),  # in Berlin still May
        ("2024-05-31T22:00:00Z", True),
        ("2024-06-30T21:59:59.999Z", True),
        ("2024-06-30T22:00:00Z", False),  # in Berlin already July
    ],
)
def test_a_period_of_days_is_that_of_berlin_and_holds_the_last_day(at, expected):
    """Date-only ends are inclusive, at the patient's place."""
    june = consent(provision={"type": "permit", "period": {"start": "2024-06-01", "end": "2024-06-30"}})
    assert permits(replace(ASK, at=interval(at)[0]), june) is expected


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error", ""])
def test_only_an_active_consent_counts(status):
    """A proposed or withdrawn consent permits nothing, and refuses nothing."""
    assert not permits(ASK, consent(status=status))
    assert permits(ASK, consent("c2"), consent(status=status, provision={"type": "deny"}))


def test_a_consent_counts_for_its_patient_only():
    """A consent of somebody else says nothing here."""
    assert not permits(ASK, consent(patient="q@a.example"))


def test_a_consent_without_effect_or_type_never_applies():
    """Not legally effective, or saying neither permit nor deny: silent, not a refusal."""
    for silent in (consent(legal=False, provision={"type": "deny"}), consent(provision={"actor": [PRACTICE]})):
        assert permits(ASK, consent("c2"), silent)
        assert not permits(ASK, silent)


@pytest.mark.parametrize("broken", [{"subject": ""}, {"actor": frozenset()}, {"purpose": ""}, {"purpose": "FUN"}])
def test_a_malformed_request_is_denied(broken):
    """No subject, no actor or no known purpose: denied, even to the patient."""
    request = replace(ASK, **({"actor": frozenset({PATIENT})} | broken))
    assert not permits(request, consent(), implicit="permit")


# --- the tree


def test_elements_are_anded_and_values_ored():
    """All populated elements have to match, by any of their values."""
    rule = consent(provision={"type": "permit", "actor": [PRACTICE, OTHER], "purpose": ["TREAT"], "class": ["vitals"]})
    assert permits(ASK, rule)
    assert not permits(replace(ASK, purpose="HMARKT"), rule)
    assert not permits(ASK, rule, one=STEPS)
    assert not permits(ASK, consent(provision={"type": "permit", "role": ["nurse"]}))


def test_a_nested_rule_without_a_type_only_takes_away():
    """What does not say that it permits denies."""
    assert not permits(ASK, consent(provision={"type": "permit", "provision": [{"class": ["vitals"]}]}))


def test_the_deepest_rule_decides_and_denial_wins_among_siblings():
    """Of matching siblings of both types the denial is taken."""
    tree = {"type": "permit", "provision": [{"type": "permit"}, {"type": "deny", "class": ["vitals"]}]}
    assert not permits(ASK, consent(provision=tree))
    assert permits(ASK, consent(provision=tree), one=STEPS)


def test_an_opt_in_list_is_silent_about_what_it_does_not_mention():
    """A root denial is a refusal, but in an opt-in list only the end of the list."""
    closed = {"type": "deny", "provision": [{"type": "permit", "class": ["activity"]}]}
    assert permits(ASK, consent("c2"), consent(provision=closed, template="OPT-IN"))
    assert not permits(ASK, consent("c2"), consent(provision=closed))
    assert permits(ASK, consent(template="OPT-IN"))


def test_a_nested_denial_refuses_in_an_opt_in_list_too():
    """Only the root's denial is silent there."""
    tree = {"type": "deny", "provision": [{"type": "permit", "provision": [{"type": "deny", "class": ["vitals"]}]}]}
    assert not permits(ASK, consent("c2"), consent(provision=tree, template="OPT-IN"))


def test_what_is_nested_too_deep_denies():
    """Beyond the depth that is read, nothing permits."""
    tree = {"type": "permit"}
    for level in range(READ_DEPTH):
        tree = {"type": "deny" if level % 2 == 0 else "permit", "provision": [tree]}
    policy = consent(provision=tree)
    assert depth(policy.root) == READ_DEPTH + 1
    assert not permits(ASK, policy)


def test_data_of_unknown_date_fails_closed():
    """An unknown clinical date is not permitted by a data period, and denied by one."""
    year = {"dataPeriod": {"start": "2022", "end": "2022"}}
    assert not permits(ASK, consent(provision={"type": "permit", **year}))
    assert not permits(ASK, consent(provision={"type": "permit", "provision": [{"type": "deny", **year}]}))


@pytest.mark.parametrize(
    ("start", "expected"), [("2021-12-31", False), ("2022", True), ("2022-12-31", True), ("2023", False)]
)
def test_a_data_period_matches_by_overlap(start, expected):
    """Data of the period's first and last day are in it."""
    one = replace(PULSE, clinical=interval(start))
    assert (
        permits(ASK, consent(provision={"type": "permit", "dataPeriod": {"start": "2022", "end": "2022"}}), one=one)
        is expected
    )


@pytest.mark.parametrize(
    ("meaning", "element", "expected"),
    [
        ("instance", "related", False),
        ("related", "related", True),
        ("dependents", "depends", True),
        ("dependents", "related", False),
        ("authoredby", "authors", True),
        ("authoredby", "related", False),
    ],
)
def test_data_are_meant_as_hl7_says(meaning, element, expected):
    """The meaning decides which references of a resource count."""
    one = replace(PULSE, **{element: frozenset({"Encounter/e1"})})
    rule = consent(provision={"type": "permit", "data": [[meaning, "Encounter/e1"]]})
    assert permits(ASK, rule, one=one) is expected


@pytest.mark.parametrize("meaning", ["instance", "related", "dependents"])
def test_data_may_name_the_resource_itself(meaning):
    """A refusal of one resource hits it, whatever the meaning beyond."""
    rule = consent(provision={"type": "permit", "provision": [{"type": "deny", "data": [[meaning, PULSE.ref]]}]})
    assert not permits(ASK, rule)
    assert permits(ASK, rule, one=STEPS)


def test_confidentiality_is_exact_and_sensitivity_has_a_hierarchy():
    """R does not include N; a rule on substance abuse covers alcohol."""
    restricted = consent(provision={"type": "permit", "securityLabel": ["R"]})
    assert permits(ASK, restricted, one=MOOD)
    assert not permits(ASK, restricted)
    abuse = consent(provision={"type": "permit", "securityLabel": ["ETH"]})
    assert permits(ASK, abuse, one=item("Observation/al", ["Observation"], sensitivity=["ETHUD"]))
    assert not permits(ASK, abuse, one=MOOD)


def test_actions_of_a_consent_cover_those_of_a_request():
    """Access covers reading and searching, not writing."""
    access = consent(provision={"type": "permit", "action": ["access"]})
    assert permits(replace(ASK, action="search"), access)
    assert not permits(replace(ASK, action="create"), access)


# --- several consents, and the rest of the order


def test_the_newest_record_of_a_lineage_replaces_its_elders():
    """Newest wins within a lineage, and only there."""
    old = consent("a", when="2023-01-01", lineage="x", provision={"type": "deny"})
    new = consent("b", when="2024-01-01", lineage="x")
    assert permits(ASK, old, new)
    assert not permits(ASK, replace(old, lineage="y"), new)
    assert not permits(replace(ASK, at=interval("2023-06-01")[0]), old, new)


def test_a_consent_counts_from_the_instant_it_is_recorded():
    """Not a microsecond earlier."""
    recorded = interval("2024-01-01")[0]
    assert permits(replace(ASK, at=recorded), consent(when="2024-01-01"))
    assert not permits(replace(ASK, at=recorded - 1), consent(when="2024-01-01"))


def test_a_withdrawn_consent_does_not_revive_its_elder():
    """Withdrawing the newest of a lineage leaves nothing of it."""
    old = consent("a", when="2023-01-01", lineage="x")
    assert not permits(ASK, old, consent("b", status="inactive", lineage="x"))
    assert permits(ASK, old, consent("b", status="proposed", lineage="x"))


def test_no_consent_opens_the_legal_floor():
    """A category closed to a role stays closed, others do not."""
    legal = closing({"physician": ["vitals"], "payer": ["*"]})
    assert not permits(ASK, consent(), legal=legal)
    assert permits(ASK, consent(), legal=legal, one=STEPS)
    assert not permits(replace(ASK, roles=frozenset({"payer"})), consent(), legal=legal, one=STEPS)


def test_the_patient_sees_all_of_her_own():
    """Neither hiding nor refusing hides from oneself."""
    herself = replace(ASK, actor=frozenset({PATIENT}), purpose="PATRQT", roles=frozenset())
    assert permits(herself, consent(provision={"type": "deny"}), hides=frozenset({"lab"}), one=SECRET)


SONS = replace(ASK, actor=frozenset({SON}), purpose="FAMRQT", roles=frozenset())
MANDATE = Mandate(SON, period("2024", "2024"), not_actions=frozenset({"delegate"}), hidden=frozenset({"mental"}))


def test_a_delegate_acts_inside_the_mandate_only():
    """Inside: permitted. Private categories, excluded acts, other classes and purposes: denied."""
    assert permits(SONS, mandates=(MANDATE,))
    assert not permits(SONS, consent(), mandates=(MANDATE,), one=MOOD)
    assert not permits(replace(SONS, action="delegate"), mandates=(MANDATE,))
    assert not permits(SONS, mandates=(replace(MANDATE, classes=frozenset({"lab"})),))
    assert not permits(SONS, mandates=(replace(MANDATE, purposes=frozenset({"TREAT"})),))


@pytest.mark.parametrize(
    "over", [{"revoked": True}, {"period": period("2023", "2023")}, {"delegate": "aunt@a.example"}]
)
def test_a_mandate_that_is_over_gives_nothing(over):
    """Revoked, expired, or somebody else's."""
    assert not permits(SONS, mandates=(replace(MANDATE, **over),))


def test_a_mandate_may_keep_back_one_resource():
    """What is hidden from a delegate by reference is hidden, its neighbours are not."""
    decision = decide(
        State(mandates=(replace(MANDATE, hidden=frozenset({PULSE.ref})),)), SONS, [PULSE, replace(PULSE, ref="o")]
    )
    assert decision.kept == ("o",)


@pytest.mark.parametrize(
    "refusal", [{"blocks": frozenset({PRACTICE})}, {"hides": frozenset({"vitals"})}, {"hides": frozenset({PULSE.ref})}]
)
def test_blocking_and_hiding_override_every_permit(refusal):
    """A refusal goes before consents, standing access and the implicit policy."""
    standing = (Standing(PRACTICE, period("2024", "2024")),)
    assert not permits(ASK, consent(), standing=standing, implicit="permit", **refusal)


DECLARED = replace(ASK, purpose="ETREAT", emergency="unconscious")


def test_a_declared_emergency_opens_what_was_refused_but_never_the_most_confidential():
    """N and R are opened, V is not."""
    refused = consent(provision={"type": "deny"})
    assert permits(DECLARED, refused)
    assert permits(DECLARED, refused, one=MOOD)
    assert not permits(DECLARED, refused, one=SECRET)


@pytest.mark.parametrize(
    "lacking",
    [
        {"emergency": " "},
        {"roles": frozenset({"clerk"})},
        {"purpose": "TREAT"},
        {"action": "export"},
        {"action": "delete"},
    ],
)
def test_an_emergency_needs_reason_role_purpose_and_reading(lacking):
    """Anything missing, and the refusal holds."""
    assert not permits(replace(DECLARED, **lacking), consent(provision={"type": "deny"}))


def test_emergency_access_can_be_forbidden():
    """Where the patient or the law forbids it, a refusal stays one."""
    assert not permits(DECLARED, consent(provision={"type": "deny"}), no_emergency=True)


def test_standing_access_is_for_treatment_and_normal_data():
    """Other purposes, restricted data and passing on are not covered."""
    standing = (Standing(PRACTICE, period("2024-03-03", "2024-06-01")),)
    assert permits(ASK, standing=standing)
    assert not permits(replace(ASK, purpose="HRESCH"), standing=standing)
    assert not permits(ASK, standing=standing, one=MOOD)
    assert not permits(replace(ASK, action="export"), standing=standing)
    assert not permits(replace(ASK, at=interval("2024-06-02")[0]), standing=standing)


@pytest.mark.parametrize("action", ["manage-consent", "delegate", "read-audit", "close-record"])
def test_no_consent_lets_others_manage_consent(action):
    """What is the patient's own to do is not data that a consent or policy could open."""
    assert not permits(replace(ASK, action=action), consent(), implicit="permit")


@pytest.mark.parametrize(
    ("implicit", "purpose", "expected"),
    [
        ("permit", "HRESCH", True),
        ("permit-treat", "COC", True),
        ("permit-treat", "HRESCH", False),
        ("deny", "TREAT", False),
    ],
)
def test_the_implicit_policy_comes_last(implicit, purpose, expected):
    """It decides only where nobody said anything."""
    assert permits(replace(ASK, purpose=purpose), implicit=implicit) is expected
    assert not permits(replace(ASK, purpose=purpose), consent(provision={"type": "deny"}), implicit=implicit)


def test_a_request_without_resources_is_decided_as_such():
    """Nothing is kept, but the answer says whether this actor may do this at all."""
    assert decide(State((consent(),)), ASK, []).decision == "permit"
    assert decide(State(), ASK, []).decision == "deny"
    assert decide(State((consent(provision={"type": "permit", "class": ["vitals"]}),)), ASK, []).decision == "deny"


@pytest.mark.parametrize("kind", ["permit", "deny"])
def test_the_reason_does_not_depend_on_the_order(kind):
    """Where several consents say the same, the same one is named whichever came first."""
    pair = (consent("a", provision={"type": kind}), consent("b", provision={"type": kind}))
    assert decide(State(pair), ASK, [PULSE]).reason() == decide(State(pair[::-1]), ASK, [PULSE]).reason()


def test_alike_resources_of_different_dates_are_told_apart():
    """An answer is remembered only for what the rules cannot tell apart."""
    old, new = (
        replace(PULSE, clinical=interval("2022")),
        replace(PULSE, ref="Observation/new", clinical=interval("2023")),
    )
    state = State((consent(provision={"type": "permit", "dataPeriod": {"start": "2023"}}),))
    assert decide(state, ASK, [old, new]).kept == decide(state, ASK, [new, old]).kept == ("Observation/new",)


@pytest.mark.parametrize(
    "state",
    [
        State((consent(when="2024-07-01"),)),
        State(
            (consent(provision={"type": "deny", "provision": [{"type": "permit", "period": {"start": "2024-07-01"}}]}),)
        ),
        State(standing=(Standing(PRACTICE, period("2024-07-01", None)),)),
        State(mandates=(Mandate(SON, period(None, "2024-06-30")),)),
    ],
)
def test_an_answer_holds_until_the_next_boundary(state):
    """Of a record, a rule, standing access or a mandate."""
    assert Decider(state, ASK).until == interval("2024-07-01")[0]
