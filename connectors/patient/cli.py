"""`obhut patient`: the patient's client for a terminal."""

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from connectors.command_line import plainly
from connectors.patient import access_log, enrolment, permits, sharing
from connectors.patient.client import Client
from connectors.patient.documents_cli import add
from connectors.patient.options import ACCOUNT, CATEGORIES, JSON, read_categories, read_party
from connectors.patient.reading_cli import read
from consent.categories import NAMES
from consent.keys import RecoveryCode
from fhir_profiles.problems import Problem


@click.group()
def patient() -> None:
    """The patient's client: enrol, share, withdraw, look, recover."""


patient.add_command(read)
patient.add_command(add)


@patient.command()
@ACCOUNT
@click.option("--hub", required=True, help="URL of the home hub.")
@JSON
@plainly
def enrol(directory: Path, hub: str, as_json: bool) -> None:
    """Open an account at a hub, and print the recovery sheet once."""
    client, code = enrolment.enrol(directory, hub)
    _print_account(client, as_json, recovery=str(code))


@patient.command()
@ACCOUNT
@JSON
@plainly
def show(directory: Path, as_json: bool) -> None:
    """The account, and who may see what."""
    client = Client.open(directory)
    client.sync()
    _print_account(client, as_json)


@patient.command()
@ACCOUNT
@plainly
def card(directory: Path) -> None:
    """The card for first contact, as text and QR code."""
    segno: Any = import_module("segno")  # only this command draws; it comes without types
    text = str(enrolment.card(Client.open(directory)))
    click.echo(text)
    if sys.stdout.isatty():
        segno.make_qr(text.upper()).terminal(compact=True)


@patient.command()
@ACCOUNT
@JSON
@plainly
def requests(directory: Path, as_json: bool) -> None:
    """Who asks for what."""
    client = Client.open(directory)
    client.sync()
    for request in sharing.requests(client):
        names = [NAMES[c] for c in sorted(request.asks.categories)]
        value = {
            "id": request.id, "from": request.sender, "fingerprint": request.received.sender.fingerprint,
            "categories": names, "purposes": list(request.asks.purposes), "end": request.asks.end,
        }  # fmt: skip
        words = f"{request.id}  {request.sender} asks for {', '.join(names)} ({', '.join(request.asks.purposes)})"
        click.echo(json.dumps(value) if as_json else words)


@patient.command()
@ACCOUNT
@click.argument("query", default="")
@JSON
@plainly
def directory(directory: Path, query: str, as_json: bool) -> None:
    """Organisations that the hub vouches for, by QUERY in their names. A card from their hand is better."""
    for one in Client.open(directory).hub.directory(query):
        click.echo(json.dumps(one) if as_json else f"{one['account']}  {one['name']}  {one['fingerprint']}")


@patient.command()
@ACCOUNT
@click.option("--request", "request_id", help="Answer this request; it names the counterpart.")
@click.option("--to", "counterpart", help="A counterpart's card or account, where nobody asked.")
@CATEGORIES
@click.option("--purpose", "purposes", multiple=True, default=("TREAT",), show_default=True)
@click.option("--end", default="", help="FHIR date or dateTime at which it ends.")
@click.option("--from-now-on", is_flag=True, help="Nothing written before today.")
@click.option("--write", "writes", is_flag=True, help="Let it write into the record as well.")
@plainly
def grant(
    directory: Path, request_id: str | None, counterpart: str | None, categories: str, purposes: tuple[str, ...],
    end: str, from_now_on: bool, writes: bool,
) -> None:  # fmt: skip
    """Allow a counterpart some categories."""
    client = Client.open(directory)
    client.sync()
    request = next((r for r in sharing.requests(client) if r.id == request_id), None) if request_id else None
    if request_id and request is None:
        raise Problem("not-found", "there is no such open request: `obhut patient requests` lists them")
    if not (request or counterpart):
        raise Problem("invalid", "say whom: --request ID or --to CARD")
    to, fingerprint = (request.sender, "") if request else read_party(str(counterpart))
    gid = sharing.grant(
        client, to, read_categories(categories), purposes=purposes, end=end, whole=not from_now_on, request=request,
        fingerprint=fingerprint,
    )  # fmt: skip
    click.echo(f"granted {gid} to {to}")
    if writes:
        permits.permit(client, to)
        click.echo(f"{to} may write")


@patient.command()
@ACCOUNT
@click.option("--to", "counterpart", required=True, help="The counterpart's account.")
@plainly
def permit(directory: Path, counterpart: str) -> None:
    """Let a counterpart write into the record: others who may read a category then read that too."""
    permits.permit(Client.open(directory), counterpart)
    click.echo(f"{counterpart} may write")


@patient.command()
@ACCOUNT
@click.option("--to", "counterpart", required=True, help="The counterpart's account.")
@plainly
def unpermit(directory: Path, counterpart: str) -> None:
    """Let a counterpart write no more. What it has written stays."""
    permits.unpermit(Client.open(directory), counterpart)
    click.echo(f"{counterpart} may not write any more; what it has written stays")


@patient.command()
@ACCOUNT
@click.argument("request_id")
@plainly
def refuse(directory: Path, request_id: str) -> None:
    """Say no to a request."""
    client = Client.open(directory)
    client.sync()
    request = next((r for r in sharing.requests(client) if r.id == request_id), None)
    if request is None:
        raise Problem("not-found", "there is no such open request: `obhut patient requests` lists them")
    sharing.refuse(client, request)
    click.echo(f"refused {request.sender}")


@patient.command()
@ACCOUNT
@click.option("--to", "counterpart", required=True, help="The counterpart's account.")
@click.option("--grant", "gid", default="", help="Only this grant.")
@plainly
def withdraw(directory: Path, counterpart: str, gid: str) -> None:
    """Take a grant back. What was read cannot be unread."""
    client = Client.open(directory)
    count = sharing.withdraw(client, counterpart, gid)
    click.echo(f"withdrawn: {count}. New data is sealed to new keys; what was read cannot be unread.")
    if counterpart in permits.writers(client):
        click.echo(f"{counterpart} may still write, and read what it wrote: obhut patient unpermit ends that.")


@patient.command()
@ACCOUNT
@click.option("--all", "everything", is_flag=True, help="What her own devices did, too.")
@JSON
@plainly
def log(directory: Path, everything: bool, as_json: bool) -> None:
    """Who looked, when, and for what."""
    client = Client.open(directory)
    client.sync()
    for entry in access_log.entries(client):
        if entry.actor == client.account and not everything:
            continue
        if as_json:
            click.echo(json.dumps({name: getattr(entry, name) for name in entry.__dataclass_fields__}))
            continue
        time = datetime.fromtimestamp(entry.at, UTC).astimezone().isoformat(timespec="seconds")
        who = f"{entry.person}, {entry.actor}" if entry.person else entry.actor
        what = f" {entry.number} {entry.what}" if entry.what else ""
        click.echo(f"{time}  {entry.action}{what}  {who}  {entry.purpose}".rstrip())


@patient.command()
@ACCOUNT
@plainly
def settle(directory: Path) -> None:
    """Finish what a crash or an absent device left undone: rotations, extensions."""
    client = Client.open(directory)
    client.sync()
    click.echo(f"steps: {client.settle()}, envelopes sent: {client.flush()}")


@patient.command()
@ACCOUNT
@click.password_option("--passphrase", help="Six random words or more.")
@plainly
def passphrase(directory: Path, passphrase: str) -> None:
    """Let a passphrase open the account on a further device."""
    client = Client.open(directory)
    client.sync()
    enrolment.set_passphrase(client, passphrase)
    click.echo("the passphrase opens this account on a further device: obhut patient join")


@patient.command()
@ACCOUNT
@click.option("--hub", required=True)
@click.option("--name", required=True, help="The account, p-…@hub.")
@click.option("--passphrase", prompt=True, hide_input=True)
@JSON
@plainly
def join(directory: Path, hub: str, name: str, passphrase: str, as_json: bool) -> None:
    """Open an existing account on this device, by passphrase."""
    _print_account(enrolment.join(directory, hub, name, passphrase), as_json)


@patient.command()
@ACCOUNT
@click.option("--hub", required=True)
@click.option("--name", required=True, help="The account, p-…@hub.")
@click.option("--code", prompt="Recovery code", help="As on the recovery sheet.")
@JSON
@plainly
def recover(directory: Path, hub: str, name: str, code: str, as_json: bool) -> None:
    """Open an existing account on this device by the recovery sheet; all other devices end."""
    client, fresh = enrolment.recover(directory, hub, name, RecoveryCode.parse(code))
    _print_account(client, as_json, recovery=str(fresh))


def _print_account(client: Client, as_json: bool, recovery: str = "") -> None:
    shown: list[dict[str, Any]] = [
        {
            "grant": g.gid, "to": oth, "categories": [NAMES[c] for c in sorted(terms.categories)] if terms else [],
            "purposes": list(g.purposes), "until": g.until, "whole": terms.whole if terms else None,
        }
        for oth, g, terms in sharing.granted(client)
    ]  # fmt: skip
    value: dict[str, Any] = {"account": client.account, "card": str(enrolment.card(client)), "grants": shown}
    value["writers"] = permits.writers(client)
    if recovery:
        value["recovery"] = recovery
    if as_json:
        click.echo(json.dumps(value))
        return
    click.echo(f"account   {value['account']}\ncard      {value['card']}")
    for one in shown:
        click.echo(f"granted   {one['to']}: {', '.join(one['categories'])} ({', '.join(one['purposes'])})")
    for one in value["writers"]:
        click.echo(f"may write {one}")
    if recovery:
        click.echo("\nrecovery sheet, shown once; keep it on paper:")
        click.echo(f"  account  {client.account}\n  code     {recovery}")
