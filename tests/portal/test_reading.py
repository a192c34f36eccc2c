"""Reading in the browser: the own record, whoever wrote it; and what a dishonest hub cannot hide."""

import json

import pytest
from playwright.sync_api import expect

from connectors.entries import Entry
from connectors.patient import permits
from tests.journeys.conftest import Practice
from tests.journeys.sharing import VITALS, weight, write
from tests.journeys.test_writing import Ward, pressure
from tests.portal.conftest import DESK, WORDS
from tests.portal.test_getting_in import sign_in, unlock

READINGS = "**/v1/feed?*only=envelope*"


def counted(visitor, count):
    """The overview says that there are so many vital signs."""
    line = visitor.page.get_by_role("listitem").filter(has_text=visitor.text("category.vitals"))
    said = visitor.text("overview.entry" if count == 1 else "overview.entries", count=count)
    expect(line).to_contain_text(said)


def change_events(visitor, change):
    """From now on a hub in the middle changes the list of envelopes that the feed gives out."""

    def answer(route):
        response = route.fetch()
        page = response.json()
        page["events"] = change(page["events"])
        route.fulfill(response=response, body=json.dumps(page))

    visitor.page.route(READINGS, answer)


def come_back(visitor):
    """Lock and unlock: the page begins anew with what is kept."""
    visitor.press("frame.lock")
    unlock(visitor)
    visitor.sees("overview.title")


def look_again(visitor):
    """She comes back to the tab: the page reads what is new."""
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.fixture
def ward(tmp_path, portal_hub, patient):
    """A practice whom she lets write."""
    practice = Practice(tmp_path, portal_hub, "praxis-r")
    permits.permit(patient, practice.account)
    made = Ward(practice)
    yield made
    made.close()
    practice.close()


def test_the_overview_counts_what_is_hers(visitors, patient, ward):
    """Her own and a practice's entries are opened; what was replaced counts once, what was taken back not at all.

    What moved from one day to another, as an export made in another zone moves it, stays when the first is replaced.
    """
    write(patient, 1, 2)
    own = [(3, [weight(patient, 3)], False), (3, [weight(patient, 3, "73.1")], False), (4, [weight(patient, 4)], False)]
    for number, lines, deletes in [*own, (4, [], True)]:
        patient.outbox.put([Entry(patient.account, VITALS, lines, f"Observation/w{number}", deletes)])
    for day, numbers in (("day/1", [5]), ("day/2", [5, 6]), ("day/1", [7])):
        patient.outbox.put([Entry(patient.account, VITALS, [weight(patient, number) for number in numbers], day)])
    patient.flush()
    visitor = visitors(viewport=DESK)
    sign_in(visitor, patient.account)
    counted(visitor, 6)
    ward.put(pressure(patient, "p1"))
    ward.pass_on()
    come_back(visitor)
    counted(visitor, 7)
    visitor.is_well()
    assert not visitor.gave_away(WORDS, "29463-7", "73.1")
    visitor.page.route("**/v1/**", lambda route: route.abort())
    visitor.complaints = []
    come_back(visitor)
    expect(visitor.page.get_by_text(visitor.text("reading.offline"))).to_be_visible()
    counted(visitor, 7)
    visitor.is_well()
    visitor.complaints = []  # of what it could not reach


def test_a_dropped_envelope_is_noticed(visitors, patient):
    """Each device counts what it writes, so that a gap shows."""
    write(patient, 1, 2, 3)
    visitor = visitors()
    change_events(visitor, lambda events: [event for event in events if event["pos"] != 2])
    sign_in(visitor, patient.account)
    expect(visitor.page.get_by_text(visitor.text("reading.missing", count=1))).to_be_visible()
    counted(visitor, 2)
    visitor.is_well()


def test_an_envelope_that_was_changed_is_not_shown(visitors, patient):
    """What does not hold is counted and never opened."""
    write(patient, 1, 2)

    def swap(events):
        frames = [event["frame"] for event in events]
        return [event | {"stamp": events[0]["stamp"], "frame": frames[-1]} for event in events]

    visitor = visitors(language="en")
    change_events(visitor, swap)
    sign_in(visitor, patient.account)
    expect(visitor.page.get_by_text(visitor.text("reading.refused", count=2))).to_be_visible()
    visitor.is_well()


def test_a_hub_that_goes_back_is_named(visitors, patient):
    """A chain shorter than the one that was seen stops the page before it writes anything."""
    visitor = visitors()
    sign_in(visitor, patient.account)

    def shorten(route):
        response = route.fetch()
        route.fulfill(response=response, body=json.dumps({"frames": response.json()["frames"][:-1]}))

    visitor.page.route(f"**/v1/chains/acct/{patient.account}?after=-1", shorten)
    come_back(visitor)
    expect(visitor.page.get_by_text(visitor.text("problem.rejected-rollback"))).to_be_visible()
