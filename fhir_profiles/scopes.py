"""SMART's scopes for programs: which interactions with which resource types, as `system/Observation.rs` says it.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html: version 2 (`system/Type.cruds`: create, read,
update, delete, search) and version 1 (`read`, `write`, `*`). Restrictions of a scope by a search are not served.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from fhir_profiles.definitions import resource_types
from fhir_profiles.problems import Problem

LETTERS = "cruds"
ANY = "*"
MAX_CHARACTERS = 8192

_VERSION_1 = {"read": "rs", "write": "cud", "*": LETTERS}
_VERSION_2 = re.compile(r"(?=.)c?r?u?d?s?")


@dataclass(frozen=True, slots=True)
class Scopes:
    """The letters of `cruds` allowed, by resource type; those of `*` are allowed for every type."""

    allowed: Mapping[str, frozenset[str]]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Understand scopes with spaces between them. Raises `Problem(invalid)`, which quotes nothing of them."""
        if len(text) > MAX_CHARACTERS:
            raise Problem("invalid", f"Scopes may have {MAX_CHARACTERS} characters.")
        found: dict[str, frozenset[str]] = {}
        for word in text.split():
            type_, letters = _parsed(word)
            found[type_] = found.get(type_, frozenset()) | letters
        return cls(found)

    def allow(self, type_: str, letter: str) -> bool:
        """Whether an interaction with a type is allowed."""
        return letter in self.letters(type_)

    def letters(self, type_: str) -> frozenset[str]:
        """All that is allowed with a type; with `*`, what is allowed with every type."""
        return self.allowed.get(type_, frozenset()) | self.allowed.get(ANY, frozenset())

    def within(self, bounds: Self) -> Self:
        """What both allow."""
        types = self.allowed.keys() | bounds.allowed.keys()
        both = {type_: self.letters(type_) & bounds.letters(type_) for type_ in types}
        return type(self)({type_: letters for type_, letters in both.items() if letters})

    def covers(self, other: Self) -> bool:
        """Whether all that the other allows is allowed here."""
        return all(letters <= self.letters(type_) for type_, letters in other.allowed.items())

    def __bool__(self) -> bool:
        return any(self.allowed.values())

    def __str__(self) -> str:
        return " ".join(f"system/{type_}.{_spelled(letters)}" for type_, letters in sorted(self.allowed.items()))


def _parsed(word: str) -> tuple[str, frozenset[str]]:
    if "?" in word:
        raise Problem("invalid", "Restrictions of a scope (?...) are not served here: leave the part from ? on away.")
    context, _, rest = word.partition("/")
    type_, _, permissions = rest.partition(".")
    if context != "system" or not permissions:
        raise Problem("invalid", "Only scopes of programs are served here: system/Type.cruds.")
    if type_ != ANY and type_ not in resource_types():
        raise Problem("invalid", "A scope must name a resource type of FHIR R4, or *.")
    letters = _VERSION_1.get(permissions, permissions)
    if not _VERSION_2.fullmatch(letters):
        raise Problem("invalid", "A scope ends in letters of cruds, in this order, or in read, write or *.")
    return type_, frozenset(letters)


def _spelled(letters: Iterable[str]) -> str:
    return "".join(sorted(letters, key=LETTERS.index))
