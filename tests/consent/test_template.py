"""Templates: what was published never changes, and each is whole in every language."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files

import pytest

from consent import words
from consent.template import EFFECTS, template, templates
from consent.words import LANGUAGES, SENSITIVE
from fhir_profiles.problems import Problem

PUBLISHED = {
    "care-service.1.json": "44e8edfed4bef79f",
    "device-values.1.json": "b4a56e90b9385cdd",
    "hospital-stay.1.json": "0c4ad5154bee3924",
    "one-visit.1.json": "a28645145a48b7fa",
    "pharmacy-3-days.1.json": "9de60f1c33e40f57",
    "practice-90-days.1.json": "d280711811d63742",
    "relative.1.json": "0d9281e2dbba3cd5",
    "second-opinion.1.json": "01fc429106713597",
    "standing-3-days.1.json": "f3f2f39de3802d9b",
    "standing-90-days.1.json": "f10f410e58f20a97",
}
FOLDER = files("consent") / "templates"
FILES = sorted(file.name for file in FOLDER.iterdir() if file.name != "order.json")


def test_a_published_version_never_changes():
    """Consents name a version by its URI: other words, categories or days are a new file."""
    found = {name: sha256((FOLDER / name).read_bytes()).hexdigest()[:16] for name in FILES}
    assert {name: found.get(name) for name in PUBLISHED} == PUBLISHED
    assert found.keys() == PUBLISHED.keys(), "add the new version here"


@pytest.mark.parametrize("name", FILES)
def test_each_is_whole_in_every_language(name):
    """Title and paragraphs in German, English and plain German; the rule first; what withdrawing means at the end."""
    value = json.loads((FOLDER / name).read_bytes())
    assert name == f"{value['id']}.{value['version']}.json"
    assert set(value["title"]) == set(value["text"]) == set(LANGUAGES)
    assert value["withdrawn"] in EFFECTS and value["days"] >= 1
    one = template(f"{value['id']}/{value['version']}")
    assert template(one.uri) == one and one.uri.endswith(f"/{value['id']}/{value['version']}")
    unread = {"de": "ungelesen", "en": "unread", "de-simple": "zurück-nehmen"}
    back = {"de": "zurückholen", "en": "taken back", "de-simple": "zurück-nehmen"}
    for language in LANGUAGES:
        first, *_, last = one.paragraphs[language]
        assert first == "{rule}"
        assert unread[language] in last or back[language] in last
        text = one.text("praxis@hub.example", one.categories, one.purposes, 1_800_000_000, language)
        assert not any(sign in text for sign in "{}") and "praxis@hub.example" in text


def test_plain_german_is_in_short_sentences():
    """No sentence of Leichte Sprache has more than fifteen words, headings and lists apart."""
    for one in templates():
        for paragraph in one.paragraphs["de-simple"][1:]:
            for sentence in paragraph.replace("?", ".").replace(":", ".").split("."):
                assert len(sentence.split()) <= 15, (one.id, sentence)


def test_no_template_opens_a_sensitive_category():
    """Mental and sexual health, addiction, genetics are never opened by a click on a template."""
    assert all(not one.categories & SENSITIVE for one in templates())


def test_standing_access_ends_with_the_last_day_in_germany():
    """Issue date and days - 1, by the date in Berlin: 90 days for a practice, 3 for a pharmacy, 1 for a visit."""
    late = datetime(2027, 1, 1, 23, 30, tzinfo=UTC)  # the 2nd in Berlin
    ends = {one.id: one.end(late) for one in templates()}
    assert ends["practice-90-days"] == "2027-04-01"
    assert (ends["pharmacy-3-days"], ends["one-visit"]) == ("2027-01-04", "2027-01-02")


def test_an_unknown_template_or_language_is_refused():
    """A name that is none, a version that is none, a language without texts."""
    for name in ("nothing", "practice-90-days/99", "https://example.org/policy/1"):
        with pytest.raises(Problem):
            template(name)
    one = template("one-visit")
    with pytest.raises(Problem):
        one.text("praxis@hub.example", one.categories, one.purposes, 1_800_000_000, "fr")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (1_803_247_200, "bis 21. Februar 2027, 23:00 Uhr"),
        (1_803_250_800, "bis einschließlich 21. Februar 2027"),
        (2**53 - 1, "bis Sie widerrufen"),
    ],
)
def test_the_end_is_said_by_the_day_where_it_is_the_end_of_a_day(second, said):
    """A grant that ends at midnight in Berlin ends with the day before."""
    assert words.until(second, "de") == said


def test_a_purpose_without_words_is_told_beside_the_wider_one():
    """What lies below a known purpose is not told as if it were all of it."""
    assert words.purpose("CLINTRCH", "de") == "die Forschung (CLINTRCH)"
    assert words.purpose("TREAT", "en") == "your treatment"
