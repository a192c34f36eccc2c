"""What the pages say: the same keys in both languages, each used, each value given."""

import re

import pytest

from tests.portal.conftest import ROOT, TEXTS

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
