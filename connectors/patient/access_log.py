"""The patient's access log in plain words: the hub's entries, and what recipients' gateways report, opened for her."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.patient.client import Client
from consent.messages import unseal
from consent.primitives import Rejected, unb64


@dataclass(frozen=True)
class Entry:
    """One line of the log. `person`, `what` and `number` are told by the recipient's gateway, sealed to the patient."""

    seq: int
    at: int
    actor: str
    action: str
    purpose: str
    person: str = ""
    what: str = ""
    number: int = 0


def entries(client: Client, after: int = 0) -> list[Entry]:
    """All entries behind one, oldest first."""
    found: list[Entry] = []
    while page := client.hub.log(client.account, found[-1].seq if found else after):
        found.extend(_entry(client, row) for row in page)
    return found


def _entry(client: Client, row: Mapping[str, Any]) -> Entry:
    entry = Entry(row["seq"], row["at"], row["actor"], row["action"], row.get("purpose") or "")
    if not row.get("sealed"):
        return entry
    try:
        message = unseal(unb64(row["sealed"]), client.vault.reading_keys)
        message.verify(client.chains.account(row["actor"]), client.account, client.now)
        told = json.loads(message.content)
        return Entry(
            entry.seq, told["at"], entry.actor, entry.action, told["purpose"], told["person"], told["what"],
            told["number"],
        )  # fmt: skip
    except (Rejected, ValueError, KeyError):
        return Entry(entry.seq, entry.at, entry.actor, "read-unreadable", entry.purpose)
