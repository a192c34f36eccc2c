"""How a delegate of scope `manage` acts for a patient, without the keys of her vault (PROTOCOL.md 2.6, 5.12).

It sees whom she granted what, ends grants, and hands on what it may read itself; it withholds by the stand-ins that it
was given (`appointing`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.patient import representative, sharing
from connectors.patient.reading import Reading
from consent import steps
from consent.fhir_consent import Agreement, build, consent_id, last_moment
from consent.grants import Record
from consent.identifiers import new_id
from consent.primitives import random_bytes
from consent.purposes import within
from consent.relations import Grant
from consent.sets import CATEGORIES, IN_USE, STAND_IN
from consent.vault import Terms
from fhir_profiles import resources
from fhir_profiles.problems import Problem


@dataclass(frozen=True)
class Place:
    """A stream whose seeds the delegate holds, and how far the grant reaches by which it does."""

    index: int
    first: int
    until: int
    grows: bool
    purposes: tuple[str, ...]
    rules: str
    """The finer rules of that grant, as JSON; empty where there are none."""


class Deputy:
    """A relative's client that acts for a patient. `sync` first; every method that talks raises `Problem`."""

    def __init__(self, reading: Reading, patient: str) -> None:
        self.client = reading.client
        self.keyring = reading.client.keyring
        self.chains = reading.client.chains
        self.account = patient
        self._reading = reading

    @property
    def now(self) -> int:
        """Unix second, by the hub's clock."""
        return self.client.now

    @property
    def record(self) -> Record:
        """All of the patient's chains."""
        return self.chains.record(self.account)

    def sync(self) -> None:
        """Fetch everything of the patient that a delegate sees. Raises `Problem(forbidden)` for who is none now."""
        self._reading.refresh()
        representative.fetch(self.client, self.account)

    def readable(self) -> list[tuple[str, Grant]]:
        """Counterpart and grant of all by which somebody reads now: neither stand-ins nor an author's own set."""
        return [
            (relation.oth, grant)
            for relation, grant in self.record.live_grants(self.now)
            if not grant.cover.keys() <= relation.permits.keys() and self.granted(grant) != frozenset()
        ]

    def withdraw(self, counterpart: str, gid: str = "") -> int:
        """End one grant, or all by which this counterpart reads. Returns how many ended.

        The rotation waits for the patient's own client: a delegate who manages has no keys for it.
        """
        self.sync()
        live = [grant.gid for oth, grant in self.readable() if oth == counterpart and (not gid or grant.gid == gid)]
        if not live:
            raise Problem("not-found", "there is no such grant: `obhut patient show --for` lists what is granted")
        for one in live:
            self.client.post([steps.end(self.record, counterpart, one, self.keyring.signer, self.now)])
        return len(live)

    # --- what it holds ------------------------------------------------------------------------------------------

    def places(self) -> dict[str, dict[tuple[int, int], Place]]:
        """Set → (category, lane) → the stream that is held, by the grants to this delegate that are live."""
        found: dict[str, dict[tuple[int, int], Place]] = {}
        record, me = self.record, self.client.account
        relation = record.relations.get(me)
        for grant in relation.live(self.now) if relation else ():
            if grant.emergency:
                continue
            agreed = self._reading.agreed(self.account, grant)
            rules = self._reading.inbox.consents.rules(self.account, grant)
            for set_id, (first, mask) in grant.cover.items():
                if record.author(set_id) == me:
                    continue
                held = found.setdefault(set_id, {})
                for index in range(2 * CATEGORIES):
                    category = self._reading.keystore.category(self.account, set_id, index)
                    if mask >> index & 1 and category is not None:
                        lane = IN_USE if category in agreed else STAND_IN
                        place = Place(index, first, grant.until, grant.grows, grant.purposes, rules)
                        held[category, lane] = _better(held.get((category, lane)), place)
        return found

    def granted(self, grant: Grant) -> frozenset[int] | None:
        """The categories of anybody's grant, told by the stand-ins in its masks; None where they are not known."""
        places = self.places()
        for set_id, (_, mask) in grant.cover.items():
            withheld = {c: place.index for (c, lane), place in places.get(set_id, {}).items() if lane == STAND_IN}
            if len(withheld) == CATEGORIES:
                return frozenset(c for c, index in withheld.items() if not mask >> index & 1)
        return None

    # --- granting -----------------------------------------------------------------------------------------------

    def grant(
        self, counterpart: str, categories: Collection[int], *, purposes: tuple[str, ...] = ("TREAT",), end: str = ""
    ) -> str:
        """Hand on some of what this delegate may read itself, no longer than it may and under the same finer rules.

        Returns the grant's id.
        """
        self.sync()
        if counterpart not in self.record.relations:
            detail = f"{self.account} has not dealt with {counterpart} yet: the first contact is her own to make"
            raise Problem("forbidden", detail)
        used = self._to_hand_on(counterpart, frozenset(categories), purposes)
        longest = min(place.until for places in used.values() for place in places)
        agreed = Agreement(self.account, counterpart, frozenset(categories), purposes, end=end or last_moment(longest))
        _, until = agreed.seconds()
        if not self.now < until <= longest:
            raise Problem(
                "forbidden", f"you can grant until {last_moment(longest)} at the longest, and not into the past"
            )
        sharing.check_law(self.client, agreed)
        gid = new_id()
        consent = build(agreed, consent_id(gid), datetime.fromtimestamp(self.now, UTC))
        grows = all(place.grows for places in used.values() for place in places)
        terms = Terms(
            counterpart, agreed.categories, whole=False, grow=grows, purposes=tuple(sorted(purposes)), nb=0,
            until=until, consent=resources.dump(consent), salt=random_bytes(16), rules=_rules(used, agreed.categories),
        )  # fmt: skip
        cover = {
            set_id: (max(place.first for place in places), sum(1 << place.index for place in places))
            for set_id, places in used.items()
        }
        self.client.post([steps.hand_on(self.record, self._seeds, gid, terms, cover, self.keyring.signer, self.now)])
        return gid

    def _to_hand_on(
        self, counterpart: str, categories: frozenset[int], purposes: tuple[str, ...]
    ) -> dict[str, list[Place]]:
        """Set → sixteen streams, in the order of categories. Raises `Problem(forbidden)`."""
        lanes = [(c, IN_USE if c in categories else STAND_IN) for c in range(CATEGORIES)]
        used = {
            set_id: [held[lane] for lane in lanes]
            for set_id, held in self.places().items()
            if held.keys() >= set(lanes) and self.record.author(set_id) != counterpart
        }
        if not used:
            detail = "you can hand on only what was granted to you: ask her, or name fewer categories"
            raise Problem("forbidden", detail)
        read = (place for places in used.values() for c, place in enumerate(places) if c in categories)
        if not all(within(purpose, place.purposes) for place in read for purpose in purposes):
            raise Problem("forbidden", "you can hand on only for the purposes for which you may read yourself")
        return used

    def _seeds(self, set_id: str, epoch: int, mask: int) -> list[tuple[int, bytes]]:
        found = []
        for index in range(2 * CATEGORIES):
            if mask >> index & 1:
                seed = self._reading.keystore.seed(self.account, set_id, epoch, index)
                category = self._reading.keystore.category(self.account, set_id, index)
                if seed is None or category is None:
                    raise Problem("busy", "not all keys have come here yet; try again", reason="seed")
                found.append((category, index, seed))
        return [(index, seed) for _, index, seed in sorted(found)]


def _rules(used: Mapping[str, Sequence[Place]], categories: Collection[int]) -> Any:
    """The finer rules by which the delegate reads all of this itself. Raises `Problem(forbidden)`."""
    found = {places[category].rules for places in used.values() for category in categories}
    if len(found) > 1:
        detail = "these categories were granted to you under different rules: hand them on one by one"
        raise Problem("forbidden", detail)
    (rules,) = found
    return json.loads(rules) if rules else None


def _better(one: Place | None, other: Place) -> Place:
    """Of two grants of the same stream the one that reaches further."""
    if one is None or (other.until, other.grows, -other.first) > (one.until, one.grows, -one.first):
        return other
    return one
