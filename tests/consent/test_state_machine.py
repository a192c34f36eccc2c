"""The protocol under everything at once: decisions, rotations, crashes, two clients at work, thieves, late writers.

`OBHUT_SOAK=1` runs it longer. Who takes part and what must hold after every step stands in `crowd.py`.
"""

import os
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from consent import envelope, statements, steps
from consent.keys import SigningKey
from consent.primitives import Rejected
from consent.steps import Signer, Written
from consent.vault import Vault
from tests.consent import properties
from tests.consent.crowd import Crowd, Plan, resource
from tests.consent.delegation import appoint, pass_on, saved_by
from tests.consent.verdicts import verdict
from tests.consent.world import DAY

EXAMPLES, STEPS = (1500, 60) if os.environ.get("OBHUT_SOAK") else (60, 30)

READERS = st.integers(0, 3)
CATEGORIES = st.frozensets(st.integers(0, 15), max_size=4)
CLIENTS = st.integers(0, 1)


class Consent(Crowd):
    """What patient, clients, counterparts, a relative and thieves do, in any order."""

    # --- what people decide ---------------------------------------------------------------------------------------

    @rule(who=READERS, categories=CATEGORIES, whole=st.booleans(), days=st.sampled_from([1, 30]), by=CLIENTS)
    def grant(self, who, categories, whole, days, by):
        """Allow a counterpart to read."""
        home, other = self.client(by), self.others[who]
        if len([1 for oth, _ in self.live() if oth == other.account]) >= 2:
            return
        gid = home.grant(other, categories, whole=whole, until=self.now + days * DAY)
        self.intended[other.account, gid] = categories
        properties.lengths_tell_nothing(home, gid, other.account)

    @rule(pick=st.integers(0, 99), categories=CATEGORIES, by=CLIENTS)
    def amend(self, pick, categories, by):
        """Narrow or widen what was allowed."""
        if live := self.live():
            oth, gid = live[pick % len(live)]
            home, other = self.client(by), self.identity(oth)
            home.grant(other, categories, gid=gid, until=self.now + 30 * DAY)
            self.intended[oth, gid] = categories

    @rule(pick=st.integers(0, 99), by=CLIENTS)
    def withdraw(self, pick, by):
        """Take back; the rotation is left to whoever comes next."""
        if live := self.live():
            oth, gid = live[pick % len(live)]
            self.client(by).withdraw(self.identity(oth), gid, settle=False)
            del self.intended[oth, gid]

    @rule(who=READERS, by=CLIENTS)
    def permit(self, who, by):
        """Let a counterpart write, at most into two sets."""
        other = self.others[who]
        relation = self.hub.record.relations.get(other.account)
        if relation is None or len(relation.permits) < 2:
            home = self.client(by)
            home.settle()
            home.permit(other)

    @rule(pick=st.integers(0, 99), by=CLIENTS)
    def unpermit(self, pick, by):
        """End a permit."""
        if permits := self.permits():
            oth, set_id = permits[pick % len(permits)]
            home = self.client(by)
            home.post(home.steps.unpermit(self.hub.record, oth, set_id, home.me.signer, self.now))

    @rule(seconds=st.sampled_from([1, 3600, DAY, 40 * DAY]))
    def time_passes(self, seconds):
        """Grants end by themselves."""
        self.tick(seconds)

    # --- what clients do by themselves ----------------------------------------------------------------------------

    @rule(by=CLIENTS)
    def settle(self, by):
        """A client does all that is owed. It ends (P5)."""
        home = self.client(by)
        home.settle(limit=60)

    @rule(by=CLIENTS, count=st.integers(1, 3))
    def settle_a_little(self, by, count):
        """A client is stopped after a few steps, and forgets what it knew."""
        home = self.client(by)
        for _ in range(count):
            home.step()
        self.clients[by] = replace(home, vault=Vault())

    @rule(by=CLIENTS)
    def compute(self, by):
        """A client computes its next step, and sends nothing yet."""
        home = self.client(by)
        if next_step := home.next_step(self.hub.record, home.vault, self.now):
            result = home.steps.perform(self.hub.record, home.vault, next_step, home.me.signer, self.now)
            if isinstance(result, Vault):
                self.plans[by] = Plan(home.vault_written(result), result)
            else:
                self.plans[by] = Plan(result, home.vault)

    @precondition(lambda self: self.plans)
    @rule(by=CLIENTS, twice=st.booleans())
    def send(self, by, twice):
        """It sends what it computed, perhaps twice, whatever happened since; where that is refused, it starts anew."""
        plan = self.plans.pop(by, None)
        if plan is None:
            return
        try:
            self.hub.post(plan.written, self.now)
        except Rejected:
            return
        if twice:
            properties.changes_nothing(self.hub, plan.written.frame, plan.written.blob, self.now)

    @precondition(lambda self: len(self.hub.record.sets) < 7)
    @rule(by=CLIENTS)
    def more_sets(self, by):
        """A client makes a set ahead of need, and is stopped before its chain starts."""
        home = self.client(by)
        home.save(home.steps.new_sets(home.vault, 1))

    @rule(by=CLIENTS)
    def lose_a_client(self, by):
        """The other client removes this one, which had the whole vault, and a new one takes its place."""
        home, gone = self.client(1 - by), self.clients[by].me
        self.plans.pop(by, None)
        home.post(home.account("undevice", {"dev": gone.device}))
        self.seen[gone.device] = set(home.vault.masters)
        home.save(home.vault.without_candidates(list(home.vault.candidates)))
        new = gone.other_device()
        home.post(home.account("device", new.device_body("client")))
        self.clients[by] = replace(self.clients[by], me=new)

    # --- what counterparts do -------------------------------------------------------------------------------------

    @rule(pick=st.integers(0, 99), category=st.integers(0, 15))
    def write(self, pick, category):
        """An author writes into its set, by the epoch it knows."""
        if permits := self.permits():
            oth, set_id = permits[pick % len(permits)]
            bid = self.client(0).write(self.identity(oth), set_id, category, [resource(category)])
            assert bid not in self.acknowledged

    @rule(pick=st.integers(0, 99), category=st.integers(0, 1))
    def seal_for_later(self, pick, category):
        """An author seals and does not come to sending."""
        if permits := self.permits():
            oth, set_id = permits[pick % len(permits)]
            raw = self.client(0).sealed(self.identity(oth), set_id, category, [resource(category)])
            self.late = (self.identity(oth), set_id, category, raw)

    @precondition(lambda self: self.late)
    @rule(twice=st.booleans())
    def deposit_late(self, twice):
        """It sends now. Accepted only in the current epoch; else it seals anew."""
        author, set_id, category, raw = self.late
        self.late = None
        sealed = envelope.parse(raw)
        state = self.hub.record.sets[set_id]
        said = verdict(lambda: self.hub.deposit(raw, author.state, self.now))
        if said == "ok":
            assert sealed.ep == state.current
            again = self.hub.deposit(raw, author.state, self.now) if twice else b""
            assert again in (b"", self.hub.envelopes[sealed.bid][1])
        elif said["reason"] == "stale-epoch":
            self.client(0).write(author, set_id, category, [resource(category)])
        else:
            assert said["reason"] in ("gap", "no-permit")

    @rule(who=READERS, bad=st.integers(0, 1))
    def change_reading_key(self, who, bad):
        """A counterpart has a new reading key; perhaps the old one was stolen, with all it opens."""
        other = self.others[who]
        if bad:
            thief = f"thief {self.step}"
            holder = self.holders[who]
            holder.take(self.hub)
            self.seen[thief] = self.masters_of(holder)
        other.rotate(self.now, bad)
        if other.account in self.hub.record.accounts:
            self.hub.know(other)

    # --- the relative ---------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.scope and self.ends < 3)
    @rule(scope=st.sampled_from(["manage", "full"]), days=st.sampled_from([2, 60]))
    def appoint(self, scope, days):
        """The patient names a delegate."""
        home = self.client(0)
        home.settle()  # whoever had the key before is locked out first
        appoint(home, self.relative, scope, self.now + days * DAY)
        if scope == "full":
            home.hand_key(self.relative)
        self.scope = scope
        self.delegate_until = self.now + days * DAY

    @precondition(lambda self: self.scope)
    @rule(by_herself=st.booleans())
    def dismiss(self, by_herself):
        """The delegate resigns, or is dismissed."""
        home = self.client(0)
        if self.now >= self.delegate_until or not by_herself:
            home.post(home.account("undelegate", {"to": self.relative.account}))
        else:
            head = self.hub.record.account.head
            raw = statements.sign(
                self.relative.sign, kind="acct", acc=home.me.account, head=head,
                iat=max(self.now, self.hub.record.account.links[-1].iat), typ="undelegate", by=self.relative.signer.by,
                cite={self.relative.account: self.relative.state.links[-1].position},
                body={"to": self.relative.account},
            )  # fmt: skip
            self.hub.post(Written(raw), self.now)
        self.scope, self.ends = "", self.ends + 1

    @precondition(lambda self: self.scope == "full" and self.now < self.delegate_until)
    @rule(count=st.integers(1, 4))
    def full_delegate_goes_on(self, count):
        """A full delegate has the vault, but for the root, and does what is owed."""
        home = self.client(0)
        signer = Signer(self.relative.account, self.relative.device, self.relative.sign)
        for _ in range(count):
            next_step = home.next_step(self.hub.record, home.vault, self.now)
            if next_step is None:
                return
            result = home.steps.perform(self.hub.record, home.vault, next_step, signer, self.now)
            if isinstance(result, Vault):
                self.hub.post(saved_by(self.relative, home, result), self.now)
                home.load()
            else:
                self.hub.post(result, self.now)

    @precondition(lambda self: self.scope == "manage" and self.now < self.delegate_until)
    @rule(who=READERS, grow=st.integers(0, 1))
    def manager_passes_on(self, who, grow):
        """A delegate who manages grants what it holds itself, or ends what others made."""
        home, other = self.client(0), self.others[who]
        own = [gid for oth, gid in self.live() if oth == self.relative.account]
        if not own:
            gid = home.grant(self.relative, range(0, 16, 2), until=self.now + 20 * DAY)
            self.intended[self.relative.account, gid] = frozenset(range(0, 16, 2))
            return
        home.settle()
        relation = self.hub.record.relations.get(other.account)
        if relation and len(relation.live(self.now)) < 6:
            written = pass_on(home, self.relative, own[0], other, grow=grow)
            home.post(written)
            gid = statements.parse(written.frame).body["gid"]
            self.intended[other.account, gid] = self.intended[self.relative.account, own[0]]

    # --- attacks --------------------------------------------------------------------------------------------------

    @rule(pick=st.integers(0, 9999), other=st.integers(0, 9999), bit=st.integers(0, 1 << 20))
    def attack(self, pick, other, bit):
        """Replayed, lifted into another chain, altered, shortened, signed by a stranger: nothing changes (P4)."""
        frames = [raw for chain in self.chains() for raw in chain.frames]
        raw, elsewhere = frames[pick % len(frames)], frames[other % len(frames)]
        blob = self.hub.blobs.get(next(iter(self.hub.blobs)))
        flipped = bytearray(raw)
        flipped[bit // 8 % len(raw)] ^= 1 << bit % 8
        stranger = Signer(self.relative.account, self.relative.device, SigningKey(bytes(32)))
        some = next(iter(self.hub.record.sets))
        forged = steps.close_set(self.hub.record, some, replace(stranger, account=self.clients[0].me.account), self.now)
        swapped = raw[:-64] + elsewhere[-64:]
        for attempt in (raw, bytes(flipped), raw[:-1], swapped if swapped != raw else raw, forged.frame):
            properties.changes_nothing(self.hub, attempt, blob, self.now)
            properties.changes_nothing(self.hub, attempt, None, self.now)


Consent.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=not os.environ.get("OBHUT_SOAK"),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


class TestConsent(Consent.TestCase):
    """P1 to P5 and P7 to P9 hold whatever happens, in whatever order."""
