"""What SMART's scopes of version 1 and 2 mean, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles.problems import Problem
from fhir_profiles.scopes import LETTERS, Scopes

TYPES = ["*", "Patient", "Observation", "Encounter"]


def scope_sets():
    letters = st.sets(st.sampled_from(LETTERS), min_size=1).map(lambda some: "".join(x for x in LETTERS if x in some))
    word = st.tuples(st.sampled_from(TYPES), letters).map(lambda pair: f"system/{pair[0]}.{pair[1]}")
    return st.lists(word, max_size=4).map(lambda words: Scopes.parse(" ".join(words)))


def allowed(scopes):
    return {(type_, letter) for type_ in [*TYPES, "Device"] for letter in LETTERS if scopes.allow(type_, letter)}


@pytest.mark.parametrize(
    ("text", "type_", "letters"),
    [
        ("system/Patient.rs", "Patient", "rs"),
        ("system/Patient.rs", "Observation", ""),
        ("system/*.cruds", "Observation", "cruds"),
        ("system/Patient.read", "Patient", "rs"),
        ("system/Patient.write", "Patient", "cud"),
        ("system/Patient.*", "Patient", "cruds"),
        ("system/*.*", "Patient", "cruds"),
        ("system/*.r  system/Patient.c system/Patient.d", "Patient", "crd"),
        ("", "Patient", ""),
    ],
)
def test_a_scope_allows_what_it_says(text, type_, letters):
    """Version 1 and 2, one type and all of them, several together."""
    scopes = Scopes.parse(text)
    assert "".join(letter for letter in LETTERS if scopes.allow(type_, letter)) == letters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("system/Observation.rs?category=laboratory", "Restrictions"),
        ("patient/Observation.rs", "Only scopes of programs"),
        ("user/*.read", "Only scopes of programs"),
        ("openid", "Only scopes of programs"),
        ("system/Observation", "Only scopes of programs"),
        ("system/Observation.", "Only scopes of programs"),
        ("system/.rs", "resource type"),
        ("system/Heartbeat.rs", "resource type"),
        ("system/Observation.sr", "cruds"),
        ("system/Observation.rr", "cruds"),
        ("system/Observation.reads", "cruds"),
        ("system/*.rs system/Observation.x", "cruds"),
        ("system/*.rs " * 1000, "characters"),
    ],
)
def test_a_scope_that_is_not_served_is_refused_with_the_reason(text, sentence):
    """One that cannot be kept is never taken for a wider one."""
    with pytest.raises(Problem, match=sentence) as refused:
        Scopes.parse(text)
    assert "Observation" not in refused.value.detail


@given(scope_sets(), scope_sets())
def test_narrowed_scopes_allow_what_both_do(one, other):
    """Neither more nor less."""
    assert allowed(one.within(other)) == allowed(one) & allowed(other)


@given(scope_sets(), scope_sets())
def test_scopes_cover_those_that_allow_nothing_else(one, other):
    """Covering is having all of it; that of all types only by `*`."""
    assert one.covers(other) == (allowed(other) <= allowed(one))


@given(scope_sets())
def test_scopes_are_written_as_they_are_read(scopes):
    """What a token endpoint answers means the same to its client."""
    assert allowed(Scopes.parse(str(scopes))) == allowed(scopes)
