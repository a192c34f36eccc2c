"""Mandates: who may act for a patient, in what, for how long (EHDS Art. 4 (2): in whole or in part, for a purpose)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from consent.dates import FOREVER, interval

Kind = Literal["chosen", "guardian", "court-appointed", "power-of-attorney"]
KINDS: tuple[Kind, ...] = ("chosen", "guardian", "court-appointed", "power-of-attorney")

NEVER_BY_MANDATE = frozenset({"delegate", "close-record", "delete-record"})
"""What nobody does for a patient, whatever the mandate says: appoint others, end or erase the record."""
RESIGN = "resign"
"""What each delegate may do at any time: give the mandate back."""
MANAGE_CONSENT = "manage-consent"

MOST_CHOSEN = 5
AGE_SWITCH = 15
"""Years. From this birthday on a child speaks for herself; § 36 SGB I and the practice of the ePA."""
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a delegate may do for the patient, within a half-open period.

    Empty `actions`, `classes` or `purposes`: all but `NEVER_BY_MANDATE`. `hidden`: references, classes or labels kept
    from the delegate.
    """

    delegate: str
    period: tuple[int, int]
    revoked: bool = False
    not_actions: frozenset[str] = _NONE
    classes: frozenset[str] = _NONE
    purposes: frozenset[str] = _NONE
    hidden: frozenset[str] = _NONE
    kind: Kind = "chosen"
    actions: frozenset[str] = _NONE

    def live(self, at: int, of_age: int = FOREVER) -> bool:
        """Whether it holds at an instant; a guardian's ends with the age switch, at `of_age`."""
        return not self.revoked and self.held(at, of_age)

    def held(self, at: int, of_age: int = FOREVER) -> bool:
        """Whether it had been given for an instant, revoked since or not."""
        start, end = self.period
        return start <= at < (min(end, of_age) if self.kind == "guardian" else end)

    def allows(self, actions: frozenset[str], purposes: frozenset[str]) -> bool:
        """Whether it is for this act (with the word of a Consent above it) and purpose (with those above it)."""
        return (
            actions.isdisjoint(self.not_actions | NEVER_BY_MANDATE)
            and (not self.actions or not actions.isdisjoint(self.actions))
            and (not self.purposes or not purposes.isdisjoint(self.purposes))
        )


def of_age(birth: date, years: int = AGE_SWITCH) -> int:
    """The instant at which a child born then has lived so many years: the birthday's first moment at her place.

    Who was born on 29 February has a birthday on 1 March in other years (§ 188 (2) BGB).
    """
    try:
        day = birth.replace(year=birth.year + years)
    except ValueError:
        day = date(birth.year + years, 3, 1)
    return interval(day.isoformat())[0]


def may_choose(mandates: Iterable[Mandate], at: int, most: int = MOST_CHOSEN) -> bool:
    """Whether the patient may choose one more delegate: who is appointed by law or court does not count."""
    return sum(one.kind == "chosen" and one.live(at) for one in mandates) < most
