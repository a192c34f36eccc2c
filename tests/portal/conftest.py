"""The portal in a real browser against a real hub: one hub for all of these tests, a fresh browser profile for each."""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from connectors.patient import enrolment
from connectors.patient.client import Client
from tests.journeys.conftest import Practice, RunningHub
from tests.portal import stretched
from tests.portal.between import Between, between

ROOT = Path(__file__).parents[2]
AXE = ROOT / "hub/portal/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WORDS = "apfel birne clown delfin eimer falke"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
TEXTS = {name: json.loads((ROOT / f"hub/portal/src/texts/{name}.json").read_text()) for name in ("de", "en")}
# Colours in the middle of a change would be judged as they are; what turns for ever is passed over.
SETTLED = """Promise.all(document.getAnimations().map((one) =>
  one.effect.getTiming().iterations === Infinity || one.finished.catch(() => null)))"""
# Only what is wrong leaves the page: a report of all that is right is a thousand times as long.
JUDGED = """async (rules) => {
  const { violations } = await axe.run({ runOnly: rules, resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}"""
REFUSED = "Failed to load resource: the server responded with a status of 4"
FOCUSED = "one => one === document.activeElement"
PATIENCE_MS = 30_000
LOOK_MS = 200
LONGEST_PAUSE_MS = 7_000
"""Before the page asks a hub for the last time that did not answer."""
NUMBERS = count(1)
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module", autouse=True)
def stretches(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether pages and clients stretch words by themselves, as they do where nobody tests."""
    if request.node.get_closest_marker("stretches"):
        yield True
        return
    with stretched.for_clients():
        yield False


@pytest.fixture(scope="session")
def portal_hub(tmp_path_factory) -> Iterator[RunningHub]:
    """A hub that all tests of the portal share; none needs it empty."""
    running = hub_for_browsers(tmp_path_factory.mktemp("portal-hub"))
    yield running
    running.kill()


def hub_for_browsers(home: Path) -> RunningHub:
    """A hub that runs under a name: WebAuthn wants none of numbers."""
    running = RunningHub(home, f"sqlite:///{home / 'hub.sqlite'}")
    running.url = running.environment["OBHUT_HUB_URL"] = running.url.replace("127.0.0.1", "localhost")
    running.start()
    return running


def answered(status: int, type_: str) -> Callable[[Route], None]:
    """What a hub says that can or will not, for a route: every question is answered so."""
    body = json.dumps({"type": f"urn:obhut:problem:{type_}", "status": status, "detail": "no"})
    return lambda route: route.fulfill(status=status, body=body, content_type="application/problem+json")


class Visitor:
    """Somebody at a browser of her own: finds things by their words, as its language has them."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        language: str,
        viewport: dict[str, int],
        *,
        stretches: bool = True,
        **more: Any,
    ) -> None:
        """`stretches`: her pages stretch her words by themselves, instead of asking `stretched`."""
        self.language = language
        self.context: BrowserContext = browser.new_context(viewport=viewport, locale=language, **more)
        if not stretches:
            stretched.for_pages(self.context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.expected = REFUSED
        self.sent: list[str] = []
        self.context.on("console", lambda message: self.complaints.append(message.text))
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("request", lambda request: self.sent.append(f"{request.url}\n{request.post_data or ''}"))
        self.url = f"{url}/portal/"
        self.page: Page = self.context.new_page()
        self.page.goto(self.url)

    def opens_tab(self) -> Page:
        """Another tab of her browser, at which she is from now on. Returns the one before."""
        before, self.page = self.page, self.context.new_page()
        self.page.goto(self.url)
        return before

    def text(self, key: str, **values: object) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), TEXTS[self.language][key])

    def sees(self, key: str, **values: object) -> None:
        """The page with this title is there."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.text(key, **values))

    def field(self, key: str, **values: object) -> Locator:
        return self.page.get_by_label(self.text(key, **values), exact=True)

    def button(self, key: str, **values: object) -> Locator:
        return self.page.get_by_role("button", name=self.text(key, **values), exact=True)

    def link(self, key: str, **values: object) -> Locator:
        return self.page.get_by_role("link", name=self.text(key, **values), exact=True)

    def press(self, key: str, **values: object) -> None:
        self.button(key, **values).click()

    def follow(self, key: str, **values: object) -> None:
        self.link(key, **values).click()

    def enter(self, key: str, value: str, **values: object) -> None:
        self.field(key, **values).fill(value)

    def tick(self, label: str) -> None:
        """Choose an answer by its words."""
        self.page.get_by_label(label, exact=True).check()

    def choose(self, key: str, option: str) -> None:
        """Choose one of a list, by its key."""
        self.pick(key, self.text(option))

    def pick(self, key: str, label: str) -> None:
        """Choose one of a list, by its words."""
        self.field(key).select_option(label=label)

    def thinks_better(self, question: str, no: str, **values: object) -> None:
        """Ask to be asked, and say no: she stands where she was."""
        self.press(question, **values)
        expect(self.page.get_by_role("heading", level=2).and_(self.page.locator(":focus"))).to_be_visible()
        self.press(no)
        expect(self.button(question, **values)).to_be_focused()

    def use(self, what: Locator) -> None:
        what.click()

    def give(self, key: str, file: Any) -> None:
        """Choose a file: a path, or name, type and content."""
        self.field(key).set_input_files(file)

    def is_well(self, *rules: str) -> None:
        """axe finds nothing on the page as it is now, by these rules or all; and nothing sticks out of the screen."""
        self.page.evaluate(SETTLED)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        assert self.page.evaluate(JUDGED, list(rules) or RULES) == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def gives_up(self) -> None:
        """The page has asked the hub as often as it does, and says so; the pauses between pass at once."""
        alert = self.page.get_by_role("alert")
        for _ in range(PATIENCE_MS // LOOK_MS):
            if alert.is_visible():
                return
            self.page.clock.run_for(LONGEST_PAUSE_MS)
            self.page.wait_for_timeout(LOOK_MS)
        expect(alert).to_be_visible()

    def has_authenticator(self) -> None:
        """Give the browser an authenticator with the PRF extension, whose owner always agrees."""
        devtools = self.context.new_cdp_session(self.page)
        devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True,
            "hasUserVerification": True, "hasPrf": True, "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    def gave_away(self, *secrets: str) -> list[str]:
        """Which of these texts left the browser, as they are or inside binary values."""
        sent = "\n".join(self.sent)
        words = re.findall(r"[\w-]{16,}", sent, re.ASCII)
        binary = b"\n".join(b64decode(word + "==", b"-_") for word in words if len(word) % 4 != 1)
        whole = (sent.encode() + binary).lower()
        return [secret for secret in secrets if secret.lower().encode() in whole]

    def close(self) -> None:
        """At the end the browser must not have complained of anything but of what the hub refused."""
        self.context.close()
        assert [text for text in self.complaints if not text.startswith(self.expected)] == []


class Typist(Visitor):
    """A visitor who has no pointer: she moves by Tab, and presses Enter."""

    def reach(self, what: Locator, there: str = FOCUSED) -> None:
        """Move the focus there by Tab alone."""
        what.wait_for()
        for _ in range(60):
            if what.evaluate(there):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{what} cannot be reached by Tab")

    def press(self, key: str, **values: object) -> None:
        self.reach(self.button(key, **values))
        self.page.keyboard.press("Enter")

    def follow(self, key: str, **values: object) -> None:
        self.reach(self.link(key, **values))
        self.page.keyboard.press("Enter")

    def tick(self, label: str) -> None:
        answer = self.page.get_by_label(label, exact=True)
        answer.wait_for()
        if answer.get_attribute("type") == "checkbox":
            self.reach(answer)
            self.page.keyboard.press("Space")
            return
        # Tab comes to one answer of the question; the arrows go on from there, and choose.
        self.reach(answer, "one => one.name === document.activeElement.name")
        self.page.keyboard.press("Space")
        while not answer.evaluate(FOCUSED):
            self.page.keyboard.press("ArrowDown")

    def pick(self, key: str, label: str) -> None:
        self.reach(self.field(key))
        self.page.keyboard.press("Home")
        while self.field(key).evaluate("one => one.selectedOptions[0].label") != label:
            self.page.keyboard.press("ArrowDown")

    def enter(self, key: str, value: str, **values: object) -> None:
        self.reach(self.field(key, **values))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(value)

    def use(self, what: Locator) -> None:
        self.reach(what)
        self.page.keyboard.press("Enter")

    def give(self, key: str, file: Any) -> None:
        # Else the driver stops to look for choosers after the first one, and may begin again too late.
        self.page.on("filechooser", lambda _: None)
        self.reach(self.field(key))
        with self.page.expect_file_chooser() as asked:
            self.page.keyboard.press("Enter")
        asked.value.set_files(file)


def enrolled(directory: Path, hub: RunningHub) -> Iterator[Client]:
    """A person with a client elsewhere, who signs in by `WORDS`; `code` is that of her sheet."""
    client, client.code = enrolment.enrol(directory, hub.url)
    enrolment.set_passphrase(client, WORDS)
    yield client
    client.close()


@pytest.fixture
def patient(tmp_path: Path, portal_hub: RunningHub) -> Iterator[Client]:
    """A patient."""
    yield from enrolled(tmp_path / "patient", portal_hub)


@pytest.fixture
def relative(tmp_path: Path, portal_hub: RunningHub) -> Iterator[Client]:
    """A person at the same hub."""
    yield from enrolled(tmp_path / "relative", portal_hub)


@pytest.fixture
def visitors(browser: Browser, portal_hub: RunningHub, stretches: bool) -> Iterator[type]:
    """Makes visitors."""
    made: list[Visitor] = []

    def make(
        kind: type[Visitor] = Visitor, language: str = "de", viewport: dict[str, int] = PHONE, *, at: str = "", **more
    ) -> Visitor:
        made.append(kind(browser, at or portal_hub.url, language, viewport, stretches=stretches, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def middle(portal_hub: RunningHub) -> Iterator[Between]:
    """Between browsers and the hub: what passes is kept, and may be changed."""
    with between(portal_hub.url) as server:
        yield server


@pytest.fixture
def practices(tmp_path: Path, portal_hub: RunningHub) -> Iterator[Callable[..., Practice]]:
    """Makes practices at the hub, each of a name of its own."""
    made: list[Practice] = []

    def make(type_: str = "practice") -> Practice:
        made.append(Practice(tmp_path, portal_hub, f"haus-{next(NUMBERS)}-{type_}", type_))
        return made[-1]

    yield make
    for one in made:
        one.close()
