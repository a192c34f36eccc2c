"""Decisions: what holds for any state, request and bundle; `OBHUT_SOAK=1` takes 100,000 states, not some thousand."""

import os
from collections import Counter
from dataclasses import replace

import pytest

from consent.decide import Decider, decide, decide_all
from consent.lineages import in_force
from consent.purposes import known
from tests.consent.random_states import MOMENTS, PURPOSES, Chance

STATES = 100_000 if os.environ.get("OBHUT_SOAK") else 3_000
PARTS = 10
"""So that a failure names its seed soon, and several processors can share the work."""
BASES = {"self", "mandate", "emergency", "consent", "standing", "implicit-permit"}


def each(part):
    """Seed, chance, state, request and bundle of each case of a part."""
    for seed in range(part, STATES, PARTS):
        chance = Chance(seed)
        yield seed, chance, chance.state(), chance.request(), chance.items()


@pytest.mark.parametrize("part", range(PARTS))
def test_what_holds_for_every_decision(part):
    """All invariants, on each state: a failure names its seed."""
    for seed, chance, state, request, items in each(part):
        decision = decide(state, request, items)
        for check in (order, refusal, withdrawn, members, named_basis, boundaries, remembered, several_purposes):
            assert check(chance, state, request, items, decision), f"{check.__name__}: seed {seed}"


def order(chance, state, request, items, decision):
    """Neither the answer nor its reason depends on the order in which anything is held."""
    held = {name: list(getattr(state, name)) for name in ("policies", "standing", "mandates")}
    for values in held.values():
        chance.random.shuffle(values)
    other = decide(replace(state, **{name: tuple(values) for name, values in held.items()}), request, items)
    return (other.kept, other.reason(), other.reason("de")) == (
        decision.kept, decision.reason(), decision.reason("de"),
    )  # fmt: skip


def refusal(chance, state, request, items, decision):
    """Blocking, hiding or refusing only ever takes away."""
    after = decide(chance.refusal(state), request, items)
    return not any(new.permit and not old.permit for old, new in zip(decision.verdicts, after.verdicts, strict=True))


def withdrawn(chance, state, request, items, decision):
    """Withdrawn consents leave exactly what does not rest on consent: as if nobody had ever consented."""
    inactive = tuple(replace(policy, status="inactive") for policy in state.policies)
    return decide(replace(state, policies=inactive), request, items) == decide(
        replace(state, policies=()), request, items
    )


def members(chance, state, request, items, decision):
    """No resource changes the answer for another."""
    alone = tuple(decide(state, request, [one]).verdicts[0] for one in items)
    counted = {0: "deny", len(items): "permit"}.get(len(decision.kept), "redact")
    return (alone, counted, sum(one.permit for one in alone)) == (
        decision.verdicts, decision.decision, len(decision.kept),
    )  # fmt: skip


def named_basis(chance, state, request, items, decision):
    """A permit rests on something that was said: it names it, and it is really there."""
    for verdict in decision.verdicts:
        by, rule = verdict.basis.by, verdict.basis.rule
        if verdict.permit != (rule in BASES) or (verdict.permit and not (request.actor and known(request.purpose))):
            return False
        if rule == "consent" and not any(one.id == by and one.status == "active" for one in state.policies):
            return False
        if rule == "standing" and not any(one.actor == by and by in request.actor for one in state.standing):
            return False
        if rule == "mandate" and not any(one.delegate == by and by in request.actor for one in state.mandates):
            return False
    return True


def boundaries(chance, state, request, items, decision):
    """What was decided holds until the moment the decider names."""
    until = Decider(state, request).until
    moments = [until - 1, *(moment for moment in MOMENTS if request.at < moment < until)]
    return all(decide(state, replace(request, at=at), items) == decision for at in moments)


def remembered(chance, state, request, items, decision):
    """The answer for one resource is the same whether or not others of its kind were decided before it."""
    decider = Decider(state, request)
    return all(
        decider.verdict(one) == Decider(state, request).decide(one) == verdict
        for one, verdict in zip([*items, *items], decision.verdicts * 2, strict=True)
    )


def several_purposes(chance, state, request, items, decision):
    """Who asks for several purposes sees what each of them permits."""
    requests = [request, replace(request, purpose=chance.random.choice(PURPOSES))]
    both = decide_all(state, requests, items)
    each = [decide(state, one, items).verdicts for one in requests]
    return [one.permit for one in both.verdicts] == [all(x.permit for x in pair) for pair in zip(*each, strict=True)]


def test_the_random_states_meet_every_rule():
    """None of the bases is out of their reach, and guardians do decide differently."""
    met, together = Counter(), 0
    for seed in range(3000):
        chance = Chance(seed)
        state, request, items = chance.state(), chance.request(), chance.items()
        met.update(verdict.basis.rule for verdict in decide(state, request, items).verdicts)
        together += any(len(head) > 1 for head in in_force(state, request))
    assert met.keys() >= BASES | {"refused", "blocked", "hidden", "floor", "withheld", "outside-mandate", "disputed"}
    assert met.keys() >= {"malformed", "not-by-consent", "implicit-deny"}
    assert together
