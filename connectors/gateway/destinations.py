"""Where the house may write: told by the patient's permit and by its own grant of the set (PROTOCOL.md 5.6)."""

from collections.abc import Iterator

from connectors.chain_store import ChainStore
from connectors.gateway.keystore import Keystore
from connectors.gateway.records import Place
from consent.sealing import Destination
from fhir_profiles.problems import Problem


def places(chains: ChainStore, keystore: Keystore, patient: str, now: int) -> list[Place]:
    """A place for each category while the permit lives; none otherwise."""
    found = {place.category: place for place in _places(chains, keystore, patient, now)}
    return [found[category] for category in sorted(found)]


def destination(chains: ChainStore, keystore: Keystore, patient: str, category: int, now: int) -> Destination:
    """Where something of this category goes now. Raises `Problem(forbidden)` where it may not."""
    for place in places(chains, keystore, patient, now):
        if place.category == category:
            state = chains.sets[patient, place.set]
            return Destination(patient, place.stream, place.epoch, state.epoch(place.epoch).publics[place.index])
    raise Problem("forbidden", "the patient does not permit this house to write", reason="no-permit")


def _places(chains: ChainStore, keystore: Keystore, patient: str, now: int) -> Iterator[Place]:
    relation = chains.relations.get((patient, keystore.keyring.account))
    if relation is None or chains.accounts[patient].closed:
        return
    for grant in relation.live(now):
        # The own grant covers nothing but sets of this author. Others may cover them too, with stand-ins in between.
        if not grant.cover or not all(set_id in relation.permits for set_id in grant.cover):
            continue
        for set_id, (_, mask) in grant.cover.items():
            state = chains.sets.get((patient, set_id))
            if state is None or state.closed or not relation.permitted(set_id):
                continue
            for stream, index in state.ids.items():
                category = keystore.category(patient, set_id, index) if mask >> index & 1 else None
                if category is not None:
                    yield Place(category, set_id, stream, index, state.current)
