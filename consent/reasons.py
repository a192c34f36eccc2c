"""Why a decision came out as it did, in one plain sentence, German and English."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

LANGUAGES = ("en", "de")


@dataclass(frozen=True, slots=True)
class Basis:
    """What a verdict rests on: a rule of `SENTENCES`, whose consent or actor (`by`), and the path inside a consent."""

    rule: str
    by: str = ""
    path: str = ""


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
        "mandate": ("{by} represents the patient", "{by} vertritt die Patientin oder den Patienten"),
        "outside-mandate": (
            "{by} represents the patient, but not in this",
            "{by} vertritt die Patientin oder den Patienten, aber nicht hierin",
        ),
        "blocked": ("the patient has blocked this party", "diese Stelle ist gesperrt"),
        "hidden": ("the patient has hidden this", "dies ist verborgen"),
        "refused": ("consent {by} refuses it ({path})", "Einwilligung {by} schließt es aus ({path})"),
        "emergency": (
            "an emergency was declared; the patient is told at once",
            "ein Notfall wurde erklärt; die betroffene Person erfährt es sofort",
        ),
        "consent": ("consent {by} permits it ({path})", "Einwilligung {by} erlaubt es ({path})"),
        "not-by-consent": (
            "this is for the patient or a representative alone to do",
            "dies steht nur der betroffenen Person oder ihrer Vertretung zu",
        ),
        "standing": ("{by} has standing access for treatment", "{by} hat eine laufende Befugnis zur Behandlung"),
        "implicit-permit": (
            "nothing is refused and the hub's policy permits it",
            "nichts ist ausgeschlossen und die Regel des Hubs erlaubt es",
        ),
        "implicit-deny": ("no consent permits it", "keine Einwilligung erlaubt es"),
    }
)
_PERMITTED, _DENIED, _PART = (
    ("Permitted: {}.", "Erlaubt: {}."),
    ("Denied: {}.", "Verweigert: {}."),
    ("{} of {} visible: {}. Withheld: {}.", "{} von {} sichtbar: {}. Nicht sichtbar: {}."),
)


def clause(basis: Basis, language: str = "en") -> str:
    """The basis as a clause without a full stop."""
    return SENTENCES[basis.rule][LANGUAGES.index(language)].format(by=basis.by, path=basis.path)


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
    return "; ".join(clause(basis, language) for basis, _ in Counter(bases).most_common())
