"""Decisions: what holds for any state, request and bundle."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.dates import interval, period
from consent.decide import Decider, decide
from consent.items import item
from consent.mandates import Mandate
from consent.policy import compile  # noqa: A004
from consent.purposes import known
from consent.standing import Standing
from consent.state import Request, State

PATIENT, SON = "p@a.example", "son@a.example"
ACTORS = ["dr-a", "praxis@a.example", "klinik@a.example", SON, PATIENT]
PURPOSES = ["TREAT", "ETREAT", "BTG", "HRESCH", "PROJ1", "HMARKT"]
CLASSES = ["Observation", "vitals", "activity", "mental", "lab"]
DAYS = ["2024-05-30", "2024-05-31", "2024-06-01", "2024-06-02"]
REFS = ["Observation/1", "Observation/2", "Encounter/e1"]
RANDOM = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


PERIODS = st.sampled_from([{"start": a, "end": b} for a in DAYS for b in DAYS if a <= b])
LIMITS = {
    "actor": some(ACTORS), "purpose": some(PURPOSES), "class": some(CLASSES), "action": some(["access", "disclose"]),
    "role": some(["physician", "clerk"]), "securityLabel": some(["N", "R", "PSY", "ETH"]), "period": PERIODS,
    "dataPeriod": PERIODS, "data": st.lists(st.sampled_from([["instance", REFS[0]], ["related", REFS[2]]]), min_size=1),
}  # fmt: skip


def rules(level=1):
    nested = {"provision": st.lists(rules(level + 1), max_size=2)} if level < 3 else {}
    return st.fixed_dictionaries({"type": st.sampled_from(["permit", "deny"])}, optional=LIMITS | nested)


@st.composite
def consents(draw):
    return compile(
        {
            "id": str(draw(st.uuids())),
            "status": draw(st.sampled_from(["active", "active", "active", "inactive", "proposed"])),
            "dateTime": draw(st.sampled_from(DAYS)),
            "provision": draw(rules()),
            "template": draw(st.sampled_from(["", "OPT-IN"])),
            "lineage": draw(st.sampled_from(["", "", "x"])),
        }
    )


PERIOD_VALUES = PERIODS.map(lambda value: period(value["start"], value["end"]))
STATES = st.builds(
    State,
    policies=st.lists(consents(), max_size=4).map(tuple),
    standing=st.lists(st.builds(Standing, st.sampled_from(ACTORS), PERIOD_VALUES), max_size=2).map(tuple),
    blocks=st.frozensets(st.sampled_from(ACTORS), max_size=1),
    hides=st.frozensets(st.sampled_from(CLASSES + REFS), max_size=1),
    mandates=st.lists(st.builds(Mandate, st.just(SON), PERIOD_VALUES, st.booleans()), max_size=1).map(tuple),
    no_emergency=st.booleans(),
    implicit=st.sampled_from(["deny", "permit", "permit-treat"]),
)
REQUESTS = st.builds(
    Request,
    st.just(PATIENT),
    st.frozensets(st.sampled_from(ACTORS), max_size=2),
    st.sampled_from([*PURPOSES, "FUN"]),
    st.sampled_from([interval(f"{day}T{hour}:00:00Z")[0] for day in DAYS for hour in ("00", "22")]),
    st.sampled_from(["read", "export", "delegate"]),
    st.frozensets(st.sampled_from(["physician", "clerk"]), max_size=2),
    st.sampled_from(["", "unconscious"]),
)
ITEMS = st.lists(
    st.builds(
        item,
        st.sampled_from(REFS),
        some(CLASSES),
        st.sampled_from(["N", "R", "V", None]),
        st.lists(st.sampled_from(["PSY", "ETHUD"]), max_size=1),
        clinical=st.none() | PERIOD_VALUES,
        related=st.frozensets(st.just(REFS[2])),
    ),
    min_size=1,
    max_size=5,
)


@RANDOM
@given(STATES, REQUESTS, ITEMS, st.randoms())
def test_the_order_of_consents_does_not_matter(state, request, items, random):
    """Neither the answer nor its reason depends on the order in which anything is held."""
    shuffled = list(state.policies)
    random.shuffle(shuffled)
    other = replace(state, policies=tuple(shuffled), standing=state.standing[::-1])
    assert decide(other, request, items).kept == decide(state, request, items).kept
    by_policies = replace(state, policies=tuple(shuffled))
    assert decide(by_policies, request, items).reason() == decide(state, request, items).reason()


def refusing(rule):
    added = compile({"id": "refusal", "status": "active", "provision": rule})
    return lambda state: replace(state, policies=(*state.policies, added))


REFUSALS = st.one_of(
    st.sampled_from(ACTORS).map(lambda actor: lambda state: replace(state, blocks=state.blocks | {actor})),
    st.sampled_from(CLASSES + REFS).map(lambda hide: lambda state: replace(state, hides=state.hides | {hide})),
    st.fixed_dictionaries({"type": st.just("deny")}, optional=LIMITS).map(refusing),
)


@RANDOM
@given(STATES, REQUESTS, ITEMS, REFUSALS)
def test_adding_a_refusal_never_adds_a_permit(state, request, items, refuse):
    """Blocking, hiding or refusing only ever takes away."""
    before, after = (decide(one, request, items) for one in (state, refuse(state)))
    assert not any(new.permit and not old.permit for old, new in zip(before.verdicts, after.verdicts, strict=True))


@RANDOM
@given(STATES, REQUESTS, ITEMS)
def test_all_consents_withdrawn_equals_none(state, request, items):
    """Withdrawn consents leave exactly the implicit policy and what does not rest on consent."""
    withdrawn = tuple(replace(policy, status="inactive") for policy in state.policies)
    assert decide(replace(state, policies=withdrawn), request, items) == decide(
        replace(state, policies=()), request, items
    )


@RANDOM
@given(STATES, REQUESTS, ITEMS)
def test_a_bundle_is_decided_as_its_members(state, request, items):
    """No resource changes the answer for another."""
    together = decide(state, request, items)
    assert together.verdicts == tuple(decide(state, request, [one]).verdicts[0] for one in items)
    assert len(together.kept) == sum(verdict.permit for verdict in together.verdicts)
    assert together.decision == {0: "deny", len(items): "permit"}.get(len(together.kept), "redact")


BASES = {"self", "mandate", "emergency", "consent", "standing", "implicit-permit"}


@RANDOM
@given(STATES, REQUESTS, ITEMS)
def test_no_permit_without_a_named_basis(state, request, items):
    """A permit rests on something that was said: it names it, and it is really there."""
    for verdict in decide(state, request, items).verdicts:
        assert verdict.permit == (verdict.basis.rule in BASES)
        if verdict.basis.rule == "consent":
            named = [policy for policy in state.policies if policy.id == verdict.basis.by]
            assert [policy.status for policy in named] == ["active"]
        if verdict.permit:
            assert request.actor
            assert known(request.purpose)


@RANDOM
@given(STATES, REQUESTS, ITEMS, st.integers(min_value=0, max_value=10**12))
def test_answers_are_constant_between_two_boundaries(state, request, items, later):
    """What was decided holds until the moment the decider names."""
    moment = min(request.at + later, Decider(state, request).until - 1)
    assert decide(state, replace(request, at=moment), items) == decide(state, request, items)


@RANDOM
@given(STATES, REQUESTS, ITEMS)
def test_what_is_remembered_of_alike_resources_is_what_would_be_decided(state, request, items):
    """The answer for one resource is the same whether or not others were decided before it."""
    decider = Decider(state, request)
    for one in [*items, *reversed(items)]:
        assert decider.verdict(one) == Decider(state, request).verdict(one)
