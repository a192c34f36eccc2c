"""Who may write: permits that are complete or not there, and that end with all that belongs to them."""

import pytest

from connectors.patient import permits, sharing
from consent.owed import owed
from consent.primitives import Rejected
from consent.statements import parse
from consent.steps import EVERYTHING
from fhir_profiles.problems import Problem
from tests.connectors.test_patient_client import Crash, Desk
from tests.consent import world

LAB = 8


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "patient")


def relation(desk, other=None):
    return desk.patient.hub.record.relations[(other or desk.practice).account]


def permitted(desk, other=None):
    state = relation(desk, other)
    return [set_id for set_id in state.permits if state.permitted(set_id)]


def settled(desk):
    client = desk.open()
    client.sync()
    return owed(client.record, client.vault, client.now) is None


def other_practice(desk, name="praxis-b"):
    other = world.organisation(name)
    desk.patient.hub.know(other)
    return other


def write(desk, author, set_id, category=LAB):
    desk.patient.load()
    return desk.patient.write(author, set_id, category, [b'{"resourceType":"Observation"}'])


# --- given


def test_a_permitted_author_may_write_and_knows_where(desk):
    """The hub takes its envelopes, and its own grant covers all sixteen categories in use."""
    set_id = permits.permit(desk.client, desk.practice.account)
    assert permitted(desk) == [set_id]
    (grant,) = relation(desk).live(desk.patient.now)
    assert grant.cover == {set_id: (1, desk.client.vault.sets[set_id].mask(EVERYTHING))}
    assert write(desk, desk.practice, set_id)
    assert permits.writers(desk.client) == [desk.practice.account]


def test_what_an_author_writes_is_released_to_the_readers_of_the_category(desk):
    """Whoever was granted the category before is released what the new author writes there, and nothing else."""
    other = other_practice(desk)
    sharing.grant(desk.client, other.account, {LAB})
    set_id = permits.permit(desk.client, desk.practice.account)
    seen, unseen = write(desk, desk.practice, set_id), write(desk, desk.practice, set_id, category=1)
    released = desk.patient.hub.released(other.account, desk.patient.now)
    assert seen in released and unseen not in released


def test_a_permit_again_changes_nothing(desk):
    """Said twice, it is one set and one own grant."""
    set_id = permits.permit(desk.client, desk.practice.account)
    length = len(relation(desk).links)
    assert permits.permit(desk.client, desk.practice.account) == set_id
    assert len(relation(desk).links) == length


def test_a_new_block_of_sets_is_made_when_none_is_spare(desk):
    """The fifth author finds a set like the first, and readers of before read it."""
    reader = other_practice(desk, "praxis-r")
    sharing.grant(desk.client, reader.account, {LAB})
    authors = [other_practice(desk, f"praxis-{number}") for number in range(5)]
    sets = [permits.permit(desk.client, author.account) for author in authors]
    assert len(set(sets)) == 5
    assert write(desk, authors[-1], sets[-1]) in desk.patient.hub.released(reader.account, desk.patient.now)


def test_a_set_that_another_author_is_about_to_get_is_not_spare(desk):
    """An own grant whose permit is still to come keeps its set: nobody reads another author's whole set by accident."""
    other = other_practice(desk)
    post = desk.wire.post

    def one_by_one(written, *rest):
        """As clients sent them before, and died between."""
        post(written[:1], *rest)
        if len(written) > 1:
            raise Crash

    desk.wire.post = one_by_one
    with pytest.raises(Crash):
        permits.permit(desk.client, other.account)
    del desk.wire.post
    desk.wire.publish()
    begun = next(iter(relation(desk, other).live(desk.patient.now)[0].cover))
    client = desk.open()
    client.db.execute("DELETE FROM state WHERE key = 'pending'")  # as another device of hers, which knows nothing of it
    assert permits.permit(client, desk.practice.account) != begun
    assert permits.permit(client, other.account) == begun


def test_of_two_devices_that_give_a_set_away_the_later_gives_another(desk, monkeypatch):
    """And nothing of the one that is taken: whoever is granted a set as its author reads all that is written there."""
    other = other_practice(desk)
    post, chosen = desk.wire.post, []

    def overtaken(written, *rest):
        first = parse(written[0].frame)
        if first.typ == "grant" and not chosen:
            chosen.append(first.body["cover"][0][0])
            desk.patient.load()
            desk.patient.permit(other)
            desk.wire.publish()
        post(written, *rest)

    monkeypatch.setattr(desk.wire, "post", overtaken)
    monkeypatch.setattr(desk.patient, "spare", lambda: chosen[0])
    mine = permits.permit(desk.client, desk.practice.account)
    assert permitted(desk, other) == chosen
    assert permitted(desk) == [mine]
    assert mine not in chosen
    assert [set(grant.cover) for grant in relation(desk).live(desk.patient.now)] == [{mine}]


# --- taken back


def test_an_ended_permit_closes_the_set_and_ends_the_own_grant(desk):
    """No deposit is taken, nothing is released to the author, and nothing is left to do."""
    set_id = permits.permit(desk.client, desk.practice.account)
    permits.unpermit(desk.client, desk.practice.account)
    assert permitted(desk) == [] and permits.writers(desk.client) == []
    assert desk.patient.hub.record.sets[set_id].closed
    assert relation(desk).live(desk.patient.now) == []
    with pytest.raises(Rejected) as refused:
        write(desk, desk.practice, set_id)
    assert refused.value.reason == "no-permit"
    assert settled(desk)


def test_an_author_that_is_permitted_again_writes_into_another_set(desk):
    """A set is permitted once."""
    first = permits.permit(desk.client, desk.practice.account)
    permits.unpermit(desk.client, desk.practice.account)
    second = permits.permit(desk.client, desk.practice.account)
    assert first != second and permitted(desk) == [second]
    assert write(desk, desk.practice, second)


def test_a_withdrawal_of_reading_leaves_the_permit_whole(desk):
    """What a practice may write, and read of its own, is another word of hers."""
    set_id = permits.permit(desk.client, desk.practice.account)
    gid = sharing.grant(desk.client, desk.practice.account, {LAB})
    assert [grant.gid for _, grant, _ in sharing.granted(desk.client)] == [gid]
    assert sharing.withdraw(desk.client, desk.practice.account) == 1
    assert write(desk, desk.practice, set_id) in desk.patient.hub.released(desk.practice.account, desk.patient.now)
    with pytest.raises(Problem):
        sharing.withdraw(desk.client, desk.practice.account)


def test_whoever_may_not_write_cannot_be_forbidden_to(desk):
    """Nobody there, or nothing permitted: told by a sentence. Her own devices are not taken away like that."""
    sharing.grant(desk.client, desk.practice.account, {LAB})
    for who in (desk.practice.account, "praxis-x@hub-a.example.org", desk.client.account):
        with pytest.raises(Problem) as caught:
            permits.unpermit(desk.client, who)
        assert caught.value.code == "not-found"


# --- crashes


def dying(desk, when, before):
    """A hub that is cut off at a statement: `before` it took it, or before its answer came."""
    post = type(desk.wire).post

    def die(written, *args, **kwargs):
        if when(parse(written[0].frame)):
            if not before:
                post(desk.wire, written, *args, **kwargs)
            raise Crash
        post(desk.wire, written, *args, **kwargs)

    return die


def crash_at(desk, place, before, work):
    """Run `work` for the practice, dying at its write number `place`; False if there were fewer."""
    count = iter(range(1000))
    desk.wire.post = dying(desk, lambda _: next(count) == place, before)
    try:
        work(desk.open(), desk.practice.account)
    except Crash:
        return True
    finally:
        del desk.wire.post
    return False


@pytest.mark.parametrize("before", [True, False], ids=["not taken", "not answered"])
@pytest.mark.parametrize("ends", [False, True], ids=["permit", "unpermit"])
def test_a_crash_at_any_write_leaves_what_the_next_call_finishes(tmp_path, before, ends):
    """However far it came: called again, there is one permit and one own grant, or none of either; nothing is owed."""
    for place in range(40):
        desk = Desk(tmp_path / f"{place}")
        sharing.grant(desk.client, other_practice(desk).account, {LAB})
        for number in range(0 if ends else 4):  # so that no set is spare
            permits.permit(desk.client, other_practice(desk, f"praxis-{number}").account)
        if ends:
            permits.permit(desk.client, desk.practice.account)
        work = permits.unpermit if ends else permits.permit
        crashed = crash_at(desk, place, before, work)
        client = desk.open()
        client.sync()
        done = ends and not permitted(desk) and not relation(desk).live(desk.patient.now)
        if crashed and not done:
            work(client, desk.practice.account)
        client.settle()
        live = relation(desk).live(desk.patient.now)
        assert (len(permitted(desk)), len(live)) == ((0, 0) if ends else (1, 1)), place
        assert settled(desk), place
        if not crashed:
            assert place > (2 if ends else 8)
            return
    raise AssertionError("it never ends")
