"""An organisation without a gateway in the browser: it is admitted, reads what patients grant, and writes back."""

import re

import pytest
from playwright.sync_api import expect

from connectors.patient import access_log, enrolment, permits, sharing
from connectors.patient.reading import Reading
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles import resources
from tests.portal import record
from tests.portal.conftest import DESK, NUMBERS, PATIENCE_MS, PHONE, WORDS, Typist, Visitor
from tests.portal.test_getting_in import nothing, read_sheet, unlock
from tests.portal.test_others_records import KEPT, fill, label, reads, told

NURSE, DOCTOR = "Maria Stern", "Dr. Jana Wolf"
NOTE = "Wunde trocken, Verband gewechselt."


def state(visitor, member, role):
    """Say who sits there."""
    visitor.enter("member.name", member)
    visitor.choose("member.role", f"role.{role}")
    visitor.press("member.save")
    expect(visitor.page.get_by_text(visitor.text("member.saved"))).to_be_focused()


def found(visitor, hub, member, role, look=nothing):
    """An organisation comes to the hub by the code of its operator; returns its account and the words of its sheet."""
    name = f"pflege-{next(NUMBERS)}"
    code = hub.admit(name, "care")
    visitor.follow("welcome.house")
    visitor.sees("house.title")
    visitor.enter("house.address", "p-nobody")
    visitor.press("words.go-on")
    expect(visitor.page.get_by_text(visitor.text("house.wrong"))).to_be_visible()
    look()
    visitor.enter("house.address", name)
    visitor.enter("house.code", code)
    visitor.press("words.go-on")
    expect(visitor.page.locator("[autocomplete=username]")).to_have_value(re.compile(f"^{name}@"))
    visitor.enter("account.passphrase", WORDS)
    look()
    visitor.press("words.go-on")
    account, groups = read_sheet(visitor)
    visitor.press("sheet.kept")
    expect(visitor.button("sheet.prove")).to_be_visible()
    for number, group in enumerate(groups, 1):
        if visitor.field("sheet.group", number=number).count():
            visitor.enter("sheet.group", group.lower(), number=number)
    visitor.press("sheet.prove")
    visitor.sees("patients.title")
    look()
    state(visitor, member, role)
    expect(visitor.page.get_by_text(visitor.text("patients.none"))).to_be_visible()
    look()
    return account


def open_patient(visitor, patient, name=""):
    """From the list of patients, as the hub has it now, to her record."""
    visitor.page.reload()
    unlock(visitor)
    visitor.sees("patients.title")
    link = visitor.page.get_by_role("link", name=visitor.text("patients.open")).first
    expect(link).to_be_visible(timeout=4 * PATIENCE_MS)  # on a busy machine the keys alone take long
    visitor.use(link)
    visitor.sees("patient.title")
    expect(visitor.page.locator(".whose")).to_contain_text(name or visitor.text("patient.unnamed", **label(patient)))


def sent(visitor):
    """Everything that was written is at the hub."""
    expect(visitor.page.locator(".sending")).to_have_count(0)


def written_by(patient, author, tmp_path):
    """What an account has written into her record, as her client reads it, checked against R4."""
    reading = Reading(tmp_path / "patient", patient)
    reading.refresh()
    stored = [one for one in reading.everything() if one.author == author]
    reading.close()
    found = [resources.parse(one.body) for one in stored]
    for one in found:
        resources.check(one)
    return found


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Visitor, "de", PHONE), (Typist, "en", DESK)])
def test_a_doctor_reads_and_writes_back(visitors, portal_hub, patient, tmp_path, kind, language, viewport):
    """From the operator's code to a withdrawal: who looked stands in her log by name, role and purpose."""
    fill(patient)
    visitor = visitors(kind, language, viewport)
    house = found(visitor, portal_hub, DOCTOR, "physician", visitor.is_well)
    chosen = frozenset(INDEX[name] for name in ("vitals", "documents", "care"))
    sharing.grant(patient, house, chosen)
    open_patient(visitor, patient)
    expect(visitor.page.get_by_text(visitor.text("write.no-permit"))).to_be_visible()
    visitor.is_well()
    visitor.use(visitor.page.locator(".tiles a").first)
    visitor.sees("category.vitals")
    expect(visitor.page.locator(".drawn canvas")).to_have_count(2)
    visitor.is_well()
    visitor.follow("data.back")
    visitor.use(visitor.page.locator(".tiles a").last)
    visitor.use(visitor.page.locator(".entry summary"))
    visitor.press("document.show")
    expect(visitor.page.get_by_text("Sehr geehrte Frau Kollegin")).to_be_visible()
    told(patient, {(house, "Observation", 40, "TREAT"), (house, "DocumentReference", 1, "TREAT")})
    permits.permit(patient, house)
    visitor.follow("patient.back")
    open_patient(visitor, patient)
    visitor.follow("write.title")
    visitor.sees("write.title")
    visitor.press("write.save-note")
    expect(visitor.page.get_by_text(visitor.text("write.no-text"))).to_be_visible()
    visitor.is_well()
    visitor.enter("write.text", NOTE)
    visitor.press("write.save-note")
    expect(visitor.page.get_by_text(visitor.text("write.saved-note"))).to_be_visible()
    visitor.enter("bring.value-body-weight", "71.5")
    visitor.press("bring.save")
    letter = {"name": "brief.txt", "mimeType": "text/plain", "buffer": b"Die Wunde heilt gut."}
    visitor.page.locator("input[type=file]").set_input_files(letter)
    visitor.press("bring.add")
    expect(visitor.page.get_by_text(visitor.text("bring.saved", what="brief"))).to_be_visible()
    visitor.is_well()
    sent(visitor)
    written = written_by(patient, house, tmp_path)
    assert {one["resourceType"] for one in written} == {"Observation", "DocumentReference"} and len(written) == 3
    assert all(DOCTOR in str(one.get("performer", one.get("author"))) for one in written)
    assert any(one.get("valueString") == NOTE for one in written)
    rows = [one for one in access_log.entries(patient) if one.action == "read"]
    assert {(one.person, one.role, one.purpose) for one in rows} == {(DOCTOR, "physician", "TREAT")}
    visitor.follow("write.notes")
    visitor.sees("category.care")
    expect(visitor.page.locator(".entry")).to_contain_text(NOTE)
    visitor.is_well()
    sharing.withdraw(patient, house)
    permits.unpermit(patient, house)
    visitor.page.reload()
    unlock(visitor)
    expect(visitor.page.get_by_text(visitor.text("patient.gone"))).to_be_visible()
    visitor.follow("patient.back")
    expect(visitor.page.get_by_text(visitor.text("patients.none"))).to_be_visible()
    assert [visitor.page.evaluate(KEPT, store) for store in ("handed", "envelopes", "objects")] == [0, 0, 0]
    assert not visitor.gave_away("Kollegin", NOTE, DOCTOR, "heilt gut")


def test_a_nurse_is_held_to_what_the_law_leaves_her(visitors, portal_hub, patient):
    """She reads what was granted and writes notes of care; measurements and documents are not hers to write."""
    visitor = visitors(language="en", viewport=DESK)
    house = found(visitor, portal_hub, NURSE, "nurse")
    record.put(patient, [record.person(account(patient.account).local)])
    patient.flush()
    sharing.grant(patient, house, {INDEX["person"], INDEX["vitals"], INDEX["care"]})
    permits.permit(patient, house)
    open_patient(visitor, patient, "Erika Brandt")
    visitor.follow("write.title")
    expect(visitor.page.get_by_text(visitor.text("write.by-law"))).to_be_visible()
    expect(visitor.button("write.save-note")).to_be_visible()
    expect(visitor.button("bring.save")).to_have_count(0)
    expect(visitor.button("bring.add")).to_have_count(0)
    visitor.is_well()
    visitor.enter("write.text", NOTE)
    visitor.press("write.save-note")
    sent(visitor)
    visitor.follow("security.title")
    visitor.is_well()
    state(visitor, DOCTOR, "physician")
    visitor.follow("patients.short")
    visitor.use(visitor.page.get_by_role("link", name=visitor.text("patients.open")).first)
    visitor.follow("write.title")
    expect(visitor.button("bring.save")).to_be_visible()
    told(patient, {(house, "Patient", 1, "TREAT")})  # her name, once
    assert len(reads(patient)) == 1


def test_an_organisation_asks_and_is_allowed(visitors, portal_hub, patient):
    """By a card her client finds a request; what she answers opens her record, on a second device of the house too."""
    visitor = visitors(Typist, "de", DESK)
    house = found(visitor, portal_hub, NURSE, "nurse")
    visitor.press("ask.send")
    expect(visitor.page.get_by_text(visitor.text("relatives.card-wrong"))).to_be_visible()
    visitor.enter("relatives.card", str(enrolment.card(patient)))
    visitor.press("ask.send")
    expect(visitor.page.get_by_text(visitor.text("ask.sent"))).to_be_visible()
    visitor.is_well()
    patient.sync()
    (request,) = sharing.requests(patient)
    assert request.asks.counterpart == house
    sharing.grant(patient, house, request.asks.categories, request=request)
    fill(patient)
    second = visitors(language="en", viewport=PHONE)
    second.follow("welcome.sign-in")
    second.enter("account.address", house)
    second.enter("account.passphrase", WORDS)
    second.press("sign-in.sign-in")
    second.sees("patients.title")
    state(second, DOCTOR, "physician")
    expect(second.page.get_by_text(second.text("member.title"))).to_have_count(0)
    open_patient(second, patient)
    second.use(second.page.locator(".tiles a").first)
    expect(second.page.locator(".entry").first).to_be_visible()
