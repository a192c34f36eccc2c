"""`obhut gateway read · write`: a house without a server of its own uses its gateway for one visit at a time.

The same feed, store, routes and outbox as `serve`, in one process: what is new is taken in, one person reads or writes,
what she wrote is sent and what she read is told to the patient.
"""

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
from flask import Flask

from connectors.command_line import plainly
from connectors.gateway import access, schema
from connectors.gateway.access import Reader
from connectors.gateway.asking import Asker
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.follower import LOCK
from connectors.gateway.inbox import Inbox
from connectors.gateway.keystore import Keystore
from connectors.gateway.negotiation import FHIR_JSON
from connectors.gateway.options import CONFIG_OPTION, settings
from connectors.gateway.outgoing import Sender
from connectors.gateway.store import Store
from consent.purposes import known
from fhir_profiles import resources
from fhir_profiles.problems import Problem

VISIT_SECONDS = 600
PERSON = click.option("--person", required=True, help="Name of the person, as the patient will see it.")
ROLE = click.option("--role", default="practitioner", show_default=True, help="What the person is in this house.")
PURPOSE = click.option("--purpose", default="TREAT", show_default=True, help="What she reads for.")


@dataclass
class Visit:
    """One person at the house's gateway. `token`: hers, for this visit."""

    app: Flask
    inbox: Inbox
    sender: Sender
    asker: Asker
    token: str

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """What the gateway answers to a request below `/fhir/`. Raises `Problem` for what it refuses."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.app.test_client().open(
            f"/fhir/{path}", method=method, headers=headers, data=body, content_type=FHIR_JSON if body else None
        )
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise Problem.from_details({"status": answer.status_code, "detail": _reasons(answer.get_json(silent=True))})
        data: bytes = answer.data
        return data

    def arrive(self) -> None:
        """Take in what is new. Raises `Problem(busy)` without the hub."""
        self.inbox.catch_up()
        self.inbox.audit()
        self.asker.turn()

    def leave(self) -> None:
        """Send what was written or asked, and tell patients what was read. Raises `Problem(busy)` without the hub."""
        self.sender.send()
        self.asker.turn()
        self.inbox.report_reads()


def _reasons(outcome: Any) -> str:
    issues = outcome.get("issue", []) if isinstance(outcome, dict) else []
    return " ".join(str(issue.get("diagnostics", "")) for issue in issues)


@contextmanager
def visit(config: Config, reader: Reader) -> Iterator[Visit]:
    """Open the gateway for one person. Raises `Problem(conflict)` where a server follows its feed already."""
    from connectors.gateway.app import create_app  # noqa: PLC0415 - loads all of Flask and the definitions

    directory = Path(config.keystore)
    with (directory / LOCK).open("ab") as turn, closing(Database(config.database, config.threads)) as database:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem("conflict", "this gateway is being served: ask its server instead") from None
        schema.make(database)
        inbox = Inbox(Keystore.open(directory), Store(database), config.hub_url)
        token = access.issue_token(database, reader, VISIT_SECONDS)
        try:
            yield Visit(create_app(config), inbox, Sender(inbox), Asker(inbox), token)
        finally:
            access.end_token(database, token)


def _reader(person: str, role: str, purpose: str, audits: bool = False) -> Reader:
    if not known(purpose):
        raise Problem("invalid", "the purpose must be a purpose of use of v3-ActReason, such as TREAT")
    return Reader(person, role, purpose, True, audits=audits)


@click.command()
@click.argument("path", metavar="TYPE[?SEARCH]|TYPE/ID")
@PERSON
@ROLE
@PURPOSE
@click.option("--audit", "audits", is_flag=True, help="She may read the house's audit: AuditEvent?…")
@CONFIG_OPTION
@plainly
def read(path: str, person: str, role: str, purpose: str, audits: bool, file: Path | None) -> None:
    """Read as one person, without a server: a resource or a Bundle. The patient is told."""
    with visit(settings(file), _reader(person, role, purpose, audits)) as here:
        here.arrive()
        click.echo(here.call("GET", path))
        here.leave()


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@PERSON
@ROLE
@PURPOSE
@CONFIG_OPTION
@plainly
def write(files: tuple[Path, ...], person: str, role: str, purpose: str, file: Path | None) -> None:
    """Write resources from FILES as one person, without a server; one that bears an id is put under it."""
    with visit(settings(file), _reader(person, role, purpose)) as here:
        here.arrive()
        for one in files:
            body = one.read_bytes()
            resource = resources.parse(body)
            type_, id_ = resource.get("resourceType"), resource.get("id")
            answer = here.call("PUT", f"{type_}/{id_}", body) if id_ else here.call("POST", f"{type_}", body)
            written = resources.parse(answer)
            click.echo(f"{written['resourceType']}/{written['id']}")
        here.leave()
