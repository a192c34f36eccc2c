"""Getting in: a new account in the browser, by pointer and by keyboard, on a phone and at a desk."""

import re

import pytest
from playwright.sync_api import expect

from tests.portal.conftest import DESK, PHONE, Typist, Visitor

WORDS = "apfel birne clown delfin eimer falke"


def sign_up(visitor, words=WORDS, look=lambda: None):
    """From the first page to the overview; `look` is called on each page. Returns address and code of the sheet."""
    visitor.sees("welcome.title")
    look()
    visitor.follow("welcome.sign-up")
    visitor.sees("sign-up.title")
    expect(visitor.field("sign-up.address")).to_have_value(re.compile("^p-"))
    visitor.enter("sign-up.passphrase", words)
    look()
    visitor.press("sign-up.go-on")
    account, code = read_sheet(visitor)
    look()
    prove_sheet(visitor, code, look)
    visitor.sees("overview.title")
    look()
    return account, code


def read_sheet(visitor):
    """What the sheet says."""
    sheet = visitor.page.get_by_role("article")
    sheet.wait_for()
    return sheet.get_by_role("definition").first.inner_text(), sheet.get_by_role("listitem").all_inner_texts()


def prove_sheet(visitor, code, look=lambda: None):
    """Type the two groups that are asked for."""
    visitor.press("sheet.kept")
    expect(visitor.button("sheet.prove")).to_be_visible()
    for number, group in enumerate(code, 1):
        if visitor.field("sheet.group", number=number).count():
            visitor.enter("sheet.group", group, number=number)
    look()
    visitor.press("sheet.prove")


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Visitor, "de", PHONE), (Typist, "en", DESK)])
def test_a_new_account(visitors, kind, language, viewport):
    """Six words and a sheet make an account; each page on the way is well, and neither words nor code leave it."""
    visitor = visitors(kind, language, viewport)
    account, code = sign_up(visitor, look=visitor.is_well)
    expect(visitor.page.locator(".account .code")).to_contain_text(f"obhut:{account}#")
    assert visitor.gave_away(account)
    assert not visitor.gave_away(WORDS, "clown", "".join(code), "-".join(code))
