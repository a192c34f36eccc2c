"""A writer to be killed: puts entries into a patient's outbox, sends them, and writes down what it meant and what held.

`python -m tests.soak.writer ACCOUNT NOTES ROUNDS`: lines `meant ID` before and `kept ID` after each put.
"""

import json
import os
import sys
from pathlib import Path

from connectors.entries import Entry
from connectors.patient.client import Client
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles.problems import Problem

CATEGORIES = ("vitals", "activity")


def main(words: list[str]) -> None:
    """Put, send, now and then write a statement; what the hub cannot take now waits."""
    client = Client.open(Path(words[0]))
    notes = os.open(words[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        client.sync()
    except Problem as problem:
        _only_busy(problem)
    for number in range(int(words[2])):
        names = [os.urandom(8).hex() for _ in range(1 + number % 4)]
        for name in names:
            os.write(notes, f"meant {name}\n".encode())
        client.outbox.put(
            Entry(client.account, INDEX[CATEGORIES[n % 2]], [line(client, name, CATEGORIES[n % 2])])
            for n, name in enumerate(names)
        )
        for name in names:
            os.write(notes, f"kept {name}\n".encode())
        try:
            client.flush()
            if number % 5 == 4:
                client.sync()
                client.save_vault(client.vault)
        except Problem as problem:
            _only_busy(problem)
    client.sync()
    client.flush()
    client.close()


def _only_busy(problem: Problem) -> None:
    if problem.code not in ("busy", "refused") or problem.extra.get("reason") not in (
        None,
        "head",
        "full",
        "locked",
        "gone",
    ):
        raise problem


def line(client: Client, name: str, category: str) -> bytes:
    """An Observation of the patient's."""
    local = account(client.account).local
    return json.dumps(
        {
            "resourceType": "Observation", "id": name, "status": "final", "subject": {"reference": f"Patient/{local}"},
            "code": {"text": "soak"},
            "category": [{"coding": [{"system": "https://fhir.obhut.org/CodeSystem/category", "code": category}]}],
        }
    ).encode()  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
