"""Standing access: what one tap, or a card in the reader, opens to a practice for some days.

The arithmetic is gematik's (I_Entitlement_Management): the day of issue is the first, the last ends at midnight at the
patient's place, and a longer one that is held already is kept. https://github.com/gematik/ePA-Basic
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from consent.dates import last_day, period
from consent.items import NORMAL
from fhir_profiles.problems import Problem

DAYS = 90
"""For practices, hospitals, care and all others that treat."""
SHORT_DAYS = 3
SHORT_ROLES = frozenset({"pharmacist", "public-health", "occupational-physician"})
NEVER_LONGER = frozenset({"public-health", "occupational-physician"})
"""Roles whose three days not even the patient can make longer."""
MOST_DAYS = 365
TYPES = frozenset(
    {"practice", "hospital", "emergency", "care", "laboratory", "pharmacy", "public-health", "occupational"}
)
"""The directory's types of those that treat."""
TEMPLATES = {DAYS: "standing-90-days", SHORT_DAYS: "standing-3-days"}
"""By which template it is signed (`consent.template`)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Standing access of one actor for treatment, within a half-open period.

    `reaches`: confidentiality that it opens; beyond `NORMAL` only what the patient added.
    """

    actor: str
    period: tuple[int, int]
    reaches: frozenset[str] = NORMAL


def usual_days(roles: Iterable[str]) -> int:
    """How many days a card gives, or one tap."""
    return SHORT_DAYS if SHORT_ROLES.intersection(roles) else DAYS


def issue(
    actor: str, roles: Iterable[str], issued: datetime, days: int | None = None, held: Standing | None = None
) -> Standing | None:
    """Standing access issued at `issued`, an aware datetime; None where the patient chose no day at all.

    Without `days` it is what a card gives: three days for `SHORT_ROLES`, else 90, and `held` is kept where it lasts
    longer. `days` is what the patient chooses, from 0 to 365: it replaces what was held, whatever that was. Raises
    `Problem(value)` for more than the role or the year allows.
    """
    most = SHORT_DAYS if NEVER_LONGER.intersection(roles) else MOST_DAYS
    if days is not None and not 0 <= days <= most:
        raise Problem("value", f"Standing access lasts from 0 to {most} days here.", expression="days")
    if days == 0:
        return None
    default = usual_days(roles)
    last = last_day(issued, default if days is None else days)
    found = Standing(actor, period(last_day(issued, 1).isoformat(), last.isoformat()))
    if days is None and held is not None and held.actor == actor and held.period[1] >= found.period[1]:
        return held if held.period[0] <= found.period[0] else replace(held, period=(found.period[0], held.period[1]))
    return found
