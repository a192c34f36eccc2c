"""The public page in a browser: for everybody, in both languages, on a phone and at a desk, by keyboard alone."""

import pytest
from playwright.sync_api import expect

from tests.portal.conftest import DESK, PHONE, Typist


@pytest.mark.parametrize(("language", "viewport"), [("de", PHONE), ("en", DESK)])
def test_it_speaks_both_languages_and_leads_to_the_portal(visitors, portal_hub, language, viewport):
    """As the browser would have it, the other by a link; axe finds nothing; the portal is one step away."""
    visitor = visitors(Typist, language, viewport)
    for spoken in (language, {"de": "en", "en": "de"}[language]):
        if spoken == language:
            visitor.page.goto(portal_hub.url)
        else:
            visitor.reach(visitor.page.locator(f"header [lang={spoken}]"))
            visitor.page.keyboard.press("Enter")
        expect(visitor.page.locator("html")).to_have_attribute("lang", spoken)
        visitor.is_well()
    visitor.reach(visitor.page.locator("main .primary"))
    visitor.page.keyboard.press("Enter")
    visitor.sees("welcome.title")
