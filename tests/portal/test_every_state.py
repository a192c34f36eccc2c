"""Every page in every state: empty, full, loading, without the hub, refused, and with a hub that fails.

Which pages there are is read where the portal says it: a new page is looked at from its first day. Each is looked at in
light and dark, with the system's own colours, on the narrowest screen, and with letters twice as large.
"""

import re
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from connectors.patient import enrolment, permits, sharing
from consent.categories import INDEX
from consent.identifiers import account
from consent.lockout import FULL
from tests.journeys.conftest import Practice, name_delegate
from tests.portal import record
from tests.portal.conftest import DESK, PHONE, ROOT, TEXTS, WORDS, answered
from tests.portal.test_acting import END, act_for
from tests.portal.test_carers import NURSE, found, open_patient
from tests.portal.test_getting_in import sign_in
from tests.portal.test_log import look_at

NARROW = {"width": 320, "height": 568}
"""1280 pixels at 400 %: https://www.w3.org/WAI/WCAG22/Understanding/reflow"""
LISTED = (ROOT / "hub/portal/src/pages/index.ts").read_text()
LISTS = dict(re.findall(r"^(?:export )?const ([A-Z_]+): [^\n]*? = \[\n(.*?)^\];", LISTED, re.DOTALL | re.MULTILINE))
ONE = re.compile(r'path: "([a-z-]*)", title: "([a-z.-]+)"')


def listed(name):
    """Title by path of a list: pages that stand there, pages with a name, and those of another list."""
    known = {}
    for line in LISTS[name].splitlines():
        word = line.strip(" ,")
        if word.startswith("..."):
            known |= listed(word.removeprefix("..."))
        else:
            known |= dict(ONE.findall(line if "{" in line else re.search(rf"const {word}\b.*?;", LISTED, re.DOTALL)[0]))
    return known


ENTRANCES, PAGES = listed("ENTRANCES"), listed("PAGES")
FAILED = "Failed to load resource"
pytestmark = pytest.mark.timeout(1200)  # page after page, beside other tests
RETRIES_MS = (200, 500, 2000, 7000)
"""How long the page waits before it asks a hub once more that did not answer."""
PATIENCE_SECONDS = 10
STICKS_OUT = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const box = one.getBoundingClientRect()
  return box.width > 0 && box.right > innerWidth + 1 && !one.closest("nav, .scrolls")
}).slice(0, 5).map((one) => one.outerHTML.slice(0, 120))"""
EDGELESS = """() => [...document.querySelectorAll("button, .button, input, select")].filter((one) => {
  const { borderTopStyle, borderTopWidth, borderTopColor } = getComputedStyle(one)
  const isEdged = borderTopStyle !== "none" && borderTopWidth !== "0px" && borderTopColor !== "rgba(0, 0, 0, 0)"
  return one.getClientRects().length > 0 && !isEdged && !["radio", "checkbox", "file"].includes(one.type)
}).map((one) => one.outerHTML.slice(0, 120))"""
MOVES = "document.getAnimations().filter((one) => one.playState === 'running').length"


STATES = {
    "loading": lambda _: None,  # never answered
    "offline": lambda route: route.abort(),
    "failing": answered(500, "internal"),
    "shut out": answered(401, "unauthenticated"),
}


def go(visitor, path, title):
    """Show a page."""
    visitor.page.evaluate("path => { location.hash = `#/${path}` }", path)
    visitor.sees(title)


def reflows(visitor):
    """Nothing sticks out on the narrowest screen, nor with letters twice as large."""
    before = visitor.page.viewport_size
    for viewport, letters in ((NARROW, ""), (PHONE, "200%"), (before, "")):
        visitor.page.set_viewport_size(viewport)
        visitor.page.evaluate("size => { document.documentElement.style.fontSize = size }", letters)
        until = time.monotonic() + PATIENCE_SECONDS
        while not visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            # A chart is drawn anew a moment after the screen has changed.
            assert time.monotonic() < until, f"{viewport} {letters}: {visitor.page.evaluate(STICKS_OUT)}"
            visitor.page.wait_for_timeout(50)


def is_well_in_any_light(visitor):
    """Light and dark; where the system forces its colours upon pages, what is pressed has an edge; nothing moves."""
    visitor.is_well()
    visitor.page.emulate_media(color_scheme="dark")
    visitor.is_well("color-contrast")  # all that depends on the light
    visitor.page.emulate_media(color_scheme="light", forced_colors="active", reduced_motion="reduce")
    assert visitor.page.evaluate(EDGELESS) == []
    assert visitor.page.evaluate(MOVES) == 0
    visitor.page.emulate_media(forced_colors="none", reduced_motion="no-preference")
    reflows(visitor)


def leave(visitor):
    """Go away from a hub that does not answer; of each call the browser says that it came to nothing."""
    visitor.expected = FAILED
    visitor.page.unroute_all(behavior="ignoreErrors")
    visitor.page.goto("about:blank")


def paths(client, *categories):
    """Each page with its title; of the data these categories, and all in order."""
    found = dict(PAGES) | {f"lost/{client.keyring.device}": PAGES["lost"]}
    del found["lost"]
    for name in categories:
        found[f"data/{name}"] = f"category.{name}"
    return found | {"data/timeline": "data.timeline"}


@pytest.fixture(scope="module")
def house(tmp_path_factory, portal_hub):
    practice = Practice(tmp_path_factory.mktemp("house"), portal_hub, "praxis-zustand")
    yield practice
    practice.close()


@pytest.fixture(scope="module")
def department(tmp_path_factory, portal_hub):
    """That she may let look in an emergency."""
    made = Practice(tmp_path_factory.mktemp("department"), portal_hub, "notaufnahme-zustand", "emergency")
    yield made
    made.close()


@pytest.fixture
def full(patient, house, department):
    """A patient with something on every page."""
    name = account(patient.account).local
    record.put(patient, record.observations(name, 20), "seed")
    record.put(patient, [*record.clinical(name), *record.heart_rates(name, 1)])
    record.put(patient, [record.document(name, "letter", record.picture(), record.PNG, "Befundbild")])
    patient.flush()
    sharing.grant(patient, house.account, {INDEX["vitals"], INDEX["lab"]})
    look_at(house, patient)
    return patient


def test_the_pages_are_all_of_them():
    """What is read from the portal's lists is what the lists hold."""
    assert {path for name in LISTS for path in listed(name)} == set(re.findall(r'path: "([a-z-]*)"', LISTED))
    assert {title for name in LISTS for title in listed(name).values()} <= TEXTS["de"].keys()


@pytest.mark.parametrize(("language", "viewport"), [("de", PHONE), ("en", DESK)])
def test_full_pages(visitors, full, language, viewport):
    """With data, a grant, a log, and another device."""
    visitor = visitors(language=language, viewport=viewport)
    sign_in(visitor, full.account)
    expect(visitor.page.locator(".counts")).to_be_visible()
    for path, title in paths(full, "vitals", "activity", "traces", "lab", "medication", "documents").items():
        go(visitor, path, title)
        for opened in visitor.page.locator("main summary").all()[:2]:
            opened.click()
        is_well_in_any_light(visitor)


def test_empty_pages_and_those_of_nobody(visitors, patient):
    """Before anything is there, and before there is an account; and locked."""
    visitor = visitors(language="en", viewport=PHONE)
    for path, title in ENTRANCES.items():
        go(visitor, path, title)
        is_well_in_any_light(visitor)
    go(visitor, "", "welcome.title")
    sign_in(visitor, patient.account)
    for path, title in PAGES.items():
        go(visitor, path, title)
        is_well_in_any_light(visitor)
    visitor.press("frame.lock")
    visitor.sees("unlock.title")
    is_well_in_any_light(visitor)


def look_at_pages(visitor, pages, state):
    """None breaks, says something else than it is, or becomes unreadable, while the hub does so."""
    if state == "offline":
        visitor.page.clock.install()
    hub = urlsplit(visitor.url).netloc
    for place in ("v1", "oauth"):
        visitor.page.route(f"http://{hub}/{place}/**", STATES[state])
    for path, title in pages.items():
        go(visitor, path, title)
        if state == "offline":
            for pause in RETRIES_MS:
                visitor.page.clock.run_for(pause)
        visitor.is_well()
        reflows(visitor)


@pytest.mark.parametrize("state", STATES)
def test_with_a_hub_that_does_not_do_as_it_should(visitors, full, state):
    """Each page holds, with data that are here, and without."""
    language, viewport = [("de", PHONE), ("en", DESK)][list(STATES).index(state) % 2]
    visitor = visitors(language=language, viewport=viewport)
    sign_in(visitor, full.account)
    expect(visitor.page.locator(".counts")).to_be_visible()
    visitor.page.emulate_media(color_scheme="dark")
    look_at_pages(visitor, paths(full, "vitals"), state)
    leave(visitor)


def look_in_every_state(visitor, pages):
    """With all that is there; and with a hub that fails, is away, shuts out, and at last does not answer."""
    for path, title in pages.items():
        go(visitor, path, title)
        is_well_in_any_light(visitor)
    for state in ("failing", "offline", "shut out", "loading"):
        look_at_pages(visitor, pages, state)
        visitor.page.unroute_all(behavior="ignoreErrors")
    leave(visitor)


def test_the_pages_of_an_organisation(visitors, portal_hub, full):
    """Its patients, and one's record: read and written."""
    visitor = visitors(language="de", viewport=PHONE)
    house = found(visitor, portal_hub, NURSE, "nurse")
    sharing.grant(full, house, {INDEX["vitals"], INDEX["documents"]})
    permits.permit(full, house)
    open_patient(visitor, full)
    hers = f"patient/{full.account}"
    pages = {"": "patients.title", hers: "patient.title", f"{hers}/add": "write.title"}
    look_in_every_state(visitor, pages | {f"{hers}/{name}": f"category.{name}" for name in ("vitals", "documents")})


@pytest.mark.parametrize("scope", [FULL, "manage"])
def test_the_pages_of_who_acts_for_another(visitors, full, relative, scope):
    """All that she has, or what he manages; and her record, as far as it is granted to him."""
    name_delegate(full, enrolment.card(relative), END, scope=scope)
    visitor = visitors(language="en", viewport=DESK)
    sign_in(visitor, relative.account)
    act_for(visitor, full)
    look_in_every_state(visitor, listed("FOR_ANOTHER" if scope == FULL else "MANAGING"))


@pytest.mark.parametrize("state", ["offline", "failing"])
def test_the_way_in_with_a_hub_that_does_not_do_as_it_should(visitors, patient, state):
    """Signing in, signing up and recovering say what is wrong, and nothing is lost of what was typed."""
    visitor = visitors(language="en")
    visitor.page.clock.install()
    hub = urlsplit(visitor.url).netloc
    visitor.follow("welcome.sign-in")
    visitor.enter("account.address", patient.account)
    visitor.enter("account.passphrase", WORDS)
    visitor.page.route(f"http://{hub}/v1/**", STATES[state])
    visitor.press("sign-in.sign-in")
    visitor.gives_up()
    expect(visitor.field("account.address")).to_have_value(patient.account)
    is_well_in_any_light(visitor)
    go(visitor, "sign-up", "sign-up.title")
    visitor.gives_up()
    is_well_in_any_light(visitor)
    go(visitor, "recover", "recover.title")
    visitor.enter("account.address", patient.account)
    visitor.enter("sheet.code", str(patient.code))
    visitor.press("recover.go-on")
    visitor.gives_up()
    is_well_in_any_light(visitor)
    leave(visitor)
