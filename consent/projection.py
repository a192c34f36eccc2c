"""From signed Consents to grants: who, why and when become release rules, what the data are becomes finer rules.

What a rule says of counterpart, purpose and time, the hub can check before it releases anything. What it says of the
resource itself (type, code, label, clinical date, author) can be checked only by whoever opened it: that part travels
with the grant, sealed, as its finer rules, and says nothing of other parties, purposes or times. Permitted is what is
released and passes them, exactly (PROTOCOL.md 4.4).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from consent import categories, policy
from consent.dates import FOREVER, ZONE, interval
from consent.fhir_consent import Agreement, check_written
from consent.finer_rules import ELEMENTS, Tree
from consent.lineages import in_force
from consent.policy import Rule
from consent.provisions import refused
from consent.purposes import actions_above, purposes_above, within
from consent.relations import MAX_GRANTS
from consent.state import Request, State

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Projection:
    """One grant: what is agreed, which makes the Consent that the counterpart is shown, and the finer rules, if any."""

    agreed: Agreement
    rules: dict[str, Any] | None = field(default=None, repr=False)


def project(
    consents: Sequence[Mapping[str, Any]], counterpart: str, now: int, wholes: Iterable[str] = ()
) -> list[Projection]:
    """The grants by which a counterpart may read what R4 Consents of one patient permit, from a Unix second on.

    `consents` are all that she signed that concern it, refusals too: of a lineage the newest counts. `wholes`: what the
    counterpart is a part of, at every level (`consent.actors`): what is said of them is said of it. None where nothing
    is permitted. Raises `Problem(unprocessable)` for what no grant can keep to, or cannot be told to be in force.
    """
    return project_plain([check_written(consent) for consent in consents], counterpart, now, wholes)


def project_plain(
    forms: Sequence[Mapping[str, Any]], counterpart: str, now: int, wholes: Iterable[str] = ()
) -> list[Projection]:
    """`project` for Consents in plain form (`consent.policy`). Raises as it."""
    actor = frozenset({counterpart, *wholes})
    patients = {form["patient"] for form in forms}
    if len(patients) != 1:
        raise refused("patient", "These Consents are not about one patient.")
    (patient,) = patients
    found = _pieces(_in_force(forms, patient, actor, now * SECOND), actor, now * SECOND)
    if len(found) > MAX_GRANTS:
        raise refused("provision", f"This needs more than {MAX_GRANTS} grants; write fewer periods and purposes.")
    return [_projection(patient, counterpart, piece, now * SECOND) for piece in found]


def refused_plain(
    forms: Sequence[Mapping[str, Any]], counterpart: str, purposes: Iterable[str], now: int, wholes: Iterable[str] = ()
) -> frozenset[int]:
    """The categories of which Consents in plain form that are refusals refuse a counterpart anything, now or later.

    `purposes`: those of a grant; what is refused for one below them is refused.
    """
    actor, at = frozenset({counterpart, *wholes}), now * SECOND
    counting = _in_force(forms, forms[0]["patient"], actor, at)
    signed = [one for one in counting if not (one.root.permit or one.opt_in)]
    rules = [rule for one in signed for rule in _all(one.root)]
    asked = {*purposes, *(purpose for rule in rules for purpose in rule.purposes if within(purpose, purposes))}
    times = {at, *(start for rule in rules if (start := rule.period[0]) > at)}
    trees = [tuple(_trees(signed, actor, purposes_above(one), time)) for one in asked for time in times]
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
class _Piece:
    """Purposes and a time in which the same trees decide; of the trees nothing is left but what is about resources."""

    purposes: tuple[str, ...]
    start: int
    end: int
    trees: tuple[tuple[bool, str], ...]
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


def _pieces(signed: Sequence[_Signed], actor: frozenset[str], now: int) -> list[_Piece]:
    roots = [one.root for one in signed]
    for root in roots:
        _check_actions(root, actor)
    named = sorted({purpose for root in roots for rule in _all(root) for purpose in rule.purposes})
    edges = sorted({edge for root in roots for rule in _all(root) for edge in rule.period if edge > now})
    times = list(zip([now, *edges], [*edges, FOREVER], strict=True))
    times = [(start, end) for start, end in times if start < end]
    alike: dict[tuple[int, int, tuple[tuple[bool, str], ...]], list[str]] = {}
    for purpose in named:
        for start, end, trees in _joined(signed, actor, purpose, times):
            alike.setdefault((start, end, trees), []).append(purpose)
    for start, _ in times:
        _check_every_purpose(signed, actor, start)
        _check_exceptions(signed, actor, named, start)
    return [_Piece(_highest(found), *about) for about, found in alike.items() if _seconds(*about[:2], now)]


def _joined(
    signed: Sequence[_Signed], actor: frozenset[str], purpose: str, times: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int, tuple[tuple[bool, str], ...]]]:
    """The times in which a purpose may see anything, those in which the same trees decide joined."""
    last: tuple[int, int, tuple[tuple[bool, str], ...]] | None = None
    for start, end in times:
        trees = tuple(_trees(signed, actor, purposes_above(purpose), start))
        if last is not None and last[1:] == (start, trees):
            last = (last[0], end, trees)
            continue
        if last is not None:
            yield last
        last = (start, end, trees) if _permitted(trees) else None
    if last is not None:
        yield last


def _trees(
    signed: Iterable[_Signed], actor: frozenset[str], purposes: frozenset[str], at: int
) -> Iterator[tuple[bool, str]]:
    for one in signed:
        kept = _cut(one.root, one.plain, actor, purposes, at)
        if kept is not None:
            yield one.opt_in, json.dumps(kept, ensure_ascii=False, sort_keys=True)


def _cut(rule: Rule, plain: Tree, actor: frozenset[str], purposes: frozenset[str], at: int) -> Tree | None:
    """The rule with only what it says of resources; None where it does not apply to this party, purpose and time."""
    if not _applies(rule, actor, purposes, at):
        return None
    if rule.roles:
        raise refused(
            f"{rule.path}.actor", "A rule for a role within an organisation cannot be kept to by it; drop it."
        )
    kept = {name: value for name, value in plain.items() if name in ELEMENTS and name != "provision"}
    pairs = zip(rule.children, plain.get("provision", ()), strict=True)
    children = [_cut(child, below, actor, purposes, at) for child, below in pairs]
    if any(children):
        kept["provision"] = [child for child in children if child is not None]
    return kept


def _applies(rule: Rule, actor: frozenset[str], purposes: frozenset[str], at: int) -> bool:
    return not (
        (rule.actors and rule.actors.isdisjoint(actor))
        or (rule.actions and rule.actions.isdisjoint(actions_above("read")))
        or (rule.purposes and rule.purposes.isdisjoint(purposes))
        or not rule.period[0] <= at < rule.period[1]
    )


def _all(rule: Rule) -> Iterator[Rule]:
    yield rule
    for child in rule.children:
        yield from _all(child)


def _highest(purposes: Sequence[str]) -> tuple[str, ...]:
    """Without those that lie below another one: a grant for that one is a grant for them."""
    return tuple(one for one in purposes if not any(within(one, [other]) for other in purposes if other != one))


# --- what cannot be kept to ---------------------------------------------------------------------------------------


def _check_actions(rule: Rule, actor: frozenset[str]) -> None:
    """A grant is for both: whoever holds an entry also finds it."""
    if rule.actors and rule.actors.isdisjoint(actor):
        return
    if len({rule.actions.isdisjoint(actions_above(action)) for action in ("read", "search")}) > 1:
        raise refused(f"{rule.path}.action", "Name reading and searching together, as access; one alone is no grant.")
    for child in rule.children:
        _check_actions(child, actor)


def _check_every_purpose(signed: Sequence[_Signed], actor: frozenset[str], at: int) -> None:
    if _permitted(tuple(_trees(signed, actor, frozenset(), at))):
        raise refused("provision.purpose", "Name the purposes for which this is permitted; a grant has them all named.")


def _check_exceptions(signed: Sequence[_Signed], actor: frozenset[str], named: Sequence[str], at: int) -> None:
    """A hub releases for a purpose what is granted for one above it: there, nothing may be taken away again."""
    for purpose in named:
        for above in purposes_above(purpose) - {purpose} & set(named):
            if not _permitted(tuple(_trees(signed, actor, purposes_above(above), at))):
                continue
            for one in signed:
                _check_exception(one.root, actor, (above, purpose), at)


def _check_exception(rule: Rule, actor: frozenset[str], purposes: tuple[str, str], at: int, outer: bool = True) -> None:
    """`outer`: whether the rules around this one apply to the higher purpose, as they do to the lower."""
    above, below = (_applies(rule, actor, purposes_above(purpose), at) for purpose in purposes)
    above = above and outer
    if below and not above and not rule.permit:
        remedy = (
            f"What is permitted for {purposes[0]} cannot be refused for {purposes[1]} alone; name the others instead."
        )
        raise refused(f"{rule.path}.purpose", remedy)
    if below:
        for child in rule.children:
            _check_exception(child, actor, purposes, at, above)


# --- what a piece can permit --------------------------------------------------------------------------------------

_PERMIT, _DENY, _SILENT = "permit", "deny", "silent"
_TYPES: Mapping[str, frozenset[str]] = {
    # An Observation or a report goes by what it says of itself; what bears a label of sensitivity, by that.
    kind: frozenset(categories.NAMES)
    if kind in {"Observation", "DiagnosticReport"}
    else frozenset({categories.NAMES[index], "mental", "intimate", "genetic"})
    for kind, index in categories.BY_TYPE.items()
}


def _permitted(trees: tuple[tuple[bool, str], ...]) -> frozenset[int]:
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
    agreed = Agreement(patient, counterpart, chosen, piece.purposes, start, _last(piece.end))
    if all(_outcomes(piece.trees, index) == {_PERMIT} for index in chosen):
        return Projection(agreed)
    policies = [{"opt-in": opt_in, "provision": json.loads(tree)} for opt_in, tree in piece.trees]
    return Projection(agreed, {"v": 1, "policies": policies})


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
