"""The legal floor: what no consent can open, by role, category and action, as a table.

The rows are the sixteen categories, and four kinds of document that the law sets apart; each names its number in
§ 341 (2) SGB V. The columns are the groups of professions of § 352 SGB V, as gematik's legal policy of the ePA für alle
states them (https://github.com/gematik/ePA-Basic, concept/chapters/legal_policy.adoc): C create, R read and search,
U update, D delete. What a column does not state is closed. Where a category holds data of several numbers, the one
that most of them fall under counts.

A role that the table does not list is not bound by it: then consent alone decides. Of several stated roles each has to
be open, so that nobody gains by stating more; state the role in which the person acts.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from consent.categories import INDEX

Floor = Mapping[str, Mapping[str, frozenset[str]]]
"""Role → letter of CRUD → the classes closed to it: categories or types, `*` for everything."""

EVERYTHING = "*"

_COLUMNS: tuple[tuple[str, ...], ...] = (
    ("physician", "dentist", "psychotherapist", "hospital", "rehabilitation", "public-health"),
    ("pharmacist",),
    ("nurse",),
    ("midwife",),
    ("physiotherapist",),
    ("occupational-physician",),
    ("payer",),
    ("app",),  # a digital health application, § 33a SGB V
    ("ombuds-office",),  # reads the log for the insured, no data
)
ROLES: frozenset[str] = frozenset(role for column in _COLUMNS for role in column)

# fmt: off
_TABLE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    #                     treating  pharm.  nurse   midwife physio. occup.  payer app   ombuds
    "person":        ("1",  ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "",   "")),
    "vitals":        ("1a", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "CU", "")),
    "activity":      ("1a", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "CU", "")),
    "traces":        ("1a", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "CU", "")),
    "medication":    ("1b", ("CRUD", "CRUD", "R",    "R",    "R",    "R",    "",   "",   "")),
    "conditions":    ("1a", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "",   "")),
    "allergies":     ("1c", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "",   "")),
    "immunizations": ("5",  ("CRUD", "CRUD", "R",    "R",    "",     "CRUD", "",   "",   "")),
    "lab":           ("1a", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "",   "")),
    "imaging":       ("1a", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "",   "")),
    "documents":     ("1d", ("CRUD", "R",    "R",    "R",    "R",    "R",    "CU", "",   "")),
    "care":          ("10", ("CRUD", "R",    "CRUD", "R",    "R",    "R",    "",   "",   "")),
    "messages":      ("1d", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "",   "")),
    "mental":        ("1a", ("CRUD", "R",    "R",    "R",    "R",    "R",    "",   "",   "")),
    "intimate":      ("4",  ("CRUD", "R",    "R",    "CRUD", "R",    "R",    "",   "",   "")),
    # § 20 (1) GenDG: at work, results of genetic examinations may be neither demanded nor accepted nor used.
    "genetic":       ("1a", ("CRUD", "R",    "R",    "R",    "R",    "",     "",   "",   "")),
    # Documents that the law sets apart, by gematik's identifiers: dental booklet, certificate of incapacity for work,
    # rehabilitation after accidents, programmes for the chronically ill.
    "dental":        ("2",  ("CRUD", "",     "R",    "",     "",     "R",    "",   "",   "")),
    "eau":           ("12", ("CRUD", "",     "",     "",     "",     "R",    "",   "",   "")),
    "rehab":         ("14", ("CRUD", "",     "",     "",     "",     "",     "",   "",   "")),
    "other":         ("13", ("CRUD", "",     "",     "",     "",     "R",    "",   "",   "")),
}
# fmt: on
_ROLE_OF_TYPE = {
    "hospital": "hospital",
    "emergency": "hospital",
    "pharmacy": "pharmacist",
    "payer": "payer",
    "public-health": "public-health",
    "occupational": "occupational-physician",
}  # fmt: skip
"""The directory's type of an organisation → the role in which all who act for it act, as gematik's policy goes by the
institution. In a practice and a care service several professions work: there the role of the person alone counts."""
_NONE: frozenset[str] = frozenset()
_LETTERS = {
    "create": "C", "collect": "C", "read": "R", "search": "R", "access": "R", "use": "R", "disclose": "R",
    "export": "R", "update": "U", "delete": "D", "correct": "UD",
}  # fmt: skip
"""What an action does to data, in letters of CRUD: who passes on has to be allowed to read."""


def _closed(column: int, letter: str) -> frozenset[str]:
    closed = frozenset(row for row, (_, rights) in _TABLE.items() if letter not in rights[column])
    return closed | {EVERYTHING} if closed == _TABLE.keys() else closed


FLOOR: Floor = MappingProxyType(
    {
        role: MappingProxyType({letter: _closed(column, letter) for letter in "CRUD"})
        for column, roles in enumerate(_COLUMNS)
        for role in roles
    }
)
"""The table, as decisions ask it."""


def closing(roles: Mapping[str, Iterable[str]]) -> Floor:
    """A floor that closes classes to roles whatever they do: `{"payer": ["*"]}`."""
    return {role: dict.fromkeys("CRUD", frozenset(classes)) for role, classes in roles.items()}


def closed(floor: Floor, roles: Iterable[str], action: str) -> frozenset[str]:
    """The classes that are closed to any of these roles for this action; `*` among them for everything."""
    letters = _LETTERS.get(action, "")
    return _NONE.union(*(floor[role].get(letter, _NONE) for role in roles if role in floor for letter in letters))


def roles(type_: str, person: str) -> frozenset[str]:
    """In which roles a person acts: her own, and that of her organisation by its `type_` in the directory."""
    return frozenset({person.strip().lower(), _ROLE_OF_TYPE.get(type_, "")} - {""})


def categories_closed(roles: Iterable[str], action: str) -> frozenset[int]:
    """The categories, by number, that are closed to any of these roles for this action."""
    classes = closed(FLOOR, roles, action)
    return frozenset(number for name, number in INDEX.items() if EVERYTHING in classes or name in classes)
