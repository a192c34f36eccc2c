"""`obhut gateway requests`: whom this house asked for what, and what came of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from connectors.chain_store import ChainStore, account_now
from connectors.command_line import plainly
from connectors.gateway.consents import Consents
from connectors.gateway.enrolment import KEYSTORE
from connectors.gateway.keystore import Keystore
from connectors.hub_client import HubClient
from consent import messages
from consent.categories import NAMES
from consent.fhir_consent import Agreement, agreement
from consent.messages import MAX_AGE_SECONDS
from consent.primitives import Rejected
from consent.relations import Grant
from fhir_profiles import resources
from fhir_profiles.problems import Problem

WAITS, LAPSED, REFUSED, GRANTED, CHANGED, ENDED = "waits", "lapsed", "refused", "granted", "changed", "ended"


@dataclass(frozen=True)
class Asked:
    """One request, by its hash: the patient, the Unix second, what was asked for, and the answer in one word.

    `changed`: granted, but something else than was asked for; `lapsed`: not answered in time, and cannot be any more.
    `given`: what was granted instead or as asked, where its Consent is here.
    """

    request: str
    patient: str
    at: int
    wanted: Agreement
    answer: str
    given: Agreement | None = None


def asked(store: Keystore, now: int) -> list[Asked]:
    """All requests of this house, oldest first, with what came of them by the Unix second `now`. Raises `Problem`."""
    hub = HubClient(store.keyring.hub, store.keyring.credentials)
    return answers(store, hub, ChainStore(store.db, hub), now)


def answers(store: Keystore, hub: HubClient, chains: ChainStore, now: int) -> list[Asked]:
    """The same with a connection and chains that are there already."""
    keys = store.keyring
    query = "SELECT hash, patient, fingerprint, at, consent FROM asked ORDER BY at, hash"
    rows = store.db.execute(query).fetchall()
    fingerprints = {patient: fingerprint for _, patient, fingerprint, _, _ in rows}
    refused = set(_refused(store, hub, fingerprints))
    relations, consents = chains.relations, Consents(store)
    found = []
    for hash_, patient, _, at, consent in rows:
        wanted, relation = agreement(resources.parse(consent)), relations.get((patient, keys.account))
        grants = [g for g in (relation.grants.values() if relation else ()) if g.rules.body["req"] == hash_]
        if relation is None or not grants:
            answer = REFUSED if hash_ in refused else LAPSED if at + MAX_AGE_SECONDS < now else WAITS
            found.append(Asked(hash_, patient, at, wanted, answer))
            continue
        live = [grant for grant in grants if grant in relation.live(now)]
        given = _given(consents, patient, live[-1]) if live else None
        found.append(Asked(hash_, patient, at, wanted, _answer(wanted, given, bool(live)), given))
    return found


def _answer(wanted: Agreement, given: Agreement | None, is_live: bool) -> str:
    if not is_live:
        return ENDED
    same = given is None or (given.categories, set(given.purposes), given.seconds()) == (
        wanted.categories, set(wanted.purposes), wanted.seconds(),
    )  # fmt: skip
    return GRANTED if same else CHANGED


def _given(consents: Consents, patient: str, grant: Grant) -> Agreement | None:
    """What a grant's Consent says; None while it is on its way, or where it says more than a rule of this shape."""
    text = consents.text(patient, grant)
    try:
        return agreement(resources.parse(text)) if text else None
    except Problem:
        return None


def _refused(store: Keystore, hub: HubClient, fingerprints: Mapping[str, str]) -> Iterator[str]:
    """The requests that were refused: by a message that a device of the patient asked has signed."""
    for sender, sealed in store.db.execute("SELECT sender, sealed FROM messages").fetchall():
        if sender not in fingerprints:
            continue
        try:
            message = messages.unseal(bytes(sealed), store.reading_keys)
            if message.typ == "refusal":
                account = account_now(hub, sender, fingerprints[sender])
                message.verify(account, store.keyring.account, message.at)  # it came long ago, perhaps
                yield str(json.loads(message.content)["request"])
        except (Rejected, ValueError, KeyError, TypeError, RecursionError):
            continue  # anybody may send a house what he likes
        except Problem as problem:
            if problem.code != "not-found":
                raise


@click.command()
@KEYSTORE
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
@plainly
def requests(directory: Path, as_json: bool) -> None:
    """Whom this house asked for what, and the answers."""
    for one in asked(Keystore.open(directory), int(datetime.now(UTC).timestamp())):
        if as_json:
            given = _plain(one.given) if one.given else None
            value = {"patient": one.patient, "at": one.at, **_plain(one.wanted), "answer": one.answer, "given": given}
            click.echo(json.dumps(value))
        else:
            when = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="minutes")
            instead = f"; instead {_words(one.given)}" if one.answer == CHANGED and one.given else ""
            click.echo(f"{when}  {one.patient}  {one.answer}  {_words(one.wanted)}{instead}")


def _plain(terms: Agreement) -> dict[str, Any]:
    names = [NAMES[index] for index in sorted(terms.categories)]
    return {"categories": names, "purposes": terms.purposes, "end": terms.end, "policy": terms.policy}


def _words(terms: Agreement) -> str:
    names = ", ".join(NAMES[index] for index in sorted(terms.categories))
    return f"{names} for {', '.join(terms.purposes)}" + (f" until {terms.end}" if terms.end else "")
