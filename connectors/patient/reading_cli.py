"""`obhut patient read · delete · export · close`: what is in the record, and its end."""

from contextlib import closing
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.patient import closing as ending
from connectors.patient import deletion
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


@click.command()
@ACCOUNT
@click.argument("name", metavar="TYPE/ID")
@plainly
def delete(directory: Path, name: str) -> None:
    """Take back what you wrote yourself. It goes at all who read it; what was read cannot be unread."""
    with closing(Client.open(directory)) as client, closing(Reading(directory, client)) as reading:
        reading.refresh()
        client.settle()
        deletion.delete(reading, name)
    click.echo(f"deleted {name}")


@click.command()
@ACCOUNT
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.ndjson")
@plainly
def export(directory: Path, path: Path) -> None:
    """Write everything in the record into a file, a resource a line, as it was sealed."""
    with closing(Client.open(directory)) as client, closing(Reading(directory, client)) as reading:
        reading.refresh()
        click.echo(f"{ending.export(reading, path)} resources in {path}")


@click.command()
@ACCOUNT
@click.option("--export", "path", type=click.Path(path_type=Path, dir_okay=False), help="First write everything here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@plainly
def close(directory: Path, path: Path | None, yes: bool) -> None:
    """End the account: everybody's access, then the record at the hub. It cannot be brought back."""
    if not yes:
        if path is None and click.confirm("Write everything into a file first?", default=True):
            path = Path(click.prompt("File", default="record.ndjson"))
        click.confirm("Close the account for ever?", abort=True)
    with closing(Client.open(directory)) as client:
        if path is not None:
            with closing(Reading(directory, client)) as reading:
                reading.refresh()
                click.echo(f"{ending.export(reading, path)} resources in {path}")
        ending.close(client)
    ending.forget_record(directory)
    click.echo("closed. The hub keeps the name, which is never given again, the chains, and the log: obhut patient log")


def refresh(reading: Reading) -> None:
    """Take in what is new and do what is owed; without the hub say so, and go on with what is here."""
    try:
        reading.refresh()
        reading.client.settle()
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
