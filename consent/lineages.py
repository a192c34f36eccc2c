"""Which records count: of each lineage the newest, and where guardians decided differently, each guardian's."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from consent.dates import BEGINNING
from consent.mandates import MANAGE_CONSENT, Mandate
from consent.policy import Policy
from consent.purposes import actions_above
from consent.state import Request, State

_MANAGING = actions_above(MANAGE_CONSENT)


def in_force(state: State, request: Request) -> list[tuple[Policy, ...]]:
    """The records that count at this moment, those of a lineage together, in an order of their own.

    Within a lineage the newest record that was ever in force counts, so one that is withdrawn does not revive an elder.
    There is more than one where guardians decided differently, or where two were recorded at the same moment: together
    they permit what all of them permit, and refuse what any refuses. A withdrawn one among them permits nothing.
    """
    lineages: dict[str, list[Policy]] = defaultdict(list)
    patient = {None, request.subject, *request.aliases}
    for policy in state.policies:
        if policy.recorded <= request.at and policy.patient in patient and _counts(policy, state):
            lineages[policy.lineage].append(policy)
    guardians = [one for one in state.mandates if one.kind == "guardian"]
    heads = [
        tuple(records) if len(records) == 1 else _heads(records, guardians, request.at, state.of_age)
        for records in lineages.values()
    ]
    return sorted((head for head in heads if any(one.status == "active" for one in head)), key=_name)


def _counts(policy: Policy, state: State) -> bool:
    """Whether it was ever in force: active or since withdrawn, and given by who could give it."""
    if policy.status not in {"active", "inactive"} or policy.legal is False:
        return False
    return policy.legal is True or any(_could_give(one, policy, state) for one in state.mandates)


def _could_give(mandate: Mandate, policy: Policy, state: State) -> bool:
    """What was done by a mandate stays done when that is revoked; the patient takes it back as her own."""
    return (
        mandate.delegate == policy.by
        and mandate.held(policy.recorded, state.of_age)
        and mandate.allows(_MANAGING, frozenset())
    )


def _heads(records: Iterable[Policy], guardians: Collection[Mandate], at: int, of_age: int) -> tuple[Policy, ...]:
    """The records of a lineage that count, sorted.

    A guardian's newest stands beside the other guardians' newest, until one of them loses the mandate or somebody else,
    such as the patient when she is of age, records a newer one.
    """
    ordered = sorted(records, key=_order)
    newest = ordered[-1].recorded
    last = [one for one in ordered if one.recorded == newest]
    names = {one.delegate for one in guardians}
    if any(one.by not in names for one in last):
        return tuple(last)
    since = max((one.recorded for one in ordered if one.by not in names), default=BEGINNING)
    live = {one.delegate for one in guardians if one.live(at, of_age)}
    own = {one.by: one.recorded for one in ordered if one.by in live and one.recorded > since}
    return tuple(one for one in ordered if own.get(one.by) == one.recorded) or tuple(last)


def _order(policy: Policy) -> tuple[int, str, str, str]:
    return policy.recorded, policy.id, policy.by, policy.status


def _name(head: tuple[Policy, ...]) -> tuple[str, int, str]:
    return head[0].id, head[0].recorded, head[0].lineage
