"""A crowd around one patient: who they are, what each knows, and what must hold after every step.

What they do is in `test_state_machine.py`; the properties themselves are in `properties.py`.
"""

import json
from dataclasses import dataclass, replace

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from consent import lockout
from consent import vault as vaults
from consent.categories import NAMES, SYSTEM
from consent.primitives import Rejected
from consent.steps import Written
from consent.vault import Vault
from tests.consent import properties, world
from tests.consent.properties import Holder
from tests.consent.world import START, Client, Identity


def resource(category: int) -> bytes:
    """A resource of a category, about nobody in particular."""
    coding = {"system": SYSTEM, "code": NAMES[category]}
    return json.dumps({"resourceType": "Observation", "category": [{"coding": [coding]}]}).encode()


@dataclass
class Plan:
    """A step computed but not sent yet."""

    written: Written
    vault: Vault


class Crowd(RuleBasedStateMachine):
    """One patient with two clients; two who read, one who writes, one who does both; a relative."""

    @initialize()
    def enrol(self) -> None:
        """A fresh world."""
        first = world.client()
        device = first.me.other_device()
        first.post(first.account("device", device.device_body("client")))
        self.hub = first.hub
        self.clients = [first, replace(first, me=device)]
        names = ("klinik", "praxis", "labor", "pflege")
        self.others = [world.organisation(name) for name in names]
        self.relative = world.person()
        self.holders = [Holder(who) for who in (*self.others, self.relative)]
        self.intended: dict[tuple[str, str], frozenset[int]] = {}
        self.acknowledged: list[str] = []
        self.late: tuple[Identity, str, int, bytes] | None = None
        self.plans: dict[int, Plan] = {}
        self.seen: dict[str, set[tuple[str, int, bytes]]] = {}
        self.keys: dict[str, bytes] = {}
        self.scope = ""
        self.ends = 0
        self.forbidden: list[tuple[int, properties.Where, int]] = []
        self.step = 0

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def holds(self):
        """P1 to P3 and P8, after every step."""
        if not hasattr(self, "clients"):
            return
        self.tick(1)
        self.notice()
        properties.covered_is_held(self.hub, self.holders, self.now)
        properties.released_is_readable(self.hub, self.holders, self.now)
        properties.sequences_never_fork(self.hub, self.acknowledged)
        self.nothing_forbidden_opens()
        if properties.nothing_owed(self.client(0), self.now):
            properties.keys_within_rules(self.hub, self.holders, self.now)
            gone = {name: seen for name, seen in self.seen.items() if name != self.present_delegate()}
            properties.lost_masters_are_past(self.hub, gone)
            if not lockout.must_change(self.hub.record, self.client(0).root.shared, self.now):
                assert not [name for name in self.keys if name != self.present_delegate() and self.opens(name)]
            self.rights_are_as_decided()

    def opens(self, name: str) -> bool:
        """Whether somebody opens the vault by the key that he had as a full delegate."""
        version, sealed = self.hub.vault
        try:
            vaults.unseal(sealed, self.hub.record.account.acc, version, self.keys[name])
        except Rejected:
            return False
        return True

    def notice(self) -> None:
        """Everybody takes in what has arrived; what was deposited is compared with who might read it."""
        for holder in self.holders:
            holder.take(self.hub)
        if self.present_delegate():
            self.keys[f"delegate {self.ends}"] = self.client(0).root.key
        for name in self.keys:
            if self.opens(name):  # with the hub's help, whether it is a delegate still or not
                self.seen.setdefault(name, set()).update(self.client(0).vault.masters)
        calm = properties.nothing_owed(self.client(0), self.now)
        for bid in self.hub.order[len(self.acknowledged) :]:
            self.acknowledged.append(bid)
            frame = self.hub.envelopes[bid][0]
            set_id, index = self.hub.place(frame)
            for number, holder in enumerate(self.holders):
                where = (set_id, frame.ep, index)
                if calm and not properties.covered(self.hub, holder.who.account, where, self.now):
                    self.forbidden.append((number, where, self.length(holder)))

    def nothing_forbidden_opens(self) -> None:
        """P3: what was deposited while its reader had no right opens for nobody, unless it was granted later."""
        for number, where, length in self.forbidden:
            holder = self.holders[number]
            if where in holder.seeds(self.hub):
                assert self.granted_since(holder, where, length)

    def granted_since(self, holder: Holder, where: properties.Where, length: int) -> bool:
        """Whether a grant after this many links covers the place."""
        set_id, epoch, index = where
        relation = self.hub.record.relations[holder.who.account]
        for link in relation.links[length:]:
            for name, first, mask in link.body.get("cover", ()):
                if name == set_id and first <= epoch and mask >> index & 1:
                    return True
        return False

    def rights_are_as_decided(self) -> None:
        """P5: after whatever crash, with nothing owed, each has the rights that were decided, and no others."""
        for oth, gid in self.intended:
            grant = self.hub.record.relations[oth].grants[gid]
            if grant.live(self.now):
                key = self.client(0).vault.sets
                for set_id, (_, mask) in grant.cover.items():
                    assert mask == key[set_id].mask(self.intended[oth, gid])
                open_sets = {s for s, state in self.hub.record.sets.items() if not state.closed}
                own = {s for s in open_sets if self.hub.record.author(s) == oth}
                if grant.grows:
                    assert open_sets - own <= set(grant.cover)

    def teardown(self) -> None:
        """P5 and P9 at the end."""
        if not hasattr(self, "clients"):
            return
        home = self.client(1)
        home.settle(limit=60)
        self.notice()
        properties.keys_within_rules(self.hub, self.holders, self.now)
        self.rights_are_as_decided()
        properties.prefixes_are_prefixes(self.hub.record)

    # --- looking around -------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The clock."""
        return START + self.step

    def tick(self, seconds: int) -> None:
        """Time passes for everybody."""
        self.step += seconds
        for home in self.clients:
            home.now = self.now

    def client(self, by: int) -> Client:
        """A client as it starts: it fetches the vault, whatever it knew before."""
        home = self.clients[by]
        home.load()
        return home

    def identity(self, account: str) -> Identity:
        """A counterpart by name."""
        return next(who for who in (*self.others, self.relative) if who.account == account)

    def live(self) -> list[tuple[str, str]]:
        """Live grants that somebody decided: counterpart and id."""
        relations = self.hub.record.relations
        return [(oth, gid) for oth, gid in self.intended if relations[oth].grants[gid].live(self.now)]

    def permits(self) -> list[tuple[str, str]]:
        """Author and set of each permit that has not ended."""
        return [
            (oth, set_id) for oth, relation in self.hub.record.relations.items() for set_id in relation.permits
            if relation.permitted(set_id) and not self.hub.record.sets[set_id].closed
        ]  # fmt: skip

    def chains(self) -> list:
        """All chains of the patient."""
        record = self.hub.record
        return [record.account, *record.sets.values(), *record.relations.values()]

    def length(self, holder: Holder) -> int:
        """How many links a relation has."""
        relation = self.hub.record.relations.get(holder.who.account)
        return len(relation.links) if relation else 0

    def masters_of(self, holder: Holder) -> set[tuple[str, int, bytes]]:
        """The epochs of which a holder has some working seed."""
        return {
            (set_id, epoch, self.hub.record.sets[set_id].epoch(epoch).digest)
            for set_id, epoch, _ in holder.seeds(self.hub)
        }

    def present_delegate(self) -> str:
        """The name under which a present full delegate's knowledge is kept."""
        return f"delegate {self.ends}" if self.scope == "full" and self.now < self.delegate_until else ""
