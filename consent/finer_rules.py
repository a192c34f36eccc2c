"""Finer rules: what a grant's counterpart keeps to, resource by resource, beyond what the hub can check.

They travel sealed with the grant, as JSON: a list of policies in the plain form of `consent.policy`, of which a
resource is permitted by one at least and refused by none. They say nothing of parties and times; of purposes and of
roles within the house they say who may read at all, where not everybody may (`consent.readers`, PROTOCOL.md 4.4).
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from consent import policy, readers
from consent.categories import LABELS as SENSITIVITY
from consent.decide import Decider
from consent.policy import Policy
from consent.primitives import broken
from consent.purposes import LABELS
from consent.readers import Readers
from consent.state import Request, State
from fhir_profiles.problems import Problem

ELEMENTS = frozenset({"type", "class", "code", "securityLabel", "dataPeriod", "data", "provision"})
"""What a finer rule may say: all of it is about the resource."""

Tree = dict[str, Any]
"""A provision in plain form (`consent.policy`)."""

ALL: Tree = {"type": "permit"}
UNDATED = (
    "Coverage", "Device", "DeviceMetric", "Endpoint", "HealthcareService", "Location", "Medication", "Organization",
    "Patient", "Person", "Practitioner", "PractitionerRole", "RelatedPerson", "Substance",
)  # fmt: skip
"""Types that have no clinical date, because they are not about a moment."""


def hiding(rules: Mapping[str, Any] | None, references: Iterable[str]) -> dict[str, Any] | None:
    """Finer rules that leave out these resources, by `Type/id`, besides what `rules` leave out; None for no rules."""
    instances = [["instance", reference] for reference in sorted(set(references))]
    if not instances:
        return None if rules is None else dict(rules)
    policies = rules["policies"] if rules else [_always(ALL)]
    return rules_of([*policies, _always({"type": "deny", "data": instances})], readers_of(rules))


def up_to(confidentiality: Iterable[str]) -> dict[str, Any]:
    """Finer rules that leave out what is more confidential than these levels, and what is sensitive unless R is one.

    As far as standing access reaches (`consent.standing`); which labels are of sensitivity, the categories tell.
    """
    levels = sorted(confidentiality)
    sensitive: Tree = {"type": "deny", "securityLabel": sorted({*SENSITIVITY, *LABELS})}
    rule: Tree = {"type": "permit", "securityLabel": levels}
    return rules_of([_always(rule if "R" in levels else rule | {"provision": [sensitive]})])


def since(day: date, rules: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Finer rules that leave out, besides what `rules` leave out, what is older than a day in Berlin.

    And what has a clinical date and does not say it. Keys part what was sealed before from what was sealed after; this
    parts what happened (PROTOCOL.md 4.2).
    """
    undated = {"type": "permit", "class": list(UNDATED)}
    older = {"type": "deny", "dataPeriod": {"end": (day - timedelta(days=1)).isoformat()}, "provision": [undated]}
    policies = rules["policies"] if rules else [_always(ALL)]
    return rules_of([one | {"provision": _excepting(one["provision"], older)} for one in policies], readers_of(rules))


def _excepting(rule: Tree, exception: Tree) -> Tree:
    """The tree with an exception to whatever it permits: another policy that denies could not except from itself."""
    below = [_excepting(child, exception) for child in rule.get("provision", [])]
    below += [exception] if rule["type"] == "permit" else []
    return rule | {"provision": below} if below else rule


def both(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Finer rules that permit what both permit; None for no rules.

    Of the other it is all but what it permits that is refused: a policy that permits adds to others, one that denies
    takes away.
    """
    if one is None or other is None or one == other:
        chosen = other if one is None else one
        return None if chosen is None else dict(chosen)
    permits = [policy["provision"] for policy in other["policies"] if policy["provision"]["type"] == "permit"]
    refusals = [policy for policy in other["policies"] if policy["provision"]["type"] == "deny"]
    each = [found for found in (readers_of(one), readers_of(other)) if found is not None]
    admitted = each[0].both(each[-1]) if each else None
    return rules_of([*one["policies"], _always({"type": "deny", "provision": permits}), *refusals], admitted)


def only_since(rules: Mapping[str, Any]) -> bool:
    """Whether these are the rules of `since` for some day, and no more."""
    try:
        older = rules["policies"][0]["provision"]["provision"][0]["dataPeriod"]["end"]
        return bool(rules == since(date.fromisoformat(older) + timedelta(days=1)))
    except (KeyError, IndexError, TypeError, ValueError):
        return False


def rules_of(policies: Iterable[Mapping[str, Any]], admitted: Readers | None = None) -> dict[str, Any]:
    """Finer rules of these policies, for those readers only; None: for all who may read by the grant."""
    rules = {"v": 1, "policies": list(policies) or [_always(ALL)]}
    return rules if admitted is None else rules | {"readers": admitted.plain()}


def readers_of(rules: Mapping[str, Any] | None) -> Readers | None:
    """Who alone may read by a grant with these finer rules; None: all who read for its purposes."""
    return readers.read(rules["readers"]) if rules and "readers" in rules else None


def leaves_out(rules: Mapping[str, Any] | None) -> bool:
    """Whether these may leave out some of what is granted, from whoever may read."""
    return rules is not None and rules.get("policies") != [_always(ALL)]


def _always(provision: Tree) -> dict[str, Any]:
    return {"opt-in": False, "provision": provision}


# --- where they are kept to ---------------------------------------------------------------------------------------


def read(value: Any) -> tuple[Policy, ...]:
    """The policies that finer rules consist of. Raises `Rejected(broken, rules)` for what says more or else."""
    try:
        if value.keys() - {"readers"} != {"v", "policies"} or value["v"] != 1 or not value["policies"]:
            raise broken("rules")
        readers_of(value)
        return tuple(_policy(number, one) for number, one in enumerate(value["policies"]))
    except (AttributeError, TypeError, KeyError, RecursionError, Problem):
        raise broken("rules") from None


def _policy(number: int, value: Any) -> Policy:
    if value.keys() != {"opt-in", "provision"} or not isinstance(value["opt-in"], bool):
        raise broken("rules")
    _check_rule(value["provision"], 1)
    template = {"template": "OPT-IN"} if value["opt-in"] else {}
    plain = {"id": f"rules-{number}", "status": "active", "provision": value["provision"]}
    return policy.compile(plain | template)


def _check_rule(rule: Any, level: int) -> None:
    if level > policy.READ_DEPTH or rule.keys() - ELEMENTS or rule["type"] not in {"permit", "deny"}:
        raise broken("rules")
    for child in rule.get("provision", []):
        _check_rule(child, level + 1)


def decider(policies: tuple[Policy, ...]) -> Decider:
    """What finer rules say of each resource: its `verdict` is good for each reader, purpose and time of the grant."""
    return Decider(State(policies), Request("patient", frozenset({"counterpart"}), "TREAT", 0))
