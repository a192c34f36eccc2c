"""`obhut patient add`: files of her own into the record."""

import json
from contextlib import closing
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.patient import documents
from connectors.patient.client import Client
from connectors.patient.options import ACCOUNT, JSON


@click.command()
@ACCOUNT
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@JSON
@plainly
def add(directory: Path, files: tuple[Path, ...], as_json: bool) -> None:
    """Put files into the record: FHIR R4 resources (JSON), or documents (PDF, JPEG, PNG, text), up to 48 MB each.

    All or none. A file added again, or a resource with the same type and id, takes the place of the earlier one.
    """
    with closing(Client.open(directory)) as client:
        added = documents.add(client, files)
        for one in added:
            told = {name: getattr(one, name) for name in one.__dataclass_fields__}
            words = f"added {one.file}  {one.type}/{one.id}  {one.category}  {one.size} bytes"
            click.echo(json.dumps(told, ensure_ascii=False) if as_json else words)
        client.sync()
        client.settle()
        client.flush()
