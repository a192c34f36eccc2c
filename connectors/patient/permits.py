"""Who may write: the patient lets a counterpart add to her record, and ends that (PROTOCOL.md 5.6 and 5.10)."""

from dataclasses import replace

from connectors.patient.sharing import is_own, meet
from connectors.patient.side import Side
from consent import relations, steps
from consent.grants import Record
from consent.identifiers import new_id
from consent.primitives import random_bytes
from consent.relations import NO_END, Grant, RelationState
from consent.steps import EVERYTHING, Written
from consent.vault import Terms
from fhir_profiles.problems import Problem

PURPOSES = ("TREAT",)
"""For which an author is released its own writing; in its house it reads that as its own record."""


def permit(client: Side, counterpart: str, *, fingerprint: str = "") -> str:
    """Let a counterpart write into her record. Returns the set; where it may already, nothing changes.

    The order makes a crash harmless: relation, a spare set that all growing grants cover, the author's own grant of it,
    and with that the permit. The same call again finishes what was begun.
    """
    client.sync()
    meet(client, counterpart, fingerprint=fingerprint)
    client.settle()
    return client.anew(lambda: _give_set(client, counterpart))


def _give_set(client: Side, counterpart: str) -> str:
    """Own grant and permit in one request: whom another device's author has overtaken gets neither, and another set."""
    permitted = _permitted(client.record, client.record.relations[counterpart])
    set_id = permitted[0] if permitted else _begun(client, counterpart) or _spare(client)
    written = _own_grant(client, counterpart, set_id)
    if not permitted:
        record = client.record
        granted = record.relations[counterpart]
        for one in written:
            granted = relations.extend(granted, one.frame, record.accounts)
        after = replace(record, relations={**record.relations, counterpart: granted})
        written.append(steps.permit(after, counterpart, set_id, client.keyring.signer, client.now))
    if written:
        client.post(written)
    client.settle()
    return set_id


def unpermit(client: Side, counterpart: str) -> None:
    """End what `permit` gave: no deposit from that commit on; what was written stays. Raises `Problem(not-found)`.

    What is owed then closes the set; the author's own grant of it ends. The same call again finishes what was begun.
    """
    client.sync()
    relation = client.record.relations.get(counterpart)
    sets = _permitted(client.record, relation) if relation else []
    own = _own_grants(client, relation) if relation else []
    if relation is None or not (sets or own) or counterpart == client.account:
        raise Problem("not-found", "this counterpart may not write: `obhut patient show` lists who may")
    for set_id in sets:
        client.post([steps.unpermit(client.record, counterpart, set_id, client.keyring.signer, client.now)])
    for grant in own:
        client.post([steps.end(client.record, counterpart, grant.gid, client.keyring.signer, client.now)])
    client.settle()


def writers(client: Side) -> list[str]:
    """The counterparts that may write now."""
    record = client.record
    others = (relation for oth, relation in record.relations.items() if oth != client.account)
    return sorted(relation.oth for relation in others if _permitted(record, relation))


def _permitted(record: Record, relation: RelationState) -> list[str]:
    return [s for s in relation.permits if relation.permitted(s) and not record.sets[s].closed]


def _own_grants(client: Side, relation: RelationState) -> list[Grant]:
    """The live grants by which an author is given its own sets."""
    terms = client.vault.terms
    return [grant for grant in relation.live(client.now) if is_own(terms.get(grant.gid))]


def _begun(client: Side, counterpart: str) -> str | None:
    """The set of an own grant whose permit a crash left out."""
    record = client.record
    sets = (set_id for grant in _own_grants(client, record.relations[counterpart]) for set_id in grant.cover)
    return next((s for s in sets if record.author(s) is None and not record.sets[s].closed), None)


def _spare(client: Side) -> str:
    """An open set that nobody writes to or is about to; a new block of sets where none is left."""
    found = _unused(client)
    if not found:
        client.save_vault(steps.new_sets(client.vault))
        client.settle()
        found = _unused(client)
    return found[0]


def _unused(client: Side) -> list[str]:
    record, vault = client.record, client.vault
    given = {
        set_id
        for relation in record.relations.values()
        for grant in _own_grants(client, relation)
        for set_id in grant.cover
    }
    return sorted(
        set_id
        for set_id, state in record.sets.items()
        if set_id in vault.sets and not state.closed and set_id not in given and record.author(set_id) is None
    )


def _own_grant(client: Side, counterpart: str, set_id: str) -> list[Written]:
    """The author's own grant of its set, unless it has it."""
    relation, signer = client.record.relations[counterpart], client.keyring.signer
    if any(set_id in grant.cover for grant in _own_grants(client, relation)):
        return []
    kept = (gid for gid, t in client.vault.terms.items() if t.oth == counterpart and is_own(t))
    gid = next((gid for gid in kept if gid not in relation.grants), None)
    if gid is None:
        gid = new_id()
        terms = Terms(counterpart, EVERYTHING, True, False, PURPOSES, 0, NO_END, b"", random_bytes(16))
        client.save_vault(client.vault.with_terms(gid, terms))
    terms = client.vault.terms[gid]
    return [steps.own_grant(client.record, client.vault, gid, set_id, terms, signer, client.now)]
