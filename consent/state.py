"""What a decision is made of: who asks for what, what is known of a resource, and all that the patient has said."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from consent.dates import FOREVER
from consent.floor import FLOOR, Floor
from consent.mandates import Mandate
from consent.policy import Policy
from consent.purposes import labels_above
from consent.standing import NORMAL, Standing

CONFIDENTIALITY = frozenset({"U", "L", "M", "N", "R", "V"})
"""http://terminology.hl7.org/CodeSystem/v3-Confidentiality"""

SENSITIVE = frozenset({"mental", "intimate", "genetic"})
"""Categories that nothing opens but the patient's own word: neither standing access nor an implicit policy."""

Implicit = Literal["deny", "permit", "permit-treat", "break-glass-only"]
IMPLICIT: dict[str, Implicit] = {
    "deny": "deny",
    "permit": "permit",
    "permit-treat": "permit-treat",
    "break-glass-only": "break-glass-only",
    "https://profiles.ihe.net/ITI/PCF/Policy-deny": "deny",
    "https://profiles.ihe.net/ITI/PCF/Policy-all-normal": "permit",
    "https://profiles.ihe.net/ITI/PCF/Policy-basic-normal": "permit-treat",
    "https://profiles.ihe.net/ITI/PCF/Policy-break-glass-only": "break-glass-only",
}
"""Names of implicit policies, and the canonical URIs of PCF 53.2.1 for the same.

Those that permit reach normal data only, as PCF names them: what stigmatises does not flow where nobody said anything.
`deny` and `break-glass-only` both deny: an emergency is declared or not, whatever the implicit policy.
"""

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for what, why and when.

    `subject`: the patient as her consents name her, an account's address; `aliases`: how else she is named there.
    `actor`: all identifiers at every level (person, role, organisation and what it is part of, device; see
    `consent.actors`). `purpose`: one code of v3-ActReason; who asks for several purposes makes several requests.
    `roles`: in which the person acts now. `at`: microseconds since 1970. `emergency`: the declared reason of an
    emergency, empty where none is declared; `declared`: when that was, by default at this moment.
    """

    subject: str
    actor: frozenset[str]
    purpose: str
    at: int
    action: str = "read"
    roles: frozenset[str] = _NONE
    emergency: str = ""
    declared: int | None = None
    aliases: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class Item:
    """What a decision may know of a resource. Made by `item`, or from FHIR by `consent.facts`.

    `classes`: type, category, profiles. `labels`: confidentiality, and sensitivity with all it lies below. `clinical`:
    the half-open interval of the data, None where unknown.
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
    return Item(ref, frozenset(classes), level, frozenset({level}).union(*map(labels_above, marks)), **facts)


@dataclass(frozen=True, slots=True)
class State:
    """All that one patient has said, and her hub's policy, at one version.

    `policies`: one record for each consent. `hides`: references, classes or labels kept from all but herself and her
    delegates; `private`: those kept from her delegates. `withheld`: references of what a professional keeps from her
    for now, which she may have reviewed (§ 630g BGB). `of_age`: when the mandates of guardians end, microseconds.
    `no_emergency`: she forbids emergency access; `emergency_level`: the highest confidentiality it reaches, N or R.
    `implicit`: what holds where nobody said anything. `legal`: what no consent opens.
    """

    policies: tuple[Policy, ...] = ()
    standing: tuple[Standing, ...] = ()
    blocks: frozenset[str] = _NONE
    hides: frozenset[str] = _NONE
    mandates: tuple[Mandate, ...] = ()
    no_emergency: bool = False
    implicit: Implicit = "deny"
    legal: Floor = field(default_factory=lambda: FLOOR)
    private: frozenset[str] = _NONE
    withheld: frozenset[str] = _NONE
    of_age: int = FOREVER
    emergency_level: Literal["N", "R"] = "R"
