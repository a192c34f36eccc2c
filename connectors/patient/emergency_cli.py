"""`obhut patient emergency on · off · show · review`: who may see what in an emergency, and what was seen in one."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.patient import emergency, overview, paper
from connectors.patient.client import Client
from connectors.patient.emergency import CATEGORIES, CONFIRMED, OBJECTED, Emergency
from connectors.patient.options import ACCOUNT, JSON, PAPER, read_categories, read_party
from consent.categories import NAMES
from consent.decide import EMERGENCY_ROLES
from consent.statements import MAX_EMERGENCY_SECONDS
from fhir_profiles.problems import Problem

DEFAULT_CATEGORIES = ",".join(NAMES[index] for index in CATEGORIES)
DEFAULT_ROLES = ",".join(sorted(EMERGENCY_ROLES))
EVERY = click.option("--all", "everyone", is_flag=True, help="All emergency departments in the hub's directory.")


@click.group("emergency")
def group() -> None:
    """What an emergency department may see once it has declared an emergency, and what was declared."""


@group.command("on")
@click.argument("counterpart", default="")
@ACCOUNT
@EVERY
@click.option("--categories", default=DEFAULT_CATEGORIES, show_default=True, help="Comma separated.")
@click.option("--roles", default=DEFAULT_ROLES, show_default=True, help="Who may declare; comma separated.")
@click.option("--span", type=int, default=MAX_EMERGENCY_SECONDS, show_default=True, help="How long it opens, seconds.")
@click.option("--until", "end", default="", help="FHIR date or dateTime at which this ends.")
@PAPER
@plainly
def turn_on(
    directory: Path, counterpart: str, everyone: bool, categories: str, roles: str, span: int, end: str,
    scan: Path | None,
) -> None:  # fmt: skip
    """Let an emergency department (its card or account) open these categories when it declares an emergency.

    It sees nothing before that. You and your delegates are told at once; the most confidential is never opened.
    """
    chosen, declaring = read_categories(categories), [role.strip() for role in roles.split(",") if role.strip()]
    with closing(Client.open(directory)) as client:
        client.sync()
        signed = paper.recorded(client, scan)
        for name, fingerprint in _parties(client, counterpart, everyone):
            gid = emergency.allow(client, name, chosen, declaring, span, end=end, fingerprint=fingerprint, paper=signed)
            click.echo(f"for emergencies: {gid} to {name}")


@group.command("off")
@click.argument("counterpart", default="")
@ACCOUNT
@EVERY
@plainly
def turn_off(directory: Path, counterpart: str, everyone: bool) -> None:
    """Let an emergency department open nothing any more. One that is open ends too."""
    with closing(Client.open(directory)) as client:
        parties = [name for name, _ in _parties(client, counterpart, everyone)]
        for name in parties if not everyone else [one for one in parties if emergency.allowed(client, one)]:
            click.echo(f"ended {emergency.forbid(client, name)} of {name}")


def _parties(client: Client, counterpart: str, everyone: bool) -> list[tuple[str, str]]:
    """Account and fingerprint of whom is meant. Raises `Problem`."""
    if bool(counterpart) == everyone:
        raise Problem("invalid", "name one emergency department by its card or account, or all with --all")
    if everyone:
        client.sync()
        return [(str(one["account"]), str(one["fingerprint"])) for one in emergency.departments(client)]
    return [read_party(counterpart)]


@group.command()
@ACCOUNT
@JSON
@plainly
def show(directory: Path, as_json: bool) -> None:
    """Who may open what in an emergency."""
    with closing(Client.open(directory)) as client:
        client.sync()
        found = [one for one in overview.overview(client)["grants"] if one["emergency"]]
    for one in found:
        click.echo(json.dumps(one) if as_json else overview.emergency_line(one))


@group.command()
@ACCOUNT
@click.option("--confirm", default="", help="ID of an emergency that was one.")
@click.option("--object", "objected", default="", help="ID of one that was none, or went too far.")
@click.option("--text", default="", help="What to say to the house, in one line.")
@JSON
@plainly
def review(directory: Path, confirm: str, objected: str, text: str, as_json: bool) -> None:
    """Each emergency: who declared it, when and why, and what was read. Confirm it, or object: the house is told."""
    if confirm and objected:
        raise Problem("invalid", "one at a time: --confirm or --object")
    with closing(Client.open(directory)) as client:
        client.sync()
        client.settle()
        if confirm or objected:
            verdict = CONFIRMED if confirm else OBJECTED
            one = emergency.answer(client, confirm or objected, verdict, text)
            click.echo(f"{verdict}; {one.house} is told")
            return
        for one in emergency.to_review(client):
            click.echo(json.dumps(one.json()) if as_json else _line(one))


def _line(one: Emergency) -> str:
    start, end = (datetime.fromtimestamp(s, UTC).astimezone() for s in (one.at, one.until))
    when = f"{start.isoformat(timespec='minutes')} to {end:%H:%M}"
    who = f"{one.person}, {one.role}, {one.house}" if one.person else f"{one.role}, {one.house}"
    why = f"{one.code}: {one.text}" if one.code else "without a reason that can be read"
    read = ", ".join(f"{number} {what}" for what, number in (one.read or {}).items()) or "nothing reported yet"
    unsound = "" if one.sound else "  (not signed by that house: ask your hub)"
    return f"{one.id}  {when}  {who}  {why}  read: {read}  {one.verdict or 'to review'}{unsound}"
