"""What a patient writes in the browser: it comes into her record as other clients write it, and can be taken back."""

import hashlib
import json
import re
import time

import pytest
from playwright.sync_api import expect

from connectors.patient import enrolment
from connectors.patient.reading import Reading
from connectors.wearables.generator import generate
from consent import identifiers, steps
from fhir_profiles import resources
from fhir_profiles.documents import PDF, Document, document_reference
from fhir_profiles.observations import Context, blood_pressure, identity
from tests.connectors.wearables import exports
from tests.portal import record as seeded
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor
from tests.portal.test_getting_in import sign_in, unlock

DEPOSIT = "**/v1/envelopes"
PATIENCE_SECONDS = 30
BIG = b"%PDF-1.4\n" + b"a line of a long letter\n" * 70_000


@pytest.fixture(scope="module")
def patient(tmp_path_factory, portal_hub):
    """A patient with a client elsewhere, who signs in by `WORDS`; `patient.reading` is what that client reads."""
    yield from enrolled(tmp_path_factory.mktemp("patient"), portal_hub)


@pytest.fixture
def newcomer(tmp_path, portal_hub):
    """Another one, whose record is empty."""
    yield from enrolled(tmp_path / "newcomer", portal_hub)


def enrolled(home, portal_hub):
    """Such a patient, and her end."""
    client, _ = enrolment.enrol(home, portal_hub.url)
    enrolment.set_passphrase(client, WORDS)
    client.reading = Reading(home, client)
    yield client
    client.reading.close()
    client.close()


def reads(patient, what=""):
    """What the other client reads, parsed."""
    patient.reading.refresh()
    return [resources.parse(one.body, max_bytes=len(one.body)) for one in patient.reading.read(what)]


def writes(visitor, patient):
    """Sign in and go to where data are added."""
    sign_in(visitor, patient.account)
    visitor.follow("bring.short")
    visitor.sees("bring.title")


def measure(visitor, kind, values, look=lambda: None):
    """Enter a measurement; it is kept here from then on."""
    visitor.choose("bring.kind", f"measured.{kind}")
    for key, value in values.items():
        visitor.enter(f"bring.{key}", value)
    look()
    visitor.press("bring.save")
    expect(visitor.page.get_by_text(re.compile(visitor.text("bring.saved", what="")))).to_be_visible()


def arrives(visitor, patient, what, holds):
    """What the other client reads, once it holds."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds(found := reads(patient, what)):
        assert time.monotonic() < until, found
        visitor.page.wait_for_timeout(100)
    return found


def digits(found):
    """The values of Observations, as they were written."""
    return [str(one["valueQuantity"]["value"]) for one in found]


def opens(visitor, name):
    """Open the first entry of this name."""
    visitor.use(visitor.page.locator("summary").filter(has_text=name).first)


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Typist, "de", PHONE), (Visitor, "en", DESK)])
def test_a_measurement_of_her_own(visitors, patient, kind, language, viewport):
    """A weight and a blood pressure are in the record as Python builds them, with the digits that she typed, sealed."""
    visitor = visitors(kind, language, viewport)
    writes(visitor, patient)
    visitor.press("bring.save")
    expect(visitor.page.get_by_text(visitor.text("bring.wrong-value"))).to_be_visible()
    visitor.is_well()
    kilograms = {"de": "71,50", "en": "71.60"}[language]
    measure(visitor, "body-weight", {"value-body-weight": kilograms})
    measure(visitor, "blood-pressure", {"systolic": "128", "diastolic": "82"}, visitor.is_well)
    visitor.is_well()
    pressure = arrives(visitor, patient, "Observation?code=85354-9", len)[0]
    assert kilograms.replace(",", ".") in digits(reads(patient, "Observation?code=29463-7"))
    resources.check(pressure)
    context = Context(identifiers.account(patient.account).local)
    at, key = pressure["effectiveDateTime"], bytes.fromhex(pressure["id"])
    assert pressure == blood_pressure(128, 82, at, key, context, entered_by_patient=True)
    assert not visitor.gave_away(kilograms.replace(",", "."), "29463-7", "Observation")


def test_an_entry_is_corrected_and_taken_back(visitors, patient):
    """A typing error is put right under the same id; what is deleted is gone at other readers too."""
    visitor, temperature = visitors(viewport=DESK), "Observation?code=8310-5"
    writes(visitor, patient)
    measure(visitor, "body-temperature", {"value-body-temperature": "28,5"})
    (wrong,) = arrives(visitor, patient, temperature, len)
    visitor.follow("bring.look")
    visitor.sees("category.vitals")
    opens(visitor, visitor.text("metric.8310-5"))
    visitor.follow("entry.correct")
    expect(visitor.field("bring.value-body-temperature")).to_have_value("28,5")
    visitor.enter("bring.value-body-temperature", "38,5")
    visitor.is_well()
    visitor.press("bring.save")
    (right,) = arrives(visitor, patient, temperature, lambda found: digits(found) == ["38.5"])
    assert (right["id"], right["status"]) == (wrong["id"], "corrected")
    visitor.follow("bring.look")
    opens(visitor, "38,5")
    visitor.thinks_better("entry.delete", "entry.keep")
    visitor.press("entry.delete")
    visitor.is_well()
    visitor.press("entry.take-back")
    expect(visitor.page.get_by_text(visitor.text("entry.taken-back"))).to_be_focused()
    expect(visitor.page.locator("summary").filter(has_text=visitor.text("metric.8310-5"))).to_have_count(0)
    expect(visitor.page.get_by_text(visitor.text("entry.taken-back"))).to_be_focused()
    arrives(visitor, patient, temperature, lambda found: found == [])


def test_a_document_of_any_size(visitors, patient):
    """A letter over 1 MiB comes whole, and is shown inside the page; what is no document is refused in words."""
    visitor = visitors(language="en")
    writes(visitor, patient)
    visitor.press("bring.add")
    expect(visitor.page.get_by_text(visitor.text("bring.no-file"))).to_be_visible()
    file = {"name": "x.exe", "mimeType": "application/octet-stream", "buffer": b"\x00\x01\x02"}
    visitor.field("bring.file").set_input_files(file)
    visitor.press("bring.add")
    expect(visitor.page.get_by_text(visitor.text("problem.media-type"))).to_be_visible()
    visitor.field("bring.file").set_input_files({"name": "letter.pdf", "mimeType": "application/pdf", "buffer": BIG})
    expect(visitor.field("bring.name")).to_have_value("letter")
    visitor.enter("bring.name", "Letter of the hospital")
    visitor.press("bring.add")
    (letter,) = arrives(visitor, patient, "DocumentReference", len)
    resources.check(letter)
    name, made = identifiers.account(patient.account).local, letter["content"][0]["attachment"]["creation"]
    key = identity(name, "file", hashlib.sha256(BIG).hexdigest()).hex()
    document = Document(BIG, PDF, "Letter of the hospital", letter["date"], made)
    assert letter == document_reference(document, name, key)
    visitor.follow("bring.documents")
    visitor.sees("category.documents")
    opens(visitor, "Letter of the hospital")
    visitor.press("document.show")
    frame = visitor.page.locator("iframe")
    expect(frame).to_have_attribute("src", re.compile("^blob:"))
    visitor.is_well()
    assert not visitor.gave_away("hospital", "a line of a long letter")


def test_what_waits_outlives_the_page(visitors, patient):
    """Without a connection it waits, sealed; another page of the same browser sends it, once."""
    visitor = visitors()
    writes(visitor, patient)
    visitor.page.route(DEPOSIT, lambda route: route.abort())
    measure(visitor, "heart-rate", {"value-heart-rate": "61"})
    expect(visitor.page.get_by_text(visitor.text("sending.waits", count=1))).to_be_visible()
    visitor.is_well()
    visitor.page.close()
    visitor.complaints = []  # of what it could not reach
    visitor.opens_tab()
    unlock(visitor)
    visitor.sees("overview.title")
    arrives(visitor, patient, "Observation?code=8867-4", lambda found: digits(found) == ["61"])


def test_what_was_sealed_before_a_rotation_is_sealed_anew(visitors, patient):
    """Another device has started an epoch meanwhile: the page fetches the chain, seals again, and sends."""
    visitor = visitors()
    writes(visitor, patient)
    visitor.page.route(DEPOSIT, lambda route: route.abort())
    measure(visitor, "oxygen-saturation", {"value-oxygen-saturation": "97"})
    expect(visitor.page.get_by_text(visitor.text("sending.waits", count=1))).to_be_visible()
    patient.sync()
    own = [name for name in patient.record.sets if patient.record.author(name) == patient.account]
    patient.save_vault(steps.prepare(patient.record, patient.vault, own, patient.now))
    patient.settle()
    visitor.page.unroute(DEPOSIT)
    visitor.press("sending.again")
    arrives(visitor, patient, "Observation?code=2708-6", lambda found: digits(found) == ["97"])
    visitor.complaints = []  # of what it could not reach


def test_an_export_of_apple_health(visitors, patient, tmp_path):
    """The page reads, seals and sends what a watch recorded; the same file again doubles nothing."""
    days = {day: f"2026-10-{day:02} 07:00:00 +0100" for day in range(1, 6)}
    lines = [exports.record("BodyMass", f"7{day}.20", at, unit="kg") for day, at in days.items()]
    path = exports.zipped(tmp_path / "export.zip", exports.document(*lines))
    visitor = visitors(viewport=DESK)
    writes(visitor, patient)
    for expected in ("import.done", "import.duplicates"):
        visitor.field("import.file").set_input_files(path)
        said = visitor.text(expected, read=5, taken=5, count=5)
        expect(visitor.page.get_by_text(said)).to_be_visible()
        visitor.is_well()
    brought = [f"7{day}.20" for day in days]
    found = arrives(visitor, patient, "Observation?code=29463-7", lambda found: {*brought} <= {*digits(found)})
    assert len(set(digits(found))) == len(found)


def test_what_she_deleted_does_not_come_back_with_her_next_import(visitors, newcomer, tmp_path):
    """The next export tells more of the day whose night she took back: the day is there, and not the night."""
    patient, sleep = newcomer, "HKCategoryTypeIdentifierSleepAnalysis"
    asleep = "HKCategoryValueSleepAnalysisAsleepDeep"
    lines = [
        exports.record(sleep, asleep, f"{exports.DAY} 00:30:00 +0200", f"{exports.DAY} 06:00:00 +0200"),
        exports.steps(100, "08:00:00", "08:10:00"),
    ]
    first = exports.zipped(tmp_path / "a.zip", exports.document(*lines, exported=f"{exports.DAY} 12:00:00 +0200"))
    second = exports.zipped(tmp_path / "b.zip", exports.document(*lines, exported="2026-10-02 12:00:00 +0200"))
    visitor = visitors(viewport=DESK)
    writes(visitor, patient)
    visitor.field("import.file").set_input_files(first)
    arrives(visitor, patient, "Observation?code=93832-4", len)
    visitor.follow("import.look")
    opens(visitor, visitor.text("metric.93832-4"))
    visitor.press("entry.delete")
    visitor.press("entry.take-back")
    arrives(visitor, patient, "Observation?code=93832-4", lambda found: found == [])
    visitor.follow("bring.short")
    visitor.field("import.file").set_input_files(second)
    said = visitor.text("import.left", reason=visitor.text("import.left-deleted"), count=1)
    expect(visitor.page.get_by_text(said)).to_be_visible()
    visitor.is_well()
    arrives(visitor, patient, "Observation", lambda found: [one["status"] for one in found] == ["final"])
    (walked,) = reads(patient, "Observation")
    assert walked["valueQuantity"]["value"] == 100


def test_an_import_ends_where_the_device_is_locked(visitors, newcomer, tmp_path):
    """Nothing is read or sealed behind a locked page; the same file goes on where it was, and doubles nothing."""
    patient = newcomer
    export = tmp_path / "export.zip"
    generate(export, seed=11, days=12, records=40_000)
    visitor = visitors(language="en", viewport=DESK)
    writes(visitor, patient)
    visitor.field("import.file").set_input_files(export)
    expect(visitor.page.locator("progress")).to_be_visible()
    visitor.press("frame.lock")
    visitor.sees("unlock.title")
    until = time.monotonic() + PATIENCE_SECONDS
    while visitor.page.workers:
        assert time.monotonic() < until
        visitor.page.wait_for_timeout(50)
    unlock(visitor)
    visitor.sees("bring.title")
    visitor.field("import.file").set_input_files(export)
    done = re.escape(visitor.text("import.done", read="#", taken="#")).replace("\\#", r"[\d,]+")
    expect(visitor.page.get_by_text(re.compile(done))).to_be_visible()
    arrives(visitor, patient, "Observation", lambda found: len({one["id"] for one in found}) == len(found) > 100)


def test_everything_is_taken_along(visitors, patient):
    """The Bundle holds what other clients export, byte for byte; what is printed, a tagged PDF, is made of the same."""
    name = identifiers.account(patient.account).local
    reports = [seeded.document(name, f"report-{n}", b"All is well.", seeded.TEXT, f"Report {n}") for n in (1, 2)]
    seeded.put(patient, reports)
    patient.flush()
    visitor = visitors(language="en", viewport=DESK)
    sign_in(visitor, patient.account)
    visitor.page.evaluate("window.print = () => {}")
    visitor.follow("data.short")
    visitor.follow("take.title")
    visitor.sees("take.title")
    patient.reading.refresh()
    bodies = sorted(one.body.decode() for one in patient.reading.read(""))
    expect(visitor.page.get_by_text(visitor.text("overview.entries", count=len(bodies)))).to_be_visible()
    visitor.is_well()
    with visitor.page.expect_download() as download:
        visitor.follow("take.bundle")
    written = download.value.path().read_text()
    assert all(body in written for body in bodies)
    bundle = json.loads(written)
    assert (bundle["type"], len(bundle["entry"])) == ("collection", len(bodies))
    visitor.press("take.print")
    visitor.page.emulate_media(media="print")
    expect(visitor.page.locator(".paper")).to_contain_text("Report")
    expect(visitor.button("take.print")).to_be_hidden()
    pdf = visitor.page.pdf(tagged=True)  # as the browser's own dialog keeps it
    assert pdf.startswith(b"%PDF-") and b"/StructTreeRoot" in pdf and b"/Lang (en" in pdf
