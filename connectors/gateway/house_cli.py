"""`obhut gateway link · unlink · links · outbox · keep`: whom the house writes about, what goes out, what it keeps."""

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.chain_store import account_now
from connectors.command_line import plainly
from connectors.gateway import earlier, keeping, linking, outgoing
from connectors.gateway.access import HOUSE_TYPE, Reader
from connectors.gateway.enrolment import KEYSTORE
from connectors.gateway.keystore import Keystore
from connectors.gateway.options import CONFIG_OPTION, DATABASE_OPTION, JSON_OPTION, database_of
from connectors.gateway.store import Store
from connectors.hub_client import HubClient
from consent import identifiers
from consent.primitives import Rejected
from consent.purposes import known
from fhir_profiles.problems import Problem

LOCAL_OPTION = click.option("--patient", "local", required=True, help="Id of the house's own Patient.")


@click.command()
@LOCAL_OPTION
@click.option("--card", "card_text", required=True, help="The patient's card: obhut:p-…@hub#…")
@click.option("--send-earlier", is_flag=True, help="What the house wrote about this Patient before goes out, too.")
@click.option("--person", default="", help="Who sends it, with --send-earlier.")
@KEYSTORE
@DATABASE_OPTION
@CONFIG_OPTION
@plainly
def link(
    local: str,
    card_text: str,
    send_earlier: bool,
    person: str,
    directory: Path,
    database: str | None,
    file: Path | None,
) -> None:
    """Say which Obhut patient a Patient of the house is, by her card.

    From then on what is written about the one is written about the other, and a search finds both.
    """
    try:
        card = identifiers.card(card_text)
    except Rejected:
        raise Problem("invalid", "this is not an Obhut card: it looks like obhut:p-…@hub.example#…") from None
    keyring, patient = Keystore.open(directory).keyring, str(card.account)
    with closing(database_of(database, file)) as opened:
        store = Store(opened)
        found = store.read("Patient", local)
        if found is None or found.deleted or found.owner or linking.is_obhut(local):
            raise Problem("not-found", f"the house has no Patient/{local} of its own: write it first")
        hub = HubClient(keyring.hub, keyring.credentials)
        account_now(hub, patient, card.fingerprint)
        with opened.write() as connection:
            linking.link(connection, local, card.account)
        click.echo(f"Patient/{local} is {patient}")
        if send_earlier:
            click.echo(f"on its way: {earlier.send(store, local, person)}")


@click.command()
@LOCAL_OPTION
@DATABASE_OPTION
@CONFIG_OPTION
@plainly
def unlink(local: str, database: str | None, file: Path | None) -> None:
    """Forget which Obhut patient a Patient of the house is. What was sent stays sent."""
    with closing(database_of(database, file)) as opened, opened.write() as connection:
        linking.unlink(connection, local)
    click.echo(f"Patient/{local} is the house's alone")


@click.command()
@JSON_OPTION
@DATABASE_OPTION
@CONFIG_OPTION
@plainly
def links(as_json: bool, database: str | None, file: Path | None) -> None:
    """The house's Patients that are Obhut patients."""
    with closing(database_of(database, file)) as opened, opened.read() as connection:
        for each in linking.links(connection):
            click.echo(json.dumps(asdict(each)) if as_json else f"Patient/{each.local}  {each.patient}")


@click.command()
@JSON_OPTION
@click.option("--forget-refused", is_flag=True, help="Forget what was refused; the resources stay in the house.")
@DATABASE_OPTION
@CONFIG_OPTION
@plainly
def outbox(as_json: bool, forget_refused: bool, database: str | None, file: Path | None) -> None:
    """What was written and is not at the hub: what waits, and what was refused and why."""
    with closing(database_of(database, file)) as opened:
        if forget_refused:
            click.echo(f"forgotten: {outgoing.forget_refused(opened)}")
            return
        for each in outgoing.waiting(opened):
            if as_json:
                click.echo(json.dumps(asdict(each)))
                continue
            time = datetime.fromtimestamp(each.at, UTC).astimezone().isoformat(timespec="seconds")
            what = "deletion of " if each.deletes else ""
            state = f"{each.state} ({each.reason})" if each.reason else each.state
            line = f"{time}  {state}  {what}{each.type}/{each.id} version {each.version}  {each.patient}  {each.person}"
            click.echo(line.rstrip())


@click.command()
@click.argument("resource")
@click.option("--person", required=True, help="Who takes it over, as the patient will see it.")
@click.option("--role", default="practitioner", show_default=True, help="What the person is in this house.")
@click.option("--purpose", default="TREAT", show_default=True, help="What she reads it for.")
@click.option("--reason", required=True, help="Why, in one line; the patient will see it.")
@DATABASE_OPTION
@CONFIG_OPTION
@plainly
def keep(
    resource: str, person: str, role: str, purpose: str, reason: str, database: str | None, file: Path | None
) -> None:
    """Take a granted RESOURCE (TYPE/ID) over into the house's own record, where it outlives the grant."""
    type_, slash, id_ = resource.partition("/")
    if not slash or not known(purpose):
        raise Problem("invalid", "name the resource as TYPE/ID, and a purpose of use of v3-ActReason such as TREAT")
    with closing(database_of(database, file)) as opened:
        store = Store(opened)
        reader = Reader(person, role, purpose, house=store.state(HOUSE_TYPE) or "")
        keeping.keep(store, reader, type_, id_, reason)
    click.echo(f"{resource} is part of the house's own record")
