"""Why a decision came out as it did, in one plain sentence, German and English.

A sentence holds nothing that only a program can read: a consent is named by its day, a party by what it is. What a
program wants to know besides stands in the basis: the id of the consent, the path of its rule, the actor.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from consent.dates import ZONE, interval

LANGUAGES = ("en", "de")


@dataclass(frozen=True, slots=True)
class Basis:
    """What a verdict rests on: a rule of `SENTENCES`.

    `by`: the id of the consent, or the actor; `path`: of the rule inside the consent; `when`: microseconds, at which a
    consent was recorded or the first at which standing access is over.
    """

    rule: str
    by: str = ""
    path: str = ""
    when: int | None = None


SENTENCES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "malformed": (
            "the request does not say whose data are meant, who asks, or for which known purpose",
            "die Anfrage sagt nicht, um wessen Daten es geht, wer fragt oder zu welchem bekannten Zweck",
        ),
        "floor": (
            "the law closes this to this role, whatever the patient consents to",
            "das Gesetz verschließt dies für diese Rolle, gleich worin eingewilligt wurde",
        ),
        "self": ("these are the person's own data", "es sind die eigenen Daten"),
        "withheld": (
            "a professional keeps this back for now, and the person can have that reviewed",
            "eine Fachperson hält dies vorerst zurück, und das kann auf Wunsch geprüft werden",
        ),
        "mandate": (
            "this person represents the patient in this",
            "diese Person vertritt die Patientin oder den Patienten hierin",
        ),
        "outside-mandate": (
            "this person represents the patient, but not in this",
            "diese Person vertritt die Patientin oder den Patienten, aber nicht hierin",
        ),
        "blocked": ("the patient has blocked this party", "diese Stelle ist gesperrt"),
        "hidden": ("the patient has hidden this", "dies ist verborgen"),
        "refused": ("a refusal{} rules this out", "eine Ablehnung{} schließt es aus"),
        "emergency": (
            "an emergency was declared; the patient is told at once",
            "ein Notfall wurde erklärt; die betroffene Person erfährt es sofort",
        ),
        "consent": ("a consent{} permits it", "eine Einwilligung{} erlaubt es"),
        "not-by-consent": (
            "this is for the patient or a representative alone to do",
            "dies steht nur der betroffenen Person oder ihrer Vertretung zu",
        ),
        "standing": (
            "this party may look in for treatment{}",
            "diese Stelle darf zur Behandlung hineinsehen{}",
        ),
        "implicit-permit": (
            "nobody refused it and the hub's general rule permits it",
            "niemand hat es abgelehnt und die allgemeine Regel des Hubs erlaubt es",
        ),
        "implicit-deny": ("no consent permits it", "keine Einwilligung erlaubt es"),
        "disputed": (
            "two decisions that count alike differ, so the narrower one holds",
            "zwei gleichrangige Entscheidungen sind verschieden, darum gilt die engere",
        ),
    }
)
_ON, _UNTIL = (" of {}", " vom {}"), (" until {}", " bis {}")
_MONTHS = (
    "January February March April May June July August September October November December",
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
)
_DAYS = ("{} {} {}", "{}. {} {}")
_FIRST, _LAST = interval("1900")[0], interval("9000")[1]
"""Days that are worth a word; what lies outside has no beginning or no end."""
_PERMITTED, _DENIED, _PART = (
    ("Permitted: {}.", "Erlaubt: {}."),
    ("Denied: {}.", "Verweigert: {}."),
    ("{} of {} visible: {}. Withheld: {}.", "{} von {} sichtbar: {}. Nicht sichtbar: {}."),
)


def clause(basis: Basis, language: str = "en") -> str:
    """The basis as a clause without a full stop."""
    at = LANGUAGES.index(language)
    words = ""
    if basis.when is not None and _FIRST <= basis.when < _LAST:
        is_end = basis.rule == "standing"
        words = (_UNTIL if is_end else _ON)[at].format(_day(basis.when - is_end, at))
    return SENTENCES[basis.rule][at].format(words)


def _day(when: int, at: int) -> str:
    day = datetime.fromtimestamp(when // 1_000_000, UTC).astimezone(ZONE)
    return _DAYS[at].format(day.day, _MONTHS[at].split()[day.month - 1], day.year)


def sentence(verdicts: Sequence[tuple[bool, Basis]], language: str = "en") -> str:
    """One sentence for verdicts `(permit, basis)` on one or more resources; the most frequent bases first."""
    at = LANGUAGES.index(language)
    permitted = _clauses([basis for permit, basis in verdicts if permit], language)
    denied = _clauses([basis for permit, basis in verdicts if not permit], language)
    if not denied:
        return _PERMITTED[at].format(permitted)
    if not permitted:
        return _DENIED[at].format(denied)
    visible = sum(permit for permit, _ in verdicts)
    return _PART[at].format(visible, len(verdicts), permitted, denied)


def _clauses(bases: Sequence[Basis], language: str) -> str:
    return "; ".join(words for words, _ in Counter(clause(basis, language) for basis in bases).most_common())
