"""Plain words of a consent: categories, purposes, days and the one sentence of a rule, in three languages.

`de` is German, `en` English, `de-simple` plain German (Leichte Sprache), tags of BCP 47. No code is ever shown: one
sentence says who sees what, for what, until when.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from consent.categories import NAMES
from consent.dates import ZONE
from consent.purposes import purposes_above
from consent.relations import NO_END
from fhir_profiles.problems import Problem

LANGUAGES = ("de", "en", "de-simple")
DE, EN, SIMPLE = LANGUAGES

_CATEGORIES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "person": (
            "Stammdaten (Name, Adresse, Versicherung)",
            "personal details (name, address, insurance)",
            "Name, Adresse und Kranken-Kasse",
        ),
        "vitals": (
            "Vitalwerte (etwa Blutdruck und Gewicht)",
            "vital signs (such as blood pressure and weight)",
            "Körper-Werte, zum Beispiel Blut-Druck und Gewicht",
        ),
        "activity": (
            "Aktivität (etwa Schritte und Schlaf je Tag)",
            "activity (such as steps and sleep per day)",
            "Bewegung und Schlaf",
        ),
        "traces": (
            "Messreihen Ihrer Geräte (etwa der Puls je Minute)",
            "series of your devices (such as the pulse by the minute)",
            "alle Werte von Ihrer Uhr, Minute für Minute",
        ),
        "medication": ("Medikamente", "medication", "Medikamente"),
        "conditions": (
            "Diagnosen und Eingriffe",
            "diagnoses and procedures",
            "Krankheiten und Operationen",
        ),
        "allergies": ("Allergien und Unverträglichkeiten", "allergies and intolerances", "Allergien"),
        "immunizations": ("Impfungen", "vaccinations", "Impfungen"),
        "lab": ("Laborwerte", "laboratory results", "Werte aus dem Labor, zum Beispiel vom Blut"),
        "imaging": (
            "Bilder (etwa Röntgen und Ultraschall)",
            "images (such as X-ray and ultrasound)",
            "Bilder vom Körper, zum Beispiel Röntgen-Bilder",
        ),
        "documents": ("Arztbriefe und Dokumente", "letters and documents", "Briefe vom Arzt und andere Papiere"),
        "care": ("Pflege, Termine und Verordnungen", "care, appointments and orders", "Pflege, Termine und Rezepte"),
        "messages": ("Nachrichten", "messages", "Nachrichten"),
        "mental": (
            "seelische Gesundheit und Sucht",
            "mental health and addiction",
            "Krankheiten der Seele und Sucht",
        ),
        "intimate": (
            "Sexualität, Schwangerschaft, HIV und Gewalterfahrung",
            "sexual health, pregnancy, HIV and experience of violence",
            "Sexualität, Schwangerschaft, HIV und Gewalt",
        ),
        "genetic": (
            "Genetik und Krankheiten in der Familie",
            "genetics and illnesses in the family",
            "Gene und Krankheiten in der Familie",
        ),
    }
)
SENSITIVE = frozenset(NAMES.index(name) for name in ("mental", "intimate", "genetic"))
"""Categories that no template opens by itself."""

# Each fits behind "für" and "for". A code that is not here is told by the nearest one above it, and by itself.
_PURPOSES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "TREAT": ("Ihre Behandlung", "your treatment", "Ihre Behandlung"),
        "ETREAT": ("die Behandlung im Notfall", "treatment in an emergency", "Hilfe im Notfall"),
        "HPAYMT": ("die Abrechnung", "billing", "die Rechnung"),
        "HOPERAT": (
            "Verwaltung und Qualität der Einrichtung",
            "administration and quality of the institution",
            "die Verwaltung",
        ),
        "CAREMGT": ("die Planung Ihrer Versorgung", "planning your care", "die Planung von Ihrer Pflege"),
        "HRESCH": ("die Forschung", "research", "die Forschung"),
        "PATRQT": ("das, worum Sie selbst bitten", "what you yourself ask for", "das, was Sie selbst wollen"),
        "FAMRQT": ("das, worum Ihre Familie bittet", "what your family asks for", "das, was Ihre Familie will"),
        "PUBHLTH": ("die öffentliche Gesundheit", "public health", "die Gesundheit von allen Menschen"),
        "HMARKT": ("Werbung", "marketing", "Werbung"),
    }
)
_MONTHS = (
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "January February March April May June July August September October November December",
)
_AND = ("und", "and", "und")
_RULE = (
    "{who} darf sehen: {what} – für {why}, {until}.",
    "{who} may see: {what} – for {why}, {until}.",
    "{who} darf das sehen:\n{what}\nWofür? Für {why}.\nWie lange? {until}.",
)
_ON_PAPER = (
    "auf Papier unterschrieben, aufgenommen bei {desk}",
    "signed on paper, recorded at the desk of {desk}",
    "auf Papier unterschrieben bei {desk}",
)
_EVER = ("bis Sie widerrufen", "until you withdraw", "Bis Sie Nein sagen")
_DAY = ("bis einschließlich {}", "until the end of {}", "Bis zum {}, den ganzen Tag")
_MOMENT = ("bis {}", "until {}", "Bis {}")


def place(language: str) -> int:
    """Where a language stands in `LANGUAGES`. Raises `Problem(value)`."""
    if language not in LANGUAGES:
        raise Problem("value", f"this language is not spoken here: choose of {', '.join(LANGUAGES)}")
    return LANGUAGES.index(language)


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
    return f"{', '.join(most)} {_AND[place(language)]} {last}" if most else last


def day(second: int, language: str) -> str:
    """The day of a Unix second at the patient's place: `31. März 2027`, `31 March 2027`."""
    at = datetime.fromtimestamp(second, UTC).astimezone(ZONE)
    month = _MONTHS[language == EN].split()[at.month - 1]
    return f"{at.day}{'' if language == EN else '.'} {month} {at.year}"


def moment(second: int, language: str) -> str:
    """Day and time of day of a Unix second at the patient's place."""
    at = datetime.fromtimestamp(second, UTC).astimezone(ZONE)
    return f"{day(second, language)}, {at:%H:%M}" + ("" if language == EN else " Uhr")


def until(second: int, language: str) -> str:
    """How long, told by the first Unix second after: by the day where it ends with one, else by the minute."""
    if second >= NO_END:
        return _EVER[place(language)]
    at = datetime.fromtimestamp(second, UTC).astimezone(ZONE)
    if (at.hour, at.minute, at.second) == (0, 0, 0):
        return _DAY[place(language)].format(day(second - 1, language))
    return _MOMENT[place(language)].format(moment(second, language))


def rule(who: str, what: Collection[int], why: Collection[str], end: int, language: str) -> str:
    """The one sentence: who sees what, for what, until when. `end`: the first Unix second after."""
    return _RULE[place(language)].format(
        who=who, what=categories(what, language), why=purposes(why, language), until=until(end, language)
    )


def on_paper(desk: str, language: str) -> str:
    """That a consent was signed on paper, and which desk recorded it: part of a sentence."""
    return _ON_PAPER[place(language)].format(desk=desk)
