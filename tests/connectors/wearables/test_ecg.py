"""An ECG is read in the language and with the decimal mark of the watch."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.wearables import ecg
from connectors.wearables.generator import _ENGLISH, _GERMAN
from fhir_profiles import codes
from fhir_profiles.observations import Context
from fhir_profiles.problems import Problem
from fhir_profiles.resources import check, dump, parse

GERMAN = (_GERMAN + "-12,345\n0,5\n+7\n").encode()
ENGLISH = (_ENGLISH + "-12.345\n0.5\n7\n").encode()


@pytest.mark.parametrize("table", [GERMAN, ENGLISH, b"\xef\xbb\xbf" + ENGLISH, GERMAN.replace(b"\n", b"\r\n")])
def test_german_and_english_tables_give_the_same_voltages(table: bytes) -> None:
    """With every digit, and a point."""
    assert ecg.is_ecg(table)
    found = ecg.parse(table)
    assert found.data == "-12.345 0.5 7"
    assert (found.unit, found.lead) == (codes.MICROVOLT, "I")
    assert found.about.hardware == "Watch6,2"


def test_the_interval_is_exact() -> None:
    """512 Hz is 1.953125 ms, and a German rate has a comma and a no-break space."""
    assert ecg.parse(ENGLISH).interval == Decimal("1.953125")
    assert ecg.parse(GERMAN).interval == Decimal("1.953601954")


def test_name_and_birthday_are_dropped() -> None:
    """The record knows whose it is without them."""
    found = ecg.parse(GERMAN)
    made = dump(ecg.observation(found, ecg.record_key("p-1", found), Context("p-1")))
    assert b"Muster" not in made
    assert b"1961" not in made
    check(parse(made))


def test_the_watchs_verdict_is_told_in_its_words() -> None:
    """Not translated: it is a device's finding."""
    made = ecg.observation(ecg.parse(GERMAN), bytes(16), Context("p-1"))
    assert made["component"][1]["valueCodeableConcept"] == {"text": "Sinusrhythmus"}
    assert made["effectiveDateTime"] == "2026-10-05T08:12:30+02:00"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"512 hertz", b"viele hertz"),
        (b"512 hertz", b"0 hertz"),
        (b"2026-10-19 19:40:02 +0200", b"gestern"),
        ("µV".encode(), b"furlong"),
        (b"Lead I", b"Lead IX"),
        (b"0.5\n", b"0.5.5\n"),
        (b"-12.345\n0.5\n7\n", b""),
        (b"Unit", b"Maass"),
        (b"0.5\n", b"\xff\n"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(old: bytes, new: bytes) -> None:
    """Half an ECG is none; the detail holds nothing of it."""
    with pytest.raises(Problem) as caught:
        ecg.parse(ENGLISH.replace(old, new))
    assert caught.value.detail == "The ECG cannot be read."


@given(st.binary(max_size=300), st.integers(0, len(ENGLISH)))
def test_any_bytes_are_read_or_refused(noise: bytes, place: int) -> None:
    """Nothing else comes out than an ECG or a problem."""
    for table in (noise, ENGLISH[:place] + noise + ENGLISH[place:], b"x" * 200_000 + b"\n" + ENGLISH):
        try:
            found = ecg.parse(table)
        except Problem:
            continue
        check(parse(dump(ecg.observation(found, bytes(16), Context("p-1")))))


def test_another_table_is_no_ecg() -> None:
    """Other apps leave CSV files there too."""
    assert not ecg.is_ecg(b"date,steps\n2026-10-01,5000\n")
