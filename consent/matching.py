"""A consent's tree, narrowed twice: to one request, then to one kind of resource.

Only what is left is asked of each resource, so that it costs little more than looking up its kind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
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

    __slots__ = ("asks", "children", "denies", "narrowed", "permit", "policy", "rule", "said", "silent", "tests")

    def __init__(
        self, policy: Policy, rule: Rule, tests: tuple[Test, ...], children: "tuple[Tree, ...]", silent: bool
    ) -> None:
        self.policy, self.rule, self.tests, self.children, self.permit = policy, rule, tests, children, rule.permit
        self.silent = silent
        """At the root of an opt-in list, which says nothing about what it does not mention."""
        self.denies: bool = not (rule.permit or silent)
        """Whether any resource can be refused here; where none can, the tree need not be asked to the end."""
        self.asks: bool = bool(rule.own)
        """Whether resources of one kind are told apart here."""
        self.narrowed: bool = tests is rule.own
        """Whether no kind of resource is asked for here."""
        for child in children:
            self.denies = self.denies or child.denies
            self.asks = self.asks or child.asks
            self.narrowed = self.narrowed and child.narrowed
        self.said: Verdict | None = None

    def says(self, one: Item) -> Verdict | None:
        """The word of the deepest rule that the item meets; None where the tree is silent."""
        for test in self.tests:
            if not test(one):
                return None
        reached = self.deepest(one) if self.children else self
        return None if reached.silent else reached.said or reached.word()

    def deepest(self, one: Item) -> "Tree":
        """The deepest rule below this one, which is met already; among siblings a denial wins."""
        permitting: Tree | None = None
        for child in self.children:
            for test in child.tests:
                if not test(one):
                    break
            else:
                reached = child.deepest(one) if child.children else child
                if not reached.permit:
                    return reached
                permitting = permitting or reached
        return permitting or self

    def word(self) -> Verdict:
        """What this rule says, made when it is first reached."""
        basis = Basis("consent" if self.permit else "refused", self.policy.id, self.rule.path, self.policy.recorded)
        self.said = Verdict(self.permit, basis)
        return self.said

    def narrow(self, one: Item) -> "Tree | None":
        """The tree for all resources of this one's kind; None where it can say nothing to them."""
        if self.narrowed:
            return self
        for test in self.rule.kind:
            if not test(one):
                return None
        if not self.children:
            return Tree(self.policy, self.rule, self.rule.own, (), self.silent)
        children = tuple([found for child in self.children if (found := child.narrow(one)) is not None])
        return Tree(self.policy, self.rule, self.rule.own, children, self.silent)


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


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of the consents that stand alone, and the groups of those that count together.

    Narrowed to a kind of resource, a tree that says the same to all of them is that word.
    """

    alone: tuple[Tree | Verdict, ...]
    together: tuple[tuple[Tree | None, ...], ...] = ()

    @property
    def asks(self) -> bool:
        """Whether resources of one kind are told apart."""
        return any(isinstance(tree, Tree) and tree.asks for tree in chain(self.alone, *self.together))

    def says(self, one: Item) -> tuple[Verdict | None, bool]:
        """What they say of a resource: a refusal before any permit; and whether some that count together differ."""
        permitted: Verdict | None = None
        for told in self.alone:
            if type(told) is Verdict:
                said: Verdict | None = told
            elif permitted is not None and not told.denies:
                continue  # it could only permit
            else:
                said = told.says(one)
            if said is not None:
                if not said.permit:
                    return said, False
                permitted = permitted or said
        disputed = False
        for head in self.together:
            said, agreed = _agreed(head, one)
            if said is not None and not said.permit:
                return said, False
            disputed = disputed or not agreed
            permitted = permitted or said
        return permitted, disputed

    def narrow(self, one: Item) -> "Trees":
        """What is left to ask of resources of this one's kind."""
        alone: list[Tree | Verdict] = []
        permitted = False
        for whole in self.alone:
            told = _narrow(whole, one)
            denies = told is not None and (told.denies if isinstance(told, Tree) else not told.permit)
            if told is None or (permitted and not denies):
                continue
            alone.append(told)
            if isinstance(told, Verdict):
                if denies:
                    break  # it is refused at the latest here
                permitted = True
        together = tuple(tuple(tree and tree.narrow(one) for tree in head) for head in self.together)
        return Trees(tuple(alone), together)


def _narrow(whole: Tree | Verdict, one: Item) -> Tree | Verdict | None:
    if isinstance(whole, Verdict):
        return whole
    tree = whole.narrow(one) if whole.asks else whole
    return tree if tree is None or tree.asks else tree.says(one)


def _agreed(head: Sequence[Tree | None], one: Item) -> tuple[Verdict | None, bool]:
    """What records that count together say, and whether they agree: one that refuses is enough, all have to permit."""
    verdicts = [tree.says(one) if tree is not None else None for tree in head]
    permits = [verdict for verdict in verdicts if verdict is not None and verdict.permit]
    denied = next((verdict for verdict in verdicts if verdict is not None and not verdict.permit), None)
    if denied is not None:
        return denied, False
    return (permits[0], True) if len(permits) == len(verdicts) else (None, not permits)


def trees(heads: Iterable[tuple[Policy, ...]], request: Request) -> Trees:
    """The trees of the records in force (`consent.lineages.in_force`) for a request; one that is withdrawn has none."""
    specialised = [
        tuple(specialise(policy, request) if policy.status == "active" else None for policy in head) for head in heads
    ]
    alone = [head[0] for head in specialised if len(head) == 1 and head[0] is not None]
    alone.sort(key=lambda tree: not tree.denies)
    return Trees(tuple(alone), tuple(head for head in specialised if len(head) > 1))
