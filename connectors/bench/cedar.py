"""The same decisions by Cedar, an engine of others: policies made from the normal form (https://www.cedarpolicy.com).

What Cedar can express: the floor, the patient's own access, refusals, emergency access, consents that stand alone,
standing access, the implicit policy. What it cannot: mandates and lineages, which ask which record counts; reasons.

Hierarchies are Cedar's own: a request's actor lies in all that it is a part of, a resource in its classes, labels and
codes, a purpose in those above it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from consent.decide import EMERGENCY_LASTS, EMERGENCY_PURPOSES, EMERGENCY_REACHES, EMERGENCY_ROLES
from consent.floor import EVERYTHING, closed
from consent.items import Item
from consent.policy import Policy, Rule
from consent.purposes import ACTIONS, CARE_ACTIONS, DATA_ACTIONS, LABELS, PROJECT_PREFIX, PURPOSES, READING
from consent.state import Request, State

PRINCIPAL = 'Actor::"the one who asks"'
IS_OWN = "context.own"
_NORMAL = '(resource in [Label::"U", Label::"L", Label::"M", Label::"N"] && !resource.sensitive)'


def is_here() -> bool:
    """Whether Cedar's Python binding is installed: it is for development only."""
    return find_spec("cedarpy") is not None


class Cedar:
    """A state as Cedar's policies, and resources as its entities, both parsed once."""

    def __init__(self, state: State, items: Sequence[Item], roles: Iterable[str] = ()) -> None:
        """`roles`: those that requests will state, for which the floor is written out."""
        from cedarpy import Entities, PolicySet  # noqa: PLC0415 - only where it is measured or compared

        self._policies = PolicySet.from_str("\n".join(policies(state, roles)))
        self._base = Entities.from_json_str(json.dumps([*_hierarchies(), *map(_entity, items, range(len(items)))]))
        self._count = len(items)

    def asking(self, request: Request) -> "Asking":
        """The request, ready to be asked for each resource."""
        entities = self._base.with_added_json_str(json.dumps(list(_asking(request))))
        return Asking(self._policies, entities, _question(request), self._count)


class Asking:
    """One request to Cedar."""

    def __init__(self, parsed: Any, entities: Any, question: dict[str, Any], count: int) -> None:
        self._parsed, self._entities = parsed, entities
        self._questions = [{**question, "resource": _uid("Resource", str(number))} for number in range(count)]

    def one(self, number: int) -> bool:
        """Whether the resource of this number is permitted."""
        from cedarpy import is_authorized  # noqa: PLC0415

        found = is_authorized(self._questions[number], self._parsed, self._entities)
        assert not found.diagnostics.errors, found.diagnostics.errors
        return bool(found.allowed)

    def all(self) -> list[bool]:
        """The same for every resource, in one batch."""
        from cedarpy import is_authorized_batch  # noqa: PLC0415

        return [bool(found.allowed) for found in is_authorized_batch(self._questions, self._parsed, self._entities)]


def policies(state: State, roles: Iterable[str] = ()) -> Iterator[str]:
    """A state as policies: what permits, and what forbids, each with the exceptions of the combining order."""
    emergency = _emergency(state)
    yield from _floor(state, roles)
    yield f"permit (principal, action, resource) when {{ {IS_OWN} }};"
    yield f"permit (principal, action, resource) when {{ {emergency} }};"
    unless = f"unless {{ {IS_OWN} || ({emergency}) }}"
    withheld = " || ".join(f"resource.ref == {_text(ref)}" for ref in sorted(state.withheld))
    if withheld:
        yield f"forbid (principal, action, resource) when {{ {IS_OWN} && ({withheld}) }};"
    if state.blocks:
        yield f"forbid (principal, action, resource) when {{ principal in {_set('Actor', state.blocks)} }} {unless};"
    if state.hides:
        hidden = f"resource in {_set('Class', state.hides)} || resource in {_set('Label', state.hides)}"
        by_ref = "".join(f" || resource.ref == {_text(ref)}" for ref in sorted(state.hides))
        yield f"forbid (principal, action, resource) when {{ {hidden}{by_ref} }} {unless};"
    for policy in state.policies:
        if policy.root is not None and policy.status == "active" and policy.legal is True:
            yield from _consent(policy, policy.root, unless)
    yield from _standing(state)
    if state.implicit in {"permit", "permit-treat"}:
        asked = _NORMAL + (' && context.purpose in Purpose::"TREAT"' if state.implicit == "permit-treat" else "")
        yield f"permit (principal, action, resource) when {{ {asked} }};"


def _floor(state: State, roles: Iterable[str]) -> Iterator[str]:
    for role in roles:
        for action in sorted(DATA_ACTIONS):
            shut = closed(state.legal, [role], action)
            asked = "" if EVERYTHING in shut else f" && resource in {_set('Class', shut)}"
            if shut:
                on = f"action == {_uid('Action', action)}"
                yield f"forbid (principal in {_uid('Role', role)}, {on}, resource) when {{ true{asked} }};"


def _emergency(state: State) -> str:
    reaches = _set("Label", EMERGENCY_REACHES[state.emergency_level])
    return (
        f"{'false' if state.no_emergency else 'true'} && context.declared && principal in "
        f"{_set('Role', EMERGENCY_ROLES)} && context.purpose in {_set('Purpose', EMERGENCY_PURPOSES)} && "
        f"action in {_set('Action', READING)} && resource in {reaches}"
        + (" && !resource.sensitive" if state.emergency_level == "N" else "")
    )


def _consent(policy: Policy, root: Rule, unless: str) -> Iterator[str]:
    asked = f"context.at >= {policy.recorded}"
    if policy.patient is not None:
        asked += f" && context.patient.contains({_text(policy.patient)})"
    permits, denies = _outcomes(root, silent=policy.opt_in and not root.permit)
    yield f"permit (principal, action, resource) when {{ {asked} && ({permits}) }};"
    yield f"forbid (principal, action, resource) when {{ {asked} && ({denies}) }} {unless};"


def _outcomes(rule: Rule, *, silent: bool = False) -> tuple[str, str]:
    """When a rule and those below it permit, and when they deny, as conditions."""
    outcomes = [_outcomes(child) for child in rule.children]
    met = _any(_met(child) for child in rule.children)
    child_permits, child_denies = _any(one for one, _ in outcomes), _any(one for _, one in outcomes)
    own_permit = f"!({met})" if rule.permit else "false"
    own_denial = "false" if rule.permit or silent else f"!({met})"
    this = _met(rule)
    return (
        f"({this}) && !({child_denies}) && (({child_permits}) || {own_permit})",
        f"({this}) && (({child_denies}) || {own_denial})",
    )


def _met(rule: Rule) -> str:
    asked = [
        f"{who} in {_set(kind, values)}"
        for who, kind, values in (
            ("principal", "Actor", rule.actors), ("principal", "Role", rule.roles), ("action", "Action", rule.actions),
            ("context.purpose", "Purpose", rule.purposes), ("resource", "Class", rule.classes),
            ("resource", "Code", rule.codes), ("resource", "Label", rule.labels),
        )
        if values
    ]  # fmt: skip
    start, end = rule.period
    asked.append(f"context.at >= {start} && context.at < {end}")
    if rule.data_period is not None:
        start, end = rule.data_period
        overlaps = f"resource.start < {end} && {start} < resource.end"
        known = f"resource has start && {overlaps}"
        asked.append(known if rule.permit else f"(!(resource has start) || ({overlaps}))")
    if rule.data:
        asked.append(f"({_any(_meant(*pair) for pair in sorted(rule.data))})")
    return " && ".join(asked)


def _meant(meaning: str, reference: str) -> str:
    ref = _text(reference)
    if meaning == "authoredby":
        return f"resource.authors.contains({ref})"
    more = {"related": f" || resource.related.contains({ref})", "dependents": f" || resource.depends.contains({ref})"}
    return f"resource.ref == {ref}{more.get(meaning, '')}"


def _standing(state: State) -> Iterator[str]:
    for one in state.standing:
        reaches = f"resource in {_set('Label', one.reaches)}"
        yield (
            f"permit (principal in {_uid('Actor', one.actor)}, action in {_set('Action', CARE_ACTIONS)}, resource) "
            f'when {{ context.purpose in Purpose::"TREAT" && context.at >= {one.period[0]} && '
            f"context.at < {one.period[1]} && {reaches}{'' if 'R' in one.reaches else ' && !resource.sensitive'} }};"
        )


def _any(conditions: Iterable[str]) -> str:
    return " || ".join(f"({one})" for one in conditions) or "false"


def _text(value: str) -> str:
    return json.dumps(value)


def _uid(kind: str, name: str) -> str:
    return f"{kind}::{_text(name)}"


def _set(kind: str, names: Iterable[str]) -> str:
    return f"[{', '.join(_uid(kind, name) for name in sorted(names))}]"


# --- entities -----------------------------------------------------------------------------------------------------


def _named(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def purposes() -> list[dict[str, Any]]:
    """The tree of purposes as entities, with a research project in it."""
    project = {"uid": _named("Purpose", "PROJ7"), "attrs": {}, "parents": [_named("Purpose", "HRESCH")]}
    return [project, *_hierarchy("Purpose", PURPOSES)]


def _hierarchies() -> Iterator[dict[str, Any]]:
    yield from _hierarchy("Purpose", PURPOSES)
    yield from _hierarchy("Label", LABELS)
    yield from _hierarchy("Action", ACTIONS)


def _hierarchy(kind: str, parents: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    for name, above in parents.items():
        yield {"uid": _named(kind, name), "attrs": {}, "parents": [_named(kind, one) for one in above]}


def _entity(one: Item, number: int) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "ref": one.ref, "sensitive": one.sensitive, "authors": sorted(one.authors), "related": sorted(one.related),
        "depends": sorted(one.depends),
    }  # fmt: skip
    if one.clinical is not None:
        attrs |= {"start": one.clinical[0], "end": one.clinical[1]}
    inside = (("Class", one.classes), ("Label", one.labels), ("Code", one.codes))
    parents = [_named(kind, name) for kind, names in inside for name in sorted(names)]
    return {"uid": _named("Resource", str(number)), "attrs": attrs, "parents": parents}


def _asking(request: Request) -> Iterator[dict[str, Any]]:
    if request.purpose.startswith(PROJECT_PREFIX):
        yield {"uid": _named("Purpose", request.purpose), "attrs": {}, "parents": [_named("Purpose", "HRESCH")]}
    inside = (("Actor", request.actor), ("Role", request.roles))
    parents = [_named(kind, name) for kind, names in inside for name in sorted(names)]
    yield {"uid": _named("Actor", "the one who asks"), "attrs": {}, "parents": parents}


def _question(request: Request) -> dict[str, Any]:
    declared = request.declared if request.declared is not None else request.at
    purpose: Mapping[str, Any] = {"__entity": _named("Purpose", request.purpose)}
    return {
        "principal": PRINCIPAL,
        "action": _uid("Action", request.action),
        "context": {
            "purpose": purpose,
            "at": request.at,
            "patient": [request.subject, *sorted(request.aliases)],
            "own": not request.actor.isdisjoint({request.subject, *request.aliases}),
            "declared": bool(request.emergency.strip()) and 0 <= request.at - declared < EMERGENCY_LASTS,
        },
    }
