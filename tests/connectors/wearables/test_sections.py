"""Read in sections, an export says what it says in one piece, or it is read in one piece."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.wearables import importer
from connectors.wearables.archive import CHUNK
from connectors.wearables.intake import Taken, take_in
from connectors.wearables.ledger import MemoryLedger
from connectors.wearables.sections import SECTION_BYTES, Indivisible, cut, taken_from
from fhir_profiles.problems import Problem
from tests.connectors.wearables.broken_exports import DOCUMENTS, spliced
from tests.connectors.wearables.exports import DAY, document, record, taken, zipped
from tests.connectors.wearables.odd_exports import odd_export

WEIGHT = record("BodyMass", "80.5", f"{DAY} 07:00:00 +0200", unit="kg")


def chunks(data: bytes, places: list[int]) -> Iterator[bytes]:
    """The same in pieces."""
    for begin, end in pairwise([0, *sorted({place % len(data) for place in places} - {0}), len(data)]):
        yield data[begin:end]


def in_one_piece(data: bytes) -> Taken:
    """What an export says."""
    found = Taken()
    take_in((data,), found)
    return found


def in_sections(parts: Iterator[bytes], size: int) -> tuple[Taken, int]:
    """The same, section by section, and how many there were."""
    found = Taken()
    count = 0
    for section in cut(parts, size):
        found.join(taken_from(section))
        count += 1
    return found, count


def indented(text: str) -> bytes:
    """As Apple writes it: what stands right below the root by one blank."""
    return text.replace("\n<", "\n <").replace("\n </HealthData", "\n</HealthData").encode("utf-8", "surrogateescape")


@given(st.integers(0, 1 << 30), st.lists(st.integers(0), min_size=30, max_size=60), st.integers(200, 20_000))
def test_sections_say_what_the_whole_says(seed: int, places: list[int], size: int) -> None:
    """However long the chunks and the sections: records in order, sources in order, sensors known by their pace."""
    data = indented(odd_export(seed, 120))
    found, count = in_sections(chunks(data, places), size)
    assert found == in_one_piece(data)
    assert list(found.sources) == list(in_one_piece(data).sources)
    assert count > 1


@given(st.integers(0, 1 << 30), st.integers(1, 400))
def test_a_broken_export_is_broken_in_sections(seed: int, size: int) -> None:
    """What sections are taken for an export, is one; where they are not, the whole is asked."""
    (data,) = spliced(seed, 1)
    data = data.replace(b"\n<", b"\n <")
    try:
        found, _ = in_sections(chunks(data, list(range(0, len(data), 64))), size)
    except Indivisible:
        return
    assert found == in_one_piece(data)


@pytest.mark.parametrize(
    "around",
    ["<!--{}-->", "<Correlation>{}</Correlation>", "<![CDATA[{}]]>", "<?x {}?>"],
    ids=["comment", "element", "cdata", "instruction"],
)
def test_a_cut_in_the_wrong_place_is_noticed(around: str) -> None:
    """It looks like an element below the root, and is none."""
    data = document("\n " + around.format("\n " + WEIGHT)).encode()
    inside = data.find(b"\n <Record")
    with pytest.raises(Indivisible):
        in_sections(chunks(data, [inside + 10]), inside)


@pytest.mark.parametrize("text", ["<Record type='{}'/>", "<!--{}-->", "{}"], ids=["value", "comment", "text"])
def test_what_has_no_place_to_cut_is_left_to_one_piece(text: str) -> None:
    """Memory does not grow with what comes."""
    data = document(text.format("x" * (9 << 20))).encode()
    with pytest.raises(Indivisible):
        in_sections((data[place : place + (1 << 18)] for place in range(0, len(data), 1 << 18)), 1 << 19)


def test_a_large_export_that_sections_do_not_suit_is_read_in_one_piece(tmp_path, monkeypatch):
    """Some of it had been read in sections; none of that is left."""
    lines = [record("StepCount", str(n), f"{DAY} 08:00:{n % 60:02} +0200", unit="count") for n in range(6000)]
    data = indented(document(*lines, "<!--\n", *lines, "-->\n", WEIGHT))
    with pytest.raises(Indivisible):
        in_sections(chunks(data, list(range(0, len(data), CHUNK))), SECTION_BYTES)
    path = zipped(tmp_path / "a.zip", data)
    small = taken(path, MemoryLedger())
    monkeypatch.setattr(importer, "LARGE", 1)
    assert taken(path, MemoryLedger()) == small


def test_who_builds_the_days_makes_no_difference(tmp_path, monkeypatch):
    """Another process, or this one where there are more sources than can travel with each day."""
    path = zipped(tmp_path / "a.zip", indented(odd_export(5)))
    small = taken(path, MemoryLedger())
    monkeypatch.setattr(importer, "LARGE", 1)
    assert taken(path, MemoryLedger()) == small
    monkeypatch.setattr(importer, "FEW_SOURCES", 0)
    assert taken(path, MemoryLedger()) == small


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
def test_a_large_export_is_refused_as_a_small_one(tmp_path, monkeypatch, number):
    """In the same words."""
    path = tmp_path / "export.xml"
    path.write_bytes(DOCUMENTS[number].encode())
    verdicts = []
    for large in (1 << 40, 1):
        monkeypatch.setattr(importer, "LARGE", large)
        try:
            verdicts.append(taken(path, MemoryLedger()))
        except Problem as problem:
            verdicts.append((problem.code, problem.detail))
    assert verdicts[0] == verdicts[1]
