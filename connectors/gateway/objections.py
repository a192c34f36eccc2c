"""`obhut gateway objections · answer`: what patients say against entries of their logs, and the house's answer."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.chain_store import ChainStore
from connectors.command_line import TAKES_ID, plainly
from connectors.gateway.enrolment import KEYSTORE
from connectors.gateway.keystore import Keystore
from connectors.gateway.options import JSON_OPTION
from connectors.hub_client import HubClient
from consent import messages
from consent.messages import Message
from consent.primitives import Rejected
from fhir_profiles.problems import Problem

MAX_TEXT = 4000


@dataclass(frozen=True)
class Objection:
    """What a patient says was not right: against which entry of her log, as she sees it, and what was answered.

    `id`: the hash of her message. Times are Unix seconds.
    """

    id: str
    patient: str
    at: int
    text: str
    seq: int
    when: int
    action: str
    purpose: str
    person: str
    what: str
    number: int
    answer: str = ""


def objections(store: Keystore, chains: ChainStore) -> Iterator[Objection]:
    """All objections that this house has received, each signed by a device of the patient. Raises `Problem`."""
    answers = dict(store.db.execute("SELECT objection, text FROM answers").fetchall())
    for sender, sealed in store.db.execute("SELECT sender, sealed FROM messages").fetchall():
        try:
            message = messages.unseal(bytes(sealed), store.reading_keys)
            if message.typ == "objection":
                message.verify(chains.account(sender), store.keyring.account, message.at)  # it came long ago, perhaps
                yield _read(message, answers.get(message.hash, ""))
        except (Rejected, ValueError, KeyError, TypeError, RecursionError):
            continue  # anybody may send a house what he likes
        except Problem as problem:
            if problem.code != "not-found":
                raise


def _read(message: Message, answer: str) -> Objection:
    told = json.loads(message.content)
    entry = told["entry"]
    words = {name: str(entry[name]) for name in ("action", "purpose", "person", "what")}
    if not all(word.isprintable() for word in (told["text"], *words.values())):
        raise ValueError("no text of one line")
    return Objection(
        message.hash, message.sender, message.at, told["text"], seq=int(entry["seq"]), when=int(entry["at"]),
        number=int(entry["number"]), answer=answer, **words,
    )  # fmt: skip


def reply(store: Keystore, chains: ChainStore, hub: HubClient, objection: Objection, text: str, now: int) -> None:
    """Answer an objection, sealed to the patient. What is sent is kept first. Raises `Problem`."""
    if not text.isprintable() or not 0 < len(text) <= MAX_TEXT:
        raise Problem("value", f"an answer is one line of at most {MAX_TEXT} characters")
    kept = store.db.execute("SELECT text, sealed FROM answers WHERE objection = ?", (objection.id,)).fetchone()
    if kept is not None and kept[0] != text:
        raise Problem("conflict", "this objection was answered already, in other words")
    if kept is None:
        keys = store.keyring
        chains.refresh("acct", objection.patient)
        told = {"objection": objection.id, "entry": objection.seq, "text": text}
        content = json.dumps(told, ensure_ascii=False).encode()
        frame = messages.write(
            keys.sign, typ="answer", sender=keys.account, dev=keys.device, to=objection.patient, at=now, content=content
        )
        kept = text, messages.seal(frame, chains.account(objection.patient).reading_key())
        store.db.execute("INSERT INTO answers VALUES (?, ?, ?)", (objection.id, *kept))
    hub.message(objection.patient, bytes(kept[1]))


def _open(directory: Path) -> tuple[Keystore, ChainStore, HubClient]:
    store = Keystore.open(directory)
    hub = HubClient(store.keyring.hub, store.keyring.credentials)
    return store, ChainStore(store.db, hub), hub


@click.command("objections")
@KEYSTORE
@JSON_OPTION
@plainly
def objections_command(directory: Path, as_json: bool) -> None:
    """What patients say was not right about entries of their logs."""
    store, chains, _ = _open(directory)
    for one in objections(store, chains):
        if as_json:
            click.echo(json.dumps(asdict(one)))
            continue
        when = datetime.fromtimestamp(one.when, UTC).astimezone().isoformat(timespec="minutes")
        about = " ".join(str(word) for word in (one.action, one.number or "", one.what) if word)
        by = f" by {one.person}" if one.person else ""
        click.echo(f"{one.id}  {one.patient}  {about}{by}, {when} ({one.purpose})\n  {one.text}")
        click.echo(f"  answered: {one.answer}" if one.answer else "  not answered yet")


@click.command("answer", context_settings=TAKES_ID)
@KEYSTORE
@click.argument("objection")
@click.option("--text", required=True, help="The house's answer, one line.")
@plainly
def answer_command(directory: Path, objection: str, text: str) -> None:
    """Answer an OBJECTION, by its id; the patient reads it beside the entry."""
    store, chains, hub = _open(directory)
    found = next((one for one in objections(store, chains) if one.id == objection), None)
    if found is None:
        raise Problem("not-found", "there is no such objection: `obhut gateway objections` lists them")
    reply(store, chains, hub, found, text, int(time.time()))
    click.echo(f"answered {found.patient}")
