"""What a decision may know of a resource: nothing but what rules can ask for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from consent.purposes import labels_above

CONFIDENTIALITY = frozenset({"U", "L", "M", "N", "R", "V"})
"""http://terminology.hl7.org/CodeSystem/v3-Confidentiality"""

NORMAL = frozenset({"U", "L", "M", "N"})
"""What is normal, or less than that: as far as standing access and implicit policies reach."""

SENSITIVE = frozenset({"mental", "intimate", "genetic"})
"""Categories that nothing opens but the patient's own word: neither standing access nor an implicit policy."""

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """What a decision may know of a resource. Made by `item`, or from FHIR by `consent.facts`.

    `classes`: type, category, profiles. `labels`: confidentiality, and sensitivity with all it lies below. `clinical`:
    the half-open interval of the data, None where unknown. `kind`: a token that all share whose classes and labels are
    the same, so that alike ones are told by a glance.
    """

    ref: str
    classes: frozenset[str]
    confidentiality: str
    labels: frozenset[str]
    codes: frozenset[str] = _NONE
    clinical: tuple[int, int] | None = None
    authors: frozenset[str] = _NONE
    related: frozenset[str] = _NONE
    depends: frozenset[str] = _NONE
    kind: object = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", _kind(self.classes, self.confidentiality, self.labels))

    @property
    def normal(self) -> bool:
        """Neither confidential beyond N nor sensitive in any way."""
        return self.confidentiality in NORMAL and not self.sensitive

    @property
    def sensitive(self) -> bool:
        """Marked with a label of sensitivity, or of a category that is sensitive as such."""
        return len(self.labels) > 1 or not SENSITIVE.isdisjoint(self.classes)


def item(
    ref: str,
    classes: Iterable[str],
    confidentiality: str | None = None,
    sensitivity: Iterable[str] = (),
    labelled: bool = True,
    **facts: Any,
) -> Item:
    """An `Item` with its labels completed.

    Without a confidentiality, what is sensitive is R and all else N. `labelled=False`: who should have labelled it
    failed, or its labels cannot be read, so it is R at least.
    """
    marks = frozenset(sensitivity)
    level = confidentiality or ("R" if marks else "N")
    if not labelled and level in NORMAL:
        level = "R"
    labels = frozenset({level}).union(*map(labels_above, marks))
    return Item(ref, frozenset(classes), level, labels, **facts)


@lru_cache(maxsize=4096)
def _kind(_classes: frozenset[str], _confidentiality: str, _labels: frozenset[str]) -> object:
    """A token that all resources of a kind share."""
    return object()
