"""Files become DocumentReferences that HL7's definitions take."""

import base64
import hashlib

import pytest

from fhir_profiles.documents import Document, document_reference, media_type
from fhir_profiles.problems import Problem
from fhir_profiles.resources import check, dump, model, parse

PDF = b"%PDF-1.7\n" + bytes(range(256))


def test_what_is_built_is_r4() -> None:
    """The compiled checker and the typed model take it, from its bytes."""
    letter = Document(PDF, "application/pdf", "Brief Dr. Müller.pdf", "2026-10-01T08:00:00+00:00", "2026-09-30")
    made = document_reference(letter, "p-7f3k", "d1")
    resource = parse(dump(made))
    check(resource)
    assert model(resource).id == "d1"


def test_the_bytes_stand_inside_with_size_and_hash() -> None:
    """A reader gets the file back and can tell that it is whole."""
    made = document_reference(Document(PDF, "application/pdf", "a.pdf", "2026-10-01T08:00:00Z"), "p-7f3k", "d1")
    attachment = made["content"][0]["attachment"]
    assert base64.b64decode(attachment["data"]) == PDF
    assert attachment["size"] == len(PDF)
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(PDF).digest()
    assert "creation" not in attachment


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PDF, "application/pdf"),
        (b"\xff\xd8\xff\xe0JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\nIHDR", "image/png"),
        ("Größe: 1,70 m\r\n\tGewicht\n".encode(), "text/plain; charset=utf-8"),
    ],
)
def test_a_file_is_known_by_its_bytes(content: bytes, expected: str) -> None:
    """Its name does not count."""
    assert media_type(content) == expected


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"GIF89a\0", "Größe".encode("latin-1"), b"a\x1b[2J"])
def test_what_nobody_can_show_is_refused(content: bytes) -> None:
    """Nothing at all, archives, other pictures, other encodings, control characters."""
    with pytest.raises(Problem, match="save it as a PDF"):
        media_type(content)
