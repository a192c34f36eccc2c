"""`obhut patient`: the patient's client for a terminal."""

import json
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from connectors.command_line import HUB, TAKES_ID, plainly
from connectors.patient import (
    emergency_cli,
    enrolment,
    health_links_cli,
    offers,
    paper,
    permits,
    renewal,
    restrictions,
    sharing,
)
from connectors.patient.backup import backup, restore
from connectors.patient.client import Client
from connectors.patient.consent_cli import receipt, reminders, renew, templates, who
from connectors.patient.delegation import Deputy
from connectors.patient.delegation_cli import FOR, acting, delegate, undelegate, with_keys
from connectors.patient.documents_cli import add
from connectors.patient.log_cli import log, object_command
from connectors.patient.options import (
    ACCOUNT,
    CATEGORIES,
    JSON,
    LANGUAGE,
    PAPER,
    TEMPLATE,
    read_categories,
    read_code,
    read_party,
)
from connectors.patient.overview import for_another, lines, overview
from connectors.patient.pairing_cli import add_device, pair
from connectors.patient.reading import Reading
from connectors.patient.reading_cli import close, delete, export, read
from connectors.patient.restrictions_cli import hide, sign, unhide, warn
from connectors.patient.side import Side
from consent.categories import NAMES
from consent.identifiers import account as account_of
from fhir_profiles.problems import Problem


@click.group()
def patient() -> None:
    """The patient's client: enrol, share, withdraw, look, recover."""


for command in (
    read, add, delete, export, close, delegate, undelegate, backup, restore, templates, who, receipt, renew, reminders,
    hide, unhide, sign, log, object_command, pair, add_device, emergency_cli.group, health_links_cli.group,
):  # fmt: skip
    patient.add_command(command)


@patient.command()
@ACCOUNT
@HUB
@JSON
@plainly
def enrol(directory: Path, hub: str, as_json: bool) -> None:
    """Open an account at a hub, and print the recovery sheet once."""
    client, code = enrolment.enrol(directory, hub)
    _print_account(client, as_json, recovery=str(code))


@patient.command()
@ACCOUNT
@FOR
@JSON
@plainly
def show(directory: Path, patient: str, as_json: bool) -> None:
    """The account, who may see what, who acts for whom, and whether a rotation is pending."""
    with acting(directory, patient) as side:
        now = side.now
        if isinstance(side, Deputy):
            told = for_another(side)
        else:
            told = _of_herself(directory, side) if isinstance(side, Client) else overview(side)
    click.echo(json.dumps(told) if as_json else "\n".join(lines(told, now)))


def _of_herself(directory: Path, client: Client) -> dict[str, Any]:
    if not any(oth == client.account != acc for acc, oth in client.chains.relations):
        return overview(client)
    with closing(Reading(directory, client)) as reading:
        reading.refresh()
        return overview(client, reading)


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
@LANGUAGE
@FOR
@JSON
@plainly
def requests(directory: Path, language: str, patient: str, as_json: bool) -> None:
    """Who asks for what; grant --request signs it as it is, or with what you say otherwise."""
    with with_keys(directory, patient) as client:
        client.settle()
        found = sharing.requests(client)
    for request in found:
        names = [NAMES[c] for c in sorted(request.asks.categories)]
        value = {
            "id": request.id, "from": request.sender, "fingerprint": request.received.sender.fingerprint,
            "categories": names, "purposes": list(request.asks.purposes), "end": request.asks.end,
            "policy": request.asks.policy,
        }  # fmt: skip
        words = f"{request.id}  {request.sender} asks for {', '.join(names)} ({', '.join(request.asks.purposes)})"
        click.echo(json.dumps(value) if as_json else "\n  ".join([words, *offers.asked(request, language)]))


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
@click.argument("party", default="", metavar="[COUNTERPART]")
@click.option(
    "--request", "request_id", help="Answer this request; it names the counterpart, and all that is not said."
)
@click.option("--to", "counterpart", help="A counterpart's card or account, where nobody asked; as COUNTERPART.")
@TEMPLATE
@CATEGORIES
@click.option("--purpose", "purposes", multiple=True, help="A purpose of use [TREAT].")
@click.option("--end", default="", help="FHIR date or dateTime at which it ends.")
@click.option("--from-now-on", is_flag=True, help="Nothing written before today.")
@click.option("--confidential", is_flag=True, help="One tap: also what is marked confidential, not very confidential.")
@click.option("--write", "writes", is_flag=True, help="Let it write into the record as well.")
@PAPER
@click.option("--dry-run", is_flag=True, help="Sign nothing: tell what the counterpart would see.")
@LANGUAGE
@FOR
@JSON
@plainly
def grant(
    directory: Path, party: str, request_id: str | None, counterpart: str | None, template_name: str, categories: str,
    purposes: tuple[str, ...], end: str, from_now_on: bool, confidential: bool, writes: bool, scan: Path | None,
    dry_run: bool, language: str, patient: str, as_json: bool,
) -> None:  # fmt: skip
    """Allow a counterpart some categories; as a delegate, of those that you may read yourself.

    With a template or a request, what you do not say is as it stands there. With nothing but the COUNTERPART it is
    standing access for treatment: of what is normal, 90 days, to a pharmacy and the like 3.
    """
    chosen, counterpart = read_categories(categories) if categories else [], counterpart or party
    if patient and (dry_run or scan):
        raise Problem("invalid", "for another a grant is signed at once, and never from paper")
    with acting(directory, patient) as client:
        if isinstance(client, Deputy):
            more = bool(template_name or request_id or from_now_on or writes)
            _hand_on(client, counterpart, chosen, purposes, end, more)
            return
        request = _open_request(client, request_id) if request_id else None
        if not (request or counterpart):
            raise Problem("invalid", "say whom: --request ID or --to CARD")
        to, fingerprint = (request.sender, "") if request else read_party(counterpart)
        whole = not from_now_on
        if template_name or request or chosen or purposes or from_now_on:
            if confidential:
                raise Problem("invalid", "--confidential goes with a counterpart alone: else all of a category is open")
            offer = offers.offered(to, template_name, request, chosen, purposes, end, client.now, whole)
        else:
            type_ = sharing.type_of(client, to)
            if not (type_ or fingerprint or account_of(to).is_person):
                raise sharing.unknown(to)
            offer = offers.at_one_tap(to, type_, end, client.now, confidential)
        if dry_run and isinstance(client, Client):
            click.echo(offers.foreseen(directory, client, offer, language, as_json))
            return
        known = None if request else renewal.standing(client, offer.agreement(client.account, language))
        signed = paper.recorded(client, scan)
        if known is not None:
            gid = known.gid
            done = offers.renewed(client, known, offer, language, signed)
        else:
            done = "granted"
            gid = sharing.grant(
                client, to, offer.categories, purposes=offer.purposes, end=offer.end, whole=whole, request=request,
                fingerprint=fingerprint, policy=offer.policy, language=language if offer.policy else "",
                paper=signed, rules=offer.rules,
            )  # fmt: skip
            if gid not in client.record.relations[to].grants:
                raise Problem(
                    "forbidden", f"noted; another guardian refuses {to}, so nothing opens: the narrower holds"
                )
        if writes:
            permits.permit(client, to)
        words = f"{done} {gid} to {to}" + (f"\n{to} may write" if writes else "")
        click.echo(json.dumps({"grant": gid, "to": to, "writes": writes}) if as_json else words)


def _open_request(client: Side, id_: str) -> sharing.Request:
    request = next((one for one in sharing.requests(client) if one.id == id_), None)
    if request is None:
        raise Problem("not-found", "there is no such open request: `obhut patient requests` lists them")
    return request


@patient.command()
@ACCOUNT
@click.option("--to", "counterpart", required=True, help="The counterpart's account.")
@FOR
@plainly
def permit(directory: Path, counterpart: str, patient: str) -> None:
    """Let a counterpart write into the record: others who may read a category then read that too."""
    with with_keys(directory, patient) as client:
        permits.permit(client, counterpart)
    click.echo(f"{counterpart} may write")


@patient.command()
@ACCOUNT
@click.option("--to", "counterpart", required=True, help="The counterpart's account.")
@FOR
@plainly
def unpermit(directory: Path, counterpart: str, patient: str) -> None:
    """Let a counterpart write no more. What it has written stays."""
    with with_keys(directory, patient) as client:
        permits.unpermit(client, counterpart)
    click.echo(f"{counterpart} may not write any more; what it has written stays")


def _hand_on(
    deputy: Deputy, counterpart: str, categories: list[int], purposes: tuple[str, ...], end: str, more: bool
) -> None:
    if more or not counterpart or not categories:
        detail = "who manages for another grants with --to ACCOUNT and --categories, as far back as it reads itself"
        raise Problem("invalid", detail)
    to, _ = read_party(counterpart)
    gid = deputy.grant(to, categories, purposes=purposes or ("TREAT",), end=end)
    click.echo(f"granted {gid} to {to} for {deputy.account}")


@patient.command(context_settings=TAKES_ID)
@ACCOUNT
@click.argument("request_id")
@FOR
@plainly
def refuse(directory: Path, request_id: str, patient: str) -> None:
    """Say no to a request. For another nothing is sent: silence is a no as well."""
    with with_keys(directory, patient) as client:
        request = _open_request(client, request_id)
        sharing.refuse(client, request)
    click.echo(f"refused {request.sender}")


@patient.command()
@ACCOUNT
@click.option("--to", "counterpart", required=True, help="The counterpart's account.")
@click.option("--grant", "gid", default="", help="Only this grant.")
@click.option("--dry-run", is_flag=True, help="End nothing: tell what the counterpart would no longer see.")
@LANGUAGE
@FOR
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print JSON instead of words.")
@plainly
def withdraw(
    directory: Path, counterpart: str, gid: str, dry_run: bool, language: str, patient: str, as_json: bool
) -> None:
    """Take a grant back. What was read cannot be unread."""
    if dry_run:
        if patient:
            raise Problem("invalid", "what would change is told to the patient alone: her own client holds her record")
        click.echo(offers.foreseen_withdrawal(directory, counterpart, gid, language, as_json))
        return
    with acting(directory, patient) as client:
        if isinstance(client, Deputy):
            count = client.withdraw(counterpart, gid)
            click.echo(f"withdrawn: {count}. The keys change when her own device comes; what was read stays read.")
            return
        count = sharing.withdraw(client, counterpart, gid)
        writes = counterpart in permits.writers(client)
    click.echo(f"withdrawn: {count}. New data is sealed to new keys; what was read cannot be unread.")
    if writes:
        click.echo(f"{counterpart} may still write, and read what it wrote: obhut patient unpermit ends that.")


@patient.command()
@ACCOUNT
@FOR
@plainly
def settle(directory: Path, patient: str) -> None:
    """Finish what a crash or an absent device left undone: rotations, extensions."""
    with with_keys(directory, patient) as client:
        settled = restrictions.settle(client)
        warn(settled)
        sent = client.flush() if isinstance(client, Client) else 0
    click.echo(f"steps: {settled.steps}, envelopes sent: {sent}")


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
@HUB
@click.option("--name", required=True, help="The account, p-…@hub.")
@click.option("--passphrase", prompt=True, hide_input=True)
@JSON
@plainly
def join(directory: Path, hub: str, name: str, passphrase: str, as_json: bool) -> None:
    """Open an existing account on this device, by passphrase."""
    _print_account(enrolment.join(directory, hub, name, passphrase), as_json)


@patient.command()
@ACCOUNT
@HUB
@click.option("--name", required=True, help="The account, p-…@hub.")
@click.option("--code", prompt="Recovery code", help="As on the recovery sheet.")
@JSON
@plainly
def recover(directory: Path, hub: str, name: str, code: str, as_json: bool) -> None:
    """Open an existing account on this device by the recovery sheet; all other devices end."""
    client, fresh = enrolment.recover(directory, hub, read_party(name)[0], read_code(code))
    _print_account(client, as_json, recovery=str(fresh))


def _print_account(client: Client, as_json: bool, recovery: str = "") -> None:
    told = overview(client) | ({"recovery": recovery} if recovery else {})
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo("\n".join(lines(told, client.now)))
    if recovery:
        click.echo("\nrecovery sheet, shown once; keep it on paper:")
        click.echo(f"  account  {client.account}\n  code     {recovery}")
