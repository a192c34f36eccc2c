"""Templates: what a patient is commonly asked for or wants to allow, with its full text in each language.

A template is a file of `consent/templates/`, one a version. A version that was published never changes: a Consent names
it by its URI, and by the language in which the text was shown. Changed words are a new version, a new file.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from consent import words
from consent.categories import INDEX
from consent.dates import last_day
from fhir_profiles.problems import Problem

BASE = "https://fhir.obhut.org/policy/"
EFFECTS = ("stop", "lock", "delete")
"""What becomes of data that are with the counterpart when consent is withdrawn: it gets no more (`stop`), keeps them
closed (`lock`), or deletes them (`delete`)."""


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a template. `days`: how long, by standing access; `whole`: what is there already, too.

    `confidentiality`: the levels that it opens, empty where it opens all of a category. `withdrawn`: one of `EFFECTS`.
    `title` and `paragraphs` by language; paragraphs hold `{who}` and `{rule}`.
    """

    id: str
    version: int
    categories: frozenset[int]
    purposes: tuple[str, ...]
    days: int
    whole: bool
    withdrawn: str
    confidentiality: frozenset[str]
    title: Mapping[str, str] = field(repr=False)
    paragraphs: Mapping[str, tuple[str, ...]] = field(repr=False)

    @property
    def uri(self) -> str:
        """As `Consent.policy.uri` names this version."""
        return f"{BASE}{self.id}/{self.version}"

    def end(self, issued: datetime) -> str:
        """The last day of what is granted at `issued`, a FHIR date: issue date + days - 1, at the patient's place."""
        return last_day(issued, self.days).isoformat()

    def text(self, who: str, what: Collection[int], why: Collection[str], until: int, language: str) -> str:
        """The full text as it is shown and signed; `until`: the first Unix second after. Raises `Problem(value)`."""
        words.place(language)
        told = words.rule(who, what, why, until, language)
        return "\n\n".join(
            paragraph.replace("{rule}", told).replace("{who}", who) for paragraph in self.paragraphs[language]
        )


def template(name: str) -> Template:
    """The template of an id, its newest version; or of `id/version`, or of a URI. Raises `Problem(not-found)`."""
    id_, _, version = name.removeprefix(BASE).partition("/")
    found = [one for one in _all() if one.id == id_ and version in ("", str(one.version))]
    if not found:
        raise Problem("not-found", "there is no such template: `obhut patient templates` lists them")
    return found[-1]


def templates() -> list[Template]:
    """The newest version of each template, in the order in which they are shown."""
    newest = {one.id: one for one in _all()}
    return list(newest.values())


@cache
def _all() -> tuple[Template, ...]:
    """All versions, elder ones first."""
    folder = files("consent") / "templates"
    order = json.loads((folder / "order.json").read_bytes())
    read = [_read(file.read_bytes()) for file in folder.iterdir() if file.name not in ("order.json", "__pycache__")]
    return tuple(sorted(read, key=lambda one: (order.index(one.id), one.version)))


def _read(data: bytes) -> Template:
    value = json.loads(data)
    return Template(
        value["id"], value["version"], frozenset(INDEX[name] for name in value["categories"]),
        tuple(value["purposes"]), value["days"], value["whole"], value["withdrawn"],
        frozenset(value.get("confidentiality", ())), MappingProxyType(value["title"]),
        MappingProxyType({language: tuple(text) for language, text in value["text"].items()}),
    )  # fmt: skip
