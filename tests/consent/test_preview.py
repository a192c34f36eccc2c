"""Previews: what would be seen, gained, lost and kept, counted entry by entry before anything is signed."""

import pytest

from consent import preview, who
from consent.categories import NAMES
from consent.preview import Entry
from consent.words import LANGUAGES
from tests.consent import world
from tests.consent.world import DAY

VITALS, LAB, MENTAL = (NAMES.index(name) for name in ("vitals", "lab", "mental"))


@pytest.fixture
def shared():
    """A patient who granted a practice vitals from now on, in epoch 2, and lab results from the beginning."""
    client, practice = world.client(), world.organisation("praxis")
    late = client.grant(practice, [VITALS], whole=False)
    whole = client.grant(practice, [LAB])
    return client, practice, late, whole


def live(client, other):
    relation = client.hub.record.relations[other.account]
    return [one for one in who.stretches(client.hub.record, relation) if one.holds(client.now)]


def entries(client, *rows):
    """Entries of a set of the patient: (category, epoch, author), each an Observation."""
    set_id = next(iter(client.hub.record.sets))
    key = client.vault.sets[set_id]
    return [Entry("Observation", c, set_id, key.index(c), epoch, author) for c, epoch, author in rows]


def totals(found):
    return tuple(one.total() for one in (found.sees, found.gains, found.loses, found.hidden))


def test_a_withdrawal_takes_what_that_grant_alone_opened(shared):
    """From-now-on counts by epoch; what another grant opens stays; what the counterpart wrote stays."""
    client, practice, late, _ = shared
    record = entries(client, (VITALS, 1, "a"), (VITALS, 2, "a"), (LAB, 1, "a"), (MENTAL, 1, practice.account))
    found = preview.withdrawing(record, live(client, practice), practice.account, [late], "delete")
    assert totals(found) == (2, 0, 1, 2)
    assert found.loses == {(VITALS, "Observation"): 1} and found.kept == 1


def test_a_grant_from_the_beginning_counts_all_and_from_now_on_nothing(shared):
    """What would be new is what is not seen already."""
    client, practice, *_ = shared
    record = entries(client, (VITALS, 1, "a"), (VITALS, 2, "a"), (LAB, 1, "a"), (MENTAL, 1, "a"))
    whole = preview.granting(record, live(client, practice), practice.account, {VITALS, MENTAL}, whole=True)
    assert totals(whole) == (4, 2, 0, 0)
    later = preview.granting(record, live(client, practice), practice.account, {VITALS, MENTAL}, whole=False)
    assert totals(later) == (2, 0, 0, 2)


def test_what_is_foreseen_is_what_happens(shared):
    """Signed afterwards, the preview's numbers are those that `who` and the hub's rule give."""
    client, practice, late, whole = shared
    record = entries(client, *((c, epoch, "a") for c in (VITALS, LAB, MENTAL) for epoch in (1, 2)))
    foreseen = preview.withdrawing(record, live(client, practice), practice.account, [late, whole], "delete")
    client.now += DAY
    client.withdraw(practice, late)
    client.withdraw(practice, whole)
    assert live(client, practice) == [] and foreseen.sees.total() == 0
    foreseen = preview.granting(record, [], practice.account, {LAB}, whole=True)
    client.grant(practice, [LAB])
    now = live(client, practice)
    seen = [one for one in record if any(stretch.reaches(one.set, one.index, one.epoch) for stretch in now)]
    assert foreseen.sees.total() == len(seen) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_in_numbers_and_plain_words(shared, language):
    """How many of which kind, what stays hidden, and, for a withdrawal, what becomes of what is there."""
    client, practice, late, _ = shared
    record = entries(client, (VITALS, 2, "a"), (LAB, 1, "a"), (MENTAL, 1, "a"), (MENTAL, 1, practice.account))
    granting = preview.granting(record, live(client, practice), practice.account, {VITALS}, whole=True)
    text = " ".join(preview.lines(granting, language))
    assert practice.account in text and "3" in text and "{" not in text and "vitals" not in text
    taking = preview.withdrawing(record, live(client, practice), practice.account, [late], "delete")
    said = preview.lines(taking, language)
    assert len(said) == 4 and "1" in said[0]
    plain = taking.plain()
    assert plain["loses"] == {"total": 1, "categories": {"vitals": {"Observation": 1}}} and plain["effect"] == "delete"
