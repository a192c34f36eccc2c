"""What several commands of the gateway are given: its settings, its database."""

from pathlib import Path
from typing import Any

import click

from connectors.gateway.config import Config
from connectors.gateway.database import Database
from fhir_profiles.problems import Problem

CONFIG_OPTION = click.option(
    "--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings."
)
DATABASE_OPTION = click.option("--database", help="sqlite:///FILE or postgresql://…")
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")


def settings(file: Path | None, **given: Any) -> Config:
    """All settings. Raises `UsageError`."""
    try:
        return Config.load(file=file, **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def database_of(url: str | None, file: Path | None) -> Database:
    """The database that options, environment or file name, its tables made. Raises `UsageError`, `ClickException`."""
    try:
        return opened(Config.database_url(file=file, given=url))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def opened(url: str) -> Database:
    """A database with its tables made. Raises `ValueError` for what is no URL, `ClickException`."""
    from connectors.gateway import schema  # noqa: PLC0415 - Alembic is loaded only where it is needed

    database = Database(url, 1)
    try:
        schema.make(database)
    except Problem as problem:
        database.close()
        raise click.ClickException(problem.detail) from None
    return database
