"""Since when a rotation is pending: somebody who may read no more could still hold current keys (PROTOCOL.md 5.11)."""

from collections.abc import Iterator

from consent.grants import Moment, Record, holds, started, tainted
from consent.relations import Grant, RelationState


def pending_since(record: Record, now: int) -> int | None:
    """The Unix second from which on the current epoch of an open set could not be trusted; None where all can be."""
    moments = [started(state, record.account.acc) for state in record.sets.values() if not state.closed]
    found = [when for moment in moments if tainted(record, moment, now) for when in _reasons(record, moment, now)]
    return min(found, default=None)


def _reasons(record: Record, moment: Moment, now: int) -> Iterator[int]:
    for relation in record.relations.values():
        for grant in relation.grants.values():
            for row in grant.handed:
                if not holds(row, moment.set, moment.number, moment.digest):
                    continue
                if row.mask & ~relation.covered(moment.set.oth, moment.number, now):
                    yield _narrowed(relation, grant, now)
                yield from (iat for iat in _compromised(record, relation.oth, row.rk) if iat <= now)
    account = record.account
    yield from (loss.iat for loss in account.losses if loss.seq > moment.account_seq)
    for delegate in account.delegates:
        if delegate.scope != "full" or delegate.until is not None or moment.iat >= delegate.end:
            continue
        if delegate.end <= now:
            yield delegate.end
        other, appointed = record.accounts.get(delegate.to), account.links[delegate.since].iat
        losses = other.losses if other is not None else []
        yield from (x.iat for x in losses if x.client and x.iat > moment.iat and x.iat >= appointed)


def _narrowed(relation: RelationState, grant: Grant, now: int) -> int:
    """When a grant ended, expired, or got the rules that it has now."""
    if grant.ended:
        return next(st.iat for st in relation.links if st.typ == "end" and st.body["gid"] == grant.gid)
    return grant.until if grant.until <= now else grant.rules.iat


def _compromised(record: Record, oth: str, key: str) -> Iterator[int]:
    """When a reading key was said to be compromised."""
    account = record.accounts.get(oth)
    if account is not None and key in account.bad_keys:
        since = next(seq for seq, name in account.reading_keys if name == key)
        links = account.links[since + 1 :]
        yield next(st.iat for st in links if st.typ == "reading" and st.body["bad"])
