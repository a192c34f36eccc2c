"""What the patient is told of reads in the house: sealed to her, each read once, whatever is lost on the way."""

import hashlib
import json
import logging
from typing import Any

from connectors.chain_store import ChainStore
from connectors.gateway.access import ReadReport, forget_reports, pending_reports
from connectors.gateway.database import Database
from connectors.gateway.keystore import Keystore
from connectors.hub_client import HubClient
from connectors.local_database import transaction
from consent import messages
from consent.primitives import Rejected, b64

MAX_REPORTS = 100
"""So many the hub takes at once."""

log = logging.getLogger("obhut.gateway")


def report_reads(database: Database, keystore: Keystore, chains: ChainStore, hub: HubClient, now: int) -> int:
    """Tell patients who in the house read what: sealed to each, so that the hub learns purpose and time only.

    What is sealed is kept until the hub has acknowledged it: the same bytes again count once. Returns how many reads
    were told. Raises `Problem`.
    """
    told = 0
    while waiting := pending_reports(database, MAX_REPORTS):
        names = [_name(report) for report in waiting]
        found = [_sealed(keystore, chains, name, report, now) for name, report in zip(names, waiting, strict=True)]
        reports = [
            {"acc": report.patient, "at": report.at, "purpose": report.purpose, "sealed": b64(sealed)}
            for report, sealed in zip(waiting, found, strict=True)
            if sealed
        ]
        if reports:
            hub.report_reads(reports)
        forget_reports(database, [report.id for report in waiting])
        with transaction(keystore.db):
            keystore.db.executemany("DELETE FROM reports WHERE name = ?", ((name,) for name in names))
        told += len(reports)
    return told


def _detail(report: ReadReport) -> dict[str, Any]:
    return {
        "person": report.person, "role": report.role, "purpose": report.purpose, "at": report.at,
        "what": report.what, "number": report.number,
    } | ({"kept": report.kept} if report.kept else {})  # fmt: skip


def _name(report: ReadReport) -> str:
    """By which a sealed report is found again: the database may give the number of a forgotten one anew."""
    whole = json.dumps([report.id, report.patient, _detail(report)])
    return hashlib.sha256(whole.encode()).hexdigest()


def _sealed(keystore: Keystore, chains: ChainStore, name: str, report: ReadReport, now: int) -> bytes:
    """The report as it goes out; empty for a patient to whom nothing can be sealed."""
    row = keystore.db.execute("SELECT sealed FROM reports WHERE name = ?", (name,)).fetchone()
    if row is not None:
        return bytes(row[0])
    keys = keystore.keyring
    try:
        frame = messages.write(
            keys.sign, typ="read", sender=keys.account, dev=keys.device, to=report.patient, at=now,
            content=json.dumps(_detail(report), ensure_ascii=False).encode(),
        )  # fmt: skip
        sealed = messages.seal(frame, chains.account(report.patient).reading_key())
    except Rejected as refused:
        log.error("a read cannot be told", extra={"reason": refused.reason, "kind": refused.kind})
        return b""
    keystore.db.execute("INSERT INTO reports VALUES (?, ?)", (name, sealed))
    return sealed
