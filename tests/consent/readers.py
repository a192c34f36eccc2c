"""What a counterpart of the small world holds and sees."""

import json
from typing import Any

from consent import opening
from consent.primitives import Rejected
from tests.consent.world import Hub, Identity, permit_of


def hold(hub: Hub, who: Identity) -> dict[tuple[str, int, int], bytes]:
    """All working seeds that a counterpart can open from every bundle ever sealed to it: (set, epoch, index) → seed."""
    relation = hub.record.relations.get(who.account)
    seeds = {}
    for grant in relation.grants.values() if relation else ():
        for bundle in grant.bundles:
            opened = opening.open_bundle(bundle, hub.blobs[bundle.hash], relation, who.reading)
            for record in opened.seeds:
                state = hub.record.sets[record.set]
                if record.epoch <= state.current:
                    for index, seed in opening.good_seeds(record, state):
                        seeds[record.set, record.epoch, index] = seed
    return seeds


def reader(hub: Hub, who: Identity) -> opening.Reader:
    """A counterpart's view, from what the hub has and its own bundles."""
    seeds = hold(hub, who)
    relation = hub.record.relations[who.account]
    categories = {}
    for grant in relation.grants.values():
        for bundle in grant.bundles:
            for record in opening.open_bundle(bundle, hub.blobs[bundle.hash], relation, who.reading).seeds:
                categories |= {(record.set, i): c for i, c in record.categories.items()}
    sequence = {(e.aut, e.dev, e.str, e.seq): e.hash for e, _ in hub.envelopes.values()}
    return opening.Reader(
        patient=hub.record.account.acc, hub_key=hub.key.public, accounts=hub.record.accounts, sets=hub.record.sets,
        relation=relation, confirmed=True, seed=lambda s, e, i: seeds.get((s, e, i)),
        known=lambda *where: sequence.get(where), category_of=lambda s, i: categories.get((s, i)),
        check=plain_check,
    )  # fmt: skip


def read(hub: Hub, who: Identity, bid: str, now: int) -> opening.Opened:
    """Open an envelope as the hub would release it."""
    frame, stamp = hub.envelopes[bid]
    return opening.open_envelope(frame.raw, stamp, permit_of(hub, hub.place(frame)[0]), reader(hub, who), now)


def plain_check(line: bytes) -> dict[str, Any]:
    """JSON objects only: what a twin without HL7's tables can check."""
    try:
        value = json.loads(line)
    except ValueError:
        raise Rejected("broken", "fhir") from None
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise Rejected("broken", "fhir")
    return value
