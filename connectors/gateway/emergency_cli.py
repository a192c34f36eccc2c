"""`obhut gateway emergency · emergencies`: declare an emergency; what was declared, and what patients say of it."""

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from connectors.chain_store import ChainStore
from connectors.command_line import plainly
from connectors.gateway import emergency as declared
from connectors.gateway.access import Reader
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.declaring import Declaring
from connectors.gateway.emergency import REASONS
from connectors.gateway.enrolment import KEYSTORE
from connectors.gateway.keystore import Keystore
from connectors.gateway.options import CONFIG_OPTION, DATABASE_OPTION, JSON_OPTION, database_of, settings
from connectors.gateway.visits import visit
from connectors.hub_client import HubClient
from consent import messages
from consent.decide import EMERGENCY_ROLES
from consent.primitives import Rejected
from consent.purposes import known
from fhir_profiles.problems import Problem


@click.command()
@click.option("--patient", "name", required=True, help="Patient.id, as in the house's record or on her card.")
@click.option("--person", required=True, help="Who declares it, as the patient will see it.")
@click.option("--role", required=True, help=f"What she is: {', '.join(sorted(EMERGENCY_ROLES))}.")
@click.option("--reason-code", "code", required=True, type=click.Choice(REASONS), help="Why nobody could ask first.")
@click.option("--text", required=True, help="Why it is an emergency, in one line; the patient will read it.")
@click.option("--purpose", default="ETREAT", show_default=True, help="What she reads for.")
@CONFIG_OPTION
@plainly
def emergency(name: str, person: str, role: str, code: str, text: str, purpose: str, file: Path | None) -> None:
    """Declare an emergency: what the patient allows for one opens to this person, for an hour at most.

    The answer is the same for every patient. With a served gateway its server declares, else this command does.
    """
    if not known(purpose):
        raise Problem("invalid", "the purpose must be a purpose of use of v3-ActReason, such as ETREAT")
    now = int(datetime.now(UTC).timestamp())
    reader, config = Reader(person, role, purpose, issued=now), settings(file)
    try:
        with visit(config, reader) as here:
            database = here.inbox.store.database
            rnd = declared.declare(database, reader, name.removeprefix("Patient/"), code, text, now)
            here.inbox.catch_up()
            Declaring(here.inbox).send()
            declared.await_answer(database, rnd, patience=0)
            here.arrive()
    except Problem as problem:
        if problem.code != "conflict":
            raise
        _by_server(config, reader, name.removeprefix("Patient/"), code, text, now)
    click.echo(declared.DECLARED)


def _by_server(config: Config, reader: Reader, name: str, code: str, text: str, now: int) -> None:
    """The process that follows the feed of a served gateway takes it to the hub."""
    with closing(Database(config.database, 1)) as database:
        declared.await_answer(database, declared.declare(database, reader, name, code, text, now))


@click.command()
@JSON_OPTION
@KEYSTORE
@DATABASE_OPTION
@CONFIG_OPTION
@plainly
def emergencies(as_json: bool, directory: Path, database: str | None, file: Path | None) -> None:
    """What people of this house declared, and what the patients say of it. What it opened is not told here either."""
    said = _reviews(Keystore.open(directory))
    with closing(database_of(database, file)) as opened:
        for one in declared.all_declared(opened):
            answer = said.get((one.patient, one.rnd), {})
            if as_json:
                told = {name: value for name, value in asdict(one).items() if name not in ("patient", "gid", "until")}
                click.echo(json.dumps(told | {"review": answer}))
                continue
            when = datetime.fromtimestamp(one.at, UTC).astimezone().isoformat(timespec="minutes")
            words = f"  {answer['verdict']}: {answer['text']}".rstrip(": ") if answer else ""
            line = f"{when}  Patient/{one.name}  {one.person}, {one.role}  {one.code}: {one.text}  {one.state}{words}"
            click.echo(line)


def _reviews(keystore: Keystore) -> dict[tuple[str, str], dict[str, str]]:
    """What patients answered: (account, number of the declaration) → verdict and text."""
    keys = keystore.keyring
    accounts = ChainStore(keystore.db, HubClient(keys.hub, keys.credentials)).accounts
    found: dict[tuple[str, str], dict[str, str]] = {}
    for sender, sealed in keystore.db.execute("SELECT sender, sealed FROM messages").fetchall():
        try:
            message = messages.unseal(bytes(sealed), keystore.reading_keys)
            if message.typ != "review" or sender not in accounts:
                continue
            message.verify(accounts[sender], keys.account, message.at)  # it came long ago, perhaps
            told: dict[str, Any] = json.loads(message.content)
            words = {name: str(told[name]) for name in ("verdict", "text")}
            if all(text.isprintable() for text in words.values()):
                found[sender, str(told["declaration"])] = words
        except (Rejected, ValueError, KeyError, TypeError, RecursionError):
            continue  # anybody may send a house what he likes
    return found
