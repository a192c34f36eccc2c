"""Guardians who disagree, and who must lose the vault's key: the portal's twin says and writes the same."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import finer_rules, lockout
from consent.vault import Named, Terms, Vault, Word
from tests.consent import world
from tests.consent.delegation import appoint
from tests.consent.twin_steps import TwinSteps
from tests.consent.world import DAY, START, Client, Identity, organisation


@pytest.fixture
def family(twin) -> tuple[Client, Identity, Identity, Identity]:
    """A child, two guardians for different times, a practice; the client is the twin."""
    home, mother, father, practice = world.client(), world.person(), world.person(), organisation("praxis")
    for one, days in ((mother, 40), (father, 20)):
        appoint(home, one, lockout.FULL, START + days * DAY)
        home.save(home.vault.with_mandate(one.account, Named("guardian")))
    home.meet(practice)
    home.grant(organisation("klinik"), [1], whole=False)
    writes = TwinSteps(twin)
    return replace(home, steps=writes, next_step=writes.next_step), mother, father, practice


def word(oth: str, at: int, categories, purposes=("TREAT",), days=10, *, whole=True, rules=None, nb=0) -> Word:
    """What a guardian decides."""
    until = START + days * DAY
    return Word(at, Terms(oth, frozenset(categories), whole, True, tuple(purposes), nb, until, b"", b"", rules))


def settled(home: Client) -> list[str]:
    """All that is to be written after a word, each step by the twin; what the steps were."""
    done = []
    while step := home.steps.joined(home.hub.record, home.vault, home.me.signer, home.now):
        done.append("vault" if isinstance(step, Vault) else "statement")
        home.save(step) if isinstance(step, Vault) else home.post(step)
        home.settle()
        assert len(done) < 6
    return done


def test_what_guardians_grant_together_is_written_alike(family):
    """One alone, both, the narrower, a refusal, one anew, from now on, and after a mandate's end."""
    home, mother, father, practice = family
    since = finer_rules.since(date(2026, 1, 1))
    hers = word(practice.account, START, [1, 8], ("TREAT", "HRESCH"), 30)
    stages = [
        ({mother.account: hers}, ["vault", "statement"]),
        ({mother.account: hers, father.account: word(practice.account, START + 1, [1, 3])}, ["vault", "statement"]),
        ({mother.account: hers, father.account: word(practice.account, START + 1, [1], rules=since, nb=START)},
         ["vault", "statement"]),
        ({mother.account: hers, father.account: Word(START + 2, None)}, ["statement"]),
        ({mother.account: hers, father.account: word(practice.account, START + 3, [1], ["ETREAT"], whole=False)},
         ["vault", "statement"]),
        ({mother.account: hers, father.account: word(practice.account, START + 4, [3])}, ["statement"]),
    ]  # fmt: skip
    for words, expected in stages:
        home.now += 1
        home.save(home.vault.with_words(practice.account, words))
        assert settled(home) == expected
    home.now = START + 21 * DAY
    home.settle()
    assert settled(home) == ["vault", "statement"]
    home.save(home.vault.with_hides(["Observation/1"]).with_words(practice.account, {}))
    assert settled(home) == ["statement"]


RULES = st.sampled_from([None, finer_rules.since(date(2026, 1, 1)), finer_rules.hiding(None, ["Condition/x"])])
WORDS = st.builds(
    word, st.just("praxis@hub-a.example.org"), st.integers(START, START + 3),
    st.frozensets(st.integers(0, 3)), st.lists(st.sampled_from(["TREAT", "ETREAT", "HRESCH"]), max_size=2, unique=True),
    st.integers(0, 3), whole=st.booleans(), rules=RULES, nb=st.sampled_from([0, START, START + DAY]),
) | st.builds(Word, st.integers(START, START + 3), st.none())  # fmt: skip


@pytest.fixture(scope="module")
def steps(twin) -> TwinSteps:
    """The twin, without a patient."""
    return TwinSteps(twin)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("mfx"), WORDS, max_size=3), st.frozensets(st.sampled_from("mfx")))
def test_whatever_guardians_said_the_same_is_left(steps, words, live):
    """Which words count, and what they permit together."""
    steps.together(words, live, START + DAY)


def test_who_must_lose_the_key_is_told_alike(family):
    """While the mandate is live, at its end, dismissed, and after a lost device; with what came with the mandate."""
    home, mother, father, _ = family
    shared = [mother.account, father.account]
    gid = home.grant(father, [1], until=START + 20 * DAY, purposes=lockout.PURPOSES)

    def told(now: int) -> list:
        home.now = now
        return home.steps.lockout(home.hub.record, home.vault, shared, home.now)

    assert told(START + 5) == [False, shared, []]
    assert told(START + 20 * DAY - 1) == [False, shared, []]
    assert told(START + 20 * DAY)[:2] == [True, [mother.account]]
    home.now = START + 6
    home.post(home.account("undelegate", {"to": father.account}))
    assert told(START + 7) == [True, [mother.account], [[father.account, gid]]]
    mother.add("device", mother.other_device().device_body("client"), START + 8)
    mother.add("undevice", {"dev": mother.device}, START + 8)
    home.hub.know(mother)
    shared.remove(father.account)
    assert told(START + 9)[:2] == [True, [mother.account]]
