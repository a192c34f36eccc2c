"""Emergency access in the house: who declares one, for whom and why, and what came of it.

It is offered in the same way for every patient, and answered in the same way whatever she has allowed: that a patient
restricted access must not show (EHDS, Art. 8). The process that follows the feed takes each declaration to the hub
(`declaring`), so that it can wait for it here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, insert, select, update

from connectors.gateway.access import Reader
from connectors.gateway.database import Database
from connectors.gateway.models import emergencies
from consent.decide import EMERGENCY_ROLES
from consent.declarations import MAX_TEXT
from consent.identifiers import new_id
from consent.purposes import within
from fhir_profiles.problems import Problem

REASONS = ("unconscious", "life-threatening", "cannot-consent", "other")
"""Why somebody could not ask her first; the text says more."""
OPERATION = "emergency"
"""Name and id of the operation on a Patient."""
REASON_SYSTEM = "https://fhir.obhut.org/CodeSystem/emergency-reason"
CARE = ("TREAT",)
FRESH_SECONDS = 12 * 3600
"""A shift: an older token says too little of who holds it now."""
PATIENCE_SECONDS = 20
LOOK_SECONDS = 0.1
MAX_PERSON = 200

WAITING, ANSWERED, UNREACHABLE, LATE = "waiting", "answered", "unreachable", "late"

DECLARED = (
    "Declared. What this patient allows in an emergency, if anything, can be found within seconds, by you, for an hour"
    " at most. She is told who declared it and why."
)
NO_ACCESS = (
    "There is no emergency access now: the patient's hub cannot be reached. Ask the patient or her relatives, look for"
    " an emergency card or data set that she carries, treat by what you see, and declare again."
)


@dataclass(frozen=True, slots=True)
class Emergency:
    """One declaration. `name`: the Patient's id, as it was named; `patient`: her account, once it is known.

    `until`: the second until which it opens the grant `gid`; 0 where it opened nothing. `at` in seconds since 1970.
    """

    rnd: str
    name: str
    person: str
    role: str
    code: str
    text: str = field(repr=False)
    at: int = 0
    state: str = WAITING
    patient: str = ""
    gid: str = ""
    until: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A grant for emergencies that is open for one person."""

    gid: str
    person: str
    until: int


def check(reader: Reader, now: int) -> None:
    """Who may declare, whoever the patient is. Raises `Problem(forbidden)`."""
    if reader.role_code not in EMERGENCY_ROLES:
        raise Problem("forbidden", f"Only these roles declare an emergency: {', '.join(sorted(EMERGENCY_ROLES))}.")
    if not within(reader.purpose, CARE):
        raise Problem("forbidden", "An emergency is declared by who is there to treat: purpose TREAT or below it.")
    if now - reader.issued > FRESH_SECONDS:
        raise Problem("forbidden", "Sign in anew: to declare an emergency a token must not be older than 12 hours.")


def declare(database: Database, reader: Reader, name: str, code: str, text: str, now: int) -> str:
    """Note that a person of the house declares an emergency for a patient; returns by what it is found again.

    Raises `Problem`: `forbidden` as `check`, `value` for a reason that is not one of `REASONS` with a line of text.
    """
    check(reader, now)
    if code not in REASONS:
        raise Problem("value", f"The reason's code is one of {', '.join(REASONS)}.", expression="reason.coding")
    if not text.strip() or not text.isprintable() or len(text.encode()) + 100 > MAX_TEXT:
        raise Problem("value", "Say in one line of text why it is an emergency.", expression="reason.text")
    row = {
        "rnd": new_id(), "name": name[:64], "person": reader.person[:MAX_PERSON], "role": reader.role_code,
        "code": code, "text": text, "at": now, "state": WAITING, "patient": "", "gid": "", "until": 0,
    }  # fmt: skip
    with database.write() as connection:
        connection.execute(insert(emergencies), row)
    return str(row["rnd"])


def await_answer(
    database: Database, rnd: str, sleep: Callable[[float], None] = time.sleep, patience: float = PATIENCE_SECONDS
) -> None:
    """Wait until the hub has answered; what it said is not told. Raises `Problem(busy)` where it was not reached."""
    for _ in range(int(patience / LOOK_SECONDS)):
        if (state := _state(database, rnd)) != WAITING:
            break
        sleep(LOOK_SECONDS)
    else:
        state = _give_up(database, rnd)
    if state != ANSWERED:
        raise Problem("busy", NO_ACCESS)


def _state(database: Database, rnd: str) -> str:
    with database.read() as connection:
        return str(connection.execute(select(emergencies.c.state).where(emergencies.c.rnd == rnd)).scalar_one())


def _give_up(database: Database, rnd: str) -> str:
    """Nobody waits any more, so it is not declared later; the state that it is in now."""
    with database.write() as connection:
        late = update(emergencies).where(emergencies.c.rnd == rnd, emergencies.c.state == WAITING)
        connection.execute(late.values(state=LATE))
    return _state(database, rnd)


def waiting(database: Database, now: int) -> list[Emergency]:
    """What has to go to the hub, oldest first; not what nobody waits for any more."""
    recent = and_(emergencies.c.state == WAITING, emergencies.c.at > now - PATIENCE_SECONDS)
    with database.read() as connection:
        return [Emergency(*row) for row in connection.execute(select(emergencies).where(recent).order_by("at", "rnd"))]


def answer(database: Database, rnd: str, state: str, patient: str = "", gid: str = "", until: int = 0) -> None:
    """Note what the hub said."""
    values = {"state": state, "patient": patient, "gid": gid, "until": until}
    with database.write() as connection:
        connection.execute(update(emergencies).where(emergencies.c.rnd == rnd).values(**values))


def opened(database: Database, patient: str, now: int) -> list[Opened]:
    """What is open of a patient at a moment, and for whom."""
    columns = emergencies.c.gid, emergencies.c.person, emergencies.c.until
    query = select(*columns).where(emergencies.c.patient == patient, emergencies.c.until > now)
    with database.read() as connection:
        return [Opened(*row) for row in connection.execute(query)]


def all_declared(database: Database) -> list[Emergency]:
    """All that the house has declared, oldest first."""
    with database.read() as connection:
        return [Emergency(*row) for row in connection.execute(select(emergencies).order_by("at", "rnd"))]


# --- the operation Patient/[id]/$emergency --------------------------------------------------------------------------


def reason_of(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """Code and text of the reason in the operation's Parameters. Raises `Problem`."""
    if parameters.get("resourceType") != "Parameters":
        raise Problem("invalid", "Send Parameters with a reason.", expression="resourceType")
    given = parameters.get("parameter", [])
    reason = given[0].get("valueCodeableConcept") if len(given) == 1 and given[0].get("name") == "reason" else None
    if reason is None:
        raise Problem("invalid", "State one parameter: reason, a CodeableConcept.", expression="Parameters.parameter")
    codes = [one.get("code") for one in reason.get("coding", []) if one.get("system") == REASON_SYSTEM]
    if len(codes) != 1:
        raise Problem("value", f"Give the reason one code of {REASON_SYSTEM}.", expression="reason.coding")
    return str(codes[0]), str(reason.get("text", ""))


def outcome() -> dict[str, Any]:
    """The one answer of the operation: it says nothing of what the patient allows."""
    issue = {"severity": "information", "code": "informational", "diagnostics": DECLARED}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def definition(base_url: str) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/operationdefinition.html of $emergency."""
    concept = {"name": "reason", "use": "in", "min": 1, "max": "1", "type": "CodeableConcept"}
    said = f"One code of {REASON_SYSTEM} ({', '.join(REASONS)}), and a line of text."
    answered = {"name": "return", "use": "out", "min": 1, "max": "1", "type": "OperationOutcome"}
    return {
        "resourceType": "OperationDefinition",
        "id": OPERATION,
        "url": f"{base_url}/OperationDefinition/{OPERATION}",
        "name": "DeclareEmergency",
        "title": "Declare an emergency",
        "status": "active",
        "kind": "operation",
        "affectsState": True,
        "code": OPERATION,
        "resource": ["Patient"],
        "system": False,
        "type": False,
        "instance": True,
        "description": (
            "Opens, for who calls it and for an hour at most, what the patient allows in an emergency. Role and"
            f" purpose are those of the token ({', '.join(sorted(EMERGENCY_ROLES))}; TREAT or below), which must not"
            " be older than 12 hours. The answer is the same for every patient; she is told who declared it and why."
        ),
        "parameter": [concept | {"documentation": said}, answered],
    }
