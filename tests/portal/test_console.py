"""The operator's page in a browser: opened by the command's link, in both languages, by keyboard alone."""

import json
from importlib.resources import files

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import obhut
from tests.portal.conftest import DESK, PHONE, Typist

WORDS = json.loads((files("hub") / "console.json").read_bytes())


class Operator(Typist):
    """Finds things by the words of the operator's page."""

    def text(self, key, **values):
        return WORDS[self.language][key]


@pytest.mark.parametrize(("language", "viewport"), [("de", PHONE), ("en", DESK)])
def test_the_operator_looks_and_admits_by_keyboard_alone(visitors, portal_hub, patient, language, viewport):
    """The link, the page, a wrong name, a right one with its code, the other language, and closed again."""
    done = obhut("hub", "console", **portal_hub.environment)
    assert done.returncode == 0, done.stderr
    link = done.stdout.strip()
    operator = visitors(Operator, language, viewport)
    operator.page.goto(f"{portal_hub.url}/console")
    operator.sees("closed-heading")
    operator.is_well()
    operator.page.goto(link)
    operator.sees("open-heading")
    operator.is_well()
    operator.press("open")
    operator.sees("heading")
    operator.is_well()
    assert patient.account not in operator.page.content()
    operator.use(operator.page.locator("summary"))
    operator.enter("name", "p-nobody")
    operator.enter("title", f"Praxis {language}")
    operator.press("admit-now")
    expect(operator.field("name")).to_have_attribute("aria-invalid", "true")
    expect(operator.field("title")).to_have_value(f"Praxis {language}")
    operator.is_well()
    operator.enter("name", f"praxis-{language}")
    operator.press("admit-now")
    expect(operator.page.get_by_role("status")).to_contain_text(f"--name praxis-{language} --admission ")
    expect(operator.page.locator("main")).to_contain_text(operator.text("not-joined"))
    operator.is_well()
    operator.follow("count")
    expect(operator.page.get_by_role("status")).to_have_count(0)
    expect(operator.page.locator("main")).not_to_contain_text(operator.text("not-counted"))
    operator.use(operator.page.locator("header [hreflang]"))
    expect(operator.page.locator("html")).to_have_attribute("lang", {"de": "en", "en": "de"}[language])
    operator.language = {"de": "en", "en": "de"}[language]
    operator.press("leave")
    operator.sees("closed-heading")
    operator.page.goto(f"{link}?lang={operator.language}")
    operator.press("open")
    expect(operator.page.get_by_role("alert")).to_have_text(operator.text("spent"))
    operator.is_well()


def test_a_browser_that_is_signed_in_here_is_no_operator(visitors, portal_hub):
    """Other pages neither set nor get the cookie, and scripts do not see it."""
    visitor = visitors(Operator, "en")
    visitor.page.goto(obhut("hub", "console", **portal_hub.environment).stdout.strip())
    visitor.press("open")
    visitor.sees("heading")
    (cookie,) = visitor.context.cookies()
    assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == ("/console", True, "Strict")
    assert portal_hub.environment["OBHUT_HUB_DOMAIN"] in cookie["name"]
    assert visitor.context.cookies(f"{portal_hub.url}/portal/") == []
