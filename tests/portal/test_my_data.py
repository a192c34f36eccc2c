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
# Pixel columns of the plot without the colour of the line as it is now: counted for some frames, until there is none.
EMPTY_COLUMNS = """async () => {
  const [canvas, over] = [document.querySelector(".drawn canvas"), document.querySelector(".drawn .u-over")];
  const { width, height } = canvas;
  const left = over.getBoundingClientRect().left - canvas.getBoundingClientRect().left;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  const count = () => {
    const probe = document.body.appendChild(document.createElement("span"));
    probe.style.color = "var(--accent)";
    copy.fillStyle = getComputedStyle(probe).color;
    probe.remove();
    copy.fillRect(0, 0, 1, 1);
    const wanted = copy.getImageData(0, 0, 1, 1).data;
    copy.clearRect(0, 0, width, height);
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    const near = (at) => [0, 1, 2].every((i) => Math.abs(data[at + i] - wanted[i]) < 25) && data[at + 3] > 99;
    const has = (x) => Array.from({ length: height }, (_, y) => 4 * (y * width + x)).some(near);
    const columns = Array.from({ length: over.clientWidth - 8 }, (_, i) => Math.round(left) + 4 + i);
    return columns.filter((x) => !has(x)).length;
  };
  for (let frames = 0; frames < 300 && count() > 0; frames += 1) await new Promise((go) => requestAnimationFrame(go));
  return count();
}"""


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
    german = visitor.text("flag.high")
    visitor.page.locator("header [lang=en]").click()
    visitor.language = "en"
    visitor.sees("category.lab")
    expect(main).not_to_contain_text(german)
    expect(visitor.page.get_by_role("table").first).to_contain_text(visitor.text("flag.high"))
    expect(visitor.page.get_by_role("table").first).to_contain_text("5.40")
    go(visitor, "data/vitals")
    weight = visitor.page.locator(".drawn").filter(has_text=visitor.text("metric.29463-7"))
    expect(weight.locator("strong").first).to_have_text("72.50 kg")
    weight.locator("summary").click()
    expect(weight.get_by_role("table")).to_contain_text("72.50")
    visitor.is_well()


def test_a_chart_of_many_values_is_drawn_and_moved(visitors, patient):
    """Thousands of minutes leave ink in each column of pixels; the pointer is told what is under it, and pulls it."""
    visitor = visitors(language="en", viewport=DESK)
    sign_in(visitor, patient.account)
    go(visitor, "data/traces")
    visitor.sees("category.traces")
    over, caption = visitor.page.locator(".drawn .u-over"), visitor.page.locator(".drawn figcaption")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def under_the_pointer():
        visitor.page.mouse.move(middle + 1, height)
        visitor.page.mouse.move(middle, height)
        expect(caption).to_have_text(re.compile(r"\d+ /min"))
        return caption.inner_text()

    assert visitor.page.evaluate(EMPTY_COLUMNS) == 0
    whole = under_the_pointer()
    visitor.press("chart.day")
    late = under_the_pointer()
    assert visitor.page.evaluate(EMPTY_COLUMNS) == 0
    visitor.page.mouse.down()
    visitor.page.mouse.move(middle + box["width"] / 3, height, steps=5)
    visitor.page.mouse.up()
    assert len({whole, late, under_the_pointer()}) == 3
    visitor.page.emulate_media(color_scheme="dark")
    assert visitor.page.evaluate(EMPTY_COLUMNS) == 0
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
