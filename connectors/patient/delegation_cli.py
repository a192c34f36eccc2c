"""`obhut patient delegate · undelegate`, and `--for`: who acts for a patient."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.patient import appointing
from connectors.patient.appointing import MANAGE, Appointment
from connectors.patient.client import Client
from connectors.patient.delegation import Deputy
from connectors.patient.options import ACCOUNT, read_categories, read_party
from connectors.patient.reading import Reading
from connectors.patient.representative import Representative, delegation, resign
from connectors.patient.side import Side
from consent import identifiers
from consent.categories import NAMES
from consent.fhir_consent import last_moment
from consent.lockout import FULL
from consent.mandates import AGE_SWITCH, KINDS, Kind
from consent.primitives import Rejected
from fhir_profiles.problems import Problem

FOR = click.option("--for", "patient", default="", help="A patient, p-…@hub, who has named you her delegate.")
_MAY = {
    MANAGE: ("manage", "She sees whom you granted what, and ends and hands on grants."),
    FULL: ("act for you in full", "She grants, withdraws, hides and reads as you do; she names nobody else."),
}


@contextmanager
def acting(directory: Path, patient: str) -> Iterator[Side | Deputy]:
    """Who acts, by the account in a directory, brought up to date: the patient herself where no other is named."""
    with closing(Client.open(directory)) as client:
        client.sync()
        if not patient:
            yield client
            return
        name = read_party(patient)[0]
        if delegation(client, name).scope == FULL:
            side = Representative(client, name)
            side.sync()
            yield side
            return
        with closing(Reading(directory, client)) as reading:
            deputy = Deputy(reading, name)
            deputy.sync()
            yield deputy


@contextmanager
def with_keys(directory: Path, patient: str) -> Iterator[Side]:
    """As `acting`; `Problem(forbidden)` for a delegate who manages, and has no keys for this."""
    with acting(directory, patient) as side:
        if isinstance(side, Deputy):
            raise Problem("forbidden", f"{side.account} lets you manage her grants: this is for the scope full")
        yield side


@click.command()
@ACCOUNT
@click.option("--to", "card", required=True, help="The person's card: obhut:p-…@hub#…")
@click.option("--scope", type=click.Choice([MANAGE, FULL]), default=MANAGE, show_default=True)
@click.option("--kind", type=click.Choice(KINDS), default="chosen", show_default=True)
@click.option("--until", "end", default="", help="FHIR date or dateTime at which it ends.")
@click.option("--born", default="", help="A guardian's: the child's date of birth; it ends when she is of age.")
@click.option("--of-age", "years", type=click.IntRange(1, 18), default=AGE_SWITCH, show_default=True)
@click.option("--private", default="", help="Categories kept from it, with commas; it is granted all others.")
@plainly
def delegate(directory: Path, card: str, scope: str, kind: Kind, end: str, born: str, years: int, private: str) -> None:
    """Let a relative, representative or guardian act for you. The same command with another scope changes it.

    With --scope manage it hands on what you grant it: obhut patient grant --to CARD.
    """
    try:
        parsed = identifiers.card(card)
    except Rejected:
        raise Problem("invalid", "this is not an Obhut card: it looks like obhut:p-…@hub.example#…") from None
    kept = frozenset(read_categories(private)) if private else frozenset[int]()
    with closing(Client.open(directory)) as client:
        until = _until(client.account, kind, end, born, years)
        appointing.appoint(client, Appointment(parsed, until, scope, kind, kept))
    does, words = _MAY[scope]
    click.echo(f"{parsed.account} may {does} until {last_moment(until)}. {words}")
    if kept:
        click.echo(f"She reads all categories but {', '.join(NAMES[c] for c in sorted(kept))}.")


def _until(patient: str, kind: Kind, end: str, born: str, years: int) -> int:
    """Until which Unix second it is: a guardian at the latest until the age switch."""
    if bool(born) != (kind == "guardian"):
        raise Problem("invalid", "a guardian is named with --born, the child's date of birth, and nobody else is")
    if not born:
        return appointing.last_second(patient, end)
    try:
        switch = appointing.age_switch(date.fromisoformat(born), years)
    except ValueError:
        raise Problem("value", f"{born} is no date: say it as 2015-03-31") from None
    return min(switch, appointing.last_second(patient, end)) if end else switch


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
        with closing(Client.open(directory)) as client:
            client.sync()
            resign(client, read_party(patient)[0])
        click.echo(f"you act for {patient} no more")
        return
    with closing(Client.open(directory)) as client:
        appointing.dismiss(client, read_party(name)[0])
    click.echo(f"{name} acts for you no more")
