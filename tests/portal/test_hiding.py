"""Hiding single entries in the page: from one who reads, or from all, at a real gateway; and shown again."""

import pytest
from playwright.sync_api import expect

from connectors.patient import restrictions, sharing
from consent.categories import INDEX
from tests.journeys.sharing import found, write
from tests.portal.conftest import DESK, PHONE, Typist, Visitor
from tests.portal.test_getting_in import sign_in
from tests.portal.test_sharing import title

VITALS = INDEX["vitals"]


@pytest.fixture
def houses(patient, practices):
    """Two practices that read her two weights."""
    both = practices(), practices()
    write(patient, 1, 2)
    for one in both:
        sharing.grant(patient, one.account, {VITALS})
    assert [found(one, patient) for one in both] == [{"w1", "w2"}] * 2
    return both


def open_first(visitor, patient):
    """The entry of the first weight: the elder of the two."""
    sign_in(visitor, patient.account)
    visitor.follow("data.short")
    visitor.sees("data.title")
    visitor.use(visitor.page.get_by_role("link", name=visitor.text("category.vitals")))
    visitor.sees("category.vitals")
    entry = visitor.page.locator(".entry").last
    visitor.use(entry.locator("summary"))
    visitor.press("readers.who")
    return entry


def says(visitor, key, who):
    expect(visitor.page.get_by_text(visitor.text(key, who=who), exact=True)).to_be_visible()


def test_she_hides_one_entry_from_one_house(visitors, patient, houses):
    """By keyboard: that house finds the rest, the other house all; the list says hidden; shown again, all is found."""
    (one, other), visitor = houses, visitors(Typist, "en", DESK)
    entry = open_first(visitor, patient)
    visitor.button("readers.hide-from", who=title(one)).wait_for()
    visitor.is_well()
    visitor.press("readers.hide-from", who=title(one))
    says(visitor, "readers.hid", title(one))
    expect(entry.locator("summary")).to_contain_text(visitor.text("readers.hidden"))
    visitor.is_well()
    assert (found(one, patient), found(other, patient)) == ({"w2"}, {"w1", "w2"})
    patient.sync()
    assert patient.vault.hidden_from == {one.account: ("Observation/w1",)}
    assert patient.settle() == 0
    visitor.press("readers.show-to", who=title(one))
    says(visitor, "readers.shown", title(one))
    expect(entry.locator("summary")).not_to_contain_text(visitor.text("readers.hidden"))
    assert found(one, patient) == {"w1", "w2"}


def test_she_hides_from_all_and_sees_what_was_hidden_elsewhere(visitors, patient, houses):
    """From those to come, too; what another client of hers hid from one is shown as hidden, and can be shown again."""
    one, other = houses
    restrictions.hide(patient, ["Observation/w1"], one.account)
    assert found(one, patient) == {"w2"}
    visitor = visitors(Visitor, "de", PHONE)
    open_first(visitor, patient)
    visitor.button("readers.show-to", who=title(one)).wait_for()
    visitor.press("readers.hide-all")
    says(visitor, "readers.hid", visitor.text("readers.all"))
    visitor.is_well()
    assert (found(one, patient), found(other, patient)) == ({"w2"}, {"w2"})
    visitor.press("readers.show-all")
    says(visitor, "readers.shown", visitor.text("readers.all"))
    assert (found(one, patient), found(other, patient)) == ({"w2"}, {"w1", "w2"})
    visitor.press("readers.show-to", who=title(one))
    says(visitor, "readers.shown", title(one))
    assert found(one, patient) == {"w1", "w2"}
