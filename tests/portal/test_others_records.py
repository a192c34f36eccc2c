"""The records of others in the browser: opened, decided and shown as the own one, and what was read is told."""

import time

import pytest
from playwright.sync_api import expect

from connectors.patient import access_log, enrolment, sharing
from consent import finer_rules, identifiers
from consent.categories import INDEX
from tests.journeys.conftest import PATIENCE_SECONDS
from tests.journeys.sharing import write
from tests.portal import record
from tests.portal.conftest import DESK, PHONE, Typist, Visitor
from tests.portal.test_getting_in import sign_in, unlock
from tests.portal.test_reading import look_again

KEPT = """async store => {
  const asked = indexedDB.open("obhut");
  const db = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  const all = db.transaction(store).objectStore(store).getAll();
  return new Promise((done) => { all.onsuccess = () => done(all.result.length); });
}"""
# While `held`, what is to be told cannot be kept: a transaction of the test is before it. While `full`, it is refused.
NOTING = """async () => {
  const { add } = IDBObjectStore.prototype;
  const said = {};
  for (const name of ["taken", "refused"]) window[name] = new Promise((done) => { said[name] = done; });
  IDBObjectStore.prototype.add = function (...given) {
    if (this.name !== "reports") return add.apply(this, given);
    said[window.full ? "refused" : "taken"]();
    if (!window.full) return add.apply(this, given);
    throw new DOMException("there is no room", "QuotaExceededError");
  };
  const asked = indexedDB.open("obhut");
  const db = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  window.hold = () => {
    window.held = true;
    const store = db.transaction("reports", "readwrite").objectStore("reports");
    const again = () => { if (window.held) store.count().onsuccess = again; };
    again();
  };
}"""


def fill(patient):
    """A record with something of everything."""
    name = identifiers.account(patient.account).local
    record.put(patient, record.observations(name, 20), "seed")
    record.put(patient, record.clinical(name))
    record.put(patient, [record.document(name, "letter", b"Sehr geehrte Frau Kollegin", record.TEXT, "Arztbrief")])
    patient.flush()


def give(patient, to, *categories, **more):
    card = enrolment.card(to)
    chosen = frozenset(INDEX[name] for name in categories)
    return sharing.grant(patient, str(card.account), chosen, fingerprint=card.fingerprint, **more)


def label(patient):
    """How a patient is called of whom no name may be seen."""
    return {"address": identifiers.account(patient.account).local[:8]}


def open_record(visitor, patient):
    """From the page My data to the record of another."""
    visitor.follow("data.short")
    visitor.use(visitor.page.get_by_role("link", name=visitor.text("patients.open")).first)
    visitor.sees("patient.title")
    expect(visitor.page.locator(".whose")).to_contain_text(visitor.text("patient.unnamed", **label(patient)))


def reads(patient):
    """What her log says was read: who, what, how many, for what."""
    rows = [one for one in access_log.entries(patient) if one.action == "read"]
    return {(one.actor, one.what, one.number, one.purpose) for one in rows}


def told(patient, expected):
    """Wait until her log says all of this."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not expected <= reads(patient):
        assert time.monotonic() < until, reads(patient)
        time.sleep(0.1)


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Typist, "de", DESK), (Visitor, "en", PHONE)])
def test_a_relative_reads_what_was_granted(visitors, patient, relative, kind, language, viewport):
    """The same views as of the own record, with whose it is; her log says what was read; withdrawn, it is all gone."""
    fill(patient)
    write(relative, 5)
    give(patient, relative, "vitals", "documents")
    visitor = visitors(kind, language, viewport)
    sign_in(visitor, relative.account)
    open_record(visitor, patient)
    expect(visitor.page.locator(".tiles a")).to_have_count(2)
    visitor.is_well()
    assert reads(patient) == set()
    visitor.use(visitor.page.locator(".tiles a").first)
    visitor.sees("category.vitals")
    expect(visitor.page.locator(".drawn canvas")).to_have_count(2)
    expect(visitor.page.locator(".whose")).to_be_visible()
    visitor.is_well()
    visitor.follow("data.back")
    visitor.use(visitor.page.locator(".tiles a").last)
    visitor.sees("category.documents")
    visitor.use(visitor.page.locator(".entry summary"))
    visitor.press("document.show")
    expect(visitor.page.get_by_text("Sehr geehrte Frau Kollegin")).to_be_visible()
    visitor.is_well()
    visitor.page.reload()
    unlock(visitor)
    visitor.sees("category.documents")
    expect(visitor.page.locator(".entry")).to_have_count(1)
    who = relative.account
    told(patient, {(who, "Observation", 40, "TREAT"), (who, "DocumentReference", 1, "TREAT")})
    sharing.withdraw(patient, relative.account)
    visitor.page.reload()
    unlock(visitor)
    expect(visitor.page.get_by_text(visitor.text("patient.gone"))).to_be_visible()
    visitor.is_well()
    visitor.follow("data.short")
    expect(visitor.page.get_by_text(visitor.text("patients.others"))).to_have_count(0)
    assert visitor.page.evaluate(KEPT, "handed") == 0
    assert visitor.page.evaluate(KEPT, "envelopes") == 1  # the relative's own
    assert not visitor.gave_away("Kollegin", "72.50")


def test_what_is_finer_than_a_category_is_kept_to(visitors, patient, relative):
    """A rule that came with the grant leaves an entry out, or admits others only; another purpose shows others."""
    fill(patient)
    penicillin = next(one["id"] for one in record.clinical("p") if one["resourceType"] == "AllergyIntolerance")
    hidden = finer_rules.hiding(None, [f"AllergyIntolerance/{penicillin}"])
    give(patient, relative, "allergies", "immunizations", rules=hidden)
    nurses = {"purposes": ["TREAT"], "roles": ["nurse"], "admitted": [["TREAT", "nurse"]]}
    give(patient, relative, "medication", rules=finer_rules.rules_of([]) | {"readers": nurses})
    give(patient, relative, "lab", purposes=("HRESCH",))
    visitor = visitors(language="en")
    sign_in(visitor, relative.account)
    open_record(visitor, patient)
    expect(visitor.page.locator(".tiles a")).to_have_count(1)
    expect(visitor.page.locator(".tiles a")).to_contain_text(visitor.text("category.immunizations"))
    visitor.choose("patient.purpose", "purpose.HRESCH")
    expect(visitor.page.locator(".tiles a")).to_contain_text(visitor.text("category.lab"))
    visitor.is_well()
    visitor.use(visitor.page.locator(".tiles a"))
    visitor.sees("category.lab")


def test_what_is_seen_for_a_second_purpose_is_told_for_that_one_too(visitors, patient, relative):
    """The same entries count as read once for each purpose, and are shown for it only once that is kept to be told."""
    fill(patient)
    give(patient, relative, "vitals", purposes=("TREAT", "HRESCH"))
    visitor = visitors(viewport=DESK)
    sign_in(visitor, relative.account)
    open_record(visitor, patient)
    visitor.page.evaluate(NOTING)
    visitor.use(visitor.page.locator(".tiles a").first)
    entries = visitor.page.locator(".entry")
    expect(entries).to_have_count(40)
    told(patient, {(relative.account, "Observation", 40, "TREAT")})
    visitor.page.evaluate("hold()")
    visitor.choose("patient.purpose", "purpose.HRESCH")
    expect(entries).to_have_count(0)
    visitor.page.evaluate("window.held = false")
    expect(entries).to_have_count(40)
    told(patient, {(relative.account, "Observation", 40, purpose) for purpose in ("TREAT", "HRESCH")})
    visitor.choose("patient.purpose", "purpose.TREAT")
    expect(entries).to_have_count(40)
    visitor.is_well()


def test_a_name_that_is_seen_for_a_second_purpose_is_told_for_that_one_too(visitors, patient, relative):
    """Her master data stand above the record, whatever it is read for: she is told of each purpose."""
    fill(patient)
    record.put(patient, [record.person(identifiers.account(patient.account).local)])
    patient.flush()
    give(patient, relative, "person", purposes=("TREAT", "HRESCH"))
    visitor = visitors(language="en", viewport=DESK)
    sign_in(visitor, relative.account)
    visitor.follow("data.short")
    visitor.use(visitor.page.get_by_role("link", name=visitor.text("patients.open")).first)
    for purpose in ("TREAT", "HRESCH"):
        visitor.choose("patient.purpose", f"purpose.{purpose}")
        expect(visitor.page.locator(".whose")).to_contain_text("Erika Brandt")
        told(patient, {(relative.account, "Patient", 1, purpose)})


def test_what_cannot_be_noted_is_said_and_tried_again(visitors, patient, relative):
    """Where what is to be told cannot be kept, nothing is shown, and the page says so; the next reading tries again."""
    fill(patient)
    give(patient, relative, "vitals")
    visitor = visitors(viewport=DESK)
    sign_in(visitor, relative.account)
    open_record(visitor, patient)
    visitor.page.evaluate(NOTING)
    visitor.page.evaluate("window.full = true")
    visitor.use(visitor.page.locator(".tiles a").first)
    expect(visitor.page.get_by_role("alert")).to_have_text(visitor.text("problem.unknown"))
    expect(visitor.page.locator(".entry")).to_have_count(0)
    visitor.is_well()
    assert reads(patient) == set()
    visitor.page.evaluate("window.full = false")
    look_again(visitor)
    expect(visitor.page.locator(".entry")).to_have_count(40)
    expect(visitor.page.get_by_role("alert")).to_have_count(0)
    told(patient, {(relative.account, "Observation", 40, "TREAT")})
    visitor.complaints = []  # of what could not be kept


def test_what_comes_later_is_not_shown_by_what_was_noted_before(visitors, patient, relative):
    """What was found first waits to be noted, what is found next is refused: the first note shows nothing of it."""
    fill(patient)
    give(patient, relative, "vitals")
    visitor = visitors(language="en", viewport=DESK)
    sign_in(visitor, relative.account)
    open_record(visitor, patient)
    visitor.page.evaluate(NOTING)
    visitor.page.evaluate("hold()")
    visitor.enter("data.search", visitor.text("metric.29463-7"))
    visitor.page.evaluate("window.taken")
    visitor.page.evaluate("window.full = true")
    visitor.enter("data.search", visitor.text("metric.85354-9"))
    visitor.page.evaluate("window.refused")
    visitor.page.evaluate("window.held = false")
    told(patient, {(relative.account, "Observation", 20, "TREAT")})
    expect(visitor.page.locator(".entry")).to_have_count(0)
    visitor.page.evaluate("window.full = false")
    look_again(visitor)
    expect(visitor.page.locator(".entry")).to_have_count(20)
    visitor.complaints = []  # of what could not be kept


def test_what_nobody_confirms_is_shown_no_longer(visitors, patient, relative):
    """A hub that does not say that a grant still stands has fifteen minutes; what came before is gone from the page."""
    fill(patient)
    give(patient, relative, "vitals")
    visitor = visitors(viewport=DESK)
    visitor.page.clock.install()
    sign_in(visitor, relative.account)
    open_record(visitor, patient)
    expect(visitor.page.locator(".tiles a")).to_have_count(1)
    visitor.page.route("**/v1/heads", lambda route: route.abort())
    visitor.page.clock.fast_forward("14:00")
    expect(visitor.page.locator(".tiles a")).to_have_count(1)
    visitor.page.clock.fast_forward("02:00")
    unlock(visitor)  # nobody has touched it for so long
    expect(visitor.page.get_by_text(visitor.text("patient.nothing"))).to_be_visible()
    visitor.is_well()
    visitor.complaints = []  # of what it could not reach
