"""A consent signed on paper at a desk: the scan goes sealed into her record, its hash into the Consent."""

import hashlib
from datetime import datetime
from pathlib import Path

from connectors.patient import documents
from connectors.patient.client import Client
from connectors.patient.sharing import ONLY_AT_A_DESK, check_paper, visited
from connectors.patient.side import Side
from consent.dates import ZONE
from consent.fhir_consent import SCAN, Paper
from consent.primitives import b64
from fhir_profiles.documents import TEXT, media_type
from fhir_profiles.problems import Problem


def recorded(client: Side, scan: Path | None) -> Paper | None:
    """What the Consent says of the paper, once the scan is with the hub; None without a scan on a device of her own.

    The scan is a document of her record as any other: who may read `documents` reads it. Raises `Problem`: `invalid`
    for paper where no desk is, or no paper at a desk; `media-type` for no scan; `busy` until the hub has it.
    """
    desk = visited(client)
    if scan is None:
        check_paper(client, None)
        return None
    if not desk or not isinstance(client, Client):
        raise Problem("invalid", ONLY_AT_A_DESK)
    content = documents.content_of(scan)
    kind = media_type(content)
    if kind == TEXT:
        raise Problem("media-type", f"{scan}: a scan is a PDF, JPEG or PNG")
    documents.add(client, [scan])
    client.settle()
    client.flush()
    if client.outbox.waiting:
        raise Problem("busy", "the hub has not taken the scan yet, and nothing is granted without it: say it again")
    now = datetime.fromtimestamp(client.now, ZONE).isoformat(timespec="seconds")
    return Paper(desk, now, SCAN + b64(hashlib.sha256(content).digest()), scan.name, kind)
