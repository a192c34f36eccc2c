"""The end of an account: everything exported, then everybody's access and the account closed (PROTOCOL.md 5.16)."""

import os
from pathlib import Path

from connectors.keyring import durable_name
from connectors.patient.appointing import by_root
from connectors.patient.client import Client
from connectors.patient.reading import RECORD, SEEDS, Reading
from consent import steps


def export(reading: Reading, path: Path) -> int:
    """Write all of the record as NDJSON, verbatim, readable by its owner only, all or nothing. Returns how many."""
    new = path.with_name(path.name + ".new")
    count = 0
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for one in reading.everything():
            file.write(one.body + b"\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    durable_name(new, path)
    return count


def close(client: Client) -> None:
    """End all grants, all permits, all sets, then the account. The hub deletes what it holds with the last statement.

    What is there is asked of the chains each time: after a crash the same call goes on, and of a closed account nothing
    is left to do. Nothing is rotated meanwhile, since nothing will be written any more.
    """
    client.sync()
    if client.record.account.closed:
        return
    for oth, relation in client.record.relations.items():
        for grant in relation.live(client.now):
            client.post([steps.end(client.record, oth, grant.gid, client.keyring.signer, client.now)])
        for set_id in relation.permits:
            if oth != client.account and relation.permitted(set_id):
                client.post([steps.unpermit(client.record, oth, set_id, client.keyring.signer, client.now)])
    for set_id, state in client.record.sets.items():
        if not state.closed:
            client.post([steps.close_set(client.record, set_id, client.keyring.signer, client.now)])
    by_root(client, "close", {})


def forget_record(directory: Path) -> None:
    """Remove what was opened in this directory. Keys and chains stay, by which the log is read."""
    for name in (RECORD, SEEDS):
        for path in directory.glob(f"{name}*"):
            path.unlink(missing_ok=True)
