"""Sharing in the page: what she signs there a real gateway finds at once, and after her withdrawal no more."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from time import time

import pytest
from playwright.sync_api import expect

from connectors.gateway import emergency
from connectors.gateway.access import Reader
from connectors.gateway.declaring import Declaring
from connectors.gateway.enrolment import send_request
from connectors.outbox import Entry
from connectors.patient import enrolment, sharing
from connectors.patient.delegation import Deputy
from connectors.patient.overview import for_another, overview
from connectors.patient.representative import Representative
from consent import preview, receipts, words
from consent.categories import INDEX
from consent.dates import ZONE
from consent.identifiers import account
from fhir_profiles.problems import Problem
from tests.journeys.conftest import Person
from tests.journeys.sharing import found, weight, write, years_ahead
from tests.portal.conftest import DESK, PHONE, Typist, Visitor
from tests.portal.test_getting_in import sign_in

VITALS, LAB, MENTAL = INDEX["vitals"], INDEX["lab"], INDEX["mental"]
PRESET = {"de": "Zugriff zur Behandlung für 90 Tage", "en": "Access for treatment for 90 days"}


def title(practice):
    """As the directory names it."""
    return practice.account.partition("@")[0]


def open_sharing(visitor, patient):
    sign_in(visitor, patient.account)
    visitor.follow("share.title")
    visitor.sees("share.title")


def choose_whom(visitor, practice, look=lambda: None):
    """Find the practice in the directory and choose it."""
    visitor.press("share.new")
    visitor.enter("grant.search", title(practice))
    visitor.tick(title(practice))
    look()
    visitor.press("grant.go-on")


def sign(visitor, practice, look=lambda: None, foreseen="", done="grant.done"):
    """From the sharing page to what came of it, by a usual choice. `foreseen`: so many entries, as the page tells."""
    choose_whom(visitor, practice, look)
    visitor.tick(PRESET[visitor.language])
    look()
    visitor.press("grant.look")
    expect(visitor.page.get_by_text(visitor.text("categories.closed"), exact=True)).to_be_visible()
    expect(visitor.page.locator(".sentence" if foreseen else "main")).to_contain_text(foreseen)
    look()
    visitor.press("grant.sign")
    expect(visitor.page.get_by_text(visitor.text(done))).to_be_visible()
    look()


def test_a_practice_finds_what_she_shares_until_she_withdraws(visitors, patient, practices):
    """Granted in the page, the practice's FHIR search finds her data; withdrawn there, nothing; undone, all again."""
    practice, visitor = practices(), visitors(Typist, "en", DESK)
    write(patient, 1, 2)
    assert found(practice, patient) == set()
    open_sharing(visitor, patient)
    visitor.is_well()
    sign(visitor, practice, visitor.is_well, foreseen=preview.entries(2, "en"))
    assert found(practice, patient) == {"w1", "w2"}
    with visitor.page.expect_download() as download:
        visitor.follow("grant.file")
    proven = receipts.verify(Path(download.value.path()).read_bytes(), enrolment.card(patient))
    assert (proven.counterpart, VITALS in proven.terms.categories) == (practice.account, True)
    visitor.press("grant.finish")
    rule = visitor.page.get_by_role("listitem").filter(has_text=title(practice))
    expect(rule).to_contain_text(words.category(VITALS, "en"))
    expect(rule).not_to_contain_text(words.category(MENTAL, "en"))
    visitor.thinks_better("share.withdraw-of", "share.keep", who=title(practice))
    visitor.press("share.withdraw-of", who=title(practice))
    visitor.is_well()
    visitor.press("share.withdraw-now")
    expect(visitor.page.get_by_text(visitor.text("share.ended", who=title(practice)))).to_be_focused()
    visitor.is_well()
    assert found(practice, patient) == set()
    assert practice.keys.held(patient.account) == set()
    visitor.press("share.undo")
    expect(rule.filter(has=visitor.button("share.withdraw-of", who=title(practice)))).to_be_visible()
    assert found(practice, patient) == {"w1", "w2"}
    assert not visitor.gave_away("Vitalwerte", "vital signs", "policy/practice")
    patient.sync()
    assert patient.record.relations[practice.account].links[0].body["met"] == "directory"
    assert patient.settle() == 0
    assert re.search(r"#/share$", visitor.page.url)


def test_a_request_is_changed_and_signed_or_refused(visitors, patient, practices):
    """What is asked for is shown; what is most confidential stays closed; she leaves out more; the other gets a no."""
    practice, other, visitor = practices(), practices(), visitors(Visitor, "en", PHONE)
    write(patient, 1)
    for one in (practice, other):
        send_request(one.keys, enrolment.card(patient), frozenset({VITALS, LAB, MENTAL}), ("TREAT",), "2099-12-31")
    open_sharing(visitor, patient)
    visitor.press("share.answer-of", who=title(practice))
    left = visitor.text("grant.asked-too", what=words.category(MENTAL, "en"))
    expect(visitor.page.get_by_text(left)).to_be_visible()
    visitor.is_well()
    visitor.press("grant.change")
    visitor.page.get_by_label(words.category(LAB, "en").capitalize(), exact=True).uncheck()
    visitor.press("grant.look")
    visitor.press("grant.sign")
    expect(visitor.page.get_by_text(visitor.text("grant.done"))).to_be_visible()
    visitor.press("grant.finish")
    assert found(practice, patient) == {"w1"}
    patient.sync()
    ((_, grant, terms),) = sharing.granted(patient)
    assert (terms.categories, terms.request != "") == ({VITALS}, True)
    assert terms.until == grant.until
    visitor.press("share.refuse-of", who=title(other))
    expect(visitor.button("share.refuse-of", who=title(other))).to_have_count(0)
    other.inbox.catch_up()
    assert other.keys.db.execute("SELECT sender FROM messages").fetchall() == [(patient.account,)]


def test_what_is_asked_for_and_not_usual_can_be_left_out(visitors, patient, practices):
    """A purpose that is seldom offered has a box where somebody asks for it; unticked, it is not signed."""
    practice, visitor = practices(), visitors(Visitor, "en", PHONE)
    send_request(practice.keys, enrolment.card(patient), frozenset({VITALS}), ("TREAT", "HMARKT"), "2099-12-31")
    open_sharing(visitor, patient)
    visitor.press("share.answer-of", who=title(practice))
    visitor.press("grant.change")
    visitor.page.get_by_label(words.purpose("HMARKT", "en").capitalize(), exact=True).uncheck()
    visitor.press("grant.look")
    visitor.press("grant.sign")
    expect(visitor.page.get_by_text(visitor.text("grant.done"))).to_be_visible()
    patient.sync()
    assert [terms.purposes for _, _, terms in sharing.granted(patient)] == [("TREAT",)]


def test_what_was_just_signed_is_taken_back_with_the_right_to_write(visitors, patient, practices):
    """Undone at once, nothing is left of it: neither what the practice reads, nor that it writes."""
    practice, visitor = practices(), visitors(Visitor, "en", PHONE)
    write(patient, 1)
    open_sharing(visitor, patient)
    choose_whom(visitor, practice)
    visitor.tick(PRESET["en"])
    visitor.page.get_by_text(visitor.text("grant.details"), exact=True).click()
    visitor.tick(visitor.text("grant.writes"))
    visitor.press("grant.look")
    visitor.press("grant.sign")
    expect(visitor.page.get_by_text(visitor.text("grant.done"))).to_be_visible()
    patient.sync()
    assert (found(practice, patient), overview(patient)["writers"]) == ({"w1"}, [practice.account])
    visitor.press("share.undo")
    expect(visitor.page.get_by_text(visitor.text("share.nobody"))).to_be_visible()
    patient.sync()
    assert (found(practice, patient), overview(patient)["writers"]) == (set(), [])


def test_a_tick_opens_what_the_usual_choice_keeps_closed(visitors, patient, practices):
    """By standing access what is sensitive is not found, whatever else is; ticked, it is, as the page says."""
    practice, visitor, mental = practices(), visitors(Visitor, "de", DESK), words.category(MENTAL, "de")
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
    secret = json.loads(weight(patient, 2)) | {"meta": {"security": [label]}}
    patient.outbox.put([Entry(patient.account, MENTAL, [json.dumps(secret).encode()])])
    write(patient, 1)
    open_sharing(visitor, patient)
    sign(visitor, practice)
    visitor.press("grant.finish")
    assert found(practice, patient) == {"w1"}
    change(visitor, practice, mental[:1].upper() + mental[1:])
    assert found(practice, patient) == {"w1", "w2"}
    patient.sync()
    assert [MENTAL in terms.categories for _, _, terms in sharing.granted(patient)] == [True]


def change(visitor, practice, *labels):
    """Change what stands: tick what is not ticked of these answers, and the other way round; then sign."""
    visitor.press("share.change-of", who=title(practice))
    for label in labels:
        answer = visitor.page.get_by_label(label, exact=True)
        answer.set_checked(not answer.is_checked())
    visitor.is_well()
    visitor.press("grant.look")
    visitor.press("grant.sign")
    expect(visitor.page.get_by_text(visitor.text("grant.done"))).to_be_visible()
    visitor.press("grant.finish")
    expect(visitor.button("share.change-of", who=title(practice))).to_be_visible()


def test_what_is_granted_is_changed_and_lets_a_house_write(visitors, patient, practices):
    """One kind less is signed in its place; from now on closes the past; a house is let write, and that is ended."""
    practice, visitor, vitals = practices(), visitors(Visitor, "de", DESK), words.category(VITALS, "de")
    write(patient, 1)
    open_sharing(visitor, patient)
    sign(visitor, practice)
    visitor.press("grant.finish")
    assert found(practice, patient) == {"w1"}
    patient.sync()
    ((_, before, _),) = sharing.granted(patient)
    change(visitor, practice, vitals)
    assert found(practice, patient) == set()
    patient.sync()
    ((_, after, terms),) = sharing.granted(patient)
    assert (after.gid, VITALS in terms.categories, LAB in terms.categories) == (before.gid, False, True)
    change(visitor, practice, vitals, visitor.text("grant.from-now"), visitor.text("grant.writes"))
    assert found(practice, patient) == set()
    write(patient, 2, day=datetime.now(ZONE).date().isoformat())
    assert found(practice, patient) == {"w2"}
    told = overview(patient)
    assert [(one["whole"], "vitals" in one["categories"]) for one in told["grants"]] == [(False, True)]
    assert told["writers"] == [practice.account]
    visitor.press("share.unpermit-of", who=title(practice))
    expect(visitor.page.get_by_text(visitor.text("share.writers"))).to_have_count(0)
    patient.sync()
    assert overview(patient)["writers"] == []
    assert patient.settle() == 0


def test_without_the_hub_she_sees_what_was_known_last(visitors, patient, practices):
    """The page says that it is not up to date, what ends soon, and which wish of hers came too late."""
    practice, visitor = practices(), visitors(Visitor, "en", PHONE)
    tomorrow = datetime.now(ZONE).date() + timedelta(days=1)
    sharing.grant(patient, practice.account, {VITALS}, end=tomorrow.isoformat())
    open_sharing(visitor, patient)
    expect(visitor.page.get_by_text(visitor.text("share.ends-soon"))).to_be_visible()
    visitor.context.set_offline(True)
    visitor.follow("overview.title")
    visitor.sees("overview.title")
    visitor.follow("share.title")
    expect(visitor.page.get_by_text(visitor.text("share.old"))).to_be_visible()
    visitor.is_well()
    visitor.context.set_offline(False)
    visitor.press("share.withdraw-of", who=title(practice))
    visitor.page.route("**/v1/statements", lambda route: route.abort())
    visitor.press("share.withdraw-now")
    expect(visitor.page.get_by_text(visitor.text("problem.busy"))).to_be_visible()
    sharing.withdraw(patient, practice.account)
    visitor.page.unroute("**/v1/statements")
    visitor.press("share.withdraw-now")
    expect(visitor.page.get_by_text(visitor.text("problem.conflict"))).to_be_visible()
    visitor.follow("overview.title")
    visitor.sees("overview.title")
    visitor.follow("share.title")
    expect(visitor.page.get_by_text(visitor.text("share.nobody"))).to_be_visible()
    visitor.complaints.clear()  # the browser says of each call that it came to nothing


def test_a_relative_acts_for_her_until_she_ends_it(visitors, patient, practices, tmp_path, portal_hub):
    """Named by card, his client sees what she granted, and reads; then he does all as she does; ended, nothing."""
    ben, practice, visitor = Person(tmp_path / "ben", portal_hub), practices(), visitors(Typist, "de", DESK)
    write(patient, 1)
    sharing.grant(patient, practice.account, {VITALS})
    open_sharing(visitor, patient)
    visitor.follow("relatives.title")
    visitor.sees("relatives.title")
    visitor.press("relatives.appoint")
    expect(visitor.page.get_by_text(visitor.text("relatives.card-wrong"))).to_be_visible()
    visitor.is_well()
    appoint(visitor, ben, "manage")
    deputy = Deputy(ben.reading, patient.account)
    deputy.sync()
    told = {one["to"]: one["categories"] for one in for_another(deputy)["grants"]}
    assert told[practice.account] == ["vitals"]
    assert "mental" not in told[ben.account]
    assert ben.reads("Observation", of=patient.account, purpose="FAMRQT") == ["w1"]
    end_acting(visitor, ben)
    patient.sync()
    assert [one["to"] for one in overview(patient)["grants"]] == [practice.account]
    assert ben.reads("Observation", of=patient.account, purpose="FAMRQT") == []

    appoint(visitor, ben, "all")
    side = Representative(ben.client, patient.account)
    side.sync()
    sharing.withdraw(side, practice.account)
    assert found(practice, patient) == set()
    end_acting(visitor, ben)
    patient.sync()
    assert (overview(patient)["delegates"], overview(patient)["grants"]) == ([], [])
    assert patient.settle() == 0
    with pytest.raises(Problem):
        side.sync()
    ben.close()


def appoint(visitor, relative, scope):
    """Name a relative, to manage and read, or to do all."""
    visitor.enter("relatives.card", str(relative.card))
    visitor.tick(visitor.text("relatives.kind-chosen"))
    visitor.tick(visitor.text(f"relatives.{scope}"))
    if scope == "manage":
        visitor.tick(visitor.text("relatives.reads-too"))
    visitor.field("relatives.last-day").fill(years_ahead(3))
    visitor.press("relatives.appoint")
    expect(visitor.page.get_by_text(visitor.text("relatives.appointed", who=relative.account))).to_be_focused()
    visitor.is_well()


def end_acting(visitor, relative):
    visitor.press("relatives.end-of", who=relative.account)
    expect(visitor.page.get_by_text(visitor.text("relatives.ended"))).to_be_focused()


def test_a_department_opens_in_an_emergency_what_she_allowed(visitors, patient, practices):
    """Nothing before it is declared; then what she ticked; she sees who, and objects; switched off, nothing."""
    house, visitor = practices("emergency"), visitors(Visitor, "en", PHONE)
    write(patient, 1)
    open_sharing(visitor, patient)
    visitor.follow("emergency.title")
    visitor.sees("emergency.title")
    visitor.tick(title(house))
    visitor.press("emergency.usual")
    visitor.is_well()
    visitor.press("emergency.sign")
    expect(visitor.page.get_by_text(visitor.text("emergency.changed"))).to_be_focused()
    visitor.is_well()
    assert found(house, patient) == set()
    assert declare(house, patient) > 0
    assert house.keys.held(patient.account) != set()
    visitor.follow("share.title")
    visitor.follow("emergency.look")
    expect(visitor.page.get_by_text("Dr. Eva Not")).to_contain_text("physician")
    expect(visitor.page.get_by_text("no relatives")).to_be_visible()
    visitor.is_well()
    visitor.enter("emergency.words", "I was awake.")
    visitor.press("emergency.wrong")
    expect(visitor.page.get_by_text(visitor.text("emergency.objected"))).to_be_visible()
    house.inbox.catch_up()
    assert house.keys.db.execute("SELECT sender FROM messages").fetchall() == [(patient.account,)]
    assert not visitor.gave_away("I was awake.", "Dr. Eva Not")
    visitor.press("emergency.forbid-of", who=title(house))
    expect(visitor.page.get_by_text(visitor.text("emergency.nobody"))).to_be_visible()
    assert declare(house, patient) == 0


def declare(house, patient):
    """A doctor of the house declares an emergency. Returns until when it opened something, Unix second; else 0."""
    now = int(time())
    house.inbox.catch_up()
    reader = Reader("Dr. Eva Not", "physician", "ETREAT", issued=now)
    name = account(patient.account).local
    rnd = emergency.declare(house.store.database, reader, name, "unconscious", "no relatives", now)
    Declaring(house.inbox).send()
    emergency.await_answer(house.store.database, rnd, patience=0)
    house.inbox.catch_up()
    return next(one.until for one in emergency.all_declared(house.store.database) if one.rnd == rnd)
