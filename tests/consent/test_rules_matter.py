"""No rule is dead: whatever refusal or condition is taken out, some vector comes out differently."""

import struct
from functools import lru_cache

import pytest

from consent import accounts, chains, envelope, frames, grants, opening, owed, relations, rules, statements, streams
from consent.primitives import Rejected
from tests.consent.directed import CASES, Case
from tests.consent.mutants import Mutant, running, without_conditions, without_refusals
from tests.consent.test_vectors import FILES
from tests.consent.verdicts import RUN

STUMBLES = (
    AssertionError, AttributeError, IndexError, KeyError, NameError, OverflowError, TypeError, ValueError, struct.error,
)  # fmt: skip
CHAINS = ("account-chain", "stream-chain", "relation-chain")
KINDS = {
    rules: ("joint-rules", "deposit", "vault"), grants: ("joint-rules", "owed", "release"), owed: ("owed",),
    chains: CHAINS, accounts: CHAINS, relations: (*CHAINS, "opening"), streams: CHAINS, frames: CHAINS,
    statements: (*CHAINS, "opening"), opening: ("opening", "bundle", "object", "opening-object"),
    envelope: ("opening",),
}  # fmt: skip

GUARDS = {
    "rules._check_relation: [st.typ == 'grant']": "nothing is missing of a live grant when `keys` come",
    "grants.holds: [row.set != state.oth]": "a digest names its set",
    "grants.holds: [row.last > state.current]": "the hub admits no such row",
    "grants.holds: [state.epoch(number).digest != digest]": "nobody asks for another digest of a started epoch",
}
"""Conditions that nothing can tell from their absence while the other rules stand, and why."""

REFUSALS = [mutant for module in KINDS for mutant in without_refusals(module)]
CONDITIONS = [
    mutant for module in (rules, grants, owed) for mutant in without_conditions(module)
    if not any(str(mutant).startswith(guard) for guard in GUARDS)
]  # fmt: skip


def verdict(kind: str, vector: dict, file: dict) -> object:
    """As `verdicts.verdict`, but a mutant may also stumble."""
    try:
        RUN[kind](vector, file)
    except Rejected as refused:
        return {"kind": refused.kind, "reason": refused.reason}
    except STUMBLES as stumbled:
        return type(stumbled).__name__
    return "ok"


@lru_cache
def vectors(kinds: tuple[str, ...], reason: str) -> list[tuple[str, dict, dict]]:
    """The vectors of these files, those that expect this reason first."""
    all_ = [(kind, vector, FILES[kind]) for kind in kinds for vector in FILES[kind]["vectors"]]
    if not reason:
        return all_
    return [row for row in all_ if row[1]["expect"] != "ok" and row[1]["expect"]["reason"] == reason]


def changed(mutant: Mutant) -> list[object]:
    """What vectors say of a mutant that they should not: the first other outcome, and success if there is one."""
    found: list[object] = []
    with running(mutant):
        for kind, vector, file in vectors(KINDS[mutant.module], mutant.reason):
            result = verdict(kind, vector, file)
            if result != vector["expect"]:
                found.append(result)
                if result == "ok" or not mutant.reason:
                    break
        for case in CASES:
            if not found and mutant.module.__name__ == f"consent.{case.module}":
                result = outcome(case)
                if result != case.reason:
                    found.append(result)
    return found


def outcome(case: Case) -> str:
    """The reason of a directed case's refusal."""
    try:
        case.run()
    except Rejected as refused:
        return refused.reason
    except STUMBLES as stumbled:
        return type(stumbled).__name__
    return "ok"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused(case):
    """What is too large for a vector is refused, for its reason."""
    assert outcome(case) == case.reason


@pytest.mark.parametrize("mutant", REFUSALS, ids=str)
def test_refusal_matters(mutant):
    """Without this refusal something is refused for another reason, or not at all."""
    assert changed(mutant)


@pytest.mark.parametrize("mutant", CONDITIONS, ids=str)
def test_condition_matters(mutant):
    """Without this condition something is refused that was not, or the other way round."""
    assert changed(mutant)
