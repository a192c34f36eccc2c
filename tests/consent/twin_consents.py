"""Python's answers about consents, to be compared with the twin's (`twin_consents.mjs`): rules, decisions, words.

Sets travel as sorted lists, and times in microseconds as text: JavaScript's JSON has no integers of that size.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from consent import fhir_consent, fhir_export, finer_rules, floor, policy, projection, standing, template, words
from consent.dates import interval, last_day
from consent.decide import Decider, decide_all
from consent.facts import facts
from consent.fhir_consent import Agreement, Paper
from consent.items import Item
from consent.mandates import Mandate
from consent.policy import Policy, Rule
from consent.standing import Standing
from consent.state import Request, State

TIMES = frozenset({"period", "data_period", "clinical", "recorded", "at", "declared", "of_age"})
DERIVED = frozenset({"kind", "own", "tests"})
"""What Python keeps compiled; a mandate's kind is no such thing."""


def dumped(value: Any) -> Any:
    """Rules, items, requests and states as JSON."""
    if isinstance(value, Rule | Item | Policy | Mandate | Standing | Request | State):
        derived = DERIVED if isinstance(value, Rule | Item) else ()
        names = [name for name in type(value).__dataclass_fields__ if name not in derived]
        return {name: _member(name, getattr(value, name)) for name in names}
    if isinstance(value, frozenset):
        return sorted(dumped(one) for one in value)
    if isinstance(value, tuple):
        return [dumped(one) for one in value]
    if isinstance(value, Mapping):
        return {name: dumped(one) for name, one in value.items()}
    return value


def _member(name: str, value: Any) -> Any:
    return _time(value) if name in TIMES else dumped(value)


def _time(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(one) for one in value]
    return None if value is None else str(value)


def questions(state: State, requests: Iterable[Request], items: Iterable[Item]) -> dict[str, Any]:
    """A decision as the twin is asked for it."""
    return {"state": dumped(state), "requests": dumped(tuple(requests)), "items": dumped(tuple(items))}


def decision(state: State, requests: tuple[Request, ...], items: tuple[Item, ...]) -> dict[str, Any]:
    """A decision as both tell it: what is kept, what each verdict rests on, and the sentences."""
    made = decide_all(state, requests, items)
    return {
        "decision": made.decision,
        "kept": list(made.kept),
        "verdicts": [
            [v.permit, v.basis.rule, v.basis.by, v.basis.path, _time(v.basis.when)] for v in made.verdicts
        ],
        "reasons": [made.reason(language) for language in ("en", "de")],
        "until": [str(Decider(state, request).until) for request in requests],
    }  # fmt: skip


def _finer(rules: Any, resources: list[Any], authors: list[str]) -> list[bool]:
    decider = finer_rules.decider(finer_rules.read(rules))
    return [decider.verdict(facts(resource, authors)).permit for resource in resources]


def _since(day: str, rules: Any) -> Any:
    return finer_rules.since(datetime.fromisoformat(day).date(), rules)


def agreed(terms: dict[str, Any]) -> Agreement:
    """An agreement from its JSON."""
    paper = terms["paper"] and Paper(**terms["paper"])
    lists = {"categories": frozenset(terms["categories"]), "purposes": tuple(terms["purposes"])}
    return Agreement(**{**terms, **lists, "paper": paper})


def agreement(found: Agreement) -> dict[str, Any]:
    """An agreement as JSON."""
    value = asdict(found)
    return value | {"categories": sorted(found.categories), "purposes": list(found.purposes)}


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _projections(
    consents: list[Any], counterpart: str, now: int, *, plain: bool = False, wholes: Iterable[str] = (),
    roles: Iterable[str] = (),
) -> list[Any]:  # fmt: skip
    make = projection.project_plain if plain else projection.project
    return [[agreement(one.agreed), one.rules] for one in make(consents, counterpart, now, wholes, roles)]


def _template(name: str) -> dict[str, Any]:
    found = template.template(name)
    told = {name: getattr(found, name) for name in ("id", "version", "days", "whole", "withdrawn", "uri")}
    texts = {"title": dict(found.title), "paragraphs": {name: list(one) for name, one in found.paragraphs.items()}}
    sets = {"categories": sorted(found.categories), "confidentiality": sorted(found.confidentiality)}
    return told | texts | sets | {"purposes": list(found.purposes)}


WORDS: dict[str, Callable[..., str]] = {
    "rule": words.rule, "categories": words.categories, "purposes": words.purposes, "day": words.day,
    "moment": words.moment, "until": words.until, "on_paper": words.on_paper,
}  # fmt: skip

ANSWERS: dict[str, Callable[..., Any]] = {
    "interval": lambda text: _time(interval(text)),
    "closed_to": lambda house: sorted(floor.categories_closed(floor.roles(house, ""), "read")),
    "closed": lambda house, person, action: sorted(floor.categories_closed(floor.roles(house, person), action)),
    "standing_template": lambda house: (
        standing.TEMPLATES[standing.usual_days(floor.roles(house, ""))] if house in standing.TYPES else ""
    ),
    "last_day": lambda second, days: last_day(_at(second), days).isoformat(),
    "compile": lambda form: dumped(policy.compile(form)),
    "facts": lambda resource, authors=(): dumped(facts(resource, authors)),
    "finer": _finer,
    "hiding": finer_rules.hiding,
    "up_to": finer_rules.up_to,
    "both": finer_rules.both,
    "since": _since,
    "only_since": finer_rules.only_since,
    "consent": lambda consent, mandated=(): fhir_consent.read(consent, mandated),
    "written": fhir_consent.check_written,
    "agreement": lambda consent: agreement(fhir_consent.agreement(consent)),
    "seconds": lambda terms: list(agreed(terms).seconds()),
    "build": lambda terms, name, second: fhir_consent.build(agreed(terms), name, _at(second)),
    "proposed": lambda terms, name, second: fhir_consent.proposed(agreed(terms), name, _at(second)),
    "export": fhir_export.write,
    "project": _projections,
    "refused": lambda forms, counterpart, purposes, now, wholes: sorted(
        projection.refused_plain(forms, counterpart, purposes, now, wholes)
    ),
    "templates": lambda: [_template(one.id) for one in template.templates()],
    "template": _template,
    "text": lambda name, who, what, why, until, language: template.template(name).text(
        who, what, why, until, language
    ),
    "words": lambda what, given, language: WORDS[what](*given, language),
}  # fmt: skip
