"""The portal's twin as the patient's client: what is owed, what is written, what the hub takes."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from consent.fhir_consent import build, consent_id
from consent.preview import Entry
from consent.vault import Vault
from consent.who import terms_of
from consent.words import LANGUAGES
from fhir_profiles import resources
from tests.consent import properties, world
from tests.consent.crowd import resource
from tests.consent.delegation import appoint, pass_on
from tests.consent.readers import hold, read, reader
from tests.consent.test_fhir_consent import PAPER, TERMS
from tests.consent.twin_steps import TwinSteps
from tests.consent.world import DAY, START, Client, organisation


@pytest.fixture
def home(twin) -> Client:
    """A patient who has enrolled, whose client is the twin from then on."""
    writes = TwinSteps(twin)
    return replace(world.client(), steps=writes, next_step=writes.next_step)


def test_a_patients_whole_story_is_written_by_the_twin(home):
    """Grant, permit, change, withdrawal, expiry and what is owed after each: the hub takes all of it."""
    house, doctor = organisation("klinik"), organisation("praxis")
    gid = home.grant(house, [1, 8])
    set_id = home.permit(doctor)
    bid = home.write(doctor, set_id, 8, [resource(8)])
    assert home.hub.released(house.account, home.now) == [bid]
    assert [line for line, _ in read(home.hub, house, bid, home.now).resources] == [resource(8)]
    home.grant(house, [1], gid=gid)
    later = home.write(doctor, set_id, 1, [resource(1)])
    assert home.hub.released(house.account, home.now) == [later]
    home.grant(organisation("labor"), [3], whole=False, until=START + DAY)
    home.now += 2 * DAY
    home.settle()
    home.withdraw(house, gid)
    home.post(home.steps.unpermit(home.hub.record, doctor.account, set_id, home.me.signer, home.now))
    home.settle()
    assert home.hub.record.sets[set_id].closed
    assert home.hub.released(house.account, home.now) == []
    assert properties.nothing_owed(home, home.now)


def test_a_new_grant_is_of_sets_that_the_twin_made_too(home):
    """More authors than spare sets: the twin makes a block of new ones, and hands them to everybody who may read."""
    house = organisation("klinik")
    home.grant(house, [1, 8])
    for name in ("praxis", "labor", "augen", "pflege", "zahn"):
        set_id = home.permit(organisation(name))
    assert set_id in home.hub.record.relations[house.account].live(home.now)[0].cover
    assert len(home.hub.record.sets) == 8


def test_a_relative_hands_on_by_the_twin_what_she_holds(home):
    """A delegate of the scope `manage`: the counterpart gets the same seeds, and she needs no vault."""
    relative, practice = world.person(), organisation("praxis")
    appoint(home, relative, "manage", START + 400 * DAY)
    own = home.grant(relative, range(0, 16, 2), until=START + 300 * DAY)
    home.meet(practice)
    seeds, category_of = hold(home.hub, relative), reader(home.hub, relative).category_of
    record, signer = home.hub.record, relative.signer
    home.post(home.steps.hand_on(record, home.vault, own, practice.account, seeds, category_of, signer, home.now))
    assert hold(home.hub, practice) == seeds


def test_after_an_emergency_the_twin_prepares_the_same_sets(home):
    """What the house was handed before the end is to be replaced; what came later, and other houses, not."""
    house, other = organisation("klinik"), organisation("labor")
    gid, its = home.grant(house, [1], emergency=(3600, "physician")), home.grant(other, [1])
    record, own = home.hub.record, home.vault
    step = home.steps.owed_after(record, own, [(house.account, gid, START + 1)])
    assert step is not None
    assert set(step.sets) == record.sets.keys()
    for ended in ([], [(house.account, gid, START)], [(house.account, its, START + 1)]):
        assert home.steps.owed_after(record, own, ended) is None
    home.save(home.steps.perform(record, own, step, home.me.signer, home.now))
    assert home.steps.owed_after(home.hub.record, home.vault, [(house.account, gid, START + 1)]) is None


def test_what_is_hidden_is_signed_into_each_grant_by_the_twin(home):
    """Once each, with the elder terms kept; of a delegate's grant as far as its rules are known."""
    practice, relative = organisation("praxis"), world.person()
    gids = [home.grant(practice, [1]), home.grant(practice, [8])]
    appoint(home, relative, "manage", START + 400 * DAY)
    own = home.grant(relative, range(16), until=START + 300 * DAY)
    home.post(pass_on(home, relative, own, practice, until=home.now + 10))
    for hides in (["Observation/1", "Observation/2"], ["Observation/1"], []):
        home.save(home.vault.with_hides(hides))
        count = 0
        while step := home.steps.hide(home.hub.record, home.vault, home.me.signer, home.now):
            home.save(step) if isinstance(step, Vault) else home.post(step)
            count += 1
        assert count == 1 + len(gids) + 2
        granted = home.hub.record.relations[practice.account].grants
        assert {terms_of(home.vault, granted[gid].rules).hides for gid in gids} == {tuple(hides)}


def test_what_is_hidden_from_one_is_signed_into_its_grants_alone_by_the_twin(home):
    """Beside what is hidden from all, each entry once; the vault goes through the twin and back unchanged."""
    practice, other = organisation("praxis"), organisation("klinik")
    gids = {oth.account: home.grant(oth, [1]) for oth in (practice, other)}
    home.save(home.vault.with_hides(["Observation/2", "Observation/1"]).with_hides(["Observation/1"], practice.account))
    home.save(home.vault.with_hides(["Observation/3"], practice.account))
    while step := home.steps.hide(home.hub.record, home.vault, home.me.signer, home.now):
        home.save(step) if isinstance(step, Vault) else home.post(step)
    relations = home.hub.record.relations
    hides = {oth: terms_of(home.vault, relations[oth].grants[gid].rules).hides for oth, gid in gids.items()}
    both = ("Observation/1", "Observation/2")
    assert hides == {practice.account: (*both, "Observation/3"), other.account: both}
    assert home.vault.hidden_from == {practice.account: ("Observation/3",)}


def test_who_sees_what_is_told_alike_at_every_moment(home):
    """Granted, amended, withdrawn, expired, to come, in an emergency, by a delegate, on paper: in every language."""
    practice, other, relative = organisation("praxis"), organisation("klinik"), world.person()
    third, began = organisation("labor"), home.now
    home.meet(third)
    gid = home.grant(practice, [1, 8], until=began + 10 * DAY)
    home.now += DAY
    home.grant(practice, [1], gid=gid, until=began + 20 * DAY)
    home.grant(other, [3], until=began + 4 * DAY, whole=False)
    home.grant(other, [4], emergency=(3600, "physician"))
    home.grant(other, [5], nb=began + 30 * DAY)
    home.permit(practice)
    appoint(home, relative, "manage", began + 400 * DAY)
    own = home.grant(relative, range(16), until=began + 300 * DAY)
    home.post(pass_on(home, relative, own, third))
    _sign_on_paper(home, home.grant(other, [9]))
    home.now += DAY
    home.withdraw(other, home.grant(other, [7]))
    for at in (0, began - 1, began, began + DAY, home.now, began + 5 * DAY, began + 31 * DAY, began + 10**9):
        found = home.steps.told(home.hub.record, home.vault, at)
    assert {one.reason for one in home.steps.told(home.hub.record, home.vault, home.now)} == {
        "granted", "emergency", "not-yet", "withdrawn", "narrowed", "never"
    }  # fmt: skip
    assert "expired" in {one.reason for one in found}
    home.post(home.account("close", {}))
    assert "closed" in {one.reason for one in home.steps.told(home.hub.record, home.vault, home.now)}


def _sign_on_paper(home: Client, gid: str) -> None:
    """The grant's terms with a Consent that a desk recorded from paper."""
    terms = home.vault.terms[gid]
    agreed = replace(TERMS, patient=home.me.account, counterpart=terms.oth, paper=PAPER)
    consent = resources.dump(build(agreed, consent_id(gid), datetime.fromtimestamp(START, UTC)))
    home.save(home.vault.with_terms(gid, replace(terms, consent=consent, hides=("Observation/1",))))
    record = home.hub.record
    home.post(home.steps.grant(record, home.vault, gid, home.vault.terms[gid], home.me.signer, home.now))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_preview_foresees_the_same(home, language):
    """What a grant would open and a withdrawal take, entry by entry, in numbers and in words."""
    practice = organisation("praxis")
    late, whole = home.grant(practice, [1], whole=False), home.grant(practice, [8])
    home.grant(practice, [4], emergency=(3600, "physician"))
    set_id, key = next(iter(home.vault.sets.items()))
    rows = [(1, 1, "a"), (1, 2, "a"), (8, 1, "a"), (13, 1, practice.account), (13, 1, "a"), (4, 1, "a")]
    entries = [Entry(kind, c, set_id, key.index(c), epoch, author)
               for c, epoch, author in rows for kind in ("Observation", "Condition")]  # fmt: skip
    entries += [replace(entries[4], withheld=frozenset({whole})), replace(entries[0], hidden=True)]
    see = partial(home.steps.preview, home.hub.record, practice.account, home.now)
    for effect in ("stop", "lock", "delete"):
        assert see(entries, language, gids=[late], effect=effect).loses.total() == 2
        see(entries[6:8], language, gids=[late, whole], effect=effect)
    for some, beginning in (([1, 13], True), ([1, 13], False), ([], True)):
        see(entries, language, categories=some, whole=beginning)
    see([], language, categories=[1], whole=True)
