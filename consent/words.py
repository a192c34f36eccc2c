"""Plain words of a consent: categories, purposes, days and the one sentence of a rule, in three languages.

`de` is German, `en` English, `de-simple` plain German (Leichte Sprache), tags of BCP 47. No code is ever shown: one
sentence says who sees what, for what, until when. `words.json` has them, for the portal, too.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from consent.categories import NAMES
from consent.dates import ZONE
from consent.purposes import purposes_above
from consent.relations import NO_END
from fhir_profiles.problems import Problem

LANGUAGES = ("de", "en", "de-simple")
DE, EN, SIMPLE = LANGUAGES

_Said = Sequence[str]
"""The same in each language, in the order of `LANGUAGES`."""

_FILE: Mapping[str, Any] = json.loads((files("consent") / "words.json").read_bytes())
_CATEGORIES: Mapping[str, _Said] = _FILE["categories"]
# Each fits behind "für" and "for". A code that is not here is told by the nearest one above it, and by itself.
_PURPOSES: Mapping[str, _Said] = _FILE["purposes"]
_SENTENCES: Mapping[str, _Said] = _FILE["sentences"]
_MONTHS: Sequence[Sequence[str]] = _FILE["months"]
SENSITIVE = frozenset(NAMES.index(name) for name in ("mental", "intimate", "genetic"))
"""Categories that no template opens by itself."""


def place(language: str) -> int:
    """Where a language stands in `LANGUAGES`. Raises `Problem(value)`."""
    if language not in LANGUAGES:
        raise Problem("value", f"this language is not spoken here: choose of {', '.join(LANGUAGES)}")
    return LANGUAGES.index(language)


def _said(name: str, language: str, **values: str) -> str:
    return _SENTENCES[name][place(language)].format(**values)


def category(index: int, language: str) -> str:
    """A category, 0..15, as a patient knows it."""
    return _CATEGORIES[NAMES[index]][place(language)]


def categories(indices: Collection[int], language: str) -> str:
    """Categories in the order of the protocol: in one row, in plain German each on its own line."""
    named = [category(index, language) for index in sorted(indices)]
    return "\n".join(f"• {one}" for one in named) if language == SIMPLE else "; ".join(named)


def purpose(code: str, language: str) -> str:
    """A purpose, fit to stand behind "für" or "for"; one that has no words of its own is named beside the wider one."""
    if code in _PURPOSES:
        return _PURPOSES[code][place(language)]
    wider = [known for known in _PURPOSES if known in purposes_above(code)]
    return f"{_PURPOSES[wider[0]][place(language)]} ({code})" if wider else code


def purposes(codes: Collection[str], language: str) -> str:
    """Purposes in one row."""
    return row([purpose(code, language) for code in codes], language)


def row(words: Sequence[str], language: str) -> str:
    """`a, b und c`."""
    *most, last = words
    return f"{', '.join(most)} {_said('and', language)} {last}" if most else last


def day(second: int, language: str) -> str:
    """The day of a Unix second at the patient's place: `31. März 2027`, `31 March 2027`."""
    at = datetime.fromtimestamp(second, UTC).astimezone(ZONE)
    month = _MONTHS[place(language)][at.month - 1]
    return f"{at.day}{'' if language == EN else '.'} {month} {at.year}"


def moment(second: int, language: str) -> str:
    """Day and time of day of a Unix second at the patient's place."""
    at = datetime.fromtimestamp(second, UTC).astimezone(ZONE)
    return f"{day(second, language)}, {at:%H:%M}" + ("" if language == EN else " Uhr")


def until(second: int, language: str) -> str:
    """How long, told by the first Unix second after: by the day where it ends with one, else by the minute."""
    if second >= NO_END:
        return _said("ever", language)
    at = datetime.fromtimestamp(second, UTC).astimezone(ZONE)
    if (at.hour, at.minute, at.second) == (0, 0, 0):
        return _said("day", language, day=day(second - 1, language))
    return _said("moment", language, moment=moment(second, language))


def rule(who: str, what: Collection[int], why: Collection[str], end: int, language: str) -> str:
    """The one sentence: who sees what, for what, until when. `end`: the first Unix second after."""
    parts = {"what": categories(what, language), "why": purposes(why, language), "until": until(end, language)}
    return _said("rule", language, who=who, **parts)


def on_paper(desk: str, language: str) -> str:
    """That a consent was signed on paper, and which desk recorded it: part of a sentence."""
    return _said("on-paper", language, desk=desk)
