"""A consent's tree, specialised to one request: only what a resource still has to meet is left to ask.

Made once for a request; each resource then walks the trees in a few microseconds.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from consent.policy import Policy, Rule
from consent.purposes import actions_above, purposes_above
from consent.reasons import Basis
from consent.state import Item, Request

Test = Callable[[Item], bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one resource, and what it rests on."""

    permit: bool
    basis: Basis


class Tree:
    """A rule that the request meets. `verdict` is None where its word is silence: at the root of an opt-in list."""

    __slots__ = ("children", "denies", "tests", "verdict")

    def __init__(self, tests: tuple[Test, ...], verdict: Verdict | None, children: "tuple[Tree, ...]") -> None:
        self.tests, self.verdict, self.children = tests, verdict, children
        own = verdict is not None and not verdict.permit
        self.denies: bool = own or any(child.denies for child in children)
        """Whether any resource can be refused here; where none can, the tree need not be asked to the end."""

    def reach(self, one: Item) -> "Tree | None":
        """The deepest rule that the item meets; among siblings a denial wins. None where it does not meet this one."""
        for test in self.tests:
            if not test(one):
                return None
        permitting: Tree | None = None
        for child in self.children:
            reached = child.reach(one)
            if reached is not None:
                if reached.verdict is None or not reached.verdict.permit:
                    return reached
                permitting = permitting or reached
        return permitting or self


def specialise(policy: Policy, request: Request) -> Tree | None:
    """The tree of a consent for this request; None where it can say nothing to it."""
    if policy.root is None:
        return None
    above = purposes_above(request.purpose), actions_above(request.action)
    tree = _specialise(policy.root, policy, request, *above)
    if tree is not None and policy.opt_in and not policy.root.permit:
        if not tree.children:
            return None
        return Tree(tree.tests, None, tree.children)  # an opt-in list says nothing about what it does not mention
    return tree


def _specialise(
    rule: Rule, policy: Policy, request: Request, purposes: frozenset[str], actions: frozenset[str]
) -> Tree | None:
    if (
        (rule.actors and rule.actors.isdisjoint(request.actor))
        or (rule.roles and rule.roles.isdisjoint(request.roles))
        or (rule.actions and rule.actions.isdisjoint(actions))
        or (rule.purposes and rule.purposes.isdisjoint(purposes))
        or not rule.period[0] <= request.at < rule.period[1]
    ):
        return None
    specialised = (_specialise(child, policy, request, purposes, actions) for child in rule.children)
    basis = Basis("consent" if rule.permit else "refused", policy.id, rule.path, policy.recorded)
    return Tree(tuple(_tests(rule)), Verdict(rule.permit, basis), tuple(child for child in specialised if child))


def _tests(rule: Rule) -> Iterator[Test]:
    if rule.classes:
        yield _sharing(rule.classes, "classes")
    if rule.labels:
        yield _sharing(rule.labels, "labels")
    if rule.codes:
        yield _sharing(rule.codes, "codes")
    if rule.data_period is not None:
        yield _in_data_period(rule.data_period, rule.permit)
    if rule.data:
        yield _meant(rule.data)


def _sharing(wanted: frozenset[str], element: str) -> Test:
    apart = wanted.isdisjoint
    if element == "classes":
        return lambda one: not apart(one.classes)
    if element == "labels":
        return lambda one: not apart(one.labels)
    return lambda one: not apart(one.codes)


def _in_data_period(period: tuple[int, int], permit: bool) -> Test:
    """By overlap. Of unknown date it fails closed: denied by a denial and not permitted by a permit."""
    start, end = period

    def test(one: Item) -> bool:
        clinical = one.clinical
        return not permit if clinical is None else clinical[0] < end and start < clinical[1]

    return test


def _meant(data: Iterable[tuple[str, str]]) -> Test:
    pairs = tuple(data)
    return lambda one: any(_is_meant(meaning, reference, one) for meaning, reference in pairs)


def _is_meant(meaning: str, reference: str, one: Item) -> bool:
    """https://hl7.org/fhir/R4/valueset-consent-data-meaning.html"""
    if meaning == "authoredby":
        return reference in one.authors
    if reference == one.ref:
        return True
    return (meaning == "related" and reference in one.related) or (meaning == "dependents" and reference in one.depends)


def distinguishing(rules: Iterable[Rule]) -> "tuple[tuple[tuple[int, int], ...], frozenset[str], bool]":
    """By what these rules and those below them tell resources apart beyond class and label: data periods, references
    and whether by code.
    """
    periods: set[tuple[int, int]] = set()
    references: set[str] = set()
    by_code = False
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        waiting.extend(rule.children)
        references.update(reference for _, reference in rule.data)
        by_code = by_code or bool(rule.codes)
        if rule.data_period is not None:
            periods.add(rule.data_period)
    return tuple(sorted(periods)), frozenset(references), by_code
