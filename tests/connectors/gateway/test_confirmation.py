"""Confirmation: only the home hub's fresh word on the heads keeps a patient's streams shown, and hers alone."""

from dataclasses import replace
from itertools import count

import pytest

from connectors.gateway.confirmation import (
    AGAIN_SECONDS,
    CONFIRMED_SECONDS,
    PATIENTS,
    RETRY_SECONDS,
    TURN_SECONDS,
    Confirmation,
)
from consent import heads, identifiers, steps
from consent.keys import SigningKey
from consent.primitives import b64, random_bytes
from consent.statements import chain_id
from fhir_profiles.problems import Problem
from tests.connectors.gateway.scene import Scene, weight
from tests.consent.world import DOMAIN


@pytest.fixture
def scene(tmp_path, store):
    """A patient's weight, shown at a practice, confirmed now."""
    made = Scene(tmp_path / "keys", store)
    made.gid = made.grant()
    made.write(weight(made, 1))
    made.inbox.catch_up()
    assert made.found() == {1}
    return made


def live_on(scene, seconds, step=RETRY_SECONDS):
    """The gateway goes on for so long; returns when what is shown stopped being shown, and began again."""
    changes, shown = [], scene.found() == {1}
    start = scene.now
    while scene.now < start + seconds:
        scene.now += step
        scene.inbox.take_page()
        if (scene.found() == {1}) != shown:
            shown = not shown
            changes.append((scene.now - start, shown))
    return changes


# --- lies


def silent(scene):
    return lambda _: []


def unreachable(scene):
    def speaks(_):
        raise Problem("busy", "the hub cannot be reached")

    return speaks


def refused(scene):
    def speaks(_):
        raise Problem("not-found", "There is nothing here for you.")

    return speaks


def garbage(scene):
    return lambda _: [b"", b"garbage", b"OBS1" + bytes(100)]


def replaying(scene):
    """Every answer is one that was true once."""
    old = []
    honest = scene.wire.speaks
    scene.wire.speaks = lambda word: old.extend(honest(word)) or old
    scene.now += AGAIN_SECONDS
    scene.inbox.take_page()
    return lambda _: old


def other_key(scene):
    key = SigningKey.generate()
    return lambda word: [heads.sign(key, **word)]


def other_hub(scene):
    """A peer, whose key is known, vouches for what is not its own."""
    key = SigningKey.generate()
    scene.wire.peer_keys = lambda: {"hub-b.example.org": key.public}
    scene.inbox.hub_keys._hub = scene.wire
    return lambda word: [heads.sign(key, **word | {"hub": "hub-b.example.org"})]


def other_asker(scene):
    return lambda word: scene.wire.sign(word | {"to": f"praxis-b@{DOMAIN}"})


def other_nonce(scene):
    return lambda word: scene.wire.sign(word | {"nonce": b64(random_bytes(16))})


def without(kind):
    def lie(scene):
        cid = chain_of(scene, kind)
        return lambda word: scene.wire.sign(word | {"heads": [row for row in word["heads"] if row[0] != cid]})

    lie.__name__ = f"without_{kind}"
    return lie


def shorter(kind):
    """The home hub goes back behind what it has shown."""

    def lie(scene):
        cid = chain_of(scene, kind)
        state = scene.inbox.chains.state(*names(scene)[kind])
        before = state.links[-2].position
        return lambda word: scene.wire.sign(
            word | {"heads": [(c, before if c == cid else p) for c, p in word["heads"]]}
        )

    lie.__name__ = f"shorter_{kind}"
    return lie


def different(kind):
    def lie(scene):
        cid, other = chain_of(scene, kind), b64(bytes(32))
        return lambda word: scene.wire.sign(
            word | {"heads": [(c, (p[0], other) if c == cid else p) for c, p in word["heads"]]}
        )

    lie.__name__ = f"different_{kind}"
    return lie


def longer_and_hidden(scene):
    """There is more, and the hub does not show it."""
    cid = chain_of(scene, "rel")
    return lambda word: scene.wire.sign(
        word | {"heads": [(c, (p[0] + 1, b64(bytes(32))) if c == cid else p) for c, p in word["heads"]]}
    )


def names(scene):
    patient = scene.patient.me.account
    return {"rel": ("rel", patient, scene.practice.account), "acct": ("acct", patient, "")}


def chain_of(scene, kind):
    return chain_id(*names(scene)[kind])


LIES = [
    silent, unreachable, refused, garbage, replaying, other_key, other_hub, other_asker, other_nonce, without("rel"),
    without("acct"), shorter("rel"), shorter("acct"), different("rel"), different("acct"), longer_and_hidden,
]  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # what is lied about is kept alike on both
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_without_the_home_hubs_true_word_nothing_is_shown_after_fifteen_minutes(scene, lie):
    """Until then what was confirmed is shown; afterwards nothing; and again once the hub speaks the truth."""
    honest = scene.wire.speaks
    confirmed = scene.store.confirmations()[scene.patient.me.account]
    scene.wire.speaks = lie(scene)
    confirmed = scene.store.confirmations()[scene.patient.me.account] if lie is replaying else confirmed
    ((stopped, shown),) = live_on(scene, CONFIRMED_SECONDS + 300)
    assert not shown
    assert scene.store.confirmations()[scene.patient.me.account] == confirmed
    assert stopped <= CONFIRMED_SECONDS
    scene.wire.speaks = honest
    ((_, shown),) = live_on(scene, 2 * RETRY_SECONDS)
    assert shown


def test_an_honest_hub_keeps_everything_shown(scene):
    """For an hour, with a question a minute."""
    before = len(scene.wire.questions)
    assert live_on(scene, 3600) == []
    assert len(scene.wire.questions) - before <= 60 + 1


def test_a_confirmation_counts_from_the_moment_of_asking(scene):
    """However long the answer is held back on its way."""
    honest = scene.wire.speaks
    scene.now += AGAIN_SECONDS
    asked = scene.now

    def slowly(word):
        frames = honest(word)
        scene.now += 600
        return frames

    scene.wire.speaks = slowly
    scene.inbox.take_page()
    assert scene.store.confirmations()[scene.patient.me.account] == asked


def test_a_withdrawal_that_the_feed_holds_back_is_followed_by_the_heads(scene):
    """What the heads show to be missing is fetched and acted upon, though the feed says nothing."""
    scene.patient.post(
        steps.end(
            scene.patient.hub.record, scene.practice.account, scene.gid, scene.patient.me.signer, scene.patient.now
        )
    )
    scene.now += AGAIN_SECONDS
    scene.inbox.take_page()
    assert scene.found() == set()
    assert scene.keys.held(scene.patient.me.account) == set()


def test_a_copy_that_was_shorter_is_confirmed_by_the_next_question(scene):
    """After the fetch the chains are asked for again at once."""
    scene.patient.grant(scene.practice, [1])
    scene.now += AGAIN_SECONDS
    scene.inbox.take_page()
    assert scene.store.confirmations()[scene.patient.me.account] < scene.now
    scene.inbox.take_page()
    assert scene.store.confirmations()[scene.patient.me.account] == scene.now


def test_what_comes_while_nothing_is_confirmed_waits_and_is_there_afterwards(scene):
    """An envelope is opened only under a confirmed relation; then it is not lost."""
    honest = scene.wire.speaks
    scene.wire.speaks = silent(scene)
    live_on(scene, CONFIRMED_SECONDS)
    scene.write(weight(scene, 2))
    scene.inbox.take_page()
    assert scene.store.read("Observation", "w2") is None
    scene.wire.speaks = honest
    live_on(scene, RETRY_SECONDS)
    assert scene.found() == {1, 2}


def test_a_clock_that_is_set_back_confirms_nothing_and_is_asked_by_again(scene):
    """A confirmation of a moment to come does not count; the next question brings one of now."""
    scene.now -= 7200
    assert scene.found() == set()
    scene.inbox.take_page()
    assert scene.found() == {1}


def test_a_restart_keeps_what_was_confirmed(scene):
    """The time of the confirmation is in the database: no more and no less is shown afterwards."""
    scene.wire.speaks = silent(scene)
    scene.now += CONFIRMED_SECONDS - 1
    scene.open()
    scene.inbox.take_page()
    assert scene.found() == {1}
    scene.now += 1
    assert scene.found() == set()


# --- many patients


class Crowd:
    """Chains of many patients as `Confirmation` sees them, and a hub that counts questions and may lie about some."""

    def __init__(self, scene, number):
        self.now = scene.now
        self.key = SigningKey.generate()
        self.patients = [str(identifiers.new_person(DOMAIN)) for _ in range(number)]
        self.head = scene.inbox.chains.accounts[scene.patient.me.account]
        self.questions, self.liars = [], set()
        keyring = replace(scene.keys.keyring, hub_key=self.key.public)
        keystore = type("Keys", (), {"keyring": keyring, "doubted": staticmethod(list), "doubt": lambda *_: None})()
        keys = type("HubKeys", (), {"key": lambda _, domain: self.key.public})()
        chains = type("Chains", (), {"state": lambda *_: self.head, "refresh": lambda *_: None})()
        self.store = scene.store
        self.confirmation = Confirmation(keystore, chains, keys, self.store, self.ask, lambda: self.now)

    def ask(self, nonce, chains):
        self.questions.append((self.now, len(chains)))
        told = [(chain_id(*chain), self.head.head) for chain in chains if chain[1] not in self.liars]
        me = self.confirmation._me
        return [heads.sign(self.key, hub=DOMAIN, to=me, nonce=nonce, at=self.now, heads=told)]


def test_ten_thousand_patients_are_each_confirmed_within_two_minutes_without_a_flood(scene):
    """From a cold start on, at a turn every five seconds: about a question a second, never many at once."""
    crowd = Crowd(scene, 10_000)
    start = crowd.now
    oldest = []
    for turn in count():
        crowd.confirmation.turn(crowd.patients)
        if crowd.now - start >= 120:
            found = crowd.store.confirmations()
            oldest.append(crowd.now - min(found[patient] for patient in crowd.patients))
        if turn == 40:
            break
        crowd.now += TURN_SECONDS
    assert max(oldest) <= 120
    assert all(size <= heads.MAX_CHAINS for _, size in crowd.questions)
    by_moment = [moment for moment, _ in crowd.questions]
    assert max(by_moment.count(moment) for moment in set(by_moment)) <= 8
    assert len(crowd.questions) / (crowd.now - start) <= 1.5


def test_patients_of_whom_a_hub_says_nothing_do_not_keep_others_waiting(scene):
    """Half of them are left out of every answer; the other half stays confirmed."""
    crowd = Crowd(scene, 4 * PATIENTS)
    crowd.liars = set(crowd.patients[::2])
    for _ in range(400):
        crowd.confirmation.turn(crowd.patients)
        crowd.now += TURN_SECONDS
    for patient in crowd.patients:
        assert crowd.confirmation.confirmed(patient) == (patient not in crowd.liars)


def test_a_chain_in_doubt_that_cannot_be_fetched_keeps_nobody_else_waiting(scene):
    """Her home hub is away, so that nothing of hers can be looked at; all others stay confirmed."""
    crowd = Crowd(scene, 3)
    doubtful, *others = crowd.patients

    def away(*_):
        raise Problem("busy", "the hub cannot be reached")

    crowd.confirmation._keystore.doubted = lambda: [("acct", doubtful, "", 0)]
    crowd.confirmation._chains.recheck = away
    crowd.confirmation.turn(crowd.patients)
    assert [crowd.confirmation.confirmed(patient) for patient in (doubtful, *others)] == [False, True, True]


def test_more_patients_than_a_database_takes_parameters_are_confirmed(scene):
    """33,000 at once."""
    patients = [f"p{number}@{DOMAIN}" for number in range(33_000)]
    scene.store.confirm(patients, 7, 8)
    assert sum(at == 7 for at in scene.store.confirmations().values()) == 33_000


def test_an_idle_page_writes_nothing_of_patients_of_whom_nothing_changes(scene, monkeypatch):
    """What may be shown is written when a grant comes, begins or ends."""
    written = []
    monkeypatch.setattr(scene.store, "set_live", lambda patient, _: written.append(patient))
    live_on(scene, 1800)
    assert written == []
    until = scene.inbox.chains.relations[scene.patient.me.account, scene.practice.account].grants[scene.gid].until
    scene.now = until
    scene.inbox.take_page()
    assert written == [scene.patient.me.account]
