"""A link for someone outside: made in her browser, opened in another one, seen in her log, withdrawn, and over."""

import json
import re
from base64 import urlsafe_b64decode
from contextlib import closing
from decimal import Decimal

import pytest
import requests
from joserfc import jwe
from joserfc.jwk import OctKey
from playwright.sync_api import expect
from werkzeug.serving import make_server

from connectors.patient import health_links, restrictions
from connectors.patient.log_words import ACTIONS
from connectors.patient.reading import Reading
from consent import words
from consent.categories import INDEX
from consent.identifiers import account
from consent.primitives import b64, unb64
from hub.store.hashing import digest
from tests.consent.world import DAY, START
from tests.hub import people
from tests.hub.test_health_links import Link
from tests.portal import record
from tests.portal.conftest import DESK, PHONE, Typist, Visitor
from tests.portal.test_getting_in import sign_in
from tests.portal.test_log import open_log
from tests.ports import free_port
from tests.serving import serving

LABEL = "Werte für Dr. Weber"
OUTSIDER = "Klinik am Meer, Dr. Weber"
WRONG = "not-the-code"


@pytest.fixture
def patient(patient):
    """A patient who has measurements, findings and a letter; one diagnosis is hidden from all."""
    name = account(patient.account).local
    record.put(patient, record.observations(name, 12), "seed")
    record.put(patient, record.clinical(name))
    record.put(patient, [record.document(name, "letter", b"Sehr geehrte Frau Kollegin", record.TEXT, "Arztbrief")])
    patient.flush()
    restrictions.hide(patient, ["Condition/con-1"])
    return patient


def category(name, language):
    """As a question names it."""
    said = words.category(INDEX[name], language)
    return said[:1].upper() + said[1:]


def open_outside(visitor, patient):
    sign_in(visitor, patient.account)
    visitor.follow("share.title")
    visitor.follow("outside.title")
    visitor.sees("outside.title")


def make(visitor, *names, look=lambda: None):
    """Make a link with these categories in it; returns the link and its passcode."""
    for name in names:
        visitor.tick(category(name, visitor.language))
    visitor.enter("outside.label", LABEL)
    passcode = visitor.field("outside.passcode").input_value()
    look()
    visitor.press("outside.make")
    expect(visitor.page.get_by_role("heading", name=visitor.text("outside.ready"))).to_be_visible()
    look()
    return visitor.page.locator(".sheet .code").inner_text(), passcode


def payload(link):
    """What stands in a link, read as the standard says it."""
    viewer, _, coded = link.partition("#shlink:/")
    assert viewer.endswith("/link")
    return json.loads(urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))


def by_the_standard(link, passcode):
    """The Bundle behind a link, fetched and opened without any code of the project."""
    said = payload(link)
    assert (len(said["url"]) <= 128, len(unb64(said["url"].rpartition("/")[2])), said["flag"]) == (True, 32, "P")
    asked = {"recipient": "A program of others", "passcode": passcode}
    manifest = requests.post(said["url"], json=asked, timeout=10)
    (file,) = manifest.json()["files"]
    sealed = requests.get(file["location"], timeout=10)
    assert sealed.headers["Content-Type"] == "application/jose"
    opened = jwe.decrypt_compact(sealed.content, OctKey.import_key(unb64(said["key"])))
    assert opened.headers() == {"alg": "dir", "enc": "A256GCM", "cty": file["contentType"]}
    return json.loads(opened.plaintext, parse_float=Decimal)


def outside(visitor, link):
    """Somebody who got the link, in a browser that knows nothing of her."""
    visitor.sent.clear()
    visitor.page.goto(link)
    visitor.sees("link.title")
    return visitor


def enter(visitor, passcode):
    visitor.enter("link.name", OUTSIDER)
    visitor.enter("link.code", passcode)
    visitor.press("link.open")


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Visitor, "de", PHONE), (Typist, "en", DESK)])
def test_a_link_from_its_making_to_its_end(visitors, patient, portal_hub, kind, language, viewport):
    """Wrong passcode, right one, entries as she sees them, her log, withdrawn, gone. What is sent opens nothing."""
    her = visitors(kind, language, viewport)
    open_outside(her, patient)
    expect(her.button("outside.make")).to_be_visible()
    her.is_well()
    her.press("outside.make")
    expect(her.page.get_by_text(her.text("grant.choose")).first).to_be_visible()
    her.is_well()
    link, passcode = make(her, "vitals", "lab", "documents", look=her.is_well)
    key, secret = payload(link)["key"], payload(link)["url"].rpartition("/")[2]
    assert her.gave_away(key, secret, "Sehr geehrte", "Kalium", LABEL) == []

    guest = outside(visitors(kind, language, viewport), link)
    guest.is_well()
    guest.press("link.open")
    expect(guest.page.get_by_text(guest.text("link.needed")).first).to_be_visible()
    enter(guest, WRONG)
    expect(guest.page.get_by_text(guest.text("link.wrong", left=9))).to_be_visible()
    guest.is_well()
    enter(guest, passcode)
    expect(guest.page.get_by_text(guest.text("link.chosen"))).to_be_visible()
    guest.is_well()
    assert key not in guest.page.url
    look_around(guest)
    asked = [one.split("\n")[0].split("#")[0].removeprefix(portal_hub.url) for one in guest.sent]
    assert {re.sub(r"[\w-]{43,}", "…", one) for one in asked} <= {
        "/link", "/portal/…/link.js", "/portal/…/portal.css", "/portal/…/icon.svg",
        f"/portal/…/texts.{language}.json", "/shl/…", "/shl/…/…",
    } | {one for one in asked if one.startswith("blob:")}  # fmt: skip
    bodies = "\n".join(one.partition("\n")[2] for one in guest.sent)
    assert key not in bodies

    open_log(her)
    for kind_ in ("wrong", "opened"):
        said = words_of_log(her, f"health-link-{kind_}", link, left=9)
        expect(her.page.get_by_text(said)).to_be_visible()
    her.is_well()
    her.page.goto(f"{her.url}#/outside")
    opened = her.text("outside.opened", count=1, when="")[:-2]
    expect(her.page.get_by_text(re.compile(re.escape(opened)))).to_be_visible()
    her.press("outside.extend-of", label=LABEL)
    expect(her.page.get_by_text(her.text("outside.extended", label=LABEL))).to_be_visible()
    her.thinks_better("outside.revoke-of", "share.keep", label=LABEL)
    her.press("outside.revoke-of", label=LABEL)
    her.is_well()
    her.press("share.withdraw-now")
    expect(her.page.get_by_text(her.text("outside.revoked", label=LABEL))).to_be_visible()
    expect(her.page.get_by_text(her.text("outside.nobody"))).to_be_visible()
    her.is_well()

    late = outside(guest, link)
    enter(late, passcode)
    expect(late.page.get_by_text(late.text("link.gone"))).to_be_visible()
    late.is_well()


def look_around(guest):
    """All that was shared is shown, as My data are, and nothing else; it can be kept."""
    tiles = guest.page.locator(".tiles a")
    assert [tile.locator("strong").inner_text() for tile in tiles.all()] == [
        guest.text(f"category.{name}") for name in ("vitals", "lab", "documents")
    ]
    with guest.page.expect_download() as download:
        guest.follow("take.bundle")
    bundle = json.loads(download.value.path().read_text())
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    assert {"Observation", "DocumentReference"} == {one["resource"]["resourceType"] for one in bundle["entry"]}
    guest.use(tiles.first)
    guest.sees("category.vitals")
    expect(guest.page.locator(".chart").first).to_be_visible()
    guest.is_well()
    guest.follow("data.back")
    guest.use(tiles.nth(1))
    guest.sees("category.lab")
    expect(guest.page.get_by_text("5,40 mmol/L" if guest.language == "de" else "5.40 mmol/L").first).to_be_visible()
    guest.is_well()
    guest.follow("data.back")
    guest.use(tiles.nth(2))
    guest.use(guest.page.locator("summary").filter(has_text="Arztbrief"))
    guest.press("document.show")
    expect(guest.page.get_by_text("Sehr geehrte Frau Kollegin")).to_be_visible()
    guest.is_well()
    guest.follow("data.back")
    guest.page.evaluate("window.print = () => {}")
    guest.press("take.print")
    guest.page.emulate_media(media="print")
    expect(guest.page.locator(".paper")).to_be_visible()
    expect(guest.page.locator(".paper")).to_contain_text("Kalium")
    expect(guest.page.locator(".tiles")).to_be_hidden()
    guest.page.evaluate("dispatchEvent(new Event('afterprint'))")
    guest.page.emulate_media(media="screen")


def words_of_log(visitor, kind, link, **values):
    """How the log says what happened to a link."""
    number = digest(payload(link)["url"].rpartition("/")[2])[:6]
    return ACTIONS[kind][visitor.language].format(recipient=OUTSIDER, link=number, **values)


def test_other_programs_open_it_by_the_standard(visitors, patient):
    """A few lines of another library fetch and open it; what she hid is not in it, numbers have their digits."""
    her = visitors()
    open_outside(her, patient)
    expect(her.page.get_by_label(category("allergies", "de"), exact=True)).to_be_visible()
    expect(her.page.get_by_label(category("conditions", "de"), exact=True)).to_have_count(0)
    link, passcode = make(her, "vitals", "lab", "allergies")
    bundle = by_the_standard(link, passcode)
    types = [one["resource"]["resourceType"] for one in bundle["entry"]]
    assert (types.count("Observation"), types.count("AllergyIntolerance"), "Condition" in types) == (28, 1, False)
    assert {"5.40", "13.2"} <= {str(one["resource"].get("valueQuantity", {}).get("value")) for one in bundle["entry"]}


def test_neither_database_nor_log_of_the_hub_hold_what_opens_it(visitors, patient, portal_hub):
    """No word of the record, of the label, of the passcode, nor key or secret, in any file of the hub."""
    her = visitors(language="en")
    open_outside(her, patient)
    link, passcode = make(her, "lab", "documents")
    by_the_standard(link, passcode)
    said = payload(link)
    files = [path.read_bytes() for path in portal_hub.directory.rglob("*") if path.is_file()]
    assert any(b"health_links" in content for content in files)
    secrets = ["Kalium", "Sehr geehrte", LABEL, said["key"], said["url"].rpartition("/")[2], f'"{passcode}"']
    for secret in secrets:
        for form in (secret.encode(), b64(secret.encode()).encode()[:-2]):
            assert not any(form in content for content in files), secret
    assert unb64(said["key"]) not in b"".join(files)


def test_she_sees_her_links_in_another_browser(visitors, patient):
    """Name, link and passcode come sealed to her, so that she can show it again; the hub gave it nobody else."""
    first = visitors()
    open_outside(first, patient)
    link, passcode = make(first, "vitals")
    second = visitors(language="en")
    open_outside(second, patient)
    second.press("outside.show-of", label=LABEL)
    expect(second.page.locator(".sheet .code")).to_have_text(link)
    expect(second.page.locator(".words .code")).to_have_text(passcode)
    second.page.emulate_media(media="print")
    expect(second.page.locator(".sheet")).to_be_visible()
    expect(second.page.locator(".words")).to_be_hidden()


def test_terminal_and_browser_know_each_others_links(visitors, patient, tmp_path):
    """Either shows what the other made, and a link of the terminal opens in the page, too."""
    her = visitors(language="en")
    open_outside(her, patient)
    link, passcode = make(her, "vitals")
    (listed,) = health_links.links(patient)
    assert (listed.label, listed.link, listed.passcode) == (LABEL, link, passcode)
    with closing(Reading(tmp_path / "patient", patient)) as reading:
        reading.refresh()
        made = health_links.make(reading, [INDEX["lab"]], "Labor", "meerblick", 1)
    her.follow("overview.title")
    her.sees("overview.title")  # else the page of links may stay, with the list of before
    her.page.goto(f"{her.url}#/outside")
    her.press("outside.show-of", label="Labor")
    expect(her.page.locator(".sheet .code")).to_have_text(made.link)
    guest = outside(visitors(), made.link)
    enter(guest, "meerblick")
    guest.use(guest.page.locator(".tiles a").first)
    guest.sees("category.lab")
    expect(guest.page.get_by_text("5,40 mmol/L").first).to_be_visible()


def test_a_link_that_got_lost_or_belongs_elsewhere(visitors, portal_hub):
    """The page asks for the link, says so of what is none, and sends nothing for one of another place."""
    guest = visitors(Typist, "de", PHONE)
    outside(guest, f"{portal_hub.url}/link")
    guest.enter("link.paste", "https://example.org/")
    guest.press("link.go-on")
    expect(guest.page.get_by_text(guest.text("link.none"))).to_be_visible()
    guest.is_well()
    said = {"url": f"https://shl.example.org/{'a' * 43}", "key": "a" * 43, "flag": "P"}
    guest.enter("link.paste", f"shlink:/{b64(json.dumps(said).encode())}")
    guest.press("link.go-on")
    expect(guest.page.get_by_text(guest.text("link.elsewhere", host="shl.example.org"))).to_be_visible()
    guest.is_well()
    assert not any("shl" in one for one in guest.sent)


@pytest.fixture
def town(tmp_path, clock):
    """A hub of which the test holds the clock, and its address."""
    clock.now, url = START, f"http://localhost:{(port := free_port())}"
    made = people.build(f"sqlite:///{tmp_path / 'hub.sqlite'}", tmp_path / "hub", clock, url=url)
    with serving(make_server("127.0.0.1", port, made.app, threaded=True)):
        yield made, url
    made.hub.db.close()


def test_a_link_opens_until_its_end_and_then_no_more(visitors, town, clock):
    """By the clock of the hub; what it brought stays on the page that has it."""
    made, url = town
    link = Link(made, made.patient().me, json.dumps({"resourceType": "Bundle", "type": "collection"}).encode())
    link.put()
    said = {"url": f"{url}/shl/{link.secret}", "key": b64(link.key), "flag": "P"}
    address = f"{url}/link#shlink:/{b64(json.dumps(said).encode())}"
    clock.advance(7 * DAY - 10)
    guest = outside(visitors(), address)
    enter(guest, "482913")
    expect(guest.page.get_by_text(guest.text("link.chosen"))).to_be_visible()
    clock.advance(10)
    late = outside(visitors(), address)
    enter(late, "482913")
    expect(late.page.get_by_text(late.text("link.gone"))).to_be_visible()
    late.is_well()
