"""Emergency access as the patient decides it: who may declare one, what was declared, and what she says of it.

She grants it like any other access, to one emergency department each; it opens only while one is declared there
(PROTOCOL.md 5.13). Afterwards her client changes the keys, and she confirms or objects.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from connectors.patient import access_log, sharing
from connectors.patient.access_log import Entry
from connectors.patient.client import Client
from connectors.patient.side import Declared, Side
from consent import declarations, messages
from consent.categories import INDEX
from consent.decide import EMERGENCY_ROLES
from consent.fhir_consent import Paper
from consent.primitives import Rejected
from consent.purposes import BREAK_THE_GLASS, within
from consent.relations import Grant
from consent.statements import MAX_EMERGENCY_SECONDS
from fhir_profiles.problems import Problem

PURPOSES = (BREAK_THE_GLASS, "ETREAT")
"""What it is granted for: "break the glass" and emergency treatment, codes of v3-ActReason."""
CATEGORIES = tuple(
    INDEX[name]
    for name in ("person", "vitals", "medication", "conditions", "allergies", "immunizations", "lab", "imaging",
                 "documents", "care")
)  # fmt: skip
"""What helps where she cannot be asked; she may choose more or less."""
DEPARTMENT = "emergency"
"""The type under which a directory lists emergency departments."""
CONFIRMED, OBJECTED = "confirmed", "objected"
MAX_WORDS = 1000


@dataclass(frozen=True)
class Emergency:
    """One declared emergency. `person`, `code`, `text`: who and why, as the house sealed it to the patient.

    `read`: how many resources of which type its gateway reported. `sound`: whether the house's gateway signed it.
    Times in Unix seconds.
    """

    id: str
    patient: str
    house: str
    role: str
    at: int
    until: int
    person: str = ""
    code: str = ""
    text: str = ""
    verdict: str = ""
    sound: bool = True
    read: Mapping[str, int] | None = None

    def json(self) -> dict[str, Any]:
        """As commands print it."""
        return asdict(self)


def allow(
    client: Client, counterpart: str, categories: Collection[int], roles: Collection[str], span: int, *,
    end: str = "", fingerprint: str = "", paper: Paper | None = None,
) -> str:  # fmt: skip
    """Let a counterpart declare an emergency; takes the place of what it was allowed for one before.

    `span`: how long one lasts, seconds. `paper`: where it was signed on paper, at a desk. Returns the grant's id.
    Raises `Problem(value)`.
    """
    if unknown := sorted(set(roles) - EMERGENCY_ROLES):
        raise Problem("value", f"unknown role {unknown[0]!r}: choose of {', '.join(sorted(EMERGENCY_ROLES))}")
    if not roles or not 0 < span <= MAX_EMERGENCY_SECONDS:
        raise Problem("value", f"name a role, and a span of 1 to {MAX_EMERGENCY_SECONDS} seconds")
    client.sync()
    before = allowed(client, counterpart)
    gid = sharing.grant(
        client, counterpart, categories, purposes=PURPOSES, end=end, fingerprint=fingerprint,
        emergency=(span, *sorted(set(roles))), paper=paper,
    )  # fmt: skip
    for grant in before:
        sharing.withdraw(client, counterpart, grant.gid)
    return gid


def forbid(client: Client, counterpart: str) -> int:
    """End what a counterpart may open in an emergency. Returns how many grants ended."""
    client.sync()
    found = allowed(client, counterpart)
    if not found:
        raise Problem("not-found", "there is no such grant: `obhut patient emergency show` lists them")
    return sum(sharing.withdraw(client, counterpart, grant.gid) for grant in found)


def allowed(client: Client, counterpart: str) -> list[Grant]:
    """The live grants to a counterpart that are for emergencies."""
    relation = client.record.relations.get(counterpart)
    return [grant for grant in relation.live(client.now) if grant.emergency] if relation else []


def departments(client: Client) -> list[dict[str, Any]]:
    """The emergency departments that her hub's directory lists. Raises `Problem(not-found)` where it lists none."""
    found = [one for one in client.hub.organisations() if one["type"] == DEPARTMENT]
    if not found:
        raise Problem("not-found", "the directory of your hub lists no emergency department: name one by its card")
    return found


# --- what was declared --------------------------------------------------------------------------------------------


def declared(client: Side, patient: str = "") -> list[Emergency]:
    """What was declared of a patient (herself, or whom she acts for), oldest first, as far as it can be read here."""
    whose = patient or client.account
    return [_told(client, one) for one in client.declared() if one.acc == whose]


def _told(client: Side, one: Declared) -> Emergency:
    word = one.declaration
    told = Emergency(word.rnd, one.acc, word.sender, word.role, one.at, one.until, verdict=one.verdict)
    try:
        word.verify(client.chains.account(word.sender), one.at, came=one.at)
    except (Rejected, Problem) as failed:
        if isinstance(failed, Problem) and failed.code != "not-found":
            raise
        return replace(told, sound=False)
    if one.acc != client.account:
        return told  # who and why is sealed to the patient
    person, code, text = who_and_why(client, word)
    return replace(told, person=person, code=code, text=text)


def who_and_why(client: Side, word: declarations.Declaration) -> tuple[str, str, str]:
    """Person, code and text of the reason; empty where the house sealed something else."""
    try:
        person, sealed = word.tell(client.vault.reading_keys)
        reason = json.loads(sealed)
        words = person, reason["code"], reason["text"]
    except (Rejected, ValueError, KeyError, TypeError, RecursionError):
        return "", "", ""
    return words if all(isinstance(text, str) and text.isprintable() for text in words) else ("", "", "")


def to_review(client: Client) -> list[Emergency]:
    """All emergencies of her own, with what was read in each by the reports that have come."""
    found = declared(client)
    entries = access_log.entries(client) if found else []
    return [replace(one, read=_read(one, entries)) for one in found]


def _read(one: Emergency, entries: Collection[Entry]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for entry in entries:
        within_it = one.at <= entry.at <= one.until and within(entry.purpose, ("ETREAT",))
        if entry.action == "read" and entry.actor == one.house and entry.person == one.person and within_it:
            counted[entry.what] += entry.number
    return dict(sorted(counted.items()))


def answer(client: Client, number: str, verdict: str, text: str = "") -> Emergency:
    """Say to the house that an emergency was one, or that it was none. Raises `Problem`.

    A sealed message; the verdict is kept on this device.
    """
    one = next((one for one in declared(client) if one.id == number), None)
    if one is None:
        raise Problem("not-found", "there is no such emergency: `obhut patient emergency review` lists them")
    if not text.isprintable() or len(text) > MAX_WORDS:
        raise Problem("value", f"say it in one line of at most {MAX_WORDS} signs")
    house, keys = client.chains.account(one.house), client.keyring
    content = json.dumps({"declaration": number, "verdict": verdict, "text": text}, ensure_ascii=False)
    frame = messages.write(
        keys.sign, typ="review", sender=client.account, dev=keys.device, to=one.house, at=client.now,
        content=content.encode(),
    )  # fmt: skip
    client.hub.message(one.house, messages.seal(frame, house.reading_key()))
    client.reviewed(number, verdict)
    return one
