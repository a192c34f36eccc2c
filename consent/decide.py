"""One decision: who, what, why, when → which resources are visible, and the reason.

Pure. Policies are compiled on write (`consent.policy`); `Decider` specialises a patient's state to one request once, so
that each resource then costs about a microsecond. For each resource the first of these that says something decides:

1. the request itself (no subject, actor or known purpose: deny)   2. the legal floor, which no consent opens
3. the patient's own access   4. a delegate's mandate: permit inside, deny outside
5. a refusal: blocked actor, hidden category or item, any consent that denies   6. emergency access (before 5)
7. any consent that permits   8. standing access   9. the implicit policy

A reason is for the patient and her log. A provider is never told that something is withheld: to him hidden and absent
look the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from consent.dates import BEGINNING, FOREVER
from consent.policy import Policy, Rule
from consent.purposes import (
    CARE_ACTIONS,
    DATA_ACTIONS,
    READING,
    actions_above,
    known,
    labels_above,
    purposes_above,
    within,
)
from consent.reasons import Basis, sentence

EMERGENCY_ROLES = frozenset({"physician", "paramedic", "nurse-ed"})
EMERGENCY_PURPOSES = ("ETREAT",)
"""Emergency treatment and what lies below it (break the glass, emergency room)."""
NEVER_IN_EMERGENCY = frozenset({"V"})
STANDING_REACHES = frozenset({"U", "L", "M", "N"})
CONFIDENTIALITY = frozenset({"U", "L", "M", "N", "R", "V"})
"""http://terminology.hl7.org/CodeSystem/v3-Confidentiality"""

_NONE: frozenset[str] = frozenset()
_NO_LEGAL: Mapping[str, frozenset[str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for what, why and when.

    `subject`: the patient as her consents name her, an account's address. `actor`: all identifiers at every level
    (person, role, organisation, device). `purpose`: one code of v3-ActReason. `at`: microseconds since 1970.
    `emergency`: the declared reason of an emergency, empty where none is declared.
    """

    subject: str
    actor: frozenset[str]
    purpose: str
    at: int
    action: str = "read"
    roles: frozenset[str] = _NONE
    emergency: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """What a decision may know of a resource. Made by `item`, or from FHIR by `consent.facts`.

    `classes`: type, category, profiles. `labels`: confidentiality, and sensitivity with all it lies below. `clinical`:
    the half-open interval of the data, None where unknown.
    """

    ref: str
    classes: frozenset[str]
    confidentiality: str
    labels: frozenset[str]
    codes: frozenset[str] = _NONE
    clinical: tuple[int, int] | None = None
    authors: frozenset[str] = _NONE
    related: frozenset[str] = _NONE
    depends: frozenset[str] = _NONE


def item(
    ref: str,
    classes: Iterable[str],
    confidentiality: str | None = None,
    sensitivity: Iterable[str] = (),
    **facts: Any,
) -> Item:
    """An `Item` with its labels completed: without a confidentiality, what is sensitive is R and all else N."""
    marks = frozenset(sensitivity)
    level = confidentiality or ("R" if marks else "N")
    return Item(ref, frozenset(classes), level, frozenset({level}).union(*map(labels_above, marks)), **facts)


@dataclass(frozen=True, slots=True)
class Standing:
    """Standing access of one actor for treatment, within a half-open period."""

    actor: str
    period: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a delegate may do for the patient. Empty `classes` or `purposes`: all. `hidden`: kept from the delegate."""

    delegate: str
    period: tuple[int, int]
    revoked: bool = False
    not_actions: frozenset[str] = _NONE
    classes: frozenset[str] = _NONE
    purposes: frozenset[str] = _NONE
    hidden: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class State:
    """All that one patient has said, and her hub's policy, at one version.

    `policies`: one record for each consent. `hides`: references, categories or labels. `implicit`: `deny`, `permit`,
    `permit-treat`. `legal`: role → categories or types closed to it, `*` for all.
    """

    policies: tuple[Policy, ...] = ()
    standing: tuple[Standing, ...] = ()
    blocks: frozenset[str] = _NONE
    hides: frozenset[str] = _NONE
    mandates: tuple[Mandate, ...] = ()
    no_emergency: bool = False
    implicit: Literal["deny", "permit", "permit-treat"] = "deny"
    legal: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NO_LEGAL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one resource, and what it rests on."""

    permit: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for a request: `permit`, `redact` (only `kept` are visible) or `deny`; `kept` in the given order."""

    decision: Literal["permit", "redact", "deny"]
    kept: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def reason(self, language: str = "en") -> str:
        """One plain sentence, `en` or `de`, for the patient's log."""
        return sentence([(verdict.permit, verdict.basis) for verdict in self.verdicts], language)


def decide(state: State, request: Request, items: Sequence[Item]) -> Decision:
    """Decide a request on a bundle. Without items, decide it as such: may this actor do this at all?"""
    decider = Decider(state, request)
    if not items:
        verdict = decider.verdict(_NOTHING)
        return Decision("permit" if verdict.permit else "deny", (), (verdict,))
    verdicts = tuple(map(decider.verdict, items))
    kept = tuple(one.ref for one, verdict in zip(items, verdicts, strict=True) if verdict.permit)
    return Decision("deny" if not kept else "permit" if len(kept) == len(items) else "redact", kept, verdicts)


_NOTHING = item("", ())


class Decider:
    """A patient's state, specialised to one request."""

    def __init__(self, state: State, request: Request) -> None:
        """Drop what cannot apply to this actor, purpose, action and time; keep what a resource still has to meet."""
        self._state, self._request = state, request
        self._malformed = not request.subject or not request.actor or not known(request.purpose)
        self._purposes, self._actions = purposes_above(request.purpose), actions_above(request.action)
        self._floor = _NONE.union(*(state.legal.get(role, _NONE) for role in request.roles))
        self._mandates = tuple(
            one for one in state.mandates
            if one.delegate in request.actor and not one.revoked and _holds(one.period, request.at)
        )  # fmt: skip
        self._trees = tuple(
            (policy, tree)
            for policy in _in_force(state.policies, request)
            if policy.root is not None and (tree := self._specialise(policy.root)) is not None
        )
        self._otherwise = self._without_consent()
        self._emergency = self._is_emergency()
        self._single = (
            any("/" in hide for hide in state.hides.union(*(one.hidden for one in self._mandates)))
            or any(_asks_item(tree) for _, tree in self._trees)
        )  # fmt: skip
        self._seen: dict[tuple[frozenset[str], str, frozenset[str], frozenset[str]], Verdict] = {}

    @property
    def until(self) -> int:
        """Microseconds: each later `at` before this gets the same answers, as long as the state is the same."""
        return min((edge for edge in _edges(self._state) if edge > self._request.at), default=FOREVER)

    def verdict(self, one: Item) -> Verdict:
        """Decide one resource."""
        if self._single:  # dates, authors and references are each item's own
            return self._decide(one)
        signature = (one.classes, one.confidentiality, one.labels, one.codes)
        found = self._seen.get(signature)
        if found is None:
            found = self._seen[signature] = self._decide(one)
        return found

    def _decide(self, one: Item) -> Verdict:
        if self._malformed:
            return Verdict(False, Basis("malformed"))
        if "*" in self._floor or not self._floor.isdisjoint(one.classes):
            return Verdict(False, Basis("floor"))
        if self._request.subject in self._request.actor:
            return Verdict(True, Basis("self"))
        if self._mandates:
            return self._delegate(one)
        if self._emergency and one.confidentiality not in NEVER_IN_EMERGENCY:
            return Verdict(True, Basis("emergency"))
        return self._by_consent(one)

    def _delegate(self, one: Item) -> Verdict:
        for mandate in self._mandates:
            if (
                self._actions.isdisjoint(mandate.not_actions)
                and (not mandate.purposes or not self._purposes.isdisjoint(mandate.purposes))
                and (not mandate.classes or not one.classes.isdisjoint(mandate.classes))
                and not _is_hidden(one, mandate.hidden)
            ):
                return Verdict(True, Basis("mandate", mandate.delegate))
        return Verdict(False, Basis("outside-mandate", self._mandates[0].delegate))

    def _by_consent(self, one: Item) -> Verdict:
        state = self._state
        if not state.blocks.isdisjoint(self._request.actor):
            return Verdict(False, Basis("blocked"))
        if _is_hidden(one, state.hides):
            return Verdict(False, Basis("hidden"))
        permitted: Verdict | None = None
        for policy, tree in self._trees:
            reached = _reach(tree, one)
            if reached is None or (reached is tree and policy.opt_in and not tree.permit):
                continue  # silent: an opt-in list says nothing about what it does not mention
            if not reached.permit:
                return Verdict(False, Basis("refused", policy.id, reached.path))
            permitted = permitted or Verdict(True, Basis("consent", policy.id, reached.path))
        if self._request.action not in DATA_ACTIONS:
            return Verdict(False, Basis("not-by-consent"))
        if permitted is not None:
            return permitted
        standing, implicit = self._otherwise
        return standing if standing is not None and one.confidentiality in STANDING_REACHES else implicit

    def _without_consent(self) -> tuple[Verdict | None, Verdict]:
        state, request = self._state, self._request
        treats = within(request.purpose, ("TREAT",))
        opens = state.implicit == "permit" or (state.implicit == "permit-treat" and treats)
        implicit = Verdict(opens, Basis("implicit-permit" if opens else "implicit-deny"))
        if treats and request.action in CARE_ACTIONS:
            for one in state.standing:
                if one.actor in request.actor and _holds(one.period, request.at):
                    return Verdict(True, Basis("standing", one.actor)), implicit
        return None, implicit

    def _is_emergency(self) -> bool:
        request = self._request
        return (
            bool(request.emergency.strip())
            and not self._state.no_emergency
            and not EMERGENCY_ROLES.isdisjoint(request.roles)
            and within(request.purpose, EMERGENCY_PURPOSES)
            and request.action in READING
        )

    def _specialise(self, rule: Rule) -> Rule | None:
        """The rule with only what a resource still has to meet, or None where the request does not meet it."""
        request = self._request
        if (
            (rule.actors and rule.actors.isdisjoint(request.actor))
            or (rule.roles and rule.roles.isdisjoint(request.roles))
            or (rule.actions and rule.actions.isdisjoint(self._actions))
            or (rule.purposes and rule.purposes.isdisjoint(self._purposes))
            or not _holds(rule.period, request.at)
        ):
            return None
        if not rule.children:
            return rule
        children = (self._specialise(child) for child in rule.children)
        return replace(rule, children=tuple(child for child in children if child is not None))


def _in_force(policies: Iterable[Policy], request: Request) -> list[Policy]:
    """The policies that count, in an order of their own, so that the given order never matters.

    Within a lineage the newest record that was ever in force counts, so one that is withdrawn does not revive an elder.
    """
    newest: dict[str, int] = {}
    candidates = [
        policy
        for policy in policies
        if policy.status in {"active", "inactive"}
        and policy.legal
        and policy.recorded <= request.at
        and policy.patient in {None, request.subject}
    ]
    for policy in candidates:
        newest[policy.lineage] = max(policy.recorded, newest.get(policy.lineage, BEGINNING))
    counting = [one for one in candidates if one.status == "active" and one.recorded == newest[one.lineage]]
    return sorted(counting, key=lambda policy: (policy.id, policy.recorded))


def _reach(rule: Rule, one: Item) -> Rule | None:
    """The deepest rule that the item meets; among siblings a denial wins. None where it does not meet this one."""
    if not _meets(rule, one):
        return None
    permitting: Rule | None = None
    for child in rule.children:
        reached = _reach(child, one)
        if reached is not None:
            if not reached.permit:
                return reached
            permitting = permitting or reached
    return permitting or rule


def _meets(rule: Rule, one: Item) -> bool:
    return not (
        (rule.classes and rule.classes.isdisjoint(one.classes))
        or (rule.labels and rule.labels.isdisjoint(one.labels))
        or (rule.codes and rule.codes.isdisjoint(one.codes))
        or (rule.data_period is not None and not _in_data_period(rule, rule.data_period, one.clinical))
        or (rule.data and not any(_is_meant(meaning, reference, one) for meaning, reference in rule.data))
    )


def _in_data_period(rule: Rule, period: tuple[int, int], clinical: tuple[int, int] | None) -> bool:
    if clinical is None:
        return not rule.permit  # fail closed: of unknown date, so denied by a denial and not permitted by a permit
    return clinical[0] < period[1] and period[0] < clinical[1]


def _is_meant(meaning: str, reference: str, one: Item) -> bool:
    """https://hl7.org/fhir/R4/valueset-consent-data-meaning.html"""
    if meaning == "authoredby":
        return reference in one.authors
    if reference == one.ref:
        return True
    return (meaning == "related" and reference in one.related) or (meaning == "dependents" and reference in one.depends)


def _is_hidden(one: Item, hides: frozenset[str]) -> bool:
    return not hides.isdisjoint(one.classes) or not hides.isdisjoint(one.labels) or one.ref in hides


def _asks_item(rule: Rule) -> bool:
    return bool(rule.data) or rule.data_period is not None or any(map(_asks_item, rule.children))


def _holds(period: tuple[int, int], at: int) -> bool:
    return period[0] <= at < period[1]


def _edges(state: State) -> Iterable[int]:
    for policy in state.policies:
        yield policy.recorded
        if policy.root is not None:
            yield from _rule_edges(policy.root)
    for standing in state.standing:
        yield from standing.period
    for mandate in state.mandates:
        yield from mandate.period


def _rule_edges(rule: Rule) -> Iterable[int]:
    yield from rule.period
    for child in rule.children:
        yield from _rule_edges(child)
