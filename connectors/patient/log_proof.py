"""Whether the access log is whole: its chain, the heads that the hub has ever signed, and the patient's own chains.

A device remembers the last head at which the log was whole. So it notices what was shortened, altered or exchanged
since, also by a restore of the hub from a backup; and the same can be checked from a file, without the hub.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from connectors.local_database import transaction
from connectors.patient import access_log
from connectors.patient.side import Side
from consent import identifiers, log, statements
from consent.log import Fault, Head
from consent.primitives import Rejected, b64, unb64
from consent.statements import Statement
from fhir_profiles.problems import Problem

VERSION = 1


@dataclass(frozen=True)
class Proof:
    """What was found. `signed`: the newest head; `compared`: so many of her statements were looked for in the log.

    `untold`: those of which it says nothing. `known_key`: whether the hub's key is the one that the device has pinned.
    """

    entries: Sequence[log.Entry]
    signed: Head
    faults: Sequence[Fault]
    compared: int
    untold: Sequence[Statement]
    known_key: bool = True

    @property
    def whole(self) -> bool:
        """Whether nothing is missing and nothing was changed."""
        return not self.faults and not self.untold


def check(client: Side, found: Sequence[log.Entry], head: bytes) -> Proof:
    """Check what the hub gave out, and remember the head where it holds. Raises `Rejected` for no head of this hub."""
    newest = _verified(client, head)
    known = [_verified(client, frame) for frame in _heads(client)]
    proof = _proof(found, [newest, *known], _links(client))
    if not proof.faults:
        accept(client, head)
    return proof


def accept(client: Side, head: bytes) -> None:
    """From now on the log is held against this head alone."""
    with transaction(client.db):
        client.db.executemany("DELETE FROM log_heads WHERE frame = ?", [(frame,) for frame in _heads(client)])
        client.db.execute("INSERT INTO log_heads VALUES (?)", (head,))


def _heads(client: Side) -> list[bytes]:
    """The heads that are remembered of this account's log; others are of patients for whom this device acts."""
    frames = [bytes(frame) for (frame,) in client.db.execute("SELECT frame FROM log_heads")]
    return [frame for frame in frames if log.parse_head(frame).acc == client.account]


def _verified(client: Side, frame: bytes) -> Head:
    head = log.parse_head(frame)
    head.verify(client.keyring.hub_key, hub=_domain(client.account), acc=client.account)
    return head


def _domain(account: str) -> str:
    return identifiers.account(account).domain


def _links(client: Side) -> list[Statement]:
    record = client.record
    chains = (record.account, *record.sets.values(), *record.relations.values())
    return [link for chain in chains for link in chain.links]


def _proof(
    found: Sequence[log.Entry], heads: Sequence[Head], links: Sequence[Statement], known_key: bool = True
) -> Proof:
    signed = max(heads, key=lambda head: (head.at, head.seq))
    faults = log.faults(found, heads)
    return Proof(found, signed, faults, len(links), log.untold(found, links), known_key)


# --- as a file ----------------------------------------------------------------------------------------------------


def export(client: Side, found: Sequence[log.Entry], head: bytes) -> dict[str, Any]:
    """All that a check needs and, as `told`, what the entries say, opened: whoever has the file can read that."""
    heads = [head, *_heads(client)]
    return {
        "version": VERSION, "account": client.account, "hub_key": b64(client.keyring.hub_key),
        "heads": [b64(frame) for frame in dict.fromkeys(heads)], "entries": [_plain(entry) for entry in found],
        "statements": [b64(link.raw) for link in _links(client)],
        "told": [asdict(entry) for entry in access_log.explained(client, found)],
    }  # fmt: skip


def _plain(entry: log.Entry) -> dict[str, Any]:
    members = {
        "seq": entry.seq, "at": entry.at, "actor": entry.actor, "device": entry.device, "action": entry.action,
        "purpose": entry.purpose, "detail": dict(entry.detail), "hash": entry.hash,
    }  # fmt: skip
    return members | ({"sealed": b64(entry.sealed)} if entry.sealed else {})


def check_file(path: Path, hub_key: bytes | None = None) -> Proof:
    """Check an exported log without the hub. `hub_key`: as a device has pinned it; else that in the file is believed.

    Raises `Problem(invalid)` for what is no export; `Rejected` where a head is not signed by that key.
    """
    try:
        said = json.loads(path.read_bytes())
        account, key = str(said["account"]), unb64(said["hub_key"], 32)
        found = [access_log.as_given(account, row) for row in said["entries"]]
        links = [statements.parse(unb64(frame)) for frame in said["statements"]]
        heads = [log.parse_head(unb64(frame)) for frame in said["heads"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Rejected):
        raise Problem("invalid", "this is no access log that `obhut patient log --export` wrote") from None
    if not heads:
        raise Problem("invalid", "this access log bears no head that the hub signed")
    for head in heads:
        head.verify(hub_key or key, hub=_domain(account), acc=account)
    return _proof(found, heads, _of_account(links, account), hub_key is not None)


def _of_account(links: Iterable[Statement], account: str) -> list[Statement]:
    return [link for link in links if link.acc == account]
