"""Acting for another in the page: what a relative does there holds as if the patient had done it, until she ends it."""

from datetime import date
from time import time

import pytest
from playwright.sync_api import expect

from connectors.gateway.enrolment import send_request
from connectors.patient import appointing, emergency, enrolment, sharing
from connectors.patient.overview import overview
from connectors.patient.representative import Representative
from consent import words
from consent.categories import INDEX
from consent.identifiers import account
from consent.lockout import FULL
from tests.journeys.conftest import name_delegate, persons
from tests.journeys.sharing import found, write
from tests.portal.between import PATIENCE_SECONDS, Held
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor
from tests.portal.test_getting_in import sign_in, unlock
from tests.portal.test_reading import READINGS, look_again
from tests.portal.test_sharing import (
    PRESET,
    appoint,
    change,
    choose_whom,
    declare,
    end_acting,
    open_sharing,
    sign,
    title,
)

VITALS, LAB, MENTAL = INDEX["vitals"], INDEX["lab"], INDEX["mental"]
END = "2099-12-31"
BORN = date.today().replace(month=6, day=15, year=date.today().year - 8)  # noqa: DTZ011


@pytest.fixture
def people(tmp_path, portal_hub):
    """Makes persons who have a client elsewhere, and sign in by `WORDS`."""
    with persons(tmp_path, portal_hub) as make:

        def signing_in(name):
            made = make(name)
            enrolment.set_passphrase(made.client, WORDS)
            return made

        yield signing_in


@pytest.fixture
def ben(people):
    """A relative."""
    return people("ben")


def called(visitor, patient):
    """How the page calls a patient of whom nothing is known but her address."""
    return visitor.text("patient.unnamed", address=account(patient.account).local[:8])


def begun(said):
    """Words as they stand for themselves."""
    return said[:1].upper() + said[1:]


def act_for(visitor, patient):
    """From one's own overview into hers."""
    visitor.press("acting.begin-of", who=called(visitor, patient))
    visitor.sees("acting.title")
    expect(visitor.page.get_by_text(visitor.text("acting.now", who=called(visitor, patient)))).to_be_visible()


def settled(patient):
    """Her own client finds everything done, and tells what is granted."""
    patient.sync()
    assert patient.settle() == 0
    return overview(patient)


def test_named_in_the_page_a_relative_does_all_for_her_until_she_ends_it(visitors, patient, practices, ben):
    """Named, he shares for her and withdraws at once; the moment she ends it his page says so and shows nothing."""
    practice, she, he = practices(), visitors(Visitor, "en", DESK), visitors(Typist, "de", PHONE)
    write(patient, 1, 2)
    sign_in(he, ben.account)
    expect(he.page.get_by_text(he.text("acting.for"), exact=True)).to_have_count(0)
    open_sharing(she, patient)
    she.follow("relatives.title")
    appoint(she, ben, "all")

    he.page.reload()
    unlock(he)
    expect(he.page.get_by_text(he.text("acting.for"), exact=True)).to_be_visible()
    he.is_well()
    act_for(he, patient)
    he.is_well()
    he.follow("share.title")
    he.sees("share.title")
    sign(he, practice, he.is_well)
    he.press("grant.finish")
    assert found(practice, patient) == {"w1", "w2"}
    he.follow("acting.record")
    expect(he.page.get_by_text(he.text("acting.now", who=called(he, patient)))).to_be_visible()
    he.use(he.page.get_by_role("link", name=he.text("category.vitals")))
    expect(he.page.get_by_text("72", exact=False).first).to_be_visible()
    he.is_well()
    he.follow("share.title")
    grant = settled(patient)["grants"][-1]
    assert (grant["to"], grant["by"]) == (practice.account, ben.account)
    change(he, practice, words.category(VITALS, "de"))
    assert found(practice, patient) == set()
    he.press("share.withdraw-of", who=title(practice))
    he.press("share.withdraw-now")
    expect(he.page.get_by_text(he.text("share.ended", who=title(practice)))).to_be_focused()
    he.is_well()
    assert (found(practice, patient), practice.keys.held(patient.account)) == (set(), set())
    assert practice.account not in [one["to"] for one in settled(patient)["grants"]]

    end_acting(she, ben)
    he.sees("acting.over-title")
    he.is_well()
    assert he.page.locator("nav").count() == 0
    he.press("acting.back")
    he.sees("overview.title")
    expect(he.page.get_by_text(he.text("acting.for"), exact=True)).to_have_count(0)
    assert settled(patient)["delegates"] == []


def test_a_representative_answers_who_asks_her_and_gives_the_mandate_back(visitors, patient, practices, ben):
    """By keyboard: one request is granted, one put aside; then he resigns, and nothing is left to him."""
    practice, other, he = practices(), practices(), visitors(Typist, "en", DESK)
    write(patient, 1)
    name_delegate(patient, ben.card, END, scope=FULL)
    for one in (practice, other):
        send_request(one.keys, enrolment.card(patient), frozenset({VITALS, LAB}), ("TREAT",), END)
    sign_in(he, ben.account)
    act_for(he, patient)
    he.follow("share.title")
    he.press("share.answer-of", who=title(practice))
    he.is_well()
    he.press("grant.sign")
    expect(he.page.get_by_text(he.text("grant.done"))).to_be_visible()
    he.press("grant.finish")
    assert found(practice, patient) == {"w1"}
    he.press("share.refuse-of", who=title(other))
    expect(he.button("share.refuse-of", who=title(other))).to_have_count(0)
    patient.sync()
    assert {one.sender for one in sharing.requests(patient)} == {practice.account, other.account}

    he.follow("log.title")
    expect(he.page.get_by_text(he.text("log.entries"), exact=True)).to_be_visible()
    asked = he.page.get_by_role("listitem").filter(has_text=title(other))
    expect(asked.first).to_be_visible()
    expect(he.page.get_by_role("button", name=he.text("log.object"))).to_have_count(0)
    he.is_well()
    he.follow("overview.title")
    he.thinks_better("acting.resign", "acting.resign-keep")
    he.press("acting.resign")
    he.is_well()
    he.press("acting.resign-now")
    he.sees("overview.title")
    expect(he.page.get_by_text(he.text("acting.for"), exact=True)).to_have_count(0)
    patient.sync()
    patient.settle()
    told = settled(patient)
    assert (told["delegates"], patient.root.shared) == ([], ())
    assert [one["to"] for one in told["grants"]] == [practice.account]


def test_who_acts_for_her_ends_what_opens_in_an_emergency_and_makes_nothing_else_of_it(
    visitors, patient, practices, ben
):
    """It is no standing access that could be changed or granted again: withdrawn, nothing is open, declared or not."""
    house, he = practices("emergency"), visitors(Visitor, "en", PHONE)
    write(patient, 1)
    emergency.allow(patient, house.account, {VITALS}, ["physician"], 3600)
    name_delegate(patient, ben.card, END, scope=FULL)
    sign_in(he, ben.account)
    act_for(he, patient)
    he.follow("share.title")
    expect(he.button("share.withdraw-of", who=title(house))).to_be_visible()
    expect(he.button("share.change-of", who=title(house))).to_have_count(0)
    he.press("share.withdraw-of", who=title(house))
    he.press("share.withdraw-now")
    expect(he.page.get_by_text(he.text("share.ended", who=title(house)))).to_be_focused()
    expect(he.button("share.undo")).to_have_count(0)
    assert [one["to"] for one in settled(patient)["grants"]] == [ben.account]
    assert (declare(house, patient), found(house, patient)) == (0, set())


def test_her_own_word_takes_the_place_of_a_guardians_even_if_the_page_is_closed_meanwhile(
    visitors, patient, practices, people, middle
):  # fmt: skip
    """She grants less than he did; the page that signed never hears that it was taken; his grant ends all the same."""
    father, practice, she = people("father"), practices(), visitors(Visitor, "en", DESK, at=middle.url)
    until = appointing.age_switch(BORN)
    appointing.appoint(patient, appointing.Appointment(father.card, until, FULL, "guardian"))
    side = Representative(father.client, patient.account)
    side.sync()
    sharing.grant(side, practice.account, {VITALS, MENTAL})
    patient.sync()
    (joint,) = [grant.gid for to, grant, _ in sharing.granted(patient) if to == practice.account]
    open_sharing(she, patient)
    taken, grants = Held(), []

    def until_granted(answer, path):
        patient.sync()
        grants[:] = [grant.gid for to, grant, _ in sharing.granted(patient) if to == practice.account]
        return taken(answer, path) if grants != [joint] else answer

    choose_whom(she, practice)
    she.tick(PRESET["en"])
    she.press("grant.look")
    with middle.lie("^/v1/statements$", until_granted):
        she.press("grant.sign")
        assert taken.asked.wait(PATIENCE_SECONDS)
    she.page.reload()
    taken.gone.set()
    with she.page.expect_response(READINGS):
        unlock(she)
    patient.sync()
    left = [grant.gid for to, grant, _ in sharing.granted(patient) if to == practice.account]
    assert left == [gid for gid in grants if gid != joint]


def name(visitor, relative, kind, scope, **days):
    """Fill in whom she names, as what, and what for."""
    visitor.enter("relatives.card", str(relative.card))
    visitor.tick(visitor.text(f"relatives.kind-{kind}"))
    visitor.tick(visitor.text(f"relatives.{scope}"))
    for field, day in days.items():
        visitor.field(f"relatives.{field.replace('_', '-')}").fill(str(day))


def appointed(visitor, relative, button="appoint", said="appointed"):
    visitor.press(f"relatives.{button}")
    expect(visitor.page.get_by_text(visitor.text(f"relatives.{said}", who=relative.account))).to_be_focused()
    visitor.is_well()


def test_naming_says_all_that_the_command_can(visitors, patient, people):
    """Kind, scope, day of birth and age of a guardian, what stays private; changed in place; as Python reads it."""
    mother, ann, she = people("mother"), people("ann"), visitors(Visitor, "de", DESK)
    open_sharing(she, patient)
    she.follow("relatives.title")
    name(she, mother, "guardian", "all", born=date.today())  # noqa: DTZ011
    she.field("relatives.born").fill("1960-01-01")
    she.press("relatives.appoint")
    expect(she.page.get_by_text(she.text("relatives.born-wrong"))).to_be_visible()
    she.is_well()
    she.field("relatives.born").fill(str(BORN))
    she.pick("relatives.of-age", she.text("relatives.years", age=14))
    appointed(she, mother)
    patient.sync()
    (one,) = appointing.delegates(patient.record)
    assert (one.scope, one.end) == (FULL, appointing.age_switch(BORN, 14))
    assert patient.vault.mandates[mother.account].kind == "guardian"
    assert patient.root.shared == (mother.account,)

    she.thinks_better("relatives.change-of", "relatives.keep", who=mother.account)
    she.press("relatives.change-of", who=mother.account)
    she.is_well()
    she.tick(she.text("relatives.manage"))
    she.tick(she.text("relatives.reads-too"))
    she.page.get_by_label(begun(words.category(LAB, "de")), exact=True).uncheck()
    she.field("relatives.born").fill(str(BORN))
    appointed(she, mother, "save", "changed")
    patient.sync()
    private = {LAB, MENTAL, INDEX["intimate"], INDEX["genetic"]}
    (one,) = appointing.delegates(patient.record)
    assert (one.scope, one.end) == ("manage", appointing.age_switch(BORN))
    assert patient.vault.mandates[mother.account].private == private
    assert patient.root.shared == ()
    assert mother.reads("Observation", of=patient.account, purpose="FAMRQT") == []
    write(patient, 1)
    assert mother.reads("Observation", of=patient.account, purpose="FAMRQT") == ["w1"]

    name(she, ann, "power-of-attorney", "manage", last_day=END)
    appointed(she, ann)
    told = settled(patient)
    assert {one["to"]: one["scope"] for one in told["delegates"]} == {mother.account: "manage", ann.account: "manage"}
    assert patient.vault.mandates[ann.account].kind == "power-of-attorney"


def test_of_two_guardians_the_narrower_holds_until_the_child_is_of_age(visitors, patient, practices, people):
    """What both allow opens; a refusal closes all, and is told; whose time has passed sees nothing more."""
    mother, father, practice = people("mother"), people("father"), practices()
    she = visitors(Visitor, "en", PHONE)
    until = appointing.age_switch(BORN)
    for one in (mother, father):
        appointing.appoint(patient, appointing.Appointment(one.card, until, FULL, "guardian"))
    side = Representative(father.client, patient.account)
    side.sync()
    sharing.grant(side, practice.account, {VITALS, MENTAL})
    write(patient, 1)
    assert found(practice, patient) == {"w1"}

    sign_in(she, mother.account)
    act_for(she, patient)
    expect(she.page.get_by_text(she.text("acting.guardian"))).to_be_visible()
    she.follow("share.title")
    sign(she, practice, she.is_well)
    expect(she.page.get_by_text(she.text("grant.narrower"))).to_be_visible()
    she.press("grant.finish")
    held = she.text("share.held-by", to=title(practice), by=mother.account, what=words.category(MENTAL, "en"))
    expect(she.page.get_by_text(held)).to_be_visible()
    she.is_well()
    (told,) = [one for one in settled(patient)["grants"] if one["to"] == practice.account]
    assert told["categories"] == ["vitals"]
    assert found(practice, patient) == {"w1"}

    side.sync()
    sharing.withdraw(side, practice.account)
    she.follow("overview.title")
    she.follow("share.title")
    sign(she, practice, done="grant.refused-by-another")
    she.press("grant.finish")
    assert found(practice, patient) == set()
    assert {one["by"] for one in settled(patient)["held_back"] if one["refuses"]} == {father.account}

    appointing.dismiss(patient, mother.account)
    she.sees("acting.over-title")
    she.press("acting.back")
    appointing.appoint(patient, appointing.Appointment(mother.card, int(time()) + 40, FULL, "guardian"))
    look_again(she)
    act_for(she, patient)
    she.follow("share.title")
    expect(she.page.get_by_text(she.text("acting.over-why", who=called(she, patient)))).to_be_visible(timeout=90_000)
    she.is_well()


def test_who_manages_sees_ends_and_hands_on_what_he_may_read(visitors, patient, practices, ben):
    """By keyboard: one practice is withdrawn at once; another handed what he reads himself; then he resigns."""
    practice, other, he = practices(), practices(), visitors(Typist, "de", DESK)
    reads = frozenset({VITALS, LAB, MENTAL})
    write(patient, 1)
    sharing.grant(patient, practice.account, {VITALS, LAB})
    sharing.grant(patient, other.account, {LAB})
    name_delegate(patient, ben.card, END, private=frozenset(range(16)) - reads)
    sign_in(he, ben.account)
    act_for(he, patient)
    rule = he.page.get_by_role("listitem").filter(has_text=title(practice))
    expect(rule).to_contain_text(words.category(VITALS, "de"))
    he.is_well()
    he.thinks_better("share.withdraw-of", "share.keep", who=title(practice))
    he.press("share.withdraw-of", who=title(practice))
    he.is_well()
    he.press("share.withdraw-now")
    expect(he.page.get_by_text(he.text("share.ended", who=title(practice)))).to_be_focused()
    assert found(practice, patient) == set()

    expect(he.page.get_by_label(begun(words.category(INDEX["imaging"], "de")), exact=True)).to_have_count(0)
    he.tick(title(other))
    he.tick(begun(words.category(VITALS, "de")))
    he.tick(begun(words.purpose("TREAT", "de")))
    he.press("managing.hand")
    expect(he.page.get_by_text(he.text("managing.handed", who=title(other)))).to_be_focused()
    he.is_well()
    assert found(other, patient) == {"w1"}
    patient.sync()
    patient.settle()
    handed = [one for one in settled(patient)["grants"] if one["by"] == ben.account]
    assert [(one["to"], one["categories"]) for one in handed] == [(other.account, ["vitals"])]
    assert found(other, patient) == {"w1"}

    he.follow("acting.record")
    he.use(he.page.get_by_role("link", name=he.text("category.vitals")))
    expect(he.page.get_by_role("link", name=he.text("data.back"))).to_be_visible()
    he.is_well()
    he.follow("overview.title")
    he.press("acting.resign")
    he.press("acting.resign-now")
    he.sees("overview.title")
    patient.sync()
    assert overview(patient)["delegates"] == []
