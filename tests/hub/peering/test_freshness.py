"""A hub that is cut off: nothing of its patients is released after a minute, and afterwards all is, in order, once."""

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest

from fhir_profiles.problems import Problem
from hub import relay
from hub.peer_client import PeerClient
from tests.consent.world import DOMAIN
from tests.hub.people import VITALS, problem

METRIC = "obhut_hub_peer_confirmed_seconds"

STEP = 20


def stream(hubs, patient, mine, hospital):
    return hubs.b.get(f"/v1/streams/{patient.me.account}/{patient.stream(mine)}", hospital)


@pytest.mark.parametrize(("seconds", "status"), [(60, 200), (61, 503)])
def test_a_minute_of_silence_stops_the_release(both_hubs, clock, seconds, status):
    """By the moment of the last question that was answered; the refusal says that it is for now only."""
    patient, hospital, mine, _ = both_hubs.shared()
    written = patient.write(patient.me, mine)
    both_hubs.read()
    clock.advance(seconds)
    answer = stream(both_hubs, patient, mine, hospital)
    assert answer.status_code == status
    if status == 503:
        assert problem(answer)["type"] == "urn:obhut:problem:stale"
        assert both_hubs.b.envelopes(hospital) == []
    both_hubs.read(both_hubs.b)
    assert both_hubs.b.envelopes(hospital) == [written]


def test_a_hub_at_which_no_place_to_wait_is_left_confirms_all_the_same(hubs, clock):
    """Other hubs get the page at hand with its note, so that what they hold of its patients is released on."""
    patient, hospital, mine, _ = hubs.shared()
    patient.write(patient.me, mine)
    hubs.read()
    clock.advance(61)
    with _no_place(hubs.a):
        assert not hubs.pull(hubs.b).step(10)
    assert stream(hubs, patient, mine, hospital).status_code == 200


def test_who_is_answered_at_once_that_there_is_nothing_pauses(hubs, monkeypatch):
    """No question follows at once on one that was to wait and could not; one that came with a page needed not wait."""
    pauses = []
    monkeypatch.setattr(relay, "clients", hubs.line.client)
    monkeypatch.setattr(relay, "time", SimpleNamespace(monotonic=lambda: 1.0, sleep=pauses.append))
    hubs.shared()
    step = relay._pull(hubs.b.hub, hubs.b.hub.peers[DOMAIN])
    pull = hubs.pull(hubs.b)
    while pull.step(0):
        pass
    hubs.a.patient()
    hubs.a.organisation("praxis")
    with _no_place(hubs.a):
        step()
        step()
        assert pauses == []
        step()
    assert pauses == [relay.ASK_SECONDS]


@contextmanager
def _no_place(town):
    """Others wait at all places of a hub."""
    with ExitStack() as places:
        for number in range(town.hub.config.waiters):
            places.enter_context(town.hub.bell.listen(f"account-{number}", 1))
        yield


def test_an_operator_sees_since_when_a_peer_is_silent(hubs, clock):
    """As a moment, which an alarm compares with the time now."""
    hubs.shared()
    hubs.read()
    confirmed = hubs.b.now
    clock.advance(100)
    shown = hubs.b.get("/metrics").get_data(as_text=True)
    (line,) = (line for line in shown.splitlines() if line.startswith(f'{METRIC}{{peer="{DOMAIN}"}}'))
    assert float(line.split()[1]) == confirmed


def test_ten_minutes_without_a_network(both_hubs, clock):
    """Neither a stale release nor a loss: patients here go on; what came meanwhile is delivered then, in order."""
    a, b = both_hubs.a, both_hubs.b
    patient, hospital, mine, _ = both_hubs.shared()
    leaver, local = a.patient(), b.patient()
    theirs, own = leaver.permit(leaver.me), local.permit(local.me)
    ending = leaver.grant(hospital, {VITALS})
    local.grant(hospital, {VITALS})
    expected, gone = [patient.write(patient.me, mine)], leaver.write(leaver.me, theirs)
    both_hubs.read()
    assert {gone, *expected} <= set(b.envelopes(hospital))
    both_hubs.line.cut = True
    for passed in range(STEP, 601, STEP):
        clock.advance(STEP)
        patient.now = leaver.now = local.now = a.now
        expected.append(patient.write(patient.me, mine))
        if passed == STEP:
            leaver.withdraw(hospital, ending)
        here = local.write(local.me, own)
        found = b.envelopes(hospital)
        assert here in found
        assert stream(both_hubs, patient, mine, hospital).status_code == (503 if passed > 60 else 200)
        assert (expected[0] in found, gone in found) == (passed <= 60, passed <= 60)
    both_hubs.line.cut = False
    both_hubs.read(b)
    assert [bid for bid in b.envelopes(hospital) if bid in {gone, *expected}] == expected


def test_what_was_announced_in_the_silence_comes_once_afterwards(both_hubs, clock):
    """A reader that asked meanwhile gets each envelope once, in order, with the cursor it has."""
    a, b = both_hubs.a, both_hubs.b
    patient, hospital, mine, _ = both_hubs.shared()
    both_hubs.read()
    cursor = last(b, hospital)
    first = [patient.write(patient.me, mine) for _ in range(3)]
    both_hubs.read(b)
    clock.advance(61)
    assert b.envelopes(hospital, cursor) == []
    cursor = last(b, hospital, cursor)
    patient.now = a.now
    second = [patient.write(patient.me, mine) for _ in range(2)]
    both_hubs.read(b)
    assert b.envelopes(hospital, cursor) == [*first, *second]
    assert b.envelopes(hospital, last(b, hospital, cursor)) == []


def last(town, who, cursor=""):
    """Where somebody is who has read all there is."""
    while True:
        page = town.get("/v1/feed", who, **({"after": cursor} if cursor else {})).json
        cursor = page["next"]
        if not page["events"]:
            return cursor


def test_a_note_of_another_question_confirms_nothing(hubs, clock, monkeypatch):
    """An old page that is played back does not keep the release going."""
    patient, hospital, mine, _ = hubs.shared()
    written = patient.write(patient.me, mine)
    hubs.read()
    pull, post, answers = hubs.pull(hubs.b), PeerClient.post, []
    with monkeypatch.context() as patch:
        patch.setattr(PeerClient, "post", lambda *request: answers.append(post(*request)) or answers[-1])
        pull.step(0)
    clock.advance(61)
    with monkeypatch.context() as patch:
        patch.setattr(PeerClient, "post", lambda *_: answers[-1])
        with pytest.raises(Problem, match="busy"):
            pull.step(0)
    assert hubs.b.envelopes(hospital) == []
    pull.step(0)
    assert hubs.b.envelopes(hospital) == [written]


def test_a_hub_that_is_taken_off_the_list_is_released_from_no_more(hubs, clock):
    """Without its block nothing of its patients is given out, however fresh it was."""
    patient, hospital, mine, _ = hubs.shared()
    patient.write(patient.me, mine)
    hubs.read()
    hubs.b.hub.peers.clear()
    assert hubs.b.envelopes(hospital) == []
    assert stream(hubs, patient, mine, hospital).status_code == 503
