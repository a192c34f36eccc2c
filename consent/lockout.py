"""Who holds the key of the vault's key compartment and must not any more: told from chains and the root compartment.

Pure, as `consent.owed`, and asked before it: the patient's own client then gives the compartment another key and the
account another reading key (PROTOCOL.md 5.12); what was sealed to what is known outside is rotated by what is owed.
"""

from collections.abc import Collection
from dataclasses import replace

from consent import steps
from consent.accounts import Delegate
from consent.grants import Record
from consent.relations import Grant
from consent.vault import Terms, Vault

FULL = "full"
"""The scope of a delegate who is given the vault, but for the root compartment."""
PURPOSES = ("FAMRQT", "TREAT")
"""For what a delegate reads by the grant that comes with a mandate: codes of v3-ActReason."""


def holders(record: Record, shared: Collection[str], now: int) -> list[str]:
    """Of those to whom the key was handed the live delegates of scope `full`: they may have it."""
    return [name for name in shared if _delegate(record, name, now) is not None]


def must_change(record: Record, shared: Collection[str], now: int) -> bool:
    """Whether somebody has the key who must not: no delegate any more, or a lost device of one."""
    locked = max((link.iat for link in record.account.links if link.typ == "reading" and link.body["bad"]), default=-1)
    return any(_lost(record, _delegate(record, name, now), locked) for name in shared)


def fresh(record: Record, vault: Vault, now: int) -> Vault:
    """The vault with other candidates, for all open sets: who has the elder key may have seen those of before.

    Another delegate may have made them after somebody's mandate ended, and before the compartment has another key.
    """
    open_sets = [name for name, state in record.sets.items() if not state.closed and name in vault.sets]
    return steps.prepare(record, replace(vault, candidates={}), open_sets, now)


def came_with(record: Record, vault: Vault, name: str, now: int) -> list[Grant]:
    """The live grants to read that came with somebody's last mandate: they run just as long."""
    last = next((one for one in reversed(record.account.delegates) if one.to == name), None)
    relation = record.relations.get(name)
    live = relation.live(now) if relation is not None and last is not None else []
    return [grant for grant in live if _is_with(vault.terms.get(grant.gid), last)]


def _is_with(terms: Terms | None, mandate: Delegate | None) -> bool:
    return bool(terms and mandate and terms.consent and (terms.until, terms.purposes) == (mandate.end, PURPOSES))


def left_behind(record: Record, vault: Vault, shared: Collection[str], now: int) -> list[tuple[str, Grant]]:
    """What came with the mandate of those who had the key and are no delegates any more: account and grant."""
    gone = set(shared) - set(holders(record, shared, now))
    return [(name, grant) for name in sorted(gone) for grant in came_with(record, vault, name, now)]


def _delegate(record: Record, name: str, now: int) -> Delegate | None:
    account = record.account
    live = (one for one in account.delegates if one.to == name and one.live(account.last, now))
    return next((one for one in live if one.scope == FULL), None)


def _lost(record: Record, delegate: Delegate | None, locked: int) -> bool:
    """`locked`: the second since which the compartment has had its key."""
    if delegate is None:
        return True
    since = record.account.links[delegate.since].iat
    other = record.accounts.get(delegate.to)
    return other is not None and any(loss.client and loss.iat > locked and loss.iat >= since for loss in other.losses)
