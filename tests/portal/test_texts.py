"""What the pages say: the same keys in both languages, each used, each value given."""

import re

import pytest
from playwright.sync_api import expect

from tests.portal.conftest import ROOT, TEXTS, Visitor

SOURCES = ROOT / "hub/portal/src"
LIST_LENGTH = 1024


def used() -> tuple[set[str], set[str]]:
    """The keys, and the beginnings of keys, that the scripts name."""
    code = "".join(path.read_text() for path in SOURCES.rglob("*.ts*") if path.suffix in {".ts", ".tsx"})
    return set(re.findall(r'"([a-z0-9-]+\.[a-z0-9-]+)"', code)), set(re.findall(r"`([a-z0-9-]+\.[a-z0-9-]*)\$\{", code))


def test_both_languages_have_the_same_keys_with_the_same_values():
    """Nothing is missing in one of them, and each sentence is given the same values."""
    german, english = (
        {key: sorted(re.findall(r"\{\w+\}", said)) for key, said in TEXTS[name].items()} for name in TEXTS
    )
    assert german == english


def test_every_text_is_used():
    """What no page says any more is not in the catalogue."""
    whole, beginnings = used()
    assert [key for key in TEXTS["de"] if key not in whole and not key.startswith(tuple(beginnings))] == []


@pytest.mark.parametrize("language", TEXTS)
def test_a_suggested_word_is_worth_ten_bits(language):
    """The lists have 1,024 different words that any keyboard has."""
    words = (SOURCES / f"texts/words.{language}.txt").read_text().split()
    assert len(set(words)) == len(words) == LIST_LENGTH
    assert all(re.fullmatch(r"[a-z]{3,10}", word) for word in words)


def test_a_language_is_loaded_when_it_is_spoken(visitors):
    """The texts of the language spoken come, the others when they are asked for; a failure is said, and tried again."""
    visitor = visitors()
    visitor.sees("welcome.title")
    assert {"de"} == asked(visitor)
    visitor.context.route("**/texts.en.json", lambda route: route.abort())
    visitor.page.get_by_role("button", name="English").click()
    expect(visitor.page.get_by_role("alert")).to_have_text(visitor.text("problem.busy"))
    visitor.is_well()
    visitor.sees("welcome.title")
    visitor.context.unroute_all()
    visitor.page.get_by_role("button", name="English").press("Enter")
    visitor.language = "en"
    visitor.sees("welcome.title")
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    expect(visitor.page.get_by_role("alert")).to_have_count(0)
    assert {"de", "en"} == asked(visitor)
    visitor.page.reload()
    visitor.sees("welcome.title")
    visitor.complaints = [said for said in visitor.complaints if "ERR_FAILED" not in said]


@pytest.mark.parametrize("change", [None, b'{"texts":{"welcome.title":"Hello"},"words":[]}'])
def test_without_its_texts_the_page_says_so(visitors, change):
    """Texts that cannot be had, or are others than the script was built with, are not shown."""
    visitor = visitors()
    visitor.sees("welcome.title")
    if change is None:
        visitor.context.route("**/texts.*.json", lambda route: route.abort())
    else:
        visitor.context.route("**/texts.*.json", lambda route: route.fulfill(body=change))
    visitor.page.reload()
    expect(visitor.page.locator("#portal")).to_contain_text("Bitte laden Sie sie neu.")
    expect(visitor.page.get_by_role("heading")).to_have_count(0)
    visitor.complaints.clear()


def asked(visitor: Visitor) -> set[str]:
    """The languages whose texts the browser has asked for."""
    return {found[1] for one in visitor.sent if (found := re.search(r"/texts\.(\w+)\.json", one))}
