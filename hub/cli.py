"""`obhut hub`: serve · migrate · backup · restore · reconcile · admit · console · key · peer."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consent.primitives import b64
from hub import keys, peers
from hub.config import Config
from hub.peers import Peer

if TYPE_CHECKING:
    from hub.context import Hub


@click.group()
def hub() -> None:
    """The post office: stores and forwards what it cannot read."""


def _config(**given: Any) -> Config:
    try:
        return Config.from_env(**given)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _existing() -> Config:
    """The settings of a hub that is there already: what looks after one must not make another beside it."""
    config = _config()
    if not (Path(config.data) / keys.STAMP_KEY).exists():
        remedy = "set OBHUT_HUB_DATA and what else `obhut hub serve` has, or start it first"
        raise click.ClickException(f"There is no hub in {config.data}: {remedy}.")
    return config


@hub.command()
@click.option("--bind", help="Address and port to listen on.")
@click.option("--data", help="Directory of keys and of the SQLite database.")
@click.option("--database", help="postgresql://… or sqlite:///FILE.")
@click.option("--domain", help="The hub's domain.")
@click.option("--url", help="Base URL as clients see it.")
@click.option("--workers", type=int, help="Processes.")
def serve(**given: Any) -> None:
    """Serve until stopped; prints `listening URL` when ready."""
    config = _config(**given)
    if config.workers > 1 or config.peers:
        _share_metrics(Path(config.data) / "metrics")
    from hub.server import run  # noqa: PLC0415 - the metrics' place must be known before they are imported

    run(config)


def _share_metrics(directory: Path) -> None:
    """Where the processes of one hub put their counters together."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


@hub.command()
def migrate() -> None:
    """Bring the tables to this version."""
    from hub import schema  # noqa: PLC0415 - loads SQLAlchemy and Alembic only where they are needed
    from hub.store.database import Database  # noqa: PLC0415

    config = _config()
    Path(config.data).mkdir(parents=True, exist_ok=True)
    db = Database(config.database_url)
    schema.upgrade(db)
    db.close()
    click.echo(f"tables at {schema.expected()}")


@hub.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def backup(directory: Path) -> None:
    """Write keys and all tables into the new DIRECTORY, while the hub serves."""
    from hub import backup as backups  # noqa: PLC0415 - loads SQLAlchemy and Alembic only where they are needed

    backups.backup(_existing(), directory)
    click.echo(f"backup in {directory}")


@hub.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def restore(directory: Path) -> None:
    """Put the backup in DIRECTORY into an empty database, of either kind, and an empty data directory."""
    from hub import backup as backups  # noqa: PLC0415 - loads SQLAlchemy and Alembic only where they are needed

    origin = backups.restore(_config(), directory)
    click.echo(f"restored {origin.owner} as of {datetime.fromtimestamp(origin.at, UTC):%Y-%m-%d %H:%M:%S} UTC")


@hub.command()
def reconcile() -> None:
    """Hold the access logs against all that the hub did: prints each gap, and fails where there is one."""
    from hub import reconcile as reconciling  # noqa: PLC0415 - loads SQLAlchemy and Alembic only where they are needed
    from hub import schema  # noqa: PLC0415
    from hub.store.database import Database  # noqa: PLC0415

    config = _existing()
    db = Database(config.database_url, home=config.domain)
    try:
        with db.read() as conn:
            schema.check(conn)
        gaps = 0
        for gap in reconciling.reconcile(db):
            click.echo(f"{gap.acc}: {gap.what}")
            gaps += 1
    finally:
        db.close()
    if gaps:
        raise click.ClickException(f"The access logs do not tell all that happened: {gaps} gaps.")
    click.echo("The access logs tell all that happened.")


@hub.command()
@click.argument("name")
@click.option(
    "--type", "type_", required=True,
    help="practice, hospital, emergency, care, pharmacy, laboratory, service, payer, public-health or occupational.",
)  # fmt: skip
@click.option("--title", required=True, help="What people call it.")
@click.option("--part-of", default="", help="The account of what it is a part of, as a ward of its hospital.")
def admit(name: str, type_: str, title: str, part_of: str) -> None:
    """Let an organisation make the account NAME; prints its admission code, good once."""
    from hub.admission import admit as admitted  # noqa: PLC0415 - loads the whole hub only where it is needed

    with _opened(_existing()) as home:
        code = admitted(home, name, type_, title, part_of)
    click.echo(code or f"{name} has joined already: its entry was changed, and it needs no code.", err=not code)


@hub.command()
def console() -> None:
    """Print a link to the operator's page, good once and for ten minutes; who opens it has the page for eight hours."""
    from hub.console import new_link  # noqa: PLC0415 - loads the whole hub only where it is needed

    with _opened(_existing()) as home:
        click.echo(new_link(home))


@contextmanager
def _opened(config: Config) -> "Iterator[Hub]":
    from hub.app import open_hub  # noqa: PLC0415 - loads the whole hub only where it is needed

    home = open_hub(config, time.time)
    try:
        yield home
    finally:
        home.db.close()


@hub.command()
def key() -> None:
    """Print the hub's public key, by which its stamps are checked; makes the key if there is none."""
    click.echo(b64(_public(_config(), keys.STAMP_KEY)))


@hub.command()
def peer() -> None:
    """Print the block by which other hubs know this one: it goes into the file that their OBHUT_HUB_PEERS names."""
    config = _config()
    stamps, requests = _public(config, keys.STAMP_KEY), _public(config, keys.PEER_KEY)
    click.echo(peers.block(Peer(config.domain, config.base_url, stamps, requests)))


def _public(config: Config, name: str) -> bytes:
    try:
        return keys.load(Path(config.data), name).public
    except OSError as error:
        raise click.ClickException(f"The hub's key cannot be read: {error.strerror or error}.") from None
