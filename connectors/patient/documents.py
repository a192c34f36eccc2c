"""A patient's files go into her record: FHIR resources as they are, documents as a DocumentReference."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.entries import Entry
from connectors.local_database import transaction
from connectors.patient.client import Client
from consent import identifiers
from consent.categories import NAMES, category
from consent.objects import MAX_OBJECT
from consent.opening import SUBJECTS, is_about
from fhir_profiles import definitions, resources
from fhir_profiles.documents import Document, document_reference, media_type
from fhir_profiles.observations import identity
from fhir_profiles.problems import Problem

MAX_FILE = MAX_OBJECT // 4 * 3 - 64 * 1024
"""Bytes of a document: base64 makes four of three, and the resource around it has some."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file: the resource in the outbox, its category, its size as JSON."""

    file: str
    type: str
    id: str
    category: str
    size: int


def add(client: Client, paths: Iterable[Path]) -> list[Added]:
    """Put files into the outbox, all or none; what is there already under the same type and id is replaced.

    Raises `Problem` that names the file and what to do.
    """
    with transaction(client.db):
        return [_add(client, path) for path in paths]


def _add(client: Client, path: Path) -> Added:
    try:
        resource = _read(client, path)
        line = resources.dump(resource)
        number = category(resource)
        name = f"{resource['resourceType']}/{resource['id']}"
        client.outbox.put([Entry(client.account, number, [line], name)])
    except Problem as problem:
        raise _naming(path, problem) from None
    return Added(str(path), resource["resourceType"], resource["id"], NAMES[number], len(line))


def _naming(path: Path, problem: Problem) -> Problem:
    return Problem(problem.code, f"{path}: {problem.detail}; nothing was added", expression=problem.expression)


def _read(client: Client, path: Path) -> dict[str, Any]:
    """The resource that a file is, or that is made of it; checked, about the patient, with an id."""
    content = content_of(path)
    patient = identifiers.account(client.account).local
    name = identity(patient, "file", hashlib.sha256(content).hexdigest()).hex()
    is_resource = path.suffix.lower() == ".json" or (path.suffix.lower() != ".txt" and content.lstrip()[:1] == b"{")
    if is_resource:
        resource = _about(resources.parse(content, max_bytes=MAX_OBJECT), client.account, name)
    else:
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        now = datetime.fromtimestamp(client.now, UTC).isoformat(timespec="seconds")
        resource = document_reference(Document(content, media_type(content), path.name, now, made), patient, name)
    resources.check(resource)
    return resource


def content_of(path: Path) -> bytes:
    """The bytes of a file that is to become a document. Raises `Problem`."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise Problem("too-large", f"a file may have {MAX_FILE} bytes: split it, or save it smaller")
        content = path.read_bytes()
    except OSError as error:
        raise Problem("not-found", f"the file cannot be read ({error.strerror}): name one that can") from None
    if not content:
        raise Problem("invalid", "the file is empty: name one that holds something")
    return content


def _about(resource: dict[str, Any], account: str, name: str) -> dict[str, Any]:
    """A resource with an id, about the patient where its type is about anybody. Raises `Problem`."""
    kind, patient = resource["resourceType"], identifiers.account(account).local
    if kind not in definitions.resource_types():
        raise Problem("structure", "this is no resource type of FHIR R4", expression="resourceType")
    if kind == "Bundle" and resource.get("type") != "document":
        raise Problem("not-supported", "a Bundle that is no document: add its resources, one a file")
    given = {"id": patient if kind == "Patient" else name} | resource
    if not is_about(given, account):
        detail = f"it is about somebody else: where it is about you, say Patient/{patient}, or leave the subject out"
        raise Problem("value", detail)
    missing = next(_subjects(kind), None)
    if missing is not None and not any(element in given for element in SUBJECTS):
        given[missing] = {"reference": f"Patient/{patient}"}
    return given


def _subjects(kind: str) -> Iterator[str]:
    """The elements of a type that name one patient."""
    elements = definitions.types()[kind]["elements"]
    for name in SUBJECTS:
        element = elements.get(f"{kind}.{name}")
        if element is not None and element["max"] == 1 and any("Patient" in each for each in element["types"]):
            yield name
