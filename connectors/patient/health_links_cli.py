"""`obhut patient health-link make · list · extend · revoke`: links for people without an account."""

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from connectors.command_line import TAKES_ID, plainly
from connectors.patient import health_links
from connectors.patient.client import Client
from connectors.patient.health_links import HealthLink
from connectors.patient.log_words import NUMBER, moment
from connectors.patient.options import ACCOUNT, JSON, read_categories
from connectors.patient.reading import Reading
from connectors.patient.reading_cli import refresh


@click.group("health-link")
def group() -> None:
    """SMART Health Links: part of the record for somebody without an account, by link and passcode, for a time."""


@group.command("make")
@ACCOUNT
@click.option("--categories", required=True, help="Comma separated.")
@click.option("--label", default="", help="What whoever has the link is told of it.")
@click.option("--days", type=int, default=7, show_default=True, help="How long it opens; 90 at most.")
@click.option("--passcode", default="", help="Six characters or more; without it six digits.")
@JSON
@plainly
def make(directory: Path, categories: str, label: str, days: int, passcode: str, as_json: bool) -> None:
    """Make a link, and print it with its passcode. Tell the passcode by another way than the link."""
    chosen = read_categories(categories)
    with closing(Client.open(directory)) as client, closing(Reading(directory, client)) as reading:
        refresh(reading)
        made = health_links.make(reading, chosen, label, passcode, days)
    click.echo(json.dumps(asdict(made)) if as_json else f"{made.link}\npasscode {made.passcode}")


@group.command("list")
@ACCOUNT
@JSON
@plainly
def show(directory: Path, as_json: bool) -> None:
    """Links that are open: number, label, until when, how often opened."""
    with closing(Client.open(directory)) as client:
        client.sync()
        for one in health_links.links(client):
            click.echo(json.dumps(asdict(one)) if as_json else _line(one))


def _line(one: HealthLink) -> str:
    state = f"until {moment(one.until)}" if one.left else "closed after too many wrong passcodes"
    read = f"opened {one.opened}, last {moment(one.opened_at)}" if one.opened else "not opened"
    return f"{one.name[:NUMBER]}  {one.label or '(no label)'}  {state}  {read}"


@group.command("extend", context_settings=TAKES_ID)
@click.argument("number")
@ACCOUNT
@click.option("--days", type=int, default=7, show_default=True, help="How much longer.")
@plainly
def extend(directory: Path, number: str, days: int) -> None:
    """Let a link hold longer; it stays the same."""
    with closing(Client.open(directory)) as client:
        click.echo(f"{number} until {moment(health_links.extend(client, number, days))}")


@group.command("revoke", context_settings=TAKES_ID)
@click.argument("number")
@ACCOUNT
@plainly
def revoke(directory: Path, number: str) -> None:
    """Close a link for everybody, and delete its file at the hub. What was read cannot be unread."""
    with closing(Client.open(directory)) as client:
        health_links.revoke(client, number)
    click.echo(f"revoked {number}")
