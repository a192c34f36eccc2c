"""The patient's access log in plain words: the hub's entries, and what recipients' gateways report, opened for her."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from connectors.patient.client import Client
from consent import declarations
from consent.messages import MAX_AGE_SECONDS, unseal
from consent.primitives import Rejected, unb64
from fhir_profiles.problems import Problem

EMERGENCY = "emergency"
"""The action of an entry that says: an emergency was declared."""


@dataclass(frozen=True)
class Entry:
    """One line of the log. `person`, `what` and `number` are told by the recipient's gateway, sealed to the patient.

    So is `kept`: why the recipient took it over into its own record.
    """

    seq: int
    at: int
    actor: str
    action: str
    purpose: str
    person: str = ""
    what: str = ""
    number: int = 0
    kept: str = ""


def entries(client: Client, after: int = 0) -> list[Entry]:
    """All entries behind one, oldest first."""
    found: list[Entry] = []
    while page := client.hub.log(client.account, found[-1].seq if found else after):
        found.extend(_entry(client, row) for row in page)
    return found


def _entry(client: Client, row: Mapping[str, Any]) -> Entry:
    entry = Entry(row["seq"], row["at"], row["actor"], row["action"], row.get("purpose") or "")
    if entry.action == EMERGENCY:
        return _declared(client, entry, row["detail"])
    if not row.get("sealed"):
        return entry
    try:
        message = unseal(unb64(row["sealed"]), client.vault.reading_keys)
        # By the time at which it came: a report stays readable when it is old, and when its device was replaced since.
        message.verify(client.chains.account(entry.actor), client.account, entry.at, came=entry.at)
        if message.typ == "read":
            return _told(entry, json.loads(message.content))
    except (Rejected, ValueError, KeyError, TypeError, RecursionError):
        pass  # a recipient's gateway may write what it likes: it is shown as unreadable
    except Problem as problem:
        if problem.code != "not-found":
            raise
    return Entry(entry.seq, entry.at, entry.actor, "read-unreadable", entry.purpose)


def _declared(client: Client, entry: Entry, detail: Mapping[str, Any]) -> Entry:
    """The entry of a declared emergency with the person who declared it, where the house sealed one to her."""
    try:
        word = declarations.read(unb64(detail["frame"]))
        word.verify(client.chains.account(entry.actor), entry.at, came=entry.at)
        person, _ = word.tell(client.vault.reading_keys)
    except (Rejected, KeyError, TypeError):
        return entry
    return replace(entry, person=person if person.isprintable() else "")


def _told(entry: Entry, told: Mapping[str, Any]) -> Entry:
    """The entry with what the gateway told. Raises `ValueError` for what cannot stand in a line of the log."""
    purpose, person, what, kept = told["purpose"], told["person"], told["what"], told.get("kept", "")
    if not all(isinstance(text, str) and text.isprintable() for text in (purpose, person, what, kept)):
        raise ValueError("no text of one line")
    at, number = told["at"], told["number"]
    if type(at) is not int or type(number) is not int or abs(entry.at - at) > MAX_AGE_SECONDS:
        raise ValueError("no time or number")
    return Entry(entry.seq, at, entry.actor, entry.action, purpose, person, what, number, kept)
