"""`obhut gateway`: run a gateway; keys, people, programs and patients of the house."""

import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from connectors.gateway import access, clients, emergency_cli, house_cli, visits
from connectors.gateway.access import Reader
from connectors.gateway.asked import requests
from connectors.gateway.backup import backup_command, restore_command
from connectors.gateway.clients import Client
from connectors.gateway.config import Config
from connectors.gateway.enrolment import ask, enrol
from connectors.gateway.objections import answer_command, objections_command
from connectors.gateway.options import CONFIG_OPTION, DATABASE_OPTION, database_of, opened, settings
from connectors.gateway.renewal import replace_device_command, rotate_key_command
from consent.floor import ROLES
from consent.purposes import known
from fhir_profiles import logs
from fhir_profiles.problems import Problem


@click.group()
def gateway() -> None:
    """A practice's or hospital's FHIR R4 server."""


@gateway.command()
@click.option("--standalone", is_flag=True, default=None, help="A plain FHIR R4 server: no hub, no consent, no outbox.")
@click.option("--auth", is_flag=True, default=None, help="Standalone: programs sign in by SMART Backend Services.")
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one [8080].")
@DATABASE_OPTION
@click.option("--workers", type=int, help="Processes [2].")
@CONFIG_OPTION
def serve(
    standalone: bool | None,
    auth: bool | None,
    host: str | None,
    port: int | None,
    database: str | None,
    workers: int | None,
    file: Path | None,
) -> None:
    """Serve FHIR R4 under /fhir; prints `listening URL` once it answers.

    Settings come from the options, then from OBHUT_GATEWAY_… variables, then from the file.
    """
    # Not needed for tokens; loaded and built once, before there are processes beside this one.
    from connectors.gateway.app import create_app  # noqa: PLC0415
    from connectors.gateway.fhir_api import prepare  # noqa: PLC0415
    from connectors.gateway.server import Server  # noqa: PLC0415

    given = {"standalone": standalone, "auth": auth, "host": host, "port": port, "database": database}
    config = settings(file, workers=workers, **given)
    logs.set_up("INFO")
    with ExitStack() as stack:
        if not config.database:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="obhut-gateway-"))
            config = replace(config, database=f"sqlite:///{folder}/gateway.db")
            if config.auth:
                click.echo(f"clients are registered with --database {config.database} until this ends", err=True)
        _make_tables(config)
        prepare()

        if not config.standalone:
            from connectors.gateway.follower import following  # noqa: PLC0415 - not in standalone mode

            stack.enter_context(following(config))
        Server(config, partial(create_app, config)).run()


@gateway.command()
@DATABASE_OPTION
@CONFIG_OPTION
def migrate(database: str | None, file: Path | None) -> None:
    """Bring the tables to this version, while the gateway serves."""
    from connectors.gateway import schema  # noqa: PLC0415 - Alembic is loaded only where it is needed

    with closing(database_of(database, file)) as made:
        try:
            schema.upgrade(made)
        except Problem as problem:
            raise click.ClickException(problem.detail) from None
    click.echo(f"tables at {schema.expected()}")


for command in (
    backup_command, restore_command, enrol, ask, requests, objections_command, answer_command,
    rotate_key_command, replace_device_command, house_cli.link,
    house_cli.unlink, house_cli.links, house_cli.outbox, house_cli.keep, visits.read, visits.write,
    emergency_cli.emergency, emergency_cli.emergencies,
):  # fmt: skip
    gateway.add_command(command)


@gateway.group()
def token() -> None:
    """Bearer tokens of the people of the house."""


@token.command()
@click.option("--person", required=True, help="Name of the person, as the patient will see it.")
@click.option(
    "--role", default="practitioner", show_default=True,
    help=f"What the person is in this house; the law binds {', '.join(sorted(ROLES))}.",
)  # fmt: skip
@click.option("--purpose", required=True, help="What she reads for: a purpose of use such as TREAT.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long it is valid.")
@click.option("--write", "writes", is_flag=True, help="She may write, too.")
@click.option("--audit", "audits", is_flag=True, help="She may read the house's audit: GET /fhir/AuditEvent.")
@DATABASE_OPTION
@CONFIG_OPTION
def create(
    person: str, role: str, purpose: str, days: int, writes: bool, audits: bool, database: str | None, file: Path | None
) -> None:
    """Make a token and print it, this once."""
    if not known(purpose):
        raise click.UsageError("The purpose must be a purpose of use of v3-ActReason, such as TREAT.")
    with closing(database_of(database, file)) as made:
        click.echo(access.issue_token(made, Reader(person, role, purpose, writes, audits=audits), days * 86400))


@token.command()
@click.option("--person", required=True, help="Name of the person.")
@DATABASE_OPTION
@CONFIG_OPTION
def revoke(person: str, database: str | None, file: Path | None) -> None:
    """Take all tokens of a person away."""
    with closing(database_of(database, file)) as made:
        click.echo(access.revoke_tokens(made, person))


@gateway.group()
def client() -> None:
    """Programs that sign in to a gateway served with --standalone --auth."""


@client.command("add")
@click.argument("name")
@click.option("--jwks", required=True, help="File with the program's public keys, a JSON Web Key Set.")
@click.option("--scope", required=True, help='What it may do, such as "system/*.rs system/Observation.cruds".')
@DATABASE_OPTION
@CONFIG_OPTION
def add_client(name: str, jwks: str, scope: str, database: str | None, file: Path | None) -> None:
    """Register a program; NAME is its client_id.

    Keys: RSA of 2048 bits or more (RS384), EC P-384 (ES384) or Ed25519 (EdDSA), each with a kid. They are read from a
    file now: keys behind a URL (jwks_url) are not supported, because the gateway fetches nothing from elsewhere.
    """
    if jwks.startswith(("http://", "https://")):
        raise click.UsageError("Keys behind a URL are not supported: save the JSON Web Key Set and name the file.")
    try:
        keys = Path(jwks).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise click.UsageError("The file of --jwks cannot be read.") from None
    with closing(database_of(database, file)) as made:
        try:
            click.echo(_described(clients.add(made, name, keys, scope)))
        except Problem as problem:
            raise click.UsageError(problem.detail) from None


@client.command("list")
@DATABASE_OPTION
@CONFIG_OPTION
def list_clients(database: str | None, file: Path | None) -> None:
    """A line for each registered program: its client_id, then its scopes."""
    with closing(database_of(database, file)) as made:
        for each in clients.listed(made):
            click.echo(_described(each))


@client.command("remove")
@click.argument("name")
@DATABASE_OPTION
@CONFIG_OPTION
def remove_client(name: str, database: str | None, file: Path | None) -> None:
    """Forget a program; its access tokens end at once."""
    with closing(database_of(database, file)) as made:
        if not clients.remove(made, name):
            raise click.ClickException("There is no client of this name.")


def _described(registered: Client) -> str:
    return f"{registered.name} {registered.scopes}"


def _make_tables(config: Config) -> None:
    # Before the fork, and closed before it: connections must not be shared between processes.
    try:
        opened(config.database).close()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
