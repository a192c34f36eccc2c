"""A consent's tree, narrowed twice: to one request, then to one kind of resource.

Only what is left is asked of each resource, so that it costs little more than looking up its kind.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import final

from consent.conditions import Test
from consent.items import Item
from consent.policy import Policy, Rule
from consent.purposes import actions_above, purposes_above
from consent.reasons import Basis
from consent.state import Request


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one resource, and what it rests on."""

    permit: bool
    basis: Basis


class Tree:
    """A rule that the request meets, and below it those of its exceptions that the request meets."""

    __slots__ = ("asks", "children", "denies", "policy", "rule", "said", "silent", "tests")

    def __init__(
        self, policy: Policy, rule: Rule, tests: tuple[Test, ...], children: "tuple[Tree, ...]", silent: bool
    ) -> None:
        self.policy, self.rule, self.tests, self.children = policy, rule, tests, children
        self.silent = silent
        """At the root of an opt-in list, which says nothing about what it does not mention."""
        self.denies: bool = not (rule.permit or silent) or (bool(children) and any(map(_DENIES, children)))
        """Whether any resource can be refused here; where none can, the tree need not be asked to the end."""
        self.asks: bool = bool(rule.own) or (bool(children) and any(map(_ASKS, children)))
        """Whether resources of one kind are told apart here."""
        self.said: Verdict | None = None

    def says(self, one: Item) -> Verdict | None:
        """The word of the deepest rule that the item meets; None where the tree is silent."""
        reached = self.reach(one)
        if reached is None or reached.silent:
            return None
        if reached.said is None:
            word, rule = "consent" if reached.rule.permit else "refused", reached.rule
            reached.said = Verdict(rule.permit, Basis(word, self.policy.id, rule.path, self.policy.recorded))
        return reached.said

    def reach(self, one: Item) -> "Tree | None":
        """The deepest rule that the item meets; among siblings a denial wins. None where it does not meet this one."""
        for test in self.tests:
            if not test(one):
                return None
        if not self.children:
            return self
        permitting: Tree | None = None
        for child in self.children:
            reached = child.reach(one)
            if reached is not None:
                if not reached.rule.permit:
                    return reached
                permitting = permitting or reached
        return permitting or self

    def narrow(self, one: Item) -> "Tree | None":
        """The tree for all resources of this one's kind; None where it can say nothing to them."""
        for test in self.rule.kind:
            if not test(one):
                return None
        if not self.children:
            return Tree(self.policy, self.rule, self.rule.own, (), self.silent)
        children = tuple([found for child in self.children if (found := child.narrow(one)) is not None])
        return Tree(self.policy, self.rule, self.rule.own, children, self.silent)


_DENIES, _ASKS = attrgetter("denies"), attrgetter("asks")


def specialise(policy: Policy, request: Request) -> Tree | None:
    """The tree of a consent for this request; None where it can say nothing to it."""
    if policy.root is None:
        return None
    tree = _specialise(policy, policy.root, request, purposes_above(request.purpose), actions_above(request.action))
    if tree is None or not policy.opt_in or policy.root.permit:
        return tree
    return Tree(policy, tree.rule, tree.tests, tree.children, silent=True) if tree.children else None


def _specialise(
    policy: Policy, rule: Rule, request: Request, purposes: frozenset[str], actions: frozenset[str]
) -> Tree | None:
    if (
        (rule.actors and rule.actors.isdisjoint(request.actor))
        or (rule.roles and rule.roles.isdisjoint(request.roles))
        or (rule.actions and rule.actions.isdisjoint(actions))
        or (rule.purposes and rule.purposes.isdisjoint(purposes))
        or not rule.period[0] <= request.at < rule.period[1]
    ):
        return None
    children: tuple[Tree, ...] = ()
    if rule.children:
        specialised = (_specialise(policy, child, request, purposes, actions) for child in rule.children)
        children = tuple(child for child in specialised if child is not None)
    return Tree(policy, rule, rule.tests, children, silent=False)
