"""Reasons: one plain sentence in both languages."""

from consent.reasons import LANGUAGES, SENTENCES, Basis, sentence

PERMITTED = (True, Basis("consent", "c1", "provision"))
DENIED = (False, Basis("implicit-deny"))


def test_a_reason_names_the_consent_and_the_place_in_it():
    """What was permitted, what withheld, and why."""
    assert sentence([PERMITTED]) == "Permitted: consent c1 permits it (provision)."
    assert sentence([DENIED]) == "Denied: no consent permits it."
    assert sentence([PERMITTED, DENIED]) == (
        "1 of 2 visible: consent c1 permits it (provision). Withheld: no consent permits it."
    )
    assert sentence([PERMITTED, DENIED], "de").startswith("1 von 2 sichtbar: Einwilligung c1 erlaubt es (provision).")


def test_every_basis_has_words_in_every_language():
    """No rule is without a sentence."""
    assert all(len(words) == len(LANGUAGES) and all(words) for words in SENTENCES.values())
