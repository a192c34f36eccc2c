"""What an interaction answers, before it becomes an HTTP response or the entry of a batch."""

from dataclasses import dataclass, field

import orjson

from connectors.gateway.negotiation import Return
from connectors.gateway.records import Stored


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body (FHIR JSON), the version answered with, and where a created resource is (`Type/id`)."""

    status: int
    body: bytes = field(default=b"", repr=False)
    version: Stored | None = field(default=None, repr=False)
    location: str | None = None


def written(stored: Stored, created: bool, wanted: Return, existed: bool = False) -> Answer:
    """The answer to a write: 201 for a resource now created, else 200; the body as `Prefer` asks for it."""
    location = f"{stored.type}/{stored.id}" if created or existed else None
    if wanted == "minimal":
        body = b""
    elif wanted == "OperationOutcome":
        body = done(f"{stored.type}/{stored.id}, version {stored.version}")
    else:
        body = stored.body
    return Answer(201 if created else 200, body, stored, location)


def done(text: str) -> bytes:
    """An OperationOutcome that says that all went well."""
    issue = {"severity": "information", "code": "informational", "diagnostics": text}
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
