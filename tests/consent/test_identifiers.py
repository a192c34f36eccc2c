"""Identifiers and canonical JSON: whatever comes in, it is read in one way or rejected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import canonical, identifiers
from consent.primitives import Rejected
from tests.consent.verdicts import verdict

FIELDS = {"kind": "broken", "reason": "fields"}
CANON = {"kind": "broken", "reason": "canon"}
READERS = (
    identifiers.account,
    identifiers.domain,
    identifiers.device,
    identifiers.binary_id,
    identifiers.card,
)
NEAR = st.text(st.sampled_from("pd-a2@.#:obhutAB=_~ K\n"), max_size=60)

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(st.text(max_size=60) | NEAR)
def test_any_text_is_an_identifier_or_rejected(text):
    """Nothing else is ever raised."""
    for read in READERS:
        assert verdict(lambda read=read: read(text)) in ("ok", FIELDS)


def test_new_identifiers_are_ones():
    """What is made here is read here, and never twice the same."""
    person, device, some = identifiers.new_person("a.b"), identifiers.new_device(), identifiers.new_id()
    assert identifiers.account(str(person)) == person
    assert person.is_person
    assert identifiers.device(device) == device
    assert len(identifiers.binary_id(some)) == 16
    assert {person, device, some}.isdisjoint({identifiers.new_person("a.b"), identifiers.new_device()})


def test_person_is_made_at_a_right_hub_only():
    """A domain that is none is refused."""
    with pytest.raises(Rejected, match="fields"):
        identifiers.new_person("localhost")


@given(VALUES)
def test_what_is_written_can_be_read_and_nothing_else_is_written(value):
    """A value has canonical bytes, which give the value, or it is refused."""
    found: list[bytes] = []
    assert verdict(lambda: found.append(canonical.dump(value))) in ("ok", CANON)
    for raw in found:
        assert json.loads(raw) == value
        if isinstance(value, dict):
            assert canonical.parse(raw) == value


@given(st.binary(max_size=80) | st.text(st.sampled_from('{}[]",:a1 \\u0"'), max_size=40).map(str.encode))
def test_any_bytes_are_canonical_or_rejected(raw):
    """What is read is written again to the same bytes."""
    found: list[object] = []
    assert verdict(lambda: found.append(canonical.parse(raw))) in ("ok", CANON)
    assert [canonical.dump(value) for value in found] in ([], [raw])
