"""She says against an entry of her log that it was not right, and reads what is answered."""

import json
from typing import Any

from connectors.local_database import transaction
from connectors.patient.client import Client
from connectors.patient.side import Side
from consent import messages
from fhir_profiles.problems import Problem

MAX_TEXT = 4000


def object_to(client: Client, seq: int, told: dict[str, Any], text: str) -> None:
    """Send an objection against the entry `seq`, sealed to whom it is about; it then stands in her log, too.

    `told`: what she knows of the entry. What is sent is kept first: the same again sends the same bytes.
    Raises `Problem`.
    """
    kept = client.db.execute("SELECT text, sealed FROM objections WHERE entry = ?", (seq,)).fetchone()
    if kept is not None and kept[0] != text:
        raise Problem("conflict", "you have objected to this entry already, in other words")
    sealed = bytes(kept[1]) if kept is not None else _seal(client, seq, told, text)
    client.hub.object_to(seq, sealed)


def _seal(client: Client, seq: int, told: dict[str, Any], text: str) -> bytes:
    if not text.isprintable() or len(text) > MAX_TEXT:
        raise Problem("value", f"an objection is one line of at most {MAX_TEXT} characters")
    actor, keys = str(told["actor"]), client.keyring
    if actor == client.account or "@" not in actor:
        raise Problem("value", "this entry is about no one to whom an objection could be sent")
    client.chains.account(actor)
    client.chains.refresh("acct", actor)  # its reading key may be a new one
    content = json.dumps({"entry": told, "text": text}, ensure_ascii=False).encode()
    frame = messages.write(
        keys.sign, typ="objection", sender=client.account, dev=keys.device, to=actor, at=client.now, content=content
    )
    sealed = messages.seal(frame, client.chains.account(actor).reading_key())
    row = (seq, actor, messages.read(frame).hash, text, sealed)
    client.db.execute("INSERT INTO objections (entry, actor, hash, text, sealed) VALUES (?, ?, ?, ?, ?)", row)
    return sealed


def said(client: Side) -> dict[int, tuple[str, str, str]]:
    """Against which entries she has said something: about whom, what, and what was answered.

    What she said on another device is not known here; the answer to it is. Nor is it to somebody who acts for her.
    """
    if client.keyring.account != client.account:
        return {}
    for received in client.received("answer"):
        try:
            told = json.loads(received.message.content)
            objection, text, entry = str(told["objection"]), str(told["text"]), int(told["entry"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if text.isprintable():
            _keep_answer(client, entry, received.sender.acc, objection, text)
            client.answered(received.id)
    rows = client.db.execute("SELECT entry, actor, text, answer FROM objections").fetchall()
    return {entry: (actor, text, answer) for entry, actor, text, answer in rows}


def _keep_answer(client: Side, entry: int, actor: str, objection: str, text: str) -> None:
    with transaction(client.db):
        row = (entry, actor, objection)
        client.db.execute("INSERT OR IGNORE INTO objections VALUES (?, ?, ?, '', x'', '')", row)
        change = "UPDATE objections SET answer = ? WHERE entry = ? AND actor = ? AND hash = ?"
        client.db.execute(change, (text, *row))
