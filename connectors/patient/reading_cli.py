"""`obhut patient read`: what is in the record, her own or that of somebody who granted it."""

from contextlib import closing
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.patient.client import Client
from connectors.patient.lines import line
from connectors.patient.options import ACCOUNT, JSON
from connectors.patient.reading import Reading
from fhir_profiles.problems import Problem


@click.command()
@ACCOUNT
@click.argument("what", default="", metavar="[TYPE[?SEARCH]]")
@click.option("--of", default="", help="Another patient, p-…@hub, who granted it to you; she is told what you read.")
@click.option("--purpose", default="TREAT", show_default=True, help="For what you read of another patient.")
@JSON
@plainly
def read(directory: Path, what: str, of: str, purpose: str, as_json: bool) -> None:
    """Everything in the record, whoever wrote it; or what a FHIR search finds: Observation?code=29463-7&_sort=-date."""
    with closing(Client.open(directory)) as client, closing(Reading(directory, client)) as reading:
        refresh(reading)
        for one in reading.read(what, of, purpose):
            click.echo(one.body if as_json else line(one))
        if of:
            tell(reading)


def refresh(reading: Reading) -> None:
    """Take in what is new; without the hub say so, and go on with what is here."""
    try:
        reading.refresh()
    except Problem as problem:
        if problem.code != "busy":
            raise
        click.echo("the hub cannot be reached: this is what was here before", err=True)


def tell(reading: Reading) -> None:
    """Tell patients what was read; where the hub cannot be reached, the next command does."""
    try:
        reading.inbox.report_reads()
    except Problem as problem:
        if problem.code != "busy":
            raise
