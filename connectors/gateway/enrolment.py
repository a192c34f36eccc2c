"""`obhut gateway enrol · ask`: the organisation comes to its hub, and asks a patient by her card."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.chain_store import account_now
from connectors.command_line import HUB, plainly
from connectors.gateway import keystore, proposals
from connectors.gateway.keystore import Keystore
from connectors.hub_client import HubClient
from consent import identifiers, messages
from consent.categories import INDEX, NAMES
from consent.fhir_consent import Agreement, proposed
from consent.identifiers import Card, new_id
from consent.primitives import Rejected, unb64
from consent.template import template
from fhir_profiles import resources
from fhir_profiles.problems import Problem

KEYSTORE = click.option(
    "--keystore", "directory", type=click.Path(path_type=Path, file_okay=False), required=True,
    envvar="OBHUT_GATEWAY_KEYSTORE", help="Directory of the organisation's keys.",
)  # fmt: skip


@click.command()
@KEYSTORE
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Where the root key goes.")
@HUB
@click.option("--name", required=True, help="Name of the account, before the @.")
@click.option("--admission", required=True, help="The code from the hub's operator.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
@plainly
def enrol(directory: Path, root: Path, hub: str, name: str, admission: str, as_json: bool) -> None:
    """Open the organisation's account at a hub that has admitted it."""
    try:
        store, code = keystore.enrol(directory, root, hub, name, admission)
    except Rejected:
        raise Problem("value", "this is no name for an account: small letters, digits and dashes, 2 to 63") from None
    account = store.keyring.account
    if as_json:
        click.echo(json.dumps({"account": account, "recovery": str(code)}))
    else:
        click.echo(f"account   {account}\nrecovery  {code}\nThe root key is in {root}: take it offline.")


@click.command()
@KEYSTORE
@click.option("--card", "card_text", required=True, help="The patient's card: obhut:p-…@hub#…")
@click.option("--template", "name", default="", help="As `obhut patient templates` lists them.")
@click.option("--categories", default="", help=f"Comma separated, of: {', '.join(NAMES)}.")
@click.option("--purpose", "purposes", multiple=True, help="A purpose of use [TREAT].")
@click.option("--end", default="", help="FHIR date at which it should end.")
@click.option("--print", "printed", is_flag=True, help="Send nothing: print what software may POST to /fhir/Consent.")
@plainly
def ask(
    directory: Path, card_text: str, name: str, categories: str, purposes: tuple[str, ...], end: str, printed: bool
) -> None:
    """Ask a patient for access: a Consent of status `proposed`, sealed to her.

    With a template, what you do not say is as it stands there.
    """
    try:
        card = identifiers.card(card_text)
    except Rejected:
        raise Problem("invalid", "this is not an Obhut card: it looks like obhut:p-…@hub.example#…") from None
    found = template(name) if name else None
    names = [name.strip() for name in categories.split(",") if name.strip()]
    if unknown := [name for name in names if name not in INDEX]:
        raise Problem("value", f"unknown category {unknown[0]!r}: choose of {', '.join(NAMES)}")
    chosen = frozenset(INDEX[name] for name in names) or (found.categories if found else frozenset())
    if not chosen:
        raise Problem("invalid", "say what you ask for: --template or --categories")
    why = purposes or (found.purposes if found else ("TREAT",))
    until = end or (found.end(datetime.now(UTC)) if found else "")
    store, policy = Keystore.open(directory), found.uri if found else ""
    if printed:
        asks = Agreement(str(card.account), store.keyring.account, chosen, why, end=until, policy=policy)
        click.echo(resources.dump(proposals.written(asks, card, datetime.now(UTC))))
        return
    send_request(store, card, chosen, why, until, policy)
    click.echo(f"asked {card.account}")


def send_request(
    store: Keystore, card: Card, categories: frozenset[int], purposes: tuple[str, ...], end: str, policy: str = ""
) -> str:
    """First contact by card: check the account against its fingerprint, then seal the request to its reading key.

    `policy`: the template by its URI, empty without one. Returns the request's hash, by which it is answered.
    """
    keys = store.keyring
    hub = HubClient(keys.hub, keys.credentials)
    patient = str(card.account)
    state = account_now(hub, patient, card.fingerprint)
    now = datetime.now(UTC)
    wanted = Agreement(patient, keys.account, categories, purposes, end=end, policy=policy)
    consent = proposed(wanted, unb64(new_id(), 16).hex(), now)
    frame = messages.write(
        keys.sign, typ="request", sender=keys.account, dev=keys.device, to=patient, at=int(now.timestamp()),
        content=resources.dump(consent),
    )  # fmt: skip
    # Noted before it goes out: a refusal, and the grant that answers it, name its hash.
    request = messages.read(frame).hash
    row = (request, patient, card.fingerprint, int(now.timestamp()), resources.dump(consent))
    store.db.execute("INSERT INTO asked VALUES (?, ?, ?, ?, ?)", row)
    hub.message(patient, messages.seal(frame, state.reading_key()), card.fingerprint)
    return request
