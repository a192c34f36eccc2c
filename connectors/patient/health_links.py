"""SMART Health Links of a patient: made, listed, extended, revoked. The hub has what is sealed; the key is in the link.

The twin of `hub/portal/src/client/health_links.ts`: either lists, shows and revokes what the other made.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwe
from joserfc.jwk import OctKey

from connectors.patient.client import Client
from connectors.patient.reading import Reading
from consent.categories import category
from consent.primitives import Rejected, b64, pad, random_bytes, seal_box, unb64, unpad
from fhir_profiles import resources
from fhir_profiles.bundles import Entry, collection
from fhir_profiles.problems import Problem

VIEWER = "/link"
MAX_LABEL = 80
MOST_BYTES = 12_000_000
"""So many bytes of a record a link holds at most: sealed, they are a third more."""
MOST_DAYS = 90
"""So far ahead a link may end."""
_DAY = 24 * 3600
_HEADER = {"alg": "dir", "enc": "A256GCM", "cty": "application/fhir+json"}


@dataclass(frozen=True)
class HealthLink:
    """A link of hers. `left`: wrong passcodes until it is closed; `opened_at` (Unix seconds) 0 for never.

    `label`, `link` and `passcode` are what she noted for herself; empty where they cannot be opened here.
    """

    name: str
    until: int
    left: int
    opened: int
    opened_at: int
    label: str = ""
    link: str = ""
    passcode: str = ""


def make(reading: Reading, categories: Collection[int], label: str, passcode: str, days: int) -> HealthLink:
    """Seal what she has in these categories, but what she hides, for whoever has the link and the passcode.

    `passcode`: empty for six digits of chance; the link lasts `days`. Raises `Problem`.
    """
    client = reading.client
    if len(label) > MAX_LABEL or not label.isprintable() or not 1 <= days <= MOST_DAYS:
        raise Problem("value", f"a label has one line and {MAX_LABEL} characters at most, a link {MOST_DAYS} days")
    content = collection(Entry(None, body) for body in _chosen(reading, categories))
    if len(content) > MOST_BYTES:
        raise Problem("too-large", "this is too much for one link: choose less")
    secret, key, passcode = b64(random_bytes(32)), random_bytes(32), passcode or f"{secrets.randbelow(10**6):06}"
    payload = {"url": f"{client.hub.url}/shl/{secret}", "flag": "P", "key": b64(key)}
    payload |= {"label": label} if label else {}
    link = f"{client.hub.url}{VIEWER}#shlink:/{b64(json.dumps(payload, separators=(',', ':')).encode())}"
    noted = json.dumps({"label": label, "link": link, "passcode": passcode}).encode()
    sealed = seal_box(pad(noted), unb64(client.record.account.reading_key(), 32))
    name, until = b64(hashlib.sha256(secret.encode()).digest()), client.now + days * _DAY
    file = jwe.encrypt_compact(_HEADER, content, OctKey.import_key(key))
    client.hub.change_health_link("PUT", name, passcode=passcode, until=until, sealed=b64(sealed), file=file)
    return next(one for one in links(client) if one.name == name)


def _chosen(reading: Reading, categories: Collection[int]) -> list[bytes]:
    hides = set(reading.client.vault.hides)
    found = [one for one in reading.read("") if f"{one.type}/{one.id}" not in hides]
    bodies = [one.body for one in found if category(resources.parse(one.body, max_bytes=len(one.body))) in categories]
    if not bodies:
        raise Problem("value", "there is nothing in these categories")
    return bodies


def links(client: Client) -> list[HealthLink]:
    """All that are open, the newest first."""
    return [_listed(client, row) for row in client.hub.health_links()]


def _listed(client: Client, row: Mapping[str, Any]) -> HealthLink:
    try:
        until, left, opened, opened_at = (int(row[name]) for name in ("until", "left", "opened", "opened_at"))
        return HealthLink(str(row["name"]), until, left, opened, opened_at, *_noted(client, unb64(row["sealed"])))
    except (KeyError, TypeError, ValueError, Rejected):
        raise Problem("busy", "the hub's answer is not understood") from None


def _noted(client: Client, sealed: bytes) -> tuple[str, str, str]:
    """What she noted: label, link, passcode; empty where it cannot be opened here."""
    for key in client.vault.reading_keys.values():
        try:
            told: Any = json.loads(unpad(key.open(sealed)))
            return str(told["label"]), str(told["link"]), str(told["passcode"])
        except (Rejected, ValueError, KeyError, TypeError):
            continue  # of another key, or no note of hers
    return "", "", ""


def extend(client: Client, number: str, days: int) -> int:
    """Let a link hold for so many days more; returns until when (Unix seconds). `number`: how its name begins."""
    link = _find(client, number)
    until = min(link.until + days * _DAY, client.now + MOST_DAYS * _DAY)
    client.hub.change_health_link("PATCH", link.name, until=until)
    return until


def revoke(client: Client, number: str) -> None:
    """Close a link for everybody. `number`: how its name begins, as list and log tell it."""
    link = _find(client, number)
    try:
        client.hub.change_health_link("DELETE", link.name)
    except Problem as problem:
        if problem.code != "not-found":  # what is gone already is closed, as after an answer that was lost
            raise


def _find(client: Client, number: str) -> HealthLink:
    found = [one for one in links(client) if number and one.name.startswith(number)]
    if len(found) != 1:
        raise Problem("not-found", "there is no such link: obhut patient health-link list")
    return found[0]
