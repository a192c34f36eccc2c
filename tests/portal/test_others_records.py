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

KEPT = """async store => {
  const asked = indexedDB.open("obhut");
  const db = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  const all = db.transaction(store).objectStore(store).getAll();
  return new Promise((done) => { all.onsuccess = () => done(all.result.length); });
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
