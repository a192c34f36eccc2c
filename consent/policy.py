"""The normal form of a consent: a tree of rules, compiled once when it is written.

A consent in plain form is a JSON object: `id`, `status`, `dateTime`, and optionally `patient`, `policy[]` and
`controller[]` (consents of one patient to the same policy and controller replace each other; so do those of the same
`lineage`, or else of the same id), `performer[]` (who gave it), `verification[]`, `source`, `template` (`OPT-IN`),
`legal` (whether it is legally effective; where it does not say, the performers' mandates decide), `provision`.
A provision: `type` (`permit`, `deny`), `period`, `actor[]`, `role[]`, `action[]`, `securityLabel[]`, `purpose[]`,
`class[]`, `code[]`, `dataPeriod`, `data[]` (pairs meaning, reference), `provision[]`.
Codings are reduced to codes and references to text; `consent.fhir_consent` makes this form from FHIR and back.

Elements are ANDed, values inside one element ORed, an element that is absent says nothing; the deepest rule that
matches decides. https://hl7.org/fhir/R4/consent.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consent.conditions import Test, of_kind, of_one
from consent.dates import BEGINNING, FOREVER, interval, period
from fhir_profiles.problems import Problem

READ_DEPTH = 8
"""Rules deeper than this are not read: where a tree goes on, it denies."""
WRITE_DEPTH = 3
"""Rules deeper than this are not written."""

MEANINGS = ("instance", "related", "dependents", "authoredby")
ELEMENTS = frozenset(
    {"type", "period", "actor", "role", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data"}
    | {"provision"}
)
_EVER = (BEGINNING, FOREVER)
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One provision. An empty set asks for nothing; `period` is when the rule applies, `data_period` to which data.

    `kind` and `own`: what it asks of a resource's kind and of itself, compiled (`consent.conditions`); `tests`: both.
    """

    permit: bool
    path: str
    actors: frozenset[str] = _NONE
    roles: frozenset[str] = _NONE
    actions: frozenset[str] = _NONE
    purposes: frozenset[str] = _NONE
    period: tuple[int, int] = _EVER
    classes: frozenset[str] = _NONE
    codes: frozenset[str] = _NONE
    labels: frozenset[str] = _NONE
    data: frozenset[tuple[str, str]] = frozenset()
    data_period: tuple[int, int] | None = None
    children: tuple["Rule", ...] = ()
    kind: tuple[Test, ...] = field(init=False, repr=False, compare=False)
    own: tuple[Test, ...] = field(init=False, repr=False, compare=False)
    tests: tuple[Test, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", tuple(of_kind(self.classes, self.labels)))
        object.__setattr__(self, "own", tuple(of_one(self.codes, self.data, self.data_period, self.permit)))
        object.__setattr__(self, "tests", self.kind + self.own if self.kind else self.own)


@dataclass(frozen=True, slots=True)
class Policy:
    """One consent, compiled. `root` is None where the consent says neither permit nor deny: it never applies.

    `by`: who gave it, empty for the patient herself. `legal`: whether it is effective; None: as the mandate of `by` was
    when it was recorded.
    """

    id: str
    status: str
    recorded: int
    lineage: str
    patient: str | None
    opt_in: bool
    legal: bool | None
    root: Rule | None
    by: str = ""


def compile(consent: Mapping[str, Any]) -> Policy:  # noqa: A001 - as `re.compile`: the module is named at the call
    """Compile a consent in plain form. Raises `Problem(value)` with the path for values of the wrong shape."""
    _only_text(consent, "", ("id", "status", "dateTime", "patient", "lineage", "template"))
    name, recorded = consent.get("id"), consent.get("dateTime")
    if not name:
        raise Problem("value", "A consent needs an id, so that a decision can name it.", expression="id")
    root, performers, patient = consent.get("provision"), _codes(consent, "performer", ""), consent.get("patient")
    by = "" if not performers or patient in performers else min(performers)
    legal = consent.get("legal", None if by else True)
    return Policy(
        id=name,
        status=consent.get("status", ""),
        recorded=BEGINNING if recorded is None else interval(recorded)[0],
        lineage=_lineage(consent, name),
        patient=patient,
        opt_in=consent.get("template") == "OPT-IN",
        legal=None if legal is None else legal is True,
        root=None if root is None else _root(root),
        by=by,
    )


def _lineage(consent: Mapping[str, Any], name: str) -> str:
    policies, controllers = (sorted(_codes(consent, element, "")) for element in ("policy", "controller"))
    if stated := consent.get("lineage"):
        return f"lineage {stated}"
    named = json.dumps([policies, controllers], ensure_ascii=False, separators=(",", ":"))
    return f"policy {named}" if policies and controllers else f"consent {name}"


def depth(rule: Rule) -> int:
    """How many rules deep the tree is; a root alone is 1."""
    return 1 + max(map(depth, rule.children), default=0)


def _root(provision: Any) -> Rule | None:
    rule = _rule(provision, "provision", 1)
    return None if provision.get("type") is None else rule


def _rule(provision: Any, path: str, level: int) -> Rule:
    if not isinstance(provision, Mapping):
        raise Problem("value", "A provision is an object.", expression=path)
    if unknown := sorted(map(str, provision.keys() - ELEMENTS)):  # it may be a limit: left out, it widens the rule
        raise Problem("value", "This element is not known in a provision.", expression=f"{path}.{unknown[0]}")
    kind = provision.get("type")
    if kind not in ("permit", "deny", None):
        raise Problem("value", "A provision's type is permit or deny.", expression=f"{path}.type")
    nested = provision.get("provision", [])
    if not isinstance(nested, list):
        raise Problem("value", "Nested provisions are a list.", expression=f"{path}.provision")
    if nested and level == READ_DEPTH:
        children: tuple[Rule, ...] = (Rule(permit=False, path=f"{path}.provision"),)
    else:
        children = tuple(_rule(child, f"{path}.provision[{i}]", level + 1) for i, child in enumerate(nested))
    return Rule(
        permit=kind == "permit",  # no type on a nested rule: it may only take away
        path=path,
        actors=_codes(provision, "actor", path),
        roles=frozenset(map(str.lower, _codes(provision, "role", path))),  # houses write them as they like
        actions=_codes(provision, "action", path),
        purposes=_codes(provision, "purpose", path),
        period=_period(provision.get("period", {}), f"{path}.period"),
        classes=_codes(provision, "class", path),
        codes=_codes(provision, "code", path),
        labels=_codes(provision, "securityLabel", path),
        data=_data(provision, path),
        data_period=_period(provision["dataPeriod"], f"{path}.dataPeriod") if "dataPeriod" in provision else None,
        children=children,
    )


def _codes(provision: Mapping[str, Any], element: str, path: str) -> frozenset[str]:
    values = provision.get(element, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise Problem("value", "This element is a list of words.", expression=f"{path}.{element}".lstrip("."))
    return frozenset(values)


def _data(provision: Mapping[str, Any], path: str) -> frozenset[tuple[str, str]]:
    pairs = provision.get("data", [])
    if not isinstance(pairs, list):
        raise Problem("value", "Data is a list of pairs.", expression=f"{path}.data")
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise Problem("value", "Data is pairs of meaning and reference.", expression=f"{path}.data")
        if pair[0] not in MEANINGS:
            raise Problem("value", f"The meaning is one of {', '.join(MEANINGS)}.", expression=f"{path}.data")
    return frozenset((meaning, reference) for meaning, reference in pairs)


def _period(value: Any, path: str) -> tuple[int, int]:
    if not isinstance(value, Mapping):
        raise Problem("value", "A period is an object with start and end.", expression=path)
    _only_text(value, path, ("start", "end"))
    try:
        return period(value.get("start"), value.get("end"))
    except Problem as problem:
        raise Problem(problem.code, problem.detail, expression=path) from problem


def _only_text(value: Mapping[str, Any], path: str, elements: tuple[str, ...]) -> None:
    for element in elements:
        if not isinstance(value.get(element, ""), str):
            raise Problem("value", "This element is a text.", expression=f"{path}.{element}".lstrip("."))
