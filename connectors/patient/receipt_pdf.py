"""A receipt on paper: what was allowed in plain words, the text as it was shown, and how to check it."""

import base64
from importlib import import_module
from typing import Any

from connectors.patient.tagged_pdf import Block, render
from consent import words
from consent.receipts import SCHEMA, Receipt
from consent.words import place
from fhir_profiles import resources

_TITLE = ("Nachweis einer Einwilligung", "Receipt of a consent", "Ein Beleg: Sie haben Ja gesagt")
_SHOWN = ("Der Text, wie er unterschrieben wurde", "The text as it was signed", "Das haben Sie unterschrieben")
_FACTS = ("Angaben", "Particulars", "Genaue Angaben")
_CHECK = ("So lässt sich das prüfen", "How to check this", "So kann man das prüfen")
_LABELS = {
    "patient": ("Wessen Daten", "Whose data", "Wem gehören die Daten"),
    "counterpart": ("Wer sie sehen darf", "Who may see them", "Wer darf sie sehen"),
    "what": ("Welche Daten", "Which data", "Welche Daten"),
    "why": ("Wofür", "For what", "Wofür"),
    "until": ("Wie lange", "How long", "Wie lange"),
    "signed": ("Unterschrieben", "Signed", "Unterschrieben"),
    "paper": ("Wie", "How", "Wie"),
    "state": ("Stand", "State", "Wie ist es jetzt"),
    "policy": ("Vorlage und Sprache", "Template and language", "Vorlage und Sprache"),
    "withdraw": ("So widerrufen Sie", "How to withdraw", "So sagen Sie Nein"),
    "record": ("Nummer", "Number", "Nummer"),
    "schema": ("Nach", "After", "Nach"),
}
_STATES = {
    "live": ("gilt, Stand {}", "in force, as of {}", "gilt. Das war so am {}"),
    "ended": ("widerrufen am {}", "withdrawn on {}", "am {} wurde Nein gesagt"),
    "replaced": ("durch eine neuere ersetzt, Stand {}", "replaced by a later one, as of {}", "es gibt eine neue. {}"),
}
_HOW = (
    "Der Nachweis als Datei (FHIR) wird ohne Netz geprüft: obhut patient receipt --verify DATEI. Das muss ergeben:",
    "The receipt as a file (FHIR) is checked offline: obhut patient receipt --verify FILE. It must give this line:",
    "Es gibt diesen Beleg auch als Datei. Ein Computer kann die Datei prüfen. Er muss diese Zeile zeigen:",
)
_BY_SHEET = (
    "mit dem Wiederherstellungsblatt, dort steht es",
    "with the recovery sheet, which says how",
    "Mit dem Blatt mit Ihrem Code. Da steht, wie es geht",
)
_CODE = (
    "QR-Code mit derselben Zeile: {}",
    "QR code of the same line: {}",
    "Ein Bild mit derselben Zeile: {}",
)


def paper(receipt: Receipt, language: str) -> bytes:
    """The receipt as a tagged PDF, in one of `consent.words.LANGUAGES`; the signed text in its own language."""
    at, segno = place(language), _segno()
    blocks = [
        Block("H1", _TITLE[at]),
        *_rule(receipt, language),
        *_text(receipt, language),
        Block("H2", _FACTS[at]),
        *(Block("P", f"{_LABELS[name][at]}: {value}") for name, value in _facts(receipt, language) if value),
        Block("H2", _CHECK[at]),
        Block("P", _HOW[at]),
        Block("P", receipt.mark),
        Block("Figure", _CODE[at].format(receipt.mark), [list(row) for row in segno.make_qr(receipt.mark).matrix]),
    ]
    return render(_TITLE[at], _tag(language), blocks)


def _rule(receipt: Receipt, language: str) -> list[Block]:
    """The one sentence, unless the text below begins with it."""
    terms = receipt.terms
    if terms.language == language and not terms.paper:
        return []
    until = terms.seconds()[1]
    return [Block("P", words.rule(receipt.counterpart, terms.categories, terms.purposes, until, language))]


def _text(receipt: Receipt, language: str) -> list[Block]:
    shown = resources.parse(receipt.consent).get("sourceAttachment", {})
    if "data" not in shown:
        return []  # what was signed on paper is on that paper
    text = base64.b64decode(shown["data"]).decode()
    other = _tag(shown["language"]) if _tag(shown["language"]) != _tag(language) else ""
    title = Block("H2", f"{_SHOWN[place(language)]}: {shown['title']}")
    return [title, *(Block("P", paragraph, language=other) for paragraph in text.split("\n\n"))]


def _facts(receipt: Receipt, language: str) -> list[tuple[str, str]]:
    terms, signed = receipt.terms, receipt.signed
    name = "ended" if receipt.ended is not None else "replaced" if receipt.replaced else "live"
    state = _STATES[name][place(language)].format(words.moment(receipt.ended or receipt.head.iat, language))
    named = [words.category(index, language) for index in sorted(terms.categories)]
    return [
        ("patient", terms.patient),
        ("counterpart", receipt.counterpart),
        ("what", "; ".join(named)),
        ("why", words.purposes(terms.purposes, language)),
        ("until", words.until(terms.seconds()[1], language)),
        ("signed", f"{words.moment(signed.iat, language)}, {signed.by[0]} ({signed.by[1]})"),
        ("paper", _on_paper(receipt, language)),
        ("state", state),
        ("policy", f"{terms.policy} ({terms.language})" if terms.policy else ""),
        ("withdraw", _BY_SHEET[place(language)] if terms.paper else _by_command(receipt)),
        ("record", receipt.gid),
        ("schema", SCHEMA),
    ]


def _by_command(receipt: Receipt) -> str:
    return f"obhut patient withdraw --to {receipt.counterpart} --grant {receipt.gid}"


def _on_paper(receipt: Receipt, language: str) -> str:
    paper = receipt.terms.paper
    return f"{words.on_paper(paper.desk, language)}; {paper.title}, {paper.scan}" if paper else ""


def _tag(language: str) -> str:
    """For readers of PDF: plain German is German."""
    return language.partition("-")[0]


def _segno() -> Any:
    return import_module("segno")  # it comes without types
