"""`obhut gateway requests`: whom this house asked for what, and what came of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.chain_store import ChainStore
from connectors.command_line import plainly
from connectors.gateway.enrolment import KEYSTORE
from connectors.gateway.keystore import Keystore
from connectors.hub_client import HubClient
from consent import accounts, fhir_consent, messages
from consent.categories import NAMES
from consent.primitives import Rejected
from consent.relations import RelationState
from fhir_profiles import resources
from fhir_profiles.problems import Problem

WAITS, REFUSED, GRANTED, ENDED = "waits", "refused", "granted", "ended"


@dataclass(frozen=True)
class Asked:
    """One request: the patient, the Unix second, what was asked for, and the answer in one word."""

    patient: str
    at: int
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    answer: str


def asked(store: Keystore, now: int) -> list[Asked]:
    """All requests of this house, oldest first, with what came of them by the Unix second `now`. Raises `Problem`."""
    keys = store.keyring
    hub = HubClient(keys.hub, keys.credentials)
    query = "SELECT hash, patient, fingerprint, at, consent FROM asked ORDER BY at, hash"
    rows = store.db.execute(query).fetchall()
    fingerprints = {patient: fingerprint for _, patient, fingerprint, _, _ in rows}
    refused = set(_refused(store, hub, fingerprints))
    relations = ChainStore(store.db, hub).relations
    return [
        Asked(
            patient,
            at,
            *_wanted(consent),
            _answer(hash_, hash_ in refused, relations.get((patient, keys.account)), now),
        )
        for hash_, patient, _, at, consent in rows
    ]


def _answer(request: str, refused: bool, relation: RelationState | None, now: int) -> str:
    grants = [g for g in (relation.grants.values() if relation else ()) if g.rules.body["req"] == request]
    if relation is not None and grants:
        live = {grant.gid for grant in relation.live(now)}
        return GRANTED if any(grant.gid in live for grant in grants) else ENDED
    return REFUSED if refused else WAITS


def _refused(store: Keystore, hub: HubClient, fingerprints: Mapping[str, str]) -> Iterator[str]:
    """The requests that were refused: by a message that a device of the patient asked has signed."""
    for sender, sealed in store.db.execute("SELECT sender, sealed FROM messages").fetchall():
        if sender not in fingerprints:
            continue
        try:
            message = messages.unseal(bytes(sealed), store.reading_keys)
            if message.typ == "refusal":
                frames = hub.chain("acct", sender, fingerprint=fingerprints[sender])
                account = accounts.replay(frames, sender, fingerprints[sender])
                message.verify(account, store.keyring.account, message.at)  # it came long ago, perhaps
                yield str(json.loads(message.content)["request"])
        except (Rejected, ValueError, KeyError, TypeError, RecursionError):
            continue  # anybody may send a house what he likes
        except Problem as problem:
            if problem.code != "not-found":
                raise


def _wanted(consent: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    wanted = fhir_consent.agreement(resources.parse(consent))
    return tuple(NAMES[index] for index in sorted(wanted.categories)), tuple(wanted.purposes)


@click.command()
@KEYSTORE
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
@plainly
def requests(directory: Path, as_json: bool) -> None:
    """Whom this house asked for what, and the answers."""
    for one in asked(Keystore.open(directory), int(datetime.now(UTC).timestamp())):
        if as_json:
            value = {
                "patient": one.patient, "at": one.at, "categories": one.categories, "purposes": one.purposes,
                "answer": one.answer,
            }  # fmt: skip
            click.echo(json.dumps(value))
        else:
            when = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="minutes")
            wanted = f"{', '.join(one.categories)} for {', '.join(one.purposes)}"
            click.echo(f"{when}  {one.patient}  {one.answer}  {wanted}")
