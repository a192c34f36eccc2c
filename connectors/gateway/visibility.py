"""What a reader may see now: one predicate, part of every query, so that nothing is found and then hidden."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, exists, or_, select

from connectors.gateway.access import Reader
from connectors.gateway.models import (
    NO_CATEGORY,
    confirmations,
    index_text,
    live_streams,
    permitted,
    readers,
    resources,
)
from consent.purposes import purposes_above
from consent.readers import ANY

NEVER_IN_EMERGENCY = frozenset({"V"})
"""The confidentiality that no emergency opens."""

NOBODY = "-"
"""No account."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For which purposes somebody reads, when (seconds since 1970), and in which house.

    `purposes` are the codes any of which, in a grant, would allow the reading: the reader's own and those above it.
    `house`: the account whose own writing is always shown; empty where it has written nothing. `own`: the patient who
    reads her own record, of which nothing is withheld. `person`: who reads, to treat: what is open in an emergency that
    this person declared is shown too, but for what is most confidential. `closed`: categories that the law closes to
    this reader, whatever was granted. `role`: in which somebody of a house reads, as consents name it.
    """

    purposes: tuple[str, ...]
    now: int
    house: str = ""
    own: str = ""
    person: str = ""
    closed: tuple[int, ...] = ()
    role: str = ANY

    def parameters(self) -> dict[str, Any]:
        """Values for the predicate's parameters."""
        return {
            "v_purposes": self.purposes, "v_now": self.now, "v_house": self.house, "v_own": self.own or NOBODY,
            "v_person": self.person, "v_closed": self.closed, "v_roles": tuple({ANY, self.role}),
        }  # fmt: skip


def scope(reader: Reader, house: str, now: int) -> Scope:
    """What a person of the house may see. A stream of which the category is not known may be of one that is closed."""
    closed = sorted(reader.closed("read"))
    purposes = tuple(sorted(purposes_above(reader.purpose)))
    return Scope(purposes, now, house, closed=(NO_CATEGORY, *closed) if closed else (), role=reader.role_code)


def visible(row: FromClause) -> ColumnElement[bool]:
    """House-local, written by the house, or in a stream that is live for the scope whose `parameters` are given.

    Two authors may use one id. The one whose resource came first has it, among what is visible.
    """
    earlier = resources.alias("earlier")
    shadowed = exists().where(
        earlier.c.type == row.c.type,
        earlier.c.id == row.c.id,
        earlier.c.owner == row.c.owner,
        earlier.c.rid + 0 < row.c.rid,  # SQLite would else look through all of the type by this, not for the id
        earlier.c.deleted.is_(False),
        shown(earlier),
    )
    return shown(row) & ~shadowed


def own(row: FromClause) -> ColumnElement[bool]:
    """House-local, written by the house, or a person's in her own record: what its address leads to before all else."""
    return or_(row.c.author.in_(["", bindparam("v_house")]), row.c.owner == bindparam("v_own"))


def shown(row: FromClause) -> ColumnElement[bool]:
    """`visible`, whoever else uses the id."""
    live, confirmed, finer = live_streams.alias(), confirmations.alias(), permitted.alias()
    by_rules = exists().where(finer.c.rules == live.c.rules, finer.c.rid == row.c.rid).correlate_except(finer)
    by_reader = or_(live.c.person != "", _admitted(live.c.rules) == 1)
    declared = and_(live.c.person != "", live.c.person == bindparam("v_person"), ~_most_confidential(row))
    granted = (
        select(live.c.stream)
        .where(
            confirmed.c.patient == row.c.owner,
            confirmed.c.at <= bindparam("v_now"),  # a clock that was set back confirms nothing
            confirmed.c.until > bindparam("v_now"),
            live.c.patient == row.c.owner,
            live.c.stream == row.c.stream,
            or_(and_(live.c.person == "", live.c.purpose.in_(bindparam("v_purposes", expanding=True))), declared),
            live.c.from_epoch <= row.c.epoch,
            live.c.until > bindparam("v_now"),
            live.c.category.not_in(bindparam("v_closed", expanding=True)),
            or_(live.c.rules == "", and_(by_rules, by_reader)),
        )
        .exists()
    )
    return or_(row.c.owner == "", row.c.author == bindparam("v_house"), row.c.kept, granted)


def _admitted(rules: ColumnElement[str]) -> ColumnElement[int]:
    """What the grant's table of readers says of the scope's purpose and role: 1, 0, or nothing (`consent.readers`)."""
    cell = readers.alias()
    fits = (
        cell.c.rules == rules,
        cell.c.purpose.in_(bindparam("v_purposes", expanding=True)),
        cell.c.role.in_(bindparam("v_roles", expanding=True)),
    )
    lowest = select(cell.c.admitted).where(*fits).order_by(cell.c.depth.desc(), cell.c.role.desc()).limit(1)
    return lowest.correlate_except(cell).scalar_subquery()


def _most_confidential(row: FromClause) -> ColumnElement[bool]:
    """Whether a resource is labelled so that no emergency opens it, whatever else it was taken in for."""
    label = index_text.alias()
    here = (
        label.c.param == row.c.type + "._security",
        label.c.value.in_(sorted(NEVER_IN_EMERGENCY)),
        label.c.rid == row.c.rid,
    )
    return exists().where(*here).correlate(row)
