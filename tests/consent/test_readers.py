"""Who may read by a grant: by the lowest purpose that is told apart, and by role where it is told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import readers
from consent.primitives import Rejected
from consent.purposes import PURPOSES, purposes_above
from consent.readers import ANY, Readers, of_grant

NAMED = ["TREAT", "ETREAT", "BTG", "COC", "HRESCH", "PROJ1", "HOPERAT"]
ROLES = ["physician", "nurse"]
ASKED = [(purpose, role) for purpose in [*PURPOSES, "PROJ1", "PROJ2"] for role in [ANY, *ROLES, "janitor"]]


@st.composite
def tables(draw):
    """Any table of some purposes and roles."""
    empty = Readers(
        draw(st.frozensets(st.sampled_from(NAMED))), draw(st.frozensets(st.sampled_from(ROLES))), frozenset()
    )
    admitted = draw(st.frozensets(st.sampled_from(empty.cells))) if empty.cells else frozenset()
    return Readers(empty.purposes, empty.roles, admitted)


@given(tables())
def test_the_simplest_table_admits_the_same(table):
    """And telling apart one purpose or role less would admit others."""
    simple = table.simplest()
    assert all(simple.admits(*one) == table.admits(*one) for one in ASKED)
    assert simple.simplest() == simple
    assert readers.read(simple.plain()) == simple


@given(tables(), tables())
def test_both_admit_whom_each_admits(one, other):
    """In either order."""
    both = one.both(other)
    assert all(both.admits(*asked) == (one.admits(*asked) and other.admits(*asked)) for asked in ASKED)
    assert both == other.both(one)


@given(tables())
def test_of_the_rows_that_fit_the_deepest_counts(table):
    """As a database asks: the deepest purpose first, then the role that is named."""
    for purpose, role in ASKED:
        fits = [row for row in table.rows() if row[0] in purposes_above(purpose) and row[1] in (ANY, role)]
        said = max(fits, key=lambda row: (row[2], row[1]))[3] if fits else False
        assert said == table.admits(purpose, role)


@given(st.frozensets(st.sampled_from(NAMED), min_size=1))
def test_a_grant_without_a_table_is_for_all_who_read_for_its_purposes(purposes):
    """Purposes below another one of them change nothing."""
    everybody = of_grant(purposes)
    assert everybody.everybody
    assert all(everybody.admits(*one) == (not purposes_above(one[0]).isdisjoint(purposes)) for one in ASKED)


def test_what_a_table_says_of_a_purpose_below_makes_it_more_than_the_grant():
    """An exception, a role: the grant alone would not say it; and it is for the highest purpose."""
    exception = Readers(frozenset({"TREAT", "ETREAT"}), frozenset(), frozenset({("TREAT", ANY)}))
    role = Readers(frozenset({"TREAT"}), frozenset({"nurse"}), frozenset({("TREAT", "nurse")}))
    for table in (exception, role):
        assert table.simplest() == table
        assert not table.everybody
        assert table.highest == ("TREAT",)


GOOD = {"purposes": ["TREAT"], "roles": ["nurse"], "admitted": [["TREAT", "nurse"]]}


@pytest.mark.parametrize(
    "change",
    [
        {"purposes": ["x"]}, {"purposes": "TREAT"}, {"purposes": ["TREAT", "TREAT"]}, {"purposes": [["TREAT"]]},
        {"roles": [""]}, {"roles": None}, {"admitted": [["TREAT", "physician"]]}, {"admitted": [["HRESCH", ""]]},
        {"admitted": [["TREAT"]]}, {"admitted": [["TREAT", 1]]}, {"admitted": {"TREAT": "nurse"}}, {"until": 1},
        {"admitted": [["TREAT", "nurse"], ["TREAT", "nurse"]]},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_table_is_refused(change):
    """Unknown purposes, pairs that are not told apart, other members."""
    assert readers.read(GOOD).admits("TREAT", "nurse")
    with pytest.raises(Rejected) as rejected:
        readers.read(GOOD | change)
    assert (rejected.value.kind, rejected.value.reason) == ("broken", "rules")
