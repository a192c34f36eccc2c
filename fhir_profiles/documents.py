"""A file as a DocumentReference with its bytes inside: plain R4, no profile (https://hl7.org/fhir/R4/documentreference.html)."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from fhir_profiles.problems import Problem

PDF, JPEG, PNG, TEXT = "application/pdf", "image/jpeg", "image/png", "text/plain; charset=utf-8"
_MAGIC = ((b"%PDF-", PDF), (b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG))
_SPACES = frozenset("\t\n\r\f")


@dataclass(frozen=True, slots=True)
class Document:
    """A file that a person has. `date`: when it came into the record; `created`: when it was made (FHIR dateTimes)."""

    content: bytes = field(repr=False)
    media_type: str
    title: str
    date: str
    created: str = ""


def media_type(content: bytes) -> str:
    """What a file is, told by its bytes: PDF, JPEG, PNG or plain text in UTF-8. Raises `Problem(media-type)`."""
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if not text or not all(sign.isprintable() or sign in _SPACES for sign in text):
        raise Problem("media-type", "this is no PDF, JPEG, PNG, text in UTF-8 or FHIR resource: save it as a PDF")
    return TEXT


def document_reference(document: Document, patient: str, id_: str) -> dict[str, Any]:
    """The resource: `patient` is the patient's id, `id_` its own. `hash` is SHA-1, as R4 says."""
    attachment = {
        "contentType": document.media_type,
        "data": base64.b64encode(document.content).decode("ascii"),
        "size": len(document.content),
        "hash": base64.b64encode(hashlib.sha1(document.content, usedforsecurity=False).digest()).decode("ascii"),
        "title": document.title,
    }
    if document.created:
        attachment["creation"] = document.created
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "date": document.date,
        "description": document.title,
        "content": [{"attachment": attachment}],
    }
