"""From signed Consents to grants: who, why and when become release rules, what the data are becomes finer rules.

What a rule says of counterpart, purpose and time, the hub can check before it releases anything. What it says of the
resource itself (type, code, label, clinical date, author) can be checked only by whoever opened it, and who of a house
reads, in which role, only by the house: that part travels with the grant, sealed, as its finer rules, and says nothing
of other parties or times. Permitted is what is released and passes them, exactly (PROTOCOL.md 4.4).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from consent import categories, policy
from consent.dates import FOREVER, ZONE, interval
from consent.fhir_consent import Agreement, check_written
from consent.finer_rules import ELEMENTS, Tree, rules_of
from consent.lineages import in_force
from consent.policy import Rule
from consent.provisions import refused
from consent.purposes import actions_above, purposes_above, within
from consent.readers import ANY, Cell, Readers
from consent.relations import MAX_GRANTS
from consent.state import Request, State

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Projection:
    """One grant: what is agreed, which makes the Consent that the counterpart is shown, and the finer rules, if any."""

    agreed: Agreement
    rules: dict[str, Any] | None = field(default=None, repr=False)


def project(
    consents: Sequence[Mapping[str, Any]], counterpart: str, now: int, wholes: Iterable[str] = (),
    roles: Iterable[str] = (),
) -> list[Projection]:  # fmt: skip
    """The grants by which a counterpart may read what R4 Consents of one patient permit, from a Unix second on.

    `consents` are all that she signed that concern it, refusals too: of a lineage the newest counts. `wholes`: what the
    counterpart is a part of, at every level (`consent.actors`): what is said of them is said of it. `roles`: in which
    all act there (`consent.floor.roles`). None where nothing is permitted. Raises `Problem(unprocessable)` for what no
    grant can keep to, or cannot be told to be in force.
    """
    return project_plain([check_written(consent) for consent in consents], counterpart, now, wholes, roles)


def project_plain(
    forms: Sequence[Mapping[str, Any]], counterpart: str, now: int, wholes: Iterable[str] = (),
    roles: Iterable[str] = (),
) -> list[Projection]:  # fmt: skip
    """`project` for Consents in plain form (`consent.policy`). Raises as it."""
    house = _House(frozenset({counterpart, *wholes}), frozenset(roles))
    patients = {form["patient"] for form in forms}
    if len(patients) != 1:
        raise refused("patient", "These Consents are not about one patient.")
    (patient,) = patients
    found = _pieces(_in_force(forms, patient, house.actor, now * SECOND), house, now * SECOND)
    if len(found) > MAX_GRANTS:
        remedy = f"This needs more than {MAX_GRANTS} grants; write fewer periods, purposes and roles."
        raise refused("provision", remedy)
    return [_projection(patient, counterpart, piece, now * SECOND) for piece in found]


def refused_plain(
    forms: Sequence[Mapping[str, Any]], counterpart: str, purposes: Iterable[str], now: int, wholes: Iterable[str] = ()
) -> frozenset[int]:
    """The categories of which Consents in plain form that are refusals refuse a counterpart anything, now or later.

    `purposes`: those of a grant; what is refused for one below them is refused, and what is refused any role there.
    """
    house, at = _House(frozenset({counterpart, *wholes})), now * SECOND
    counting = _in_force(forms, forms[0]["patient"], house.actor, at)
    signed = [one for one in counting if not (one.root.permit or one.opt_in)]
    rules = [rule for one in signed for rule in _all(one.root)]
    asked = {*purposes, *(purpose for rule in rules for purpose in rule.purposes if within(purpose, purposes))}
    times = {at, *(start for rule in rules if (start := rule.period[0]) > at)}
    roles = {ANY, *(role for rule in rules for role in rule.roles)}
    cells = [(one, role) for one in asked for role in roles]
    trees = [tuple(_trees(signed, house.asking(cell), time)) for cell in cells for time in times]
    return frozenset(
        index for index in range(len(categories.NAMES)) if any(_DENY in _outcomes(each, index) for each in trees)
    )


@dataclass(frozen=True, slots=True)
class _Signed:
    """A Consent's provision in plain form, the same compiled, and whether it is an opt-in list."""

    plain: Tree
    root: Rule
    opt_in: bool


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks, at every level, for a purpose and those it lies below, in which roles."""

    actor: frozenset[str]
    purposes: frozenset[str]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class _House:
    """A counterpart at every level, and the roles in which all act there."""

    actor: frozenset[str]
    roles: frozenset[str] = frozenset()

    def asking(self, cell: Cell | None) -> _Asking:
        """Somebody of it who asks for a purpose, in a role; None: for a purpose that no Consent names."""
        purpose, role = cell or ("", ANY)
        return _Asking(self.actor, purposes_above(purpose) if purpose else frozenset(), self.roles | {role})


@dataclass(frozen=True, slots=True)
class _Piece:
    """Readers and a time for which the same trees decide; of the trees nothing is left but what is about resources."""

    readers: Readers
    start: int
    end: int
    trees: "_Trees"
    """Whether it is an opt-in list, and the tree as JSON."""


# --- which Consents -----------------------------------------------------------------------------------------------


def _in_force(forms: Sequence[Mapping[str, Any]], patient: str, actor: frozenset[str], now: int) -> list[_Signed]:
    """The Consents that count from now on, as long as no other is signed (`consent.lineages`)."""
    compiled = [policy.compile(form) for form in forms]
    if any(one.recorded > now for one in compiled):
        raise refused("dateTime", "This Consent is dated later than now: sign it when it begins to count.")
    plain = {id(one): form.get("provision", {}) for one, form in zip(compiled, forms, strict=True)}
    heads = in_force(State(tuple(compiled)), Request(patient, actor, "TREAT", now))
    if any(len(head) > 1 for head in heads):
        raise refused("dateTime", "Two of these Consents count together, being of one lineage and date: keep one.")
    return [_Signed(plain[id(one)], one.root, one.opt_in) for (one,) in heads if one.root is not None]


# --- which pieces -------------------------------------------------------------------------------------------------


_Trees = tuple[tuple[bool, str], ...]


def _pieces(signed: Sequence[_Signed], house: _House, now: int) -> list[_Piece]:
    rules = [rule for one in signed for rule in _all(one.root)]
    for one in signed:
        _check_actions(one.root, house.actor)
    named = frozenset(purpose for rule in rules for purpose in rule.purposes)
    roles = frozenset(role for rule in rules for role in rule.roles)
    edges = sorted({edge for rule in rules for edge in rule.period if edge > now})
    times = [(start, end) for start, end in zip([now, *edges], [*edges, FOREVER], strict=True) if start < end]
    alike: dict[tuple[int, int, _Trees], set[Cell]] = {}
    for cell in Readers(named, roles, frozenset()).cells:
        for about in _joined(signed, house.asking(cell), times):
            alike.setdefault(about, set()).add(cell)
    for start, _ in times:
        _check_every_purpose(signed, house, roles, start)
    found = []
    for (start, end, trees), cells in alike.items():
        within_it = [time for time, _ in times if start <= time < end]
        admitted = _with_more(signed, house, Readers(named, roles, frozenset(cells)), within_it)
        if _seconds(start, end, now):
            found.append(_Piece(admitted.simplest(), start, end, trees))
    return found


def _joined(
    signed: Sequence[_Signed], asking: _Asking, times: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int, _Trees]]:
    """The times in which somebody may see anything, those in which the same trees decide joined."""
    last: tuple[int, int, _Trees] | None = None
    for start, end in times:
        trees = tuple(_trees(signed, asking, start))
        if last is not None and last[1:] == (start, trees):
            last = (last[0], end, trees)
            continue
        if last is not None:
            yield last
        last = (start, end, trees) if _permitted(trees) else None
    if last is not None:
        yield last


def _trees(signed: Iterable[_Signed], asking: _Asking, at: int) -> Iterator[tuple[bool, str]]:
    for one in signed:
        kept = _cut(one.root, one.plain, asking, at)
        if kept is not None:
            yield one.opt_in, json.dumps(kept, ensure_ascii=False, sort_keys=True)


def _cut(rule: Rule, plain: Tree, asking: _Asking, at: int) -> Tree | None:
    """The rule with only what it says of resources; None where it does not apply to who asks, and this time."""
    if not _applies(rule, asking, at):
        return None
    kept = {name: value for name, value in plain.items() if name in ELEMENTS and name != "provision"}
    pairs = zip(rule.children, plain.get("provision", ()), strict=True)
    children = [_cut(child, below, asking, at) for child, below in pairs]
    if any(children):
        kept["provision"] = [child for child in children if child is not None]
    return kept


def _applies(rule: Rule, asking: _Asking, at: int) -> bool:
    return not (
        (rule.actors and rule.actors.isdisjoint(asking.actor))
        or (rule.roles and rule.roles.isdisjoint(asking.roles))
        or (rule.actions and rule.actions.isdisjoint(actions_above("read")))
        or (rule.purposes and rule.purposes.isdisjoint(asking.purposes))
        or not rule.period[0] <= at < rule.period[1]
    )


def _all(rule: Rule) -> Iterator[Rule]:
    yield rule
    for child in rule.children:
        yield from _all(child)


# --- who may read by a piece --------------------------------------------------------------------------------------


def _with_more(signed: Sequence[_Signed], house: _House, readers: Readers, times: Sequence[int]) -> Readers:
    """With those for whom the Consents only add to what these may see: a table that told them apart would tell more
    of the Consents than is needed."""
    more = {
        cell for cell in set(readers.cells) - readers.admitted
        if any(_adds_only(signed, house, known, cell, times) for known in readers.admitted)
    }  # fmt: skip
    return Readers(readers.purposes, readers.roles, readers.admitted | more)


def _adds_only(signed: Sequence[_Signed], house: _House, known: Cell, cell: Cell, times: Sequence[int]) -> bool:
    """Whether whoever asks for a purpose below, or in a role beside, loses nothing by that."""
    if not (within(cell[0], [known[0]]) and known[1] in (cell[1], ANY)):
        return False
    each = house.asking(known), house.asking(cell)
    return not any(_takes_away(one.root, *each, at) for one in signed for at in times)


def _takes_away(rule: Rule, known: _Asking, asking: _Asking, at: int, outer: bool = True) -> bool:
    """`outer`: whether the rules around this one apply to the one who is known, as they do to who asks."""
    above, below = _applies(rule, known, at) and outer, _applies(rule, asking, at)
    if below and not above and not rule.permit:
        return True
    return below and any(_takes_away(child, known, asking, at, above) for child in rule.children)


# --- what cannot be kept to ---------------------------------------------------------------------------------------


def _check_actions(rule: Rule, actor: frozenset[str]) -> None:
    """A grant is for both: whoever holds an entry also finds it."""
    if rule.actors and rule.actors.isdisjoint(actor):
        return
    if len({rule.actions.isdisjoint(actions_above(action)) for action in ("read", "search")}) > 1:
        raise refused(f"{rule.path}.action", "Name reading and searching together, as access; one alone is no grant.")
    for child in rule.children:
        _check_actions(child, actor)


def _check_every_purpose(signed: Sequence[_Signed], house: _House, roles: Iterable[str], at: int) -> None:
    nameless = house.asking(None)
    for role in (ANY, *roles):
        if _permitted(tuple(_trees(signed, replace(nameless, roles=nameless.roles | {role}), at))):
            remedy = "Name the purposes for which this is permitted; a grant has them all named."
            raise refused("provision.purpose", remedy)


# --- what a piece can permit --------------------------------------------------------------------------------------

_PERMIT, _DENY, _SILENT = "permit", "deny", "silent"
_TYPES: Mapping[str, frozenset[str]] = {
    # An Observation or a report goes by what it says of itself; what bears a label of sensitivity, by that.
    kind: frozenset(categories.NAMES)
    if kind in {"Observation", "DiagnosticReport"}
    else frozenset({categories.NAMES[index], "mental", "intimate", "genetic"})
    for kind, index in categories.BY_TYPE.items()
}


def _permitted(trees: _Trees) -> frozenset[int]:
    """The categories of which anything may be permitted."""
    return frozenset(index for index in range(len(categories.NAMES)) if _PERMIT in _outcomes(trees, index))


def _outcomes(trees: Iterable[tuple[bool, str]], category: int) -> frozenset[str]:
    """What the trees together can say of a resource of a category: a denial by one goes before all permissions."""
    each = [_of_tree(json.loads(tree), category, opt_in) for opt_in, tree in trees]
    return _together(each, _SILENT)


def _of_tree(tree: Tree, category: int, opt_in: bool) -> frozenset[str]:
    return _of_rule(tree, category, _SILENT if opt_in and tree["type"] == _DENY else tree["type"])


def _of_rule(rule: Tree, category: int, own: str) -> frozenset[str]:
    """What a rule and those below it can say, `own` being what it says where none below it matches."""
    classes = rule.get("class", [])
    if classes and not any(_may_be(word, category) for word in classes):
        return frozenset({_SILENT})
    below = [_of_rule(child, category, child["type"]) for child in rule.get("provision", [])]
    found = _together(below, own)
    covers_all = not classes or categories.NAMES[category] in classes
    if not covers_all or rule.keys() & {"code", "securityLabel", "dataPeriod", "data"}:
        return found | {_SILENT}
    return found


def _together(each: Sequence[frozenset[str]], else_: str) -> frozenset[str]:
    """What can come of these: a denial by one before all permissions, and `else_` where all are silent."""
    found = {_DENY} if any(_DENY in one for one in each) else set()
    if not any(one == {_DENY} for one in each):
        found |= {_PERMIT} if any(_PERMIT in one for one in each) else set()
        found |= {else_} if all(_SILENT in one for one in each) else set()
    return frozenset(found)


def _may_be(word: str, category: int) -> bool:
    """Whether a resource of the category can be of this class: a category, a type, or a profile, which any may have."""
    name = categories.NAMES[category]
    return word == name or (word not in categories.INDEX and name in _TYPES.get(word, frozenset({name})))


# --- as a grant ---------------------------------------------------------------------------------------------------


def _projection(patient: str, counterpart: str, piece: _Piece, now: int) -> Projection:
    chosen = _permitted(piece.trees)
    start = "" if piece.start <= now else _first(piece.start)
    agreed = Agreement(patient, counterpart, chosen, piece.readers.highest, start, _last(piece.end))
    readers = None if piece.readers.everybody else piece.readers
    if all(_outcomes(piece.trees, index) == {_PERMIT} for index in chosen):
        return Projection(agreed, None if readers is None else rules_of([], readers))
    policies = [{"opt-in": opt_in, "provision": json.loads(tree)} for opt_in, tree in piece.trees]
    return Projection(agreed, rules_of(policies, readers))


def _seconds(start: int, end: int, now: int) -> bool:
    """Whether a time from a moment to before another, in microseconds, has a whole second to come."""
    return -(-max(start, now) // SECOND) < end // SECOND


def _first(start: int) -> str:
    """A dateTime that begins no sooner than a moment in microseconds; the date where it is the beginning of a day."""
    moment = _utc(-(-start // SECOND))
    day = moment.astimezone(ZONE).date().isoformat()
    return day if interval(day)[0] == start else moment.isoformat()


def _last(end: int) -> str:
    """A dateTime whose second is the last whole one before a moment; the date where it is the end of a day."""
    if end == FOREVER:
        return ""
    moment = _utc(end // SECOND) - timedelta(seconds=1)
    day = moment.astimezone(ZONE).date().isoformat()
    return day if interval(day)[1] == end else moment.isoformat()


def _utc(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
