"""My data in the browser: what is in the record, by category and in order, drawn and as tables, found by its words."""

import re

import pytest
from playwright.sync_api import expect

from connectors.patient import enrolment
from consent import identifiers
from tests.portal import record
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor
from tests.portal.test_getting_in import sign_in

DAYS = 45


@pytest.fixture(scope="module")
def patient(tmp_path_factory, portal_hub):
    """A patient whose record has something of everything."""
    client, _ = enrolment.enrol(tmp_path_factory.mktemp("patient"), portal_hub.url)
    enrolment.set_passphrase(client, WORDS)
    name = identifiers.account(client.account).local
    record.put(client, record.observations(name, DAYS), "seed")
    record.put(client, record.clinical(name))
    record.put(client, record.heart_rates(name, 3))
    letter = record.document(name, "letter", b"Sehr geehrte Frau Kollegin", record.TEXT, "Arztbrief")
    record.put(client, [letter, record.document(name, "picture", record.picture(), record.PNG, "Befundbild")])
    client.flush()
    yield client
    client.close()


def go(visitor, place):
    """Straight to a page, as by a bookmark."""
    visitor.page.goto(f"{visitor.url}#/{place}")


def number(visitor, digits):
    """Digits with the language's decimal sign."""
    return digits.replace(".", ",") if visitor.language == "de" else digits


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Typist, "de", DESK), (Visitor, "en", PHONE)])
def test_each_category_is_shown(visitors, patient, kind, language, viewport):
    """Values, dates and flags in words, no codes; each page is well; nothing of it leaves the page."""
    visitor = visitors(kind, language, viewport)
    sign_in(visitor, patient.account)
    visitor.follow("data.short")
    visitor.sees("data.title")
    tiles = visitor.page.locator(".tiles a")
    expect(tiles).to_have_count(9)
    visitor.is_well()
    visitor.use(tiles.first)
    visitor.sees("category.vitals")
    weight = visitor.page.locator(".drawn").filter(has_text=visitor.text("metric.29463-7"))
    expect(weight).to_contain_text(number(visitor, "72.50 kg"))
    expect(visitor.page.locator(".drawn canvas")).to_have_count(2)
    for opened in (weight.locator("summary"), visitor.page.locator(".entry summary").first):
        visitor.use(opened)
    expect(weight.get_by_role("table")).to_contain_text(number(visitor, "72.50"))
    visitor.is_well()
    said = {
        "lab": [number(visitor, "5.40 mmol/L"), visitor.text("flag.high"), number(visitor, "3.5 – 5.1 mmol/L")],
        "medication": ["Ramipril 5 mg", "1-0-0-0"],
        "conditions": ["Bluthochdruck", visitor.text("status.active")],
        "allergies": ["Penicillin", "Ausschlag", visitor.text("criticality.high")],
        "immunizations": ["Tetanus, Diphtherie", "A123B"],
        "activity": [{"de": "6.431", "en": "6,431"}[language]],
        "traces": [visitor.text("metric.8867-4")],
    }
    for name, words in said.items():
        go(visitor, f"data/{name}")
        visitor.sees(f"category.{name}")
        visitor.use(visitor.page.locator(".entry summary").first)
        for word in words:
            expect(visitor.page.locator("main")).to_contain_text(word)
        visitor.is_well()
    assert not visitor.gave_away("Ramipril", "Penicillin", "Bluthochdruck", "72.50")


def test_another_language_is_spoken_everywhere(visitors, patient):
    """Names, flags, dates and numbers of charts and tables change with the language, not only the words around them."""
    visitor = visitors(viewport=DESK)
    sign_in(visitor, patient.account)
    go(visitor, "data/lab")
    main = visitor.page.locator("main")
    expect(main).to_contain_text(visitor.text("flag.high"))
    visitor.page.locator("header [lang=en]").click()
    visitor.sees("category.lab")
    expect(main).not_to_contain_text(visitor.text("flag.high"))
    visitor.language = "en"
    expect(visitor.page.get_by_role("table").first).to_contain_text(visitor.text("flag.high"))
    expect(visitor.page.get_by_role("table").first).to_contain_text("5.40")
    go(visitor, "data/vitals")
    weight = visitor.page.locator(".drawn").filter(has_text=visitor.text("metric.29463-7"))
    expect(weight.locator("strong").first).to_have_text("72.50 kg")
    weight.locator("summary").click()
    expect(weight.get_by_role("table")).to_contain_text("72.50")
    visitor.is_well()


def test_a_document_is_opened_inside_the_page(visitors, patient):
    """A picture and a text come from memory; no address of theirs is ever asked for."""
    visitor = visitors()
    sign_in(visitor, patient.account)
    go(visitor, "data/documents")
    for title in ("Befundbild", "Arztbrief"):
        visitor.use(visitor.page.locator("summary").filter(has_text=title))
        visitor.press("document.show")
    image = visitor.page.get_by_role("img", name="Befundbild")
    expect(image).to_have_attribute("src", re.compile("^blob:"))
    assert image.evaluate("one => one.decode().then(() => one.naturalHeight)") == 60
    expect(visitor.page.get_by_text("Sehr geehrte Frau Kollegin")).to_be_visible()
    visitor.is_well()


def test_what_is_looked_for_is_found_here(visitors, patient):
    """Words, author and time narrow what is shown, on the device alone; what is not there is said."""
    visitor = visitors(Typist, "en", DESK)
    sign_in(visitor, patient.account)
    go(visitor, "data")
    before = len(visitor.sent)
    visitor.enter("data.search", "penicillin")
    expect(visitor.page.locator(".entry")).to_have_count(1)
    expect(visitor.page.locator(".entry")).to_contain_text("Penicillin")
    visitor.is_well()
    visitor.enter("data.search", "nothing of the kind")
    expect(visitor.page.get_by_text(visitor.text("data.none-found"))).to_be_visible()
    visitor.is_well()
    visitor.enter("data.search", " ")
    visitor.choose("data.since", "data.month")
    visitor.follow("data.timeline")
    visitor.sees("data.timeline")
    expect(visitor.page.locator(".entry").first).to_be_visible()
    visitor.is_well()
    assert not [asked for asked in visitor.sent[before:] if "penicillin" in asked.lower()]
