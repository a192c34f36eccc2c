"""Decision cases: request, resources and state as JSON, with what is expected. One file holds `{"cases": [...]}`.

Keys that are absent say nothing; those that are not known here are ignored, as titles and sources are.

- `request`: `subject` and `identifiers` (how else the patient is named), `actor` (at every level), `roles`, `purpose`
  (a code, or a list of which each has to be permitted), `action`, `at`, `btg` (`reason`, `declared`).
- `resources[]`: `type`, `ref`, `category`, `conf`, `sens`, `labelled` (false: labelling failed), `code`, `profile`,
  `start`, `end`, `author`, `rel`, `deps`.
- `state`: `consents[]` in plain form (`consent.policy`); `entitlements[]` (`actor`, with a `period` or `issued`, `role`
  and `days`, and `conf`); `blocks`; `hides`; `private`; `withheld`; `delegations[]` (`delegate`, `kind`, `period`,
  `revoked`, `action`, `not_actions`, `class`, `purpose`, `hide`); `birthDate` and `ageSwitch` (years); `no_btg`;
  `btg_level` (`N` or `R`); `organizations` (part → what it is part of); `policy` (`default`: a name or PCF's URI;
  `legal`: role → closed categories, instead of the table in `consent.floor`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, cast

from consent import categories
from consent.actors import at_every_level
from consent.dates import FOREVER, interval, period
from consent.floor import FLOOR, Floor, closing
from consent.items import CONFIDENTIALITY, NORMAL, Item, item
from consent.mandates import AGE_SWITCH, KINDS, Kind, Mandate, of_age
from consent.policy import Policy
from consent.policy import compile as compile_policy
from consent.standing import Standing, issue
from consent.state import IMPLICIT, Request, State
from fhir_profiles.problems import Problem


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to decide: a request for each purpose. `expect` and `kept` are None where the file says none."""

    id: str
    requests: tuple[Request, ...]
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
            requests=tuple(_requests(_object(case.get("request"), "request"), _parts(case))),
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


def _requests(request: Mapping[str, Any], parts: Mapping[str, list[str]]) -> Iterator[Request]:
    emergency = _object(request.get("btg") or {}, "request.btg")
    declared = _text(emergency, "declared", "request.btg", default="")
    purpose = request.get("purpose", "")
    for one in _words(request, "purpose", "request") if isinstance(purpose, list) else [purpose]:
        yield Request(
            subject=_text(request, "subject", "request", default=""),
            actor=at_every_level(_words(request, "actor", "request"), parts),
            purpose=_text({"purpose": one}, "purpose", "request"),
            at=interval(_text(request, "at", "request"))[0],
            action=_text(request, "action", "request", default="read"),
            roles=frozenset(map(str.lower, _words(request, "roles", "request"))),
            emergency=_text(emergency, "reason", "request.btg", default=""),
            declared=interval(declared)[0] if declared else None,
            aliases=frozenset(_words(request, "identifiers", "request")),
        )


def _parts(case: Mapping[str, Any]) -> Mapping[str, list[str]]:
    state = _object(case.get("state", {}), "state")
    parts = _object(state.get("organizations", {}), "state.organizations")
    return {part: _words(parts, part, "state.organizations") for part in parts}


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
        labelled=_flag(resource, "labelled", path, default=True),
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
    implicit = _one_of(IMPLICIT, policy, "default", "state.policy", "deny")
    level = _one_of(("N", "R"), state, "btg_level", "state", "R")
    return State(
        policies=tuple(_policy(one, f"state.consents[{i}]") for i, one in enumerate(_objects(state, "consents"))),
        standing=tuple(found for one in _objects(state, "entitlements") if (found := _standing(one)) is not None),
        blocks=frozenset(_words(state, "blocks", "state")),
        hides=frozenset(_words(state, "hides", "state")),
        mandates=tuple(_mandate(one) for one in _objects(state, "delegations")),
        no_emergency=_flag(state, "no_btg", "state"),
        implicit=IMPLICIT[implicit],
        legal=_floor(policy),
        private=frozenset(_words(state, "private", "state")),
        withheld=frozenset(_words(state, "withheld", "state")),
        of_age=_of_age(state),
        emergency_level=cast("Literal['N', 'R']", level),
    )


def _standing(one: Mapping[str, Any]) -> Standing | None:
    path = "state.entitlements"
    actor, reaches = _text(one, "actor", path), frozenset(_words(one, "conf", path)) | NORMAL
    if "issued" not in one:
        return Standing(actor, _period(one, path), reaches)
    issued = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=interval(_text(one, "issued", path))[0])
    days = one.get("days")
    if days is not None and type(days) is not int:
        raise Problem("value", "A number of days is expected here.", expression=f"{path}.days")
    found = issue(actor, [_text(one, "role", path, default="")], issued, days)
    return None if found is None else Standing(actor, found.period, reaches)


def _floor(policy: Mapping[str, Any]) -> Floor:
    if "legal" not in policy:
        return FLOOR
    legal = _object(policy["legal"], "state.policy.legal")
    return closing({role: _words(legal, role, "state.policy.legal") for role in legal})


def _of_age(state: Mapping[str, Any]) -> int:
    birth, years = state.get("birthDate"), state.get("ageSwitch", AGE_SWITCH)
    if birth is None:
        return FOREVER
    if type(years) is not int or not 0 <= years <= 150:
        raise Problem("value", "A number of years is expected here.", expression="state.ageSwitch")
    try:
        return of_age(date.fromisoformat(_text(state, "birthDate", "state")), years)
    except ValueError as error:
        raise Problem("value", "A day is expected here.", expression="state.birthDate") from error


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
        kind=cast("Kind", _one_of(KINDS, one, "kind", path, "chosen")),
        actions=frozenset(_words(one, "action", path)),
    )


def _one_of(choice: Iterable[str], holder: Mapping[str, Any], name: str, path: str, default: str) -> str:
    value = holder.get(name, default)
    if value not in (known := list(choice)):
        raise Problem("value", f"This is one of {', '.join(known)}.", expression=f"{path}.{name}")
    return str(value)


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


def _flag(holder: Mapping[str, Any], name: str, path: str, *, default: bool = False) -> bool:
    value = holder.get(name, default)
    if not isinstance(value, bool):
        raise Problem("value", "True or false is expected here.", expression=f"{path}.{name}")
    return value
