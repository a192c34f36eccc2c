"""Who in the house may ask, and what the patient is told of it."""

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from connectors.gateway.database import Database
from connectors.gateway.models import emergencies, read_reports, staff_tokens, state
from consent import floor
from consent.purposes import BREAK_THE_GLASS

TOKEN_BYTES = 32
HOUSE_TYPE = "type"
"""The house's type in the directory, among what a writer keeps beside (`Store.state`)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A person of the house, what she is there, what she reads for (a code of v3-ActReason such as `TREAT`), and
    whether she may write. `issued`: when her token was made, seconds since 1970. `house`: the type of the house in the
    directory. `audits`: whether she may read the house's audit."""

    person: str
    role: str
    purpose: str
    writes: bool = False
    issued: int = field(default=0, compare=False)
    house: str = field(default="", compare=False)
    audits: bool = False

    @property
    def role_code(self) -> str:
        """Her role as roles are compared: without regard to capitals."""
        return self.role.strip().lower()

    def closed(self, action: str) -> frozenset[int]:
        """The categories that the law closes to her here, whoever consents (`consent.floor`)."""
        return floor.categories_closed(floor.roles(self.house, self.role), action)


@dataclass(frozen=True, slots=True)
class ReadReport:
    """One read of one patient's resources: `number` resources of the type `what`, at `at` (seconds since 1970).

    `kept`: why they were taken over into the house's own record, where they were. `address`: what was asked, below the
    FHIR base; `stated`: the purpose of who asked, though it is told as read in an emergency.
    """

    id: int
    patient: str
    person: str
    role: str
    purpose: str
    at: int
    what: str
    number: int
    kept: str = ""
    address: str = ""
    stated: str = ""


_REPORT = tuple(read_reports.c[each.name] for each in fields(ReadReport))


def issue_token(database: Database, reader: Reader, seconds: int, now: float | None = None) -> str:
    """Make a bearer token for a person of the house, valid for `seconds`; only its hash is kept."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = {
        "hash": _hash(token),
        "person": reader.person,
        "role": reader.role,
        "purpose": reader.purpose,
        "expires": int(_now(now)) + seconds,
        "writes": reader.writes,
        "issued": int(_now(now)),
        "audits": reader.audits,
    }
    with database.write() as connection:
        connection.execute(delete(staff_tokens).where(staff_tokens.c.expires <= int(_now(now))))
        connection.execute(insert(staff_tokens), row)
    return token


def revoke_tokens(database: Database, person: str) -> int:
    """Take all tokens of a person away; returns how many there were."""
    with database.write() as connection:
        return connection.execute(delete(staff_tokens).where(staff_tokens.c.person == person)).rowcount


def end_token(database: Database, token: str) -> None:
    """Take one token away."""
    with database.write() as connection:
        connection.execute(delete(staff_tokens).where(staff_tokens.c.hash == _hash(token)))


_HOUSE_TYPE = select(state.c.value).where(state.c.key == HOUSE_TYPE)
_READER = select(
    staff_tokens.c.person, staff_tokens.c.role, staff_tokens.c.purpose, staff_tokens.c.writes, staff_tokens.c.issued,
    func.coalesce(_HOUSE_TYPE.scalar_subquery(), ""), staff_tokens.c.audits,
)  # fmt: skip


def reader_of(database: Database, token: str, now: float | None = None) -> Reader | None:
    """Who holds this token; `None` for one unknown or expired."""
    statement = _READER.where(staff_tokens.c.hash == _hash(token), staff_tokens.c.expires > int(_now(now)))
    with database.read() as connection:
        row = connection.execute(statement).one_or_none()
    return Reader(*row) if row is not None else None


def report(
    database: Database, reader: Reader, what: str, numbers: Mapping[str, int], now: float | None = None,
    address: str = "",
) -> None:  # fmt: skip
    """Note a read before it is answered: `numbers` of resources by patient, 0 of whom was asked and nothing shown.

    House-local ones ('') are nobody's. `address`: what was asked, below the FHIR base.
    """
    rows = _report_rows(reader, what, numbers, now, address)
    if rows:
        with database.write() as connection:
            urgent = _in_emergency(connection, reader.person, [row["patient"] for row in rows], int(_now(now)))
            told = [row | ({"purpose": BREAK_THE_GLASS} if row["patient"] in urgent else {}) for row in rows]
            connection.execute(insert(read_reports), told)


def _in_emergency(connection: Connection, person: str, patients: Sequence[str], now: int) -> set[str]:
    """Of which of these patients somebody has declared an emergency that is open now: whatever is read then is told
    as read for that."""
    query = select(emergencies.c.patient).where(
        emergencies.c.patient.in_(patients), emergencies.c.until > now, emergencies.c.person == person
    )
    return set(connection.execute(query).scalars())


def report_kept(connection: Connection, reader: Reader, patient: str, what: str, id_: str, reason: str) -> None:
    """Note, in the transaction that does so, that a resource was taken over into the house's own record."""
    rows = [row | {"kept": reason} for row in _report_rows(reader, what, {patient: 1}, None, f"{what}/{id_}")]
    connection.execute(insert(read_reports), rows)


def _report_rows(
    reader: Reader, what: str, numbers: Mapping[str, int], now: float | None, address: str
) -> list[dict[str, Any]]:
    at = int(_now(now))
    return [
        {
            "patient": patient,
            "person": reader.person,
            "role": reader.role,
            "purpose": reader.purpose,
            "at": at,
            "what": what,
            "number": number,
            "address": address,
            "stated": reader.purpose,
        }
        for patient, number in sorted(numbers.items())
        if patient
    ]


def pending_reports(database: Database, limit: int = 1000) -> list[ReadReport]:
    """Reports not yet sent to the patients, oldest first."""
    with database.read() as connection:
        rows = connection.execute(select(*_REPORT).order_by(read_reports.c.id).limit(limit))
        return [ReadReport(*row) for row in rows]


def unaudited_reports(database: Database, limit: int = 1000) -> list[ReadReport]:
    """Reports of which the house's audit does not know yet, oldest first."""
    query = select(*_REPORT).where(read_reports.c.audited.is_(False)).order_by(read_reports.c.id).limit(limit)
    with database.read() as connection:
        return [ReadReport(*row) for row in connection.execute(query)]


def mark_audited(connection: Connection, ids: Sequence[int]) -> None:
    """Note, in the transaction that does so, that these reports are in the house's audit."""
    connection.execute(update(read_reports).where(read_reports.c.id.in_(ids)).values(audited=True))


def forget_reports(database: Database, ids: Sequence[int]) -> None:
    """Forget reports that the hub has acknowledged."""
    with database.write() as connection:
        connection.execute(delete(read_reports).where(read_reports.c.id.in_(ids)))


def _hash(token: str) -> str:
    # The token is random and long, so that a plain hash cannot be searched.
    return hashlib.sha256(token.encode()).hexdigest()


def _now(now: float | None) -> float:
    return time.time() if now is None else now
