"""Who may see which chain (PROTOCOL.md 2.2 to 2.4). Everyone else gets what is said of a chain that does not exist."""

from collections.abc import Iterable

from sqlalchemy import Connection

from consent.accounts import AccountState
from consent.grants import Record
from consent.primitives import Rejected
from consent.relations import Grant, RelationState
from consent.rules import Place
from fhir_profiles.problems import Problem
from hub.states import Chains
from hub.store import chains as store
from hub.store import declarations
from hub.store.chains import ChainName
from hub.store.database import domain_of


def nothing_here() -> Problem:
    """The one answer for what is unknown and for what is not the caller's."""
    return Problem("not-found", "There is nothing here for you.")


def is_delegate(patient: AccountState, who: str, now: int) -> bool:
    """Whether somebody may act for the patient now."""
    try:
        patient.delegate(who, now)
    except Rejected:
        return False
    return True


def holds_keys(patient: AccountState, who: str, now: int) -> bool:
    """Whether somebody may act for the patient now with the keys of her vault."""
    try:
        return patient.delegate(who, now).scope == "full"
    except Rejected:
        return False


def with_keys(patient: AccountState, now: int) -> set[str]:
    """Who acts for the patient now with the keys of her vault. Of this hub only: no vault goes to another."""
    here = {one.to for one in patient.delegates if domain_of(one.to) == domain_of(patient.acc)}
    return {name for name in here if holds_keys(patient, name, now)}


def cited(chains: Chains, account: AccountState) -> dict[str, AccountState]:
    """The accounts that a chain relies on: delegates who signed in it, and so on for theirs."""
    found: dict[str, AccountState] = {}
    waiting = [account]
    while waiting:
        names = {name for link in waiting.pop().links for name in link.cite}
        new = {name: chains.account(name) for name in names - found.keys() - {account.acc}}
        found |= new
        waiting += new.values()
    return found


def of_patients_side(patient: AccountState, who: str, now: int) -> bool:
    """The patient, or one who may act for her."""
    return bool(patient.links) and (who == patient.acc or is_delegate(patient, who, now))


def covers_set(relation: RelationState, set_id: str, now: int) -> bool:
    """Whether a live grant covers anything of the set."""
    return any(set_id in grant.cover for grant in relation.live(now))


def sees_set(chains: Chains, acc: str, set_id: str, who: str, now: int) -> bool:
    """The patient's side, the set's author, holders of a live grant that covers it."""
    if of_patients_side(chains.account(acc), who, now):
        return True
    relation = chains.relation(acc, who)
    return set_id in relation.permits or covers_set(relation, set_id, now)


def sees_relation(chains: Chains, acc: str, oth: str, who: str, now: int) -> bool:
    """The patient's side and the counterpart."""
    return who == oth or of_patients_side(chains.account(acc), who, now)


def sees_account(chains: Chains, name: str, who: str, fingerprint: str, now: int) -> bool:
    """Organisations and services: everybody. A person: herself; who holds her card; who meets her at some patient's."""
    account = chains.account(name)
    if name == who or (account.links and account.cls != "person"):
        return True
    if account.links and fingerprint == account.fingerprint:
        return True
    return any(_meet(chains.record(acc), who, name, now) for acc in store.tied(chains.conn, who, name))


def _meet(record: Record, who: str, name: str, now: int) -> bool:
    """Whether at this patient's `who` deals with what `name` signed or wrote."""
    patient = record.account
    if of_patients_side(patient, who, now):
        return True
    relation = record.relations.get(who)
    if relation is None:
        return False
    if name == patient.acc or any(delegate.to == name for delegate in patient.delegates):
        return True
    author = record.relations.get(name)
    return author is not None and any(covers_set(relation, set_id, now) for set_id in author.permits)


def sees(chains: Chains, chain: ChainName, who: str, now: int) -> bool:
    """Whether somebody may read a chain."""
    kind, acc, oth = chain
    if kind == "acct":
        return sees_account(chains, acc, who, "", now)
    return sees_set(chains, acc, oth, who, now) if kind == "set" else sees_relation(chains, acc, oth, who, now)


def counterpart_of(conn: Connection, patients: Iterable[str], who: str) -> set[str]:
    """Those of these patients with whom somebody has a relation: he sees their account chains, as `sees` would say."""
    return {acc for _, acc, _ in store.heads_of(conn, [("rel", acc, who) for acc in patients])}


def opened(conn: Connection, relations: Iterable[RelationState], now: int) -> frozenset[str]:
    """Of the grants of one patient in these relations those for emergencies that are declared now."""
    for_emergencies = {(r.acc, grant.gid) for r in relations for grant in r.live(now) if grant.emergency}
    declared = {gid for acc in {acc for acc, _ in for_emergencies} for gid in declarations.opened(conn, acc, now)}
    return frozenset(gid for _, gid in for_emergencies) & declared


def open_grants(conn: Connection, record: Record, now: int) -> list[tuple[str, Grant]]:
    """The live grants with whose each is; those for emergencies while one is declared. Some may not have begun yet."""
    live = [] if record.account.closed else list(record.live_grants(now))
    declared = opened(conn, record.relations.values(), now)
    return [(relation.oth, grant) for relation, grant in live if not grant.emergency or grant.gid in declared]


def readers(conn: Connection, record: Record, places: Iterable[Place], now: int) -> set[str]:
    """The patient, and everybody whom a grant lets see one of these places now."""
    begun = [(who, grant) for who, grant in open_grants(conn, record, now) if grant.begins <= now]
    return {record.account.acc} | {
        who for place in places for who, grant in begun if grant.reaches(place.set, place.index, place.epoch)
    }


def opens_bundle(conn: Connection, relation: RelationState, lst: str, who: str, now: int) -> bool:
    """Whether a bundle is given to a side of its relation: to the counterpart only while the bundle's grant is live.

    What belongs to a grant for emergencies is given to it only in a declared one.
    """
    if who != relation.oth:
        return True
    declared = opened(conn, [relation], now)
    live = (grant for grant in relation.live(now) if not grant.emergency or grant.gid in declared)
    return any(bundle.hash == lst for grant in live for bundle in grant.bundles)


def keeps_bundle(relation: RelationState, lst: str, now: int) -> bool:
    """Whether a counterpart's hub is given a bundle: while its grant is live, an emergency or not."""
    return any(bundle.hash == lst for grant in relation.live(now) for bundle in grant.bundles)


def knows(chains: Chains, one: str, other: str) -> bool:
    """Whether the two have a relation, either way round, or one is the other's delegate."""
    near = store.tied(chains.conn, one, other)
    return one in near or other in near


# --- other hubs ---------------------------------------------------------------------------------------------------


def of_hub(chains: Chains, acc: str, domain: str) -> list[str]:
    """The accounts of a hub that have to do with a patient."""
    return [name for name in store.ties_of(chains.conn, acc) if "@" in name and domain_of(name) == domain]


def hub_sees(chains: Chains, chain: ChainName, domain: str, fingerprint: str, now: int) -> bool:
    """Whether a hub may hold a chain: somebody there may read it, or shows the card; or it holds it already."""
    kind, acc, _ = chain
    if kind != "acct":
        return any(sees(chains, chain, who, now) for who in of_hub(chains, acc, domain))
    account = chains.account(acc)
    if not account.links:
        return False
    if account.cls != "person" or fingerprint == account.fingerprint:
        return True
    if domain in store.hubs_tied(chains.conn, acc):
        return True
    near = [one for one in store.patients_of(chains.conn, acc) if domain in store.hubs_tied(chains.conn, one)]
    if any(acc in cited(chains, chains.account(one)) for one in near):
        return True  # without it that hub could not check what it is given of a patient for whom this one has signed
    return any(
        _meet(chains.record(patient), who, acc, now)
        for patient in store.patients_of(chains.conn, acc)
        for who in of_hub(chains, patient, domain)
    )
