"""The public page: what everybody may know of a hub, and no more."""

import json
import re
from importlib.resources import files

import pytest

from hub.counted import FRESH_SECONDS
from hub.organisations import TYPES
from hub.public_page import LEAST
from tests.hub import people

WORDS = json.loads((files("hub") / "public_page.json").read_bytes())


def number(page, words, name):
    """What stands beside the name of a figure."""
    return re.search(rf"<span>{re.escape(words[name])}</span> <strong>([^<]+)</strong>", page.text)[1]


@pytest.mark.parametrize("language", WORDS)
def test_it_says_whom_it_connects_and_how_to_join(town, language):
    """By kind, with the block by which other hubs know this one, and without script."""
    town.organisation("praxis-sonne", "Praxis Dr. Sönnichsen")
    town.organisation("klinik", "Klinik am Ring", "hospital")
    words = WORDS[language]
    page = town.http.get("/", headers={"Accept-Language": language})
    assert page.headers["Content-Language"] == language
    assert (number(page, words, "type-practice"), number(page, words, "type-hospital")) == ("1", "1")
    assert "[[peer]]" in page.text
    assert words["not-stated"] in page.text
    assert "<script" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    other = next(name for name in WORDS if name != language)
    assert town.http.get(f"/?lang={other}", headers={"Accept-Language": language}).headers["Content-Language"] == other


def test_small_numbers_are_not_told_and_nobody_can_watch_who_comes(town, clock):
    """Below ten no number of people; what is counted stays for an hour."""
    words = WORDS["en"]
    few = words["few"]
    for _ in range(LEAST - 1):
        town.patient()
    assert number(town.http.get("/?lang=en"), words, "persons") == few
    town.patient()
    assert number(town.http.get("/?lang=en"), words, "persons") == few
    clock.now += FRESH_SECONDS
    page = town.http.get("/?lang=en")
    assert (number(page, words, "persons"), number(page, words, "packets")) == (str(LEAST), few)


def test_the_imprint_is_the_operators(tmp_path, clock, fill):
    """Operator, contact and privacy notice stand as they were set, as text."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    fill(url, "hub", people.upgrade)
    stated = {
        "operator": "Stadt <Musterhausen>",
        "contact": "hub@example.org",
        "privacy": "https://example.org/privacy",
    }
    town = people.build(url, tmp_path / "hub", clock, **stated)
    page = town.http.get("/")
    assert "Stadt &lt;Musterhausen&gt;" in page.text
    assert all(stated[name] in page.text for name in ("contact", "privacy"))
    assert WORDS["de"]["not-stated"] not in page.text
    town.hub.db.close()


def test_both_languages_say_the_same():
    """No word is missing in one of them, and every kind of organisation has one."""
    assert WORDS["de"].keys() == WORDS["en"].keys()
    assert {f"type-{kind}" for kind in TYPES} <= WORDS["de"].keys()
