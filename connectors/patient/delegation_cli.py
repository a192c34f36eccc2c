"""`obhut patient delegate · undelegate`, and `--for`: a relative who acts for a patient."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.patient import delegation
from connectors.patient.client import Client
from connectors.patient.delegation import Deputy
from connectors.patient.options import ACCOUNT, read_party
from connectors.patient.reading import Reading
from consent import identifiers
from consent.primitives import Rejected
from fhir_profiles.problems import Problem

FOR = click.option("--for", "patient", default="", help="A patient, p-…@hub, who has named you her delegate.")


@contextmanager
def acting(directory: Path, patient: str) -> Iterator[Deputy]:
    """The delegate of a patient, whose account is in a directory."""
    with closing(Client.open(directory)) as client, closing(Reading(directory, client)) as reading:
        yield Deputy(reading, read_party(patient)[0])


@click.command()
@ACCOUNT
@click.option("--to", "card", required=True, help="The relative's card: obhut:p-…@hub#…")
@click.option("--scope", type=click.Choice([delegation.MANAGE]), default=delegation.MANAGE, show_default=True)
@click.option("--until", "end", required=True, help="FHIR date or dateTime at which it ends.")
@plainly
def delegate(directory: Path, card: str, scope: str, end: str) -> None:
    """Let a relative manage who may see what. To hand on data she needs a grant, too: obhut patient grant --to CARD."""
    try:
        parsed = identifiers.card(card)
    except Rejected:
        raise Problem("invalid", "this is not an Obhut card: it looks like obhut:p-…@hub.example#…") from None
    with closing(Client.open(directory)) as client:
        delegation.appoint(client, parsed, end)
    click.echo(
        f"{parsed.account} may {scope} until {end}. She sees whom you granted what, and ends and hands on grants."
    )


@click.command()
@ACCOUNT
@click.option("--to", "name", default="", help="The delegate's account.")
@FOR
@plainly
def undelegate(directory: Path, name: str, patient: str) -> None:
    """Let a relative act no more; with --for, be a delegate no more. What was granted meanwhile stays: see show."""
    if bool(name) == bool(patient):
        raise Problem("invalid", "say whom: --to ACCOUNT to dismiss, or --for ACCOUNT to resign")
    if patient:
        with acting(directory, patient) as deputy:
            deputy.resign()
        click.echo(f"you act for {patient} no more")
        return
    with closing(Client.open(directory)) as client:
        delegation.dismiss(client, read_party(name)[0])
    click.echo(f"{name} acts for you no more")
