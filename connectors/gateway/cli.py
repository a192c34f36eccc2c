"""`obhut gateway serve · migrate · enrol · ask · token`: run a gateway; tokens for the people of the house."""

import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from flask import Flask

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.enrolment import ask, enrol
from consent.purposes import known
from fhir_profiles import logs
from fhir_profiles.problems import Problem

CONFIG_OPTION = click.option(
    "--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings."
)
DATABASE_OPTION = click.option("--database", help="sqlite:///FILE or postgresql://…")


@click.group()
def gateway() -> None:
    """A practice's or hospital's FHIR R4 server."""


@gateway.command()
@click.option("--standalone", is_flag=True, default=None, help="A plain FHIR R4 server: no hub, no consent, no outbox.")
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one [8080].")
@DATABASE_OPTION
@click.option("--workers", type=int, help="Processes [2].")
@CONFIG_OPTION
def serve(
    standalone: bool | None,
    host: str | None,
    port: int | None,
    database: str | None,
    workers: int | None,
    file: Path | None,
) -> None:
    """Serve FHIR R4 under /fhir; prints `listening URL` once it answers.

    Settings come from the options, then from OBHUT_GATEWAY_… variables, then from the file.
    """
    config = _config(file, standalone=standalone, host=host, port=port, database=database, workers=workers)
    logs.set_up("INFO")
    with ExitStack() as stack:
        if not config.database:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="obhut-gateway-"))
            config = replace(config, database=f"sqlite:///{folder}/gateway.db")
        _make_tables(config)

        def make_app(base_url: str) -> Flask:
            from connectors.gateway.app import create_app  # noqa: PLC0415 - loaded in the workers

            return create_app(config, base_url)

        if not config.standalone:
            from connectors.gateway.follower import following  # noqa: PLC0415 - not in standalone mode

            stack.enter_context(following(config))
        from connectors.gateway.server import Server  # noqa: PLC0415 - gunicorn is not needed for tokens

        Server(config, make_app).run()


@gateway.command()
@DATABASE_OPTION
@CONFIG_OPTION
def migrate(database: str | None, file: Path | None) -> None:
    """Bring the tables to this version, while the gateway serves."""
    from connectors.gateway import schema  # noqa: PLC0415 - Alembic is loaded only where it is needed

    with closing(_database(database, file)) as opened:
        try:
            schema.upgrade(opened)
        except Problem as problem:
            raise click.ClickException(problem.detail) from None
    click.echo(f"tables at {schema.expected()}")


gateway.add_command(enrol)
gateway.add_command(ask)


@gateway.group()
def token() -> None:
    """Bearer tokens of the people of the house."""


@token.command()
@click.option("--person", required=True, help="Name of the person, as the patient will see it.")
@click.option("--role", default="practitioner", show_default=True, help="What the person is in this house.")
@click.option("--purpose", required=True, help="What she reads for: a purpose of use such as TREAT.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long it is valid.")
@DATABASE_OPTION
@CONFIG_OPTION
def create(person: str, role: str, purpose: str, days: int, database: str | None, file: Path | None) -> None:
    """Make a token and print it, this once."""
    if not known(purpose):
        raise click.UsageError("The purpose must be a purpose of use of v3-ActReason, such as TREAT.")
    with closing(_database(database, file)) as opened:
        click.echo(access.issue_token(opened, Reader(person, role, purpose), days * 86400))


@token.command()
@click.option("--person", required=True, help="Name of the person.")
@DATABASE_OPTION
@CONFIG_OPTION
def revoke(person: str, database: str | None, file: Path | None) -> None:
    """Take all tokens of a person away."""
    with closing(_database(database, file)) as opened:
        click.echo(access.revoke_tokens(opened, person))


def _config(file: Path | None, **given: Any) -> Config:
    try:
        return Config.load(file=file, **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _database(url: str | None, file: Path | None) -> Database:
    try:
        return _opened(Config.database_url(file=file, given=url))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _make_tables(config: Config) -> None:
    # Before the fork, and closed before it: connections must not be shared between processes.
    try:
        _opened(config.database).close()
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _opened(url: str) -> Database:
    from connectors.gateway import schema  # noqa: PLC0415 - Alembic is loaded only where it is needed

    database = Database(url, 1)
    try:
        schema.make(database)
    except Problem as problem:
        database.close()
        raise click.ClickException(problem.detail) from None
    return database
