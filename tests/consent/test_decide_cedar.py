"""Cedar as an independent oracle: on what it can express, it permits exactly what we permit.

Policies are made from the normal form (`connectors.bench.cedar`); mandates and lineages are left out of the states.
`OBHUT_SOAK=1` asks about many more.
"""

import os
from dataclasses import replace

import pytest

from connectors.bench.cedar import Cedar
from consent.decide import decide
from consent.purposes import DATA_ACTIONS, known
from tests.consent.random_states import Chance

STATES = 40_000 if os.environ.get("OBHUT_SOAK") else 1_500
PARTS = 5


def comparable(seed):
    """State, request and bundle of a seed, as far as Cedar can express them."""
    chance = Chance(seed)
    state, request, items = chance.state(), chance.request(), chance.items()
    alone = tuple(replace(policy, lineage=str(number)) for number, policy in enumerate(state.policies))
    return replace(state, mandates=(), policies=alone), request, items


def cedar(state, request, items):
    asking = Cedar(state, items, sorted(request.roles)).asking(request)
    return [asking.one(number) for number in range(len(items))]


@pytest.mark.parametrize("part", range(PARTS))
def test_cedar_permits_what_we_permit(part):
    """Of each random state the same resources; a failure names its seed."""
    permitted = denied = 0
    for seed in range(part, STATES, PARTS):
        state, request, items = comparable(seed)
        if not known(request.purpose) or not request.actor or request.action not in DATA_ACTIONS:
            continue  # what is malformed, or no data, is denied before any policy is asked
        ours = [verdict.permit for verdict in decide(state, request, items).verdicts]
        assert cedar(state, request, items) == ours, f"seed {seed}"
        permitted, denied = permitted + sum(ours), denied + len(ours) - sum(ours)
    assert min(permitted, denied) > STATES / PARTS / 10  # both answers were compared


def test_a_batch_is_what_its_members_are():
    """What the bench measures answers as what is compared here."""
    state, request, items = comparable(3)
    asking = Cedar(state, items, sorted(request.roles)).asking(request)
    assert asking.all() == cedar(state, request, items)
