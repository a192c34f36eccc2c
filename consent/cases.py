"""Decision cases: request, resources and state as JSON, with what is expected. One file holds `{"cases": [...]}`.

The state holds consents in plain form (`consent.policy`), `entitlements`, `blocks`, `hides`, `delegations`, `no_btg`,
`policy`. Keys that are absent say nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from consent import categories
from consent.dates import interval, period
from consent.decide import CONFIDENTIALITY, Item, Mandate, Request, Standing, State, item
from consent.policy import Policy
from consent.policy import compile as compile_policy
from fhir_profiles.problems import Problem

IMPLICIT = ("deny", "permit", "permit-treat")


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to decide. `expect` and `kept` are None where the file does not say."""

    id: str
    request: Request
    items: tuple[Item, ...]
    state: State
    expect: str | None
    kept: tuple[str, ...] | None


def parse(data: bytes) -> list[Case]:
    """The cases of a file. Raises `Problem` (`invalid` for what is no JSON, else `value`) with the path."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Problem("invalid", "This is not JSON.") from error
    cases = document.get("cases") if isinstance(document, dict) else None
    if not isinstance(cases, list):
        raise Problem("value", "A file of decision cases is an object with a list `cases`.", expression="cases")
    return [_case(_object(case, f"cases[{i}]"), f"cases[{i}]") for i, case in enumerate(cases)]


def _case(case: Mapping[str, Any], path: str) -> Case:
    name = _text(case, "id", path)
    try:
        return Case(
            id=name,
            request=_request(_object(case.get("request"), "request")),
            items=tuple(
                _item(_object(one, f"resources[{i}]"), f"resources[{i}]")
                for i, one in enumerate(_list(case, "resources", ""))
            ),
            state=_state(_object(case.get("state", {}), "state")),
            expect=case.get("expect"),
            kept=tuple(_words(case, "kept", "")) if "kept" in case else None,
        )
    except Problem as problem:
        place = f"{path}.{problem.expression}" if problem.expression else path
        raise Problem(problem.code, f"Case {name}: {problem.detail}", expression=place) from problem


def _request(request: Mapping[str, Any]) -> Request:
    emergency = _object(request.get("btg") or {}, "request.btg")
    return Request(
        subject=_text(request, "subject", "request", default=""),
        actor=frozenset(_words(request, "actor", "request")),
        purpose=_text(request, "purpose", "request", default=""),
        at=interval(_text(request, "at", "request"))[0],
        action=_text(request, "action", "request", default="read"),
        roles=frozenset(_words(request, "roles", "request")),
        emergency=_text(emergency, "reason", "request.btg", default=""),
    )


def _item(resource: Mapping[str, Any], path: str) -> Item:
    kind = _text(resource, "type", path)
    sensitivity = _words(resource, "sens", path)
    level = resource.get("conf")
    if level is not None and level not in CONFIDENTIALITY:
        raise Problem("value", "A confidentiality is one of U, L, M, N, R, V.", expression=f"{path}.conf")
    start, end = resource.get("start"), resource.get("end")
    return item(
        ref=_text(resource, "ref", path),
        classes=[kind, _category(resource, kind, sensitivity, path), *_words(resource, "profile", path)],
        confidentiality=level,
        sensitivity=sensitivity,
        codes=frozenset(_words(resource, "code", path)),
        clinical=None if start is None else (interval(start)[0], interval(start if end is None else end)[1]),
        authors=frozenset(_words(resource, "author", path)),
        related=frozenset(_words(resource, "rel", path)),
        depends=frozenset(_words(resource, "deps", path)),
    )


def _category(resource: Mapping[str, Any], kind: str, sensitivity: list[str], path: str) -> str:
    """The stated category, else that of the type; a type outside R4 is its own."""
    if "category" in resource or kind not in categories.BY_TYPE:
        return _text(resource, "category", path, default=kind)
    return categories.name({"resourceType": kind, "meta": {"security": [{"code": code} for code in sensitivity]}})


def _state(state: Mapping[str, Any]) -> State:
    policy = _object(state.get("policy", {}), "state.policy")
    implicit = policy.get("default", "deny")
    if implicit not in IMPLICIT:
        raise Problem("value", f"The default is one of {', '.join(IMPLICIT)}.", expression="state.policy.default")
    legal = _object(policy.get("legal", {}), "state.policy.legal")
    return State(
        policies=tuple(_policy(one, f"state.consents[{i}]") for i, one in enumerate(_objects(state, "consents"))),
        standing=tuple(
            Standing(_text(one, "actor", "state.entitlements"), _period(one, "state.entitlements"))
            for one in _objects(state, "entitlements")
        ),
        blocks=frozenset(_words(state, "blocks", "state")),
        hides=frozenset(_words(state, "hides", "state")),
        mandates=tuple(_mandate(one) for one in _objects(state, "delegations")),
        no_emergency=_flag(state, "no_btg", "state"),
        implicit=cast("Literal['deny', 'permit', 'permit-treat']", implicit),
        legal={role: frozenset(_words(legal, role, "state.policy.legal")) for role in legal},
    )


def _policy(consent: Mapping[str, Any], path: str) -> Policy:
    try:
        return compile_policy(consent)
    except Problem as problem:
        place = f"{path}.{problem.expression}" if problem.expression else path
        raise Problem(problem.code, problem.detail, expression=place) from problem


def _mandate(one: Mapping[str, Any]) -> Mandate:
    path = "state.delegations"
    return Mandate(
        delegate=_text(one, "delegate", path),
        period=_period(one, path),
        revoked=_flag(one, "revoked", path),
        not_actions=frozenset(_words(one, "not_actions", path)),
        classes=frozenset(_words(one, "class", path)),
        purposes=frozenset(_words(one, "purpose", path)),
        hidden=frozenset(_words(one, "hide", path)),
    )


def _period(holder: Mapping[str, Any], path: str) -> tuple[int, int]:
    value = _object(holder.get("period", {}), f"{path}.period")
    start, end = (_text(value, edge, f"{path}.period", default="") for edge in ("start", "end"))
    return period(start or None, end or None)


def _objects(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [_object(one, f"state.{name}") for one in _list(holder, name, "state")]


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Problem("value", "An object is expected here.", expression=path)
    return value


def _list(holder: Mapping[str, Any], name: str, path: str) -> list[Any]:
    value = holder.get(name, [])
    if not isinstance(value, list):
        raise Problem("value", "A list is expected here.", expression=f"{path}.{name}".lstrip("."))
    return value


def _words(holder: Mapping[str, Any], name: str, path: str) -> list[str]:
    value = _list(holder, name, path)
    if not all(isinstance(word, str) for word in value):
        raise Problem("value", "A list of words is expected here.", expression=f"{path}.{name}".lstrip("."))
    return value


def _text(holder: Mapping[str, Any], name: str, path: str, default: str | None = None) -> str:
    value = holder.get(name, default)
    if not isinstance(value, str):
        raise Problem("value", "A text is expected here.", expression=f"{path}.{name}".lstrip("."))
    return value


def _flag(holder: Mapping[str, Any], name: str, path: str) -> bool:
    value = holder.get(name, False)
    if not isinstance(value, bool):
        raise Problem("value", "True or false is expected here.", expression=f"{path}.{name}")
    return value
