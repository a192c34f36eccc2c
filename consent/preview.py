"""What would change if: which entries a counterpart would see, or no longer see, told before anything is signed."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from consent import words
from consent.categories import NAMES
from consent.who import Stretch
from consent.words import place


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource of the record: where it lies, what it is, and under which grants finer rules withhold it.

    `hidden`: from all who read by a grant.
    """

    type: str
    category: int
    set: str
    index: int
    epoch: int
    author: str
    withheld: frozenset[str] = frozenset()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """Entries of the record as one counterpart sees them before and after, each a number by (category, type).

    `kept` is in each: what the counterpart wrote itself. `effect`: what becomes of what it has, one of
    `consent.template.EFFECTS`; empty where nothing is taken back.
    """

    counterpart: str
    gains: Counter[tuple[int, str]]
    loses: Counter[tuple[int, str]]
    sees: Counter[tuple[int, str]]
    hidden: Counter[tuple[int, str]]
    kept: int
    effect: str = ""

    def plain(self) -> dict[str, object]:
        """As JSON: for each of the four a total, and the numbers by category and type."""
        counts = {name: _plain(getattr(self, name)) for name in ("gains", "loses", "sees", "hidden")}
        return {"counterpart": self.counterpart, **counts, "own": self.kept, "effect": self.effect}


def granting(
    record: Iterable[Entry], live: Collection[Stretch], counterpart: str, categories: Collection[int], whole: bool
) -> Preview:
    """If these categories were granted, from the beginning (`whole`) or from now on. `live`: what holds now."""

    def after(one: Entry) -> bool:
        return (whole and one.category in categories and not one.hidden) or _seen(one, live, counterpart)

    return _preview(record, live, counterpart, after, "")


def withdrawing(
    record: Iterable[Entry], live: Collection[Stretch], counterpart: str, gids: Collection[str], effect: str
) -> Preview:
    """If these grants were ended."""
    left = [one for one in live if one.gid not in gids]
    return _preview(record, live, counterpart, lambda one: _seen(one, left, counterpart), effect)


def _preview(
    found: Iterable[Entry], live: Collection[Stretch], counterpart: str, after: Callable[[Entry], bool], effect: str
) -> Preview:
    made = Preview(counterpart, Counter(), Counter(), Counter(), Counter(), 0, effect)
    kept = 0
    for one in found:
        before, then, key = _seen(one, live, counterpart), after(one), (one.category, one.type)
        (made.sees if then else made.hidden)[key] += 1
        if then and not before:
            made.gains[key] += 1
        if before and not then:
            made.loses[key] += 1
        kept += one.author == counterpart
    return replace(made, kept=kept)


def _seen(one: Entry, live: Iterable[Stretch], counterpart: str) -> bool:
    return one.author == counterpart or any(
        not stretch.emergency and stretch.reaches(one.set, one.index, one.epoch) and stretch.gid not in one.withheld
        for stretch in live
    )


def _plain(counted: Counter[tuple[int, str]]) -> dict[str, object]:
    by_category: dict[str, dict[str, int]] = {}
    for (category, type_), number in sorted(counted.items()):
        by_category.setdefault(NAMES[category], {})[type_] = number
    return {"total": counted.total(), "categories": by_category}


# --- in words -----------------------------------------------------------------------------------------------------

_SEES = (
    "{who} sieht dann {entries}{parts}.",
    "{who} will then see {entries}{parts}.",
    "Dann sieht {who}: {entries}{parts}.",
)
_NEW = ("Davon sind neu: {entries}.", "Of these are new: {entries}.", "Davon neu: {entries}.")
_HIDDEN = (
    "Nicht zu sehen sind {entries}{parts}.",
    "Not to be seen are {entries}{parts}.",
    "Das sieht {who} nicht: {entries}{parts}.",
)
_LOSES = (
    "{who} sieht dann nicht mehr: {entries}{parts}.",
    "{who} will then no longer see: {entries}{parts}.",
    "Das sieht {who} dann nicht mehr: {entries}{parts}.",
)
_KEPT = (
    "Weiter zu sehen sind {entries}, weil {who} sie selbst geschrieben hat.",
    "Still to be seen are {entries}, because {who} wrote them itself.",
    "Das hat {who} selbst geschrieben und sieht es weiter: {entries}.",
)
_EFFECTS = {
    "stop": (
        "{who} bekommt keine neuen Daten mehr und behält, was schon dort ist.",
        "{who} gets no new data and keeps what it has.",
        "{who} bekommt nichts Neues mehr. {who} behält, was schon da ist.",
    ),
    "lock": (
        "{who} sperrt die eigenen Kopien.",
        "{who} locks its copies.",
        "{who} sperrt die Kopien. Niemand kann sie dann lesen.",
    ),
    "delete": (
        "{who} löscht die eigenen Kopien, außer dem, was dort geschrieben oder in die eigene Akte übernommen wurde.",
        "{who} deletes its copies, but for what it wrote itself or took over into its own record.",
        "{who} löscht die Kopien. Manches muss {who} behalten: was {who} selbst geschrieben hat.",
    ),
}
_UNREAD = (
    "Was schon gelesen wurde, kann niemand ungelesen machen.",
    "What has been read cannot be unread.",
    "Was jemand gelesen hat, das weiß er. Das kann niemand zurück-nehmen.",
)
_ENTRIES = (("1 Eintrag", "{} Einträge"), ("1 entry", "{} entries"), ("1 Eintrag", "{} Einträge"))


def lines(preview: Preview, language: str) -> list[str]:
    """The preview in sentences."""
    who, at = preview.counterpart, place(language)

    def told(sentence: tuple[str, str, str], counted: Counter[tuple[int, str]]) -> str:
        return sentence[at].format(
            who=who, entries=entries(counted.total(), language), parts=_parts(counted, language)
        )  # fmt: skip

    if preview.effect:
        said = [told(_LOSES, preview.loses)]
    else:
        said = [told(_SEES, preview.sees), told(_NEW, preview.gains)]
        said += [told(_HIDDEN, preview.hidden)] if preview.hidden else []
    if preview.kept and preview.effect:
        said.append(_KEPT[at].format(who=who, entries=entries(preview.kept, language)))
    if preview.effect:
        said += [_EFFECTS[preview.effect][at].format(who=who), _UNREAD[at]]
    return said


def entries(number: int, language: str) -> str:
    """`1 entry`, `42 entries`."""
    one, many = _ENTRIES[place(language)]
    return one if number == 1 else many.format(number)


def _parts(counted: Counter[tuple[int, str]], language: str) -> str:
    by_category: Counter[int] = Counter()
    for (category, _), number in counted.items():
        by_category[category] += number
    if not by_category:
        return ""
    return ": " + "; ".join(f"{n} {words.category(c, language)}" for c, n in sorted(by_category.items()))
