"""One decision: who, what, why, when → which resources are visible, and the reason.

Pure. Policies are compiled on write (`consent.policy`); `Decider` specialises a patient's state to one request once, so
that each resource then costs a few microseconds. For each resource the first of these that says something decides:

1. the request itself (no subject, actor or known purpose: deny)   2. the legal floor, which no consent opens
3. the patient's own access, but for what is withheld   4. a delegate's mandate: permit inside, deny outside
5. a refusal: blocked actor, hidden category or item, any consent that denies   6. emergency access (before 5)
7. any consent that permits   8. standing access   9. the implicit policy

A reason is for the patient and her log. A provider is never told that something is withheld: to him hidden and absent
look the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from consent import categories
from consent.dates import FOREVER
from consent.floor import EVERYTHING, closed
from consent.items import CONFIDENTIALITY, NORMAL, Item, item
from consent.lineages import in_force
from consent.mandates import RESIGN, Mandate
from consent.matching import Trees, Verdict, trees
from consent.policy import Rule
from consent.purposes import CARE_ACTIONS, DATA_ACTIONS, READING, actions_above, known, purposes_above, within
from consent.reasons import Basis, sentence
from consent.standing import Standing
from consent.state import Request, State

EMERGENCY_ROLES = frozenset({"physician", "paramedic", "nurse-ed"})
EMERGENCY_PURPOSES = ("ETREAT",)
"""Emergency treatment and what lies below it (break the glass, emergency room)."""
EMERGENCY_REACHES = {"N": NORMAL, "R": NORMAL | {"R"}}
"""By the patient's choice; very restricted data (V) never."""
EMERGENCY_LASTS = 3_600_000_000
"""Microseconds from the declaration."""


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
    return decide_all(state, (request,), items)


def decide_all(state: State, requests: Iterable[Request], items: Sequence[Item]) -> Decision:
    """Decide what was asked for several purposes at once, a request each: every one has to be permitted."""
    deciders = [Decider(state, request) for request in requests]
    verdicts = tuple(_all([decider.verdict(one) for decider in deciders]) for one in items or (_NOTHING,))
    kept = tuple(one.ref for one, verdict in zip(items, verdicts, strict=False) if verdict.permit)
    permitted = sum(verdict.permit for verdict in verdicts)
    return Decision("deny" if not permitted else "permit" if permitted == len(verdicts) else "redact", kept, verdicts)


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    if not verdicts:
        return _MALFORMED
    return next((verdict for verdict in verdicts if not verdict.permit), verdicts[0])


def _denied(rule: str, by: str = "") -> Verdict:
    return Verdict(False, Basis(rule, by))


_KINDS = frozenset(categories.NAMES) | categories.BY_TYPE.keys() | categories.LABELS.keys() | CONFIDENTIALITY
"""Words that hide a kind of resource. Any other may be a reference."""
_NOTHING = item("", ())
_MALFORMED = _denied("malformed")
_CLOSED = _denied("floor")
_WITHHELD = _denied("withheld")
_BLOCKED = _denied("blocked")
_HIDDEN = _denied("hidden")
_DISPUTED = _denied("disputed")
_NOT_BY_CONSENT = _denied("not-by-consent")
_OWN = Verdict(True, Basis("self"))
_DECLARED = Verdict(True, Basis("emergency"))


class Decider:
    """A patient's state, specialised to one request."""

    def __init__(self, state: State, request: Request) -> None:
        """Drop what cannot apply to this actor, purpose, action and time; keep what a resource still has to meet."""
        self._state, self._request = state, request
        self._malformed = not request.subject or not request.actor or not known(request.purpose)
        self._purposes, self._actions = purposes_above(request.purpose), actions_above(request.action)
        self._floor = closed(state.legal, request.roles, request.action)
        self._closed = EVERYTHING in self._floor
        self._own = not request.actor.isdisjoint({request.subject, *request.aliases})
        self._mandates = tuple(
            one for one in state.mandates if one.delegate in request.actor and one.live(request.at, state.of_age)
        )
        self._inside = tuple(one for one in self._mandates if one.allows(self._actions, self._purposes))
        self._blocked = not state.blocks.isdisjoint(request.actor)
        self._by_data = request.action in DATA_ACTIONS
        self._emergency = EMERGENCY_REACHES[state.emergency_level] if self._is_emergency() else frozenset()
        self._trees = trees(in_force(state, request), request)
        self._standing = self._standing_access()
        self._implicit = self._implicit_policy()
        self._by_reference = _asks_reference(state, self._mandates)
        self._kinds: dict[object, Verdict | Trees] = {}

    @property
    def until(self) -> int:
        """Microseconds: each later `at` before this gets the same answers, as long as the state is the same."""
        return min((edge for edge in _edges(self._state, self._request) if edge > self._request.at), default=FOREVER)

    def verdict(self, one: Item) -> Verdict:
        """Decide one resource. What the rules cannot tell apart is decided once."""
        found = self._kinds.get(one.kind)
        if found is None:
            found = self._kinds[one.kind] = self._of_kind(one)
        if type(found) is Verdict:
            return found
        return (self._by_reference and self._at_once(one)) or self._by_consent(one, found)

    def _of_kind(self, one: Item) -> Verdict | Trees:
        """The verdict for all resources of this one's kind, or the trees by which they are told apart."""
        verdict = self._at_once(one)
        if verdict is not None and not self._by_reference:
            return verdict
        left = self._trees.narrow(one)
        return left if self._by_reference or left.asks else self._by_consent(one, left)

    def decide(self, one: Item) -> Verdict:
        """Decide one resource as if it were the first of its kind."""
        return self._at_once(one) or self._by_consent(one, self._trees)

    def _at_once(self, one: Item) -> Verdict | None:
        """What needs no look at any consent."""
        if self._malformed:
            return _MALFORMED
        if self._closed or not self._floor.isdisjoint(one.classes):
            return _CLOSED
        if self._own:
            return _WITHHELD if one.ref in self._state.withheld else _OWN
        if self._mandates:
            return self._delegate(one)
        if one.confidentiality in self._emergency and not (one.sensitive and self._state.emergency_level == "N"):
            return _DECLARED
        if self._blocked:
            return _BLOCKED
        return _HIDDEN if _is_hidden(one, self._state.hides) else None

    def _delegate(self, one: Item) -> Verdict:
        state = self._state
        if one.ref in state.withheld:
            return _WITHHELD
        if self._request.action == RESIGN:
            return Verdict(True, Basis("mandate", self._mandates[0].delegate))
        for mandate in self._inside:
            if (
                (not mandate.classes or not one.classes.isdisjoint(mandate.classes))
                and not _is_hidden(one, mandate.hidden)
                and not _is_hidden(one, state.private)
            ):
                return Verdict(True, Basis("mandate", mandate.delegate))
        return _denied("outside-mandate", self._mandates[0].delegate)

    def _by_consent(self, one: Item, consents: Trees) -> Verdict:
        said, disputed = consents.says(one)
        if said is not None and not said.permit:
            return said
        if not self._by_data:
            return _NOT_BY_CONSENT
        return said or self._without_consent(one, disputed)

    def _without_consent(self, one: Item, disputed: bool) -> Verdict:
        for standing, verdict in self._standing:
            if one.confidentiality in standing.reaches and ("R" in standing.reaches or not one.sensitive):
                return verdict
        if self._implicit.permit and not one.normal:
            return _denied("disputed" if disputed else "implicit-deny")
        return _DISPUTED if disputed and not self._implicit.permit else self._implicit

    def _standing_access(self) -> tuple[tuple[Standing, Verdict], ...]:
        request = self._request
        if not within(request.purpose, ("TREAT",)) or request.action not in CARE_ACTIONS:
            return ()
        live = (
            one for one in self._state.standing
            if one.actor in request.actor and one.period[0] <= request.at < one.period[1]
        )  # fmt: skip
        ordered = sorted(live, key=lambda one: (-one.period[1], one.actor, sorted(one.reaches)))
        return tuple((one, Verdict(True, Basis("standing", one.actor, when=one.period[1]))) for one in ordered)

    def _implicit_policy(self) -> Verdict:
        implicit = self._state.implicit
        treats = within(self._request.purpose, ("TREAT",))
        opens = implicit == "permit" or (implicit == "permit-treat" and treats)
        return Verdict(opens, Basis("implicit-permit" if opens else "implicit-deny"))

    def _is_emergency(self) -> bool:
        request = self._request
        return (
            bool(request.emergency.strip())
            and not self._state.no_emergency
            and not EMERGENCY_ROLES.isdisjoint(request.roles)
            and within(request.purpose, EMERGENCY_PURPOSES)
            and request.action in READING
            and (request.declared is None or 0 <= request.at - request.declared < EMERGENCY_LASTS)
        )


def _asks_reference(state: State, mandates: Iterable[Mandate]) -> bool:
    """Whether single resources may be hidden or withheld, so that not all of a kind are alike."""
    kept = state.hides.union(state.private, state.withheld, *(one.hidden for one in mandates))
    return not kept <= _KINDS


def _is_hidden(one: Item, hides: frozenset[str]) -> bool:
    return bool(hides) and (not hides.isdisjoint(one.classes) or not hides.isdisjoint(one.labels) or one.ref in hides)


def _edges(state: State, request: Request) -> Iterable[int]:
    yield state.of_age
    if request.declared is not None:
        yield request.declared
        yield request.declared + EMERGENCY_LASTS
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
