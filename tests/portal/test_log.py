"""Who looked: the page tells what the command line tells, takes her objection, and names what a hub has hidden."""

import json
import time

from playwright.sync_api import expect

from connectors.gateway import access, objections
from connectors.gateway.access import Reader
from connectors.patient import access_log, log_words, sharing
from consent.categories import INDEX
from tests.journeys.sharing import found, write
from tests.portal.conftest import DESK, PHONE, Typist, Visitor
from tests.portal.test_getting_in import sign_in
from tests.portal.test_sharing import title

DOCTOR = Reader("Dr. Ada Arzt", "physician", "TREAT")
ROLE = {"de": "ärztlich", "en": "physician"}
TEXT = "An diesem Tag war ich nicht dort."
PAGE = 50


def look_at(practice, patient, times=1):
    """A doctor of the practice looks at what it finds, so many times; the patient's log is told."""
    number = len(found(practice, patient))
    for _ in range(times):
        access.report(practice.store.database, DOCTOR, "Observation", {patient.account: number})
    practice.inbox.report_reads()


def open_log(visitor):
    """The page of the log, checked."""
    visitor.follow("log.title")
    visitor.sees("log.title")
    expect(visitor.page.locator("main .notice:is(.good, .bad)").first).to_be_visible()  # the verdict


def again(visitor):
    """The log once more."""
    visitor.follow("overview.title")
    visitor.sees("overview.title")
    open_log(visitor)


def test_she_reads_who_looked_objects_and_reads_the_answer(visitors, patient, practices):
    """Each entry in the words of the command line; chosen by person and kind; the house's answer stands beside it."""
    practice, other, visitor = practices(), practices(), visitors(Typist, "en", DESK)
    write(patient, 1)
    for one in (practice, other):
        sharing.grant(patient, one.account, {INDEX["vitals"]})
    look_at(practice, patient)
    found(other, patient)
    write(patient, 3)
    found(other, patient)
    sign_in(visitor, patient.account)
    open_log(visitor)
    whole = log_words._FILE["report"]["whole"]["en"].partition("{")[0]
    expect(visitor.page.get_by_text(whole)).to_be_visible()
    visitor.is_well()
    told = [entry for entry in access_log.entries(patient) if entry.actor != patient.account]
    entries = visitor.page.locator("li.entry")
    shown = " ".join(entries.all_inner_texts()).lower()
    for entry in told:
        line = log_words.line(entry, patient.account, "en").split(maxsplit=3)[3].rstrip(".")
        pieces = line.replace(f" ({entry.actor})", "").lower().split("; ")
        assert [piece for piece in pieces if piece not in shown] == []
    assert "was given a sealed packet:" in shown
    assert "looked at 1 measured value or finding" in shown
    read = next(entry for entry in told if entry.person)

    visitor.pick("log.who", f"{DOCTOR.person} ({ROLE['en']}), {title(practice)}")
    expect(entries).to_have_count(1)
    visitor.choose("log.what", "log.kind-refused")
    expect(visitor.page.get_by_text(visitor.text("log.no-match"))).to_be_visible()
    visitor.is_well()
    visitor.choose("log.what", "log.kind-seen")

    visitor.thinks_better("log.object-of", "log.object-cancel", seq=read.seq)
    visitor.press("log.object-of", seq=read.seq)
    visitor.is_well()
    visitor.enter("log.object-text", TEXT)
    visitor.press("log.object-send")
    expect(visitor.page.get_by_text(visitor.text("log.objected"))).to_be_focused()
    expect(visitor.page.get_by_text(TEXT.rstrip("."))).to_be_visible()
    visitor.is_well()
    practice.inbox.catch_up()
    (got,) = objections.objections(practice.keys, practice.inbox.chains)
    assert (got.seq, got.person, got.text) == (read.seq, DOCTOR.person, TEXT)
    objections.reply(practice.keys, practice.inbox.chains, practice.inbox.hub, got, "Ein Irrtum.", int(time.time()))
    again(visitor)
    expect(entries.filter(has_text=TEXT.rstrip("."))).to_contain_text("Ein Irrtum.")
    assert not visitor.gave_away(TEXT, DOCTOR.person)


class Hiding:
    """A hub that gives the page another log than it has: `change` gets the answer and makes of it what it likes."""

    def __init__(self, visitor):
        self.change = lambda answer, _: answer
        visitor.page.route("**/v1/log/**", self.answer)

    def answer(self, route):
        answer = route.fetch().json()
        begins = route.request.url.endswith("after=0")
        route.fulfill(body=json.dumps(self.change(answer, begins)), content_type="application/json")


def without(seq):
    """The log but for one entry."""
    return lambda answer, _: answer | {"entries": [one for one in answer["entries"] if one["seq"] != seq]}


def changed(seq):
    """The log with another purpose in one entry."""
    other = {seq: {"purpose": "HRESCH"}}
    return lambda answer, _: answer | {"entries": [one | other.get(one["seq"], {}) for one in answer["entries"]]}


def test_what_the_hub_hides_or_changes_is_named(visitors, patient, practices):
    """An entry gone, changed, put for another, the end cut off, or a head of another: each in plain words."""
    practice, visitor = practices(), visitors(Visitor, "en", PHONE)
    write(patient, 1)
    sharing.grant(patient, practice.account, {INDEX["vitals"]})
    look_at(practice, patient)
    sign_in(visitor, patient.account)
    hub, seen = Hiding(visitor), []
    alert = visitor.page.get_by_role("alert")
    hub.change = lambda answer, begins: seen.append((begins, answer)) or answer
    open_log(visitor)
    expect(alert).to_have_count(0)
    last = patient.hub.log(patient.account)[0][-1]["seq"]

    for change, words in ((without(3), "entry 3 is missing"), (changed(3), "entry 3 is not what was written")):
        hub.change = change
        again(visitor)
        expect(alert).to_contain_text(words)
        visitor.is_well()

    hub.change = lambda answer, _: answer
    write(patient, 2)
    again(visitor)
    expect(alert).to_have_count(0)
    old = dict(seen)
    hub.change = lambda _, begins: old[begins]
    again(visitor)
    expect(alert).to_contain_text(f"entries {last + 1} to ")
    expect(alert).to_contain_text("shortened")
    again(visitor)
    visitor.press("log.accept")
    expect(visitor.page.get_by_text(visitor.text("log.accepted"))).to_be_focused()
    expect(visitor.page.get_by_text("The log is whole")).to_be_visible()
    expect(alert).to_have_count(0)
    visitor.is_well()

    practice_log = {"entries": [], "head": "T0JTMQ"}
    hub.change = lambda *_: practice_log
    again(visitor)
    expect(alert).to_contain_text(visitor.text("problem.rejected"))
    expect(visitor.page.locator("li.entry").first).to_be_visible()
    visitor.page.unroute_all()


def test_a_long_log_is_shown_by_and_by_and_kept(visitors, patient, practices):
    """Older entries come when asked for, and take the focus; without the hub she sees what was checked last."""
    practice, visitor = practices(), visitors(Typist, "de", PHONE)
    write(patient, 1)
    sharing.grant(patient, practice.account, {INDEX["vitals"]})
    look_at(practice, patient, PAGE + 5)
    sign_in(visitor, patient.account)
    open_log(visitor)
    entries = visitor.page.locator("li.entry")
    expect(entries).to_have_count(PAGE)
    visitor.press("log.older")
    expect(entries.nth(PAGE)).to_be_focused()
    assert entries.count() > PAGE + 5
    visitor.is_well()
    visitor.context.set_offline(True)
    visitor.follow("overview.title")
    visitor.sees("overview.title")
    visitor.follow("log.title")
    expect(visitor.page.get_by_text(visitor.text("log.old"))).to_be_visible()
    expect(entries).to_have_count(PAGE)
    visitor.is_well()
    visitor.complaints.clear()  # the browser says of each call that it came to nothing
