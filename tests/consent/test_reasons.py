"""Reasons: one plain sentence in both languages."""

from consent.dates import BEGINNING, FOREVER, interval
from consent.reasons import LANGUAGES, SENTENCES, Basis, sentence

PERMITTED = (True, Basis("consent", "c1", "provision", interval("2022-06-13")[0]))
DENIED = (False, Basis("implicit-deny"))


def test_a_reason_names_the_consent_by_its_day():
    """What was permitted, what withheld, and why, without anything that only a program can read."""
    assert sentence([PERMITTED]) == "Permitted: a consent of 13 June 2022 permits it."
    assert sentence([DENIED]) == "Denied: no consent permits it."
    assert sentence([PERMITTED, DENIED]) == (
        "1 of 2 visible: a consent of 13 June 2022 permits it. Withheld: no consent permits it."
    )
    assert sentence([PERMITTED, DENIED], "de").startswith(
        "1 von 2 sichtbar: eine Einwilligung vom 13. Juni 2022 erlaubt es."
    )


def test_standing_access_is_told_with_its_last_day():
    """Not the day on which it is over; without an end, no day."""
    until = Basis("standing", "praxis@a.example", when=interval("2025-03-31")[1])
    assert sentence([(True, until)]) == "Permitted: this party may look in for treatment until 31 March 2025."
    assert sentence([(True, until)], "de").endswith("zur Behandlung hineinsehen bis 31. März 2025.")
    assert sentence([(True, Basis("standing", when=FOREVER))]) == "Permitted: this party may look in for treatment."


def test_a_consent_without_a_day_is_told_without_one():
    """Nothing is invented."""
    assert sentence([(False, Basis("refused", "c", "provision", BEGINNING))]) == "Denied: a refusal rules this out."


def test_every_basis_has_words_in_every_language():
    """No rule is without a sentence."""
    assert all(len(words) == len(LANGUAGES) and all(words) for words in SENTENCES.values())
