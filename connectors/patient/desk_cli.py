"""`obhut desk visit · end`: an organisation's desk acts for a patient without a device."""

from contextlib import closing
from pathlib import Path

import click

from connectors.command_line import HUB, plainly
from connectors.patient import desk as visits
from connectors.patient import enrolment
from connectors.patient.client import Client
from connectors.patient.options import LANGUAGE, read_code, read_party
from fhir_profiles.problems import Problem

DIRECTORY = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def desk() -> None:
    """A desk for patients without a device: an account for one visit, and paper afterwards."""


@desk.command()
@DIRECTORY
@HUB
@click.option("--desk", "house", required=True, help="The desk's own card or account, an organisation's.")
@click.option("--name", default="", help="The account on her sheet, p-…@hub; a new one without.")
@plainly
def visit(directory: Path, hub: str, house: str, name: str) -> None:
    """Open an account in DIRECTORY for a visit: a new one, or hers by the code of her sheet, which is asked for.

    By her sheet all her other devices end, and her representatives are to be named anew; the sheet is void, and she
    leaves with a new one.
    """
    party, fingerprint = read_party(house)
    account, _ = read_party(name) if name else ("", "")
    code = None
    if account and not visits.is_open(directory):
        code = read_code(click.prompt("Recovery code"))
    with closing(visits.visit(directory, hub, party, fingerprint=fingerprint, account=account, code=code)) as client:
        click.echo(f"account   {client.account}\ncard      {enrolment.card(client)}")
    if account:
        click.echo("the old sheet is void: obhut desk end prints the new one")


@desk.command()
@DIRECTORY
@click.option("--printed", is_flag=True, help="The papers were printed and are in her hands.")
@LANGUAGE
@plainly
def end(directory: Path, printed: bool, language: str) -> None:
    """Write her papers into DIRECTORY; and once they are printed and in her hands, end the visit and wipe DIRECTORY.

    After that the desk can read nothing of hers and sign nothing for her; she can, by her sheet.
    """
    if not printed and not (directory / visits.ENDED).exists():
        _print(directory, language)
    visits.end(directory)
    click.echo("the visit has ended; nothing of it is left here")


def _print(directory: Path, language: str) -> None:
    if not visits.is_open(directory):
        raise Problem(
            "not-found", f"there is no open visit in {directory}: obhut desk visit begins one, or goes on with it"
        )
    with closing(Client.open(directory)) as client:
        if visits.has_left(client):
            return
        made = visits.papers(directory, client, language)
    click.echo("\n".join(str(path) for path in made))
    if not click.confirm("Printed, and in her hands?"):
        raise Problem("conflict", "nothing has ended: print the papers and say it again")
