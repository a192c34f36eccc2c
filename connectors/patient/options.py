"""Options that several commands of `obhut patient` share."""

from pathlib import Path

import click

from consent import identifiers
from consent.categories import INDEX, NAMES
from consent.keys import RecoveryCode
from consent.primitives import Rejected
from consent.words import EN, LANGUAGES
from fhir_profiles.problems import Problem

ACCOUNT = click.option(
    "--account", "directory", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Directory of the account.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
CATEGORIES = click.option("--categories", default="", help=f"Comma separated, of: {', '.join(NAMES)}.")
LANGUAGE = click.option(
    "--language", type=click.Choice(LANGUAGES), default=EN, show_default=True, help="Of texts; de-simple: plain German."
)
TEMPLATE = click.option("--template", "template_name", default="", help="As `obhut patient templates` lists them.")

PAPER = click.option(
    "--paper", "scan", type=click.Path(path_type=Path, dir_okay=False),
    help="At a desk: the scan of what she signed (PDF, JPEG, PNG).",
)  # fmt: skip


def read_categories(text: str) -> list[int]:
    """The indices of categories named with commas between them. Raises `Problem(value)`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in INDEX]
    if unknown or not names:
        raise Problem("value", f"unknown category {unknown[0] if unknown else ''!r}: choose of {', '.join(NAMES)}")
    return [INDEX[name] for name in names]


def read_party(text: str) -> tuple[str, str]:
    """Account and fingerprint of a card; of a bare account the fingerprint is empty. Raises `Problem(invalid)`."""
    try:
        if "#" in text:
            card = identifiers.card(text)
            return str(card.account), card.fingerprint
        return str(identifiers.account(text)), ""
    except Rejected:
        raise Problem("invalid", "this is neither a card, obhut:p-…@hub.example#…, nor an account, name@hub") from None


def read_code(text: str) -> RecoveryCode:
    """The code of a recovery sheet, as it is typed. Raises `Problem(invalid)`."""
    try:
        return RecoveryCode.parse(text)
    except Rejected:
        raise Problem(
            "invalid", "this is no code of a recovery sheet: look at all 14 groups, one is mistyped"
        ) from None
