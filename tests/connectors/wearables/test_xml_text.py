"""Broken XML is mended in the stream, wherever the chunks are cut; what is an attack is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.wearables.generator import DOCTYPE
from connectors.wearables.xml_text import DOCTYPE_LIMIT, mended
from fhir_profiles.problems import Problem

BODY = (
    '<HealthData locale="de"><Record sourceName="M\x0bül\x00ler &#11;&amp;&#x1F;&#228;" unit="&lt;]&gt;"/></HealthData>'
)
CLEAN = '<HealthData locale="de"><Record sourceName="Müller &amp;&#228;" unit="&lt;]&gt;"/></HealthData>'
PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- <!DOCTYPE no> -->\n'


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in chunks that end at these places."""
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize(
    "doctype",
    ["", "<!DOCTYPE HealthData>", "<!DOCTYPE HealthData [\n<!ELEMENT HealthData EMPTY>\n]>", DOCTYPE],
    ids=["none", "short", "well formed", "ios 16"],
)
@given(places=st.lists(st.integers(0, 1200), max_size=40))
def test_a_document_is_mended_wherever_its_chunks_end(doctype: str, places: list[int]) -> None:
    """One chunk or a chunk a byte: the same text."""
    data = (PROLOG + doctype.strip() + BODY).encode()
    assert b"".join(mended(cut(data, places))).decode() == PROLOG + CLEAN


def test_each_byte_may_be_a_chunk() -> None:
    """The worst case of the above."""
    data = (PROLOG + DOCTYPE + BODY).encode()
    assert b"".join(mended(data[place : place + 1] for place in range(len(data)))).decode() == PROLOG + "\n" + CLEAN


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.lists(st.integers(0, 200), max_size=9))
def test_only_what_xml_forbids_is_taken_out(text: str, places: list[int]) -> None:
    """All other characters stay, umlauts cut in half by a chunk too."""
    body = f"<HealthData>{text}</HealthData>".replace("<!DOCTYPE", "").replace("&#", "")
    assert b"".join(mended(cut(body.encode(), places))).decode() == re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "", body)


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE HealthData [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE HealthData [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE HealthData [<!ENTITY % p SYSTEM "http://example.org/x.dtd"> %p;]>',
    ],
    ids=["bomb", "file", "parameter"],
)
@given(places=st.lists(st.integers(0, 200), max_size=9))
def test_declared_entities_are_refused(doctype: str, places: list[int]) -> None:
    """No export of Apple Health declares one."""
    with pytest.raises(Problem, match="entities"):
        list(mended(cut((doctype + CLEAN).encode(), places)))


def test_a_doctype_without_end_is_refused_early() -> None:
    """An endless head does not fill the memory."""
    given_out = 0

    def endless() -> object:
        nonlocal given_out
        yield b"<!DOCTYPE HealthData ["
        while True:
            given_out += 65_536
            yield b" " * 65_536

    with pytest.raises(Problem, match="no end"):
        list(mended(endless()))
    assert given_out <= DOCTYPE_LIMIT + 65_536


@pytest.mark.parametrize("data", [b"", b"<?xml version='1.0'?>", b"<!DOCTYPE HealthData ["])
def test_a_document_that_ends_before_its_root_is_refused(data: bytes) -> None:
    """Silence would look like an empty export."""
    with pytest.raises(Problem, match="ends before"):
        list(mended([data]))


def test_utf16_is_refused() -> None:
    """Apple writes UTF-8; the mending works on its bytes."""
    with pytest.raises(Problem, match="UTF-8"):
        list(mended([CLEAN.encode("utf-16")]))
