"""The legal floor: a complete table, and what it closes."""

import pytest

from consent.categories import NAMES
from consent.floor import EVERYTHING, FLOOR, ROLES, closed, closing


def test_the_table_says_something_of_every_category():
    """For each role and letter a category is open or closed; nothing is forgotten."""
    assert FLOOR.keys() == ROLES
    doctors = FLOOR["physician"]
    assert doctors.keys() == set("CRUD")
    assert all(not doctors[letter] for letter in "CRUD")
    assert closed(FLOOR, ["ombuds-office"], "read") >= set(NAMES) | {EVERYTHING}


@pytest.mark.parametrize(
    ("role", "action", "shut", "open_"),
    [
        ("payer", "read", {EVERYTHING, "documents"}, set()),
        ("payer", "create", {"lab", "person"}, {"documents"}),
        ("pharmacist", "read", {"dental", "eau", "rehab", "other"}, set(NAMES)),
        ("pharmacist", "delete", {"lab", "documents"}, {"medication", "immunizations"}),
        ("nurse", "update", {"conditions"}, {"care"}),
        ("midwife", "create", {"mental"}, {"intimate"}),
        ("physiotherapist", "read", {"immunizations"}, {"lab"}),
        ("occupational-physician", "search", {"genetic"}, {"eau", "lab"}),
        ("public-health", "delete", set(), set(NAMES)),
        ("pharmacist", "correct", {"lab"}, {"medication"}),
        ("pharmacist", "export", {"dental"}, {"lab"}),
    ],
)
def test_a_role_is_held_to_its_column(role, action, shut, open_):
    """What is passed on has to be readable; correcting is updating and deleting."""
    found = closed(FLOOR, [role], action)
    assert shut <= found
    assert found.isdisjoint(open_)


def test_a_role_outside_the_table_and_an_act_that_is_no_data_are_not_bound():
    """Then consent alone decides."""
    assert closed(FLOOR, ["researcher"], "read") == closed(FLOOR, [], "read") == frozenset()
    assert closed(FLOOR, ["payer"], "manage-consent") == frozenset()


def test_of_several_roles_each_has_to_be_open():
    """Nobody gains by stating more."""
    assert closed(FLOOR, ["physician", "payer"], "read") == closed(FLOOR, ["payer"], "read")


def test_a_table_of_ones_own_closes_for_every_action():
    """As a file of cases states it."""
    assert closed(closing({"payer": ["*"]}), ["payer"], "update") == {"*"}
