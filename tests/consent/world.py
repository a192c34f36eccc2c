"""A small world for tests: a patient with clients, counterparts, and a home hub that keeps what was acknowledged.

The hub here is `consent.rules` over dictionaries: the same checks in the same order as the real one, without HTTP.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from consent import (
    accounts,
    envelope,
    grants,
    identifiers,
    lockout,
    owed,
    relations,
    rules,
    sealing,
    statements,
    steps,
    streams,
)
from consent import vault as vaults
from consent.accounts import AccountState
from consent.grants import Record
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.primitives import Rejected, b64, random_bytes
from consent.steps import EVERYTHING, Signer, Written
from consent.vault import RootCompartment, Terms, Vault

DOMAIN = "hub-a.example.org"
START = 1_790_000_000
DAY = 86_400


@dataclass
class Identity:
    """An account with its root, seen from one of its devices."""

    account: str
    root: SigningKey
    device: str
    sign: SigningKey
    box: BoxKey
    reading: dict[str, BoxKey]
    recovery: RecoveryCode
    frames: list[bytes] = field(default_factory=list)

    @property
    def signer(self) -> Signer:
        """As it signs statements."""
        return Signer(self.account, self.device, self.sign)

    @property
    def state(self) -> AccountState:
        """The account's chain, replayed."""
        return accounts.replay(self.frames, self.account)

    def add(self, typ: str, body: dict[str, Any], now: int, by=("root",), key=None) -> bytes:
        """The next link of an account chain that no hub here checks."""
        head = self.state.head if self.frames else None
        frame = statements.sign(
            key or self.root, kind="acct", acc=self.account, head=head, iat=now, typ=typ, by=by, body=body
        )
        self.frames.append(frame)
        self.state  # noqa: B018 - must hold
        return frame

    def rotate(self, now: int, bad: int = 0) -> BoxKey:
        """A new reading key; `bad`: all earlier ones are compromised."""
        key = BoxKey.generate()
        self.reading[b64(key.public)] = key
        self.add("reading", {"key": b64(key.public), "bad": bad}, now)
        return key

    def other_device(self) -> "Identity":
        """The same account seen from a new device, which its chain does not know yet."""
        return replace(self, device=identifiers.new_device(), sign=SigningKey.generate(), box=BoxKey.generate())

    def device_body(self, role: str) -> dict[str, str]:
        """The body of the `device` statement for this device."""
        return {"dev": self.device, "role": role, "sign": b64(self.sign.public), "box": b64(self.box.public)}


def identity(name: str, cls: str, role: str, now: int = START) -> Identity:
    """An enrolled account: create, device, reading."""
    reading, code = BoxKey.generate(), RecoveryCode.generate()
    made = Identity(
        name, SigningKey.generate(), identifiers.new_device(), SigningKey.generate(), BoxKey.generate(),
        {b64(reading.public): reading}, code,
    )  # fmt: skip
    body = {"root": b64(made.root.public), "recovery": b64(code.signing_key.public), "class": cls}
    made.add("create", body, now)
    made.add("device", made.device_body(role), now)
    made.add("reading", {"key": b64(reading.public), "bad": 0}, now)
    return made


def person(now: int = START, domain: str = DOMAIN) -> Identity:
    """An enrolled person with one client."""
    return identity(str(identifiers.new_person(domain)), "person", "client", now)


def organisation(name: str, now: int = START, domain: str = DOMAIN) -> Identity:
    """An enrolled organisation with one gateway."""
    return identity(f"{name}@{domain}", "org", "gateway", now)


class Hub:
    """A home hub in memory: admits statements, accepts and releases envelopes, keeps everything in order."""

    def __init__(self, patient: Identity) -> None:
        self.key = SigningKey.generate()
        self.record = Record(patient.state, accounts={patient.account: patient.state})
        self.blobs: dict[str, bytes] = {}
        self.envelopes: dict[str, tuple[envelope.Envelope, bytes]] = {}
        self.order: list[str] = []
        self.vault: tuple[int, bytes] = (0, b"")
        self.admit = rules.admit

    def know(self, other: Identity) -> None:
        """Take in the newest account chain of somebody else."""
        self.record = replace(self.record, accounts={**self.record.accounts, other.account: other.state})

    def post(self, written: Written, now: int) -> None:
        """Admit a statement. Sending the same bytes again is fine."""
        st = statements.parse(written.frame)
        if self.has(st):
            return
        self.record = self.admit(self.record, written.frame, written.blob, now)
        if written.blob is not None:
            self.blobs[rules.blob_hash(written.blob)] = written.blob
            if st.kind == "acct":
                self.vault = (st.body["ver"], written.blob)

    def has(self, st: statements.Statement) -> bool:
        """Whether the very same link is there already."""
        chain: Any = {
            "acct": self.record.account, "set": self.record.sets.get(st.oth), "rel": self.record.relations.get(st.oth)
        }[st.kind]  # fmt: skip
        return chain is not None and st.seq < len(chain.links) and chain.links[st.seq].hash == st.hash

    def deposit(self, raw: bytes, caller: AccountState, now: int) -> bytes:
        """Accept an envelope and stamp it."""
        frame = envelope.parse(raw)
        if frame.bid in self.envelopes:
            known, stamp = self.envelopes[frame.bid]
            if known.raw != raw:
                raise Rejected("broken", "conflict")
            return stamp
        place = rules.accept(self.record, caller, frame, self.last(frame.aut, frame.dev, frame.str), now)
        relation = self.record.relations[frame.aut]
        stamp = envelope.stamp(
            self.key, identifiers.account(self.record.account.acc).domain, frame, at=now, aut=streams.position(caller),
            set_head=streams.position(self.record.sets[place.set]),
            rel=envelope.relation_mark(streams.position(relation), place.set),
        )  # fmt: skip
        self.envelopes[frame.bid] = (frame, stamp)
        self.order.append(frame.bid)
        return stamp

    def last(self, aut: str, dev: str, stream: str) -> tuple[int, str] | None:
        """Sequence and hash of the last envelope of a device in a stream."""
        here = [e for e, _ in self.envelopes.values() if (e.aut, e.dev, e.str) == (aut, dev, stream)]
        return max(((e.seq, e.hash) for e in here), default=None)

    def place(self, frame: envelope.Envelope) -> tuple[str, int]:
        """Set and index of an envelope's stream."""
        state = next(s for s in self.record.sets.values() if frame.str in s.ids)
        return state.oth, state.ids[frame.str]

    def released(self, reader: str, now: int) -> list[str]:
        """The ids a counterpart is released now."""
        relation = self.record.relations.get(reader)
        if relation is None:
            return []
        return [
            bid for bid in self.order
            if grants.covers(relation, *self.place(self.envelopes[bid][0]), self.envelopes[bid][0].ep, "TREAT", now)
        ]  # fmt: skip


@dataclass
class Client:
    """One of the patient's clients: a copy of the vault, and a hub to write to.

    `steps` and `next_step`: what it writes by, this package or the portal's twin.
    """

    me: Identity
    hub: Hub
    vault: Vault
    now: int = START
    vault_key: bytes = b""
    root: RootCompartment = field(kw_only=True)
    steps: Any = steps
    next_step: Callable[[Record, Vault, int], owed.Step | None] = owed.owed

    # --- writing --------------------------------------------------------------------------------------------------

    def account(self, typ: str, body: dict[str, Any], by=("root",), key: SigningKey | None = None) -> Written:
        """The next link of the patient's own account chain, for the hub."""
        state = self.hub.record.account
        frame = statements.sign(
            key or self.root.root, kind="acct", acc=state.acc, head=state.head,
            iat=max(self.now, state.links[-1].iat), typ=typ, by=by, body=body,
        )  # fmt: skip
        return Written(frame)

    def post(self, written: Written) -> None:
        """Send one statement."""
        self.hub.post(written, self.now)

    def vault_written(self, vault: Vault) -> Written:
        """The next version of the vault, with the statement that names it."""
        version = self.hub.record.account.vault[0] + 1
        sealed_root = vaults.seal_root(self.root, self.me.account, self.vault_key)
        sealed = vaults.seal(sealed_root, vault, self.me.account, version, self.root.key)
        body = {"ver": version, "hash": rules.blob_hash(sealed)}
        return Written(self.account("vault", body, self.me.signer.by, self.me.sign).frame, sealed)

    def save(self, vault: Vault) -> None:
        """Write the vault."""
        self.post(self.vault_written(vault))
        self.vault = vault

    def load(self) -> None:
        """Fetch the vault as another client may have left it."""
        version, sealed = self.hub.vault
        if (version, rules.blob_hash(sealed)) != self.hub.record.account.vault:
            raise AssertionError("the hub keeps another vault than the chain names")
        self.root = vaults.unseal_root(sealed, self.me.account, self.vault_key)
        self.vault = vaults.unseal(sealed, self.me.account, version, self.root.key)

    def settle(self, limit: int = 200) -> int:
        """Do what is to be done until nothing is left; returns the number of steps."""
        for count in range(limit):
            if not self.step():
                return count
        raise AssertionError("owed does not end")

    def step(self) -> bool:
        """Change the key of the vault's key compartment where that must be, else do what is owed; or nothing."""
        if lockout.must_change(self.hub.record, self.root.shared, self.now):
            self.lock_out()
            return True
        step = self.next_step(self.hub.record, self.vault, self.now)
        if step is not None:
            self.do(step)
        return step is not None

    def hand_key(self, who: Identity) -> None:
        """Give a delegate the key of the vault's key compartment."""
        self.root = replace(self.root, shared=(*self.root.shared, who.account))
        self.save(self.vault)

    def lock_out(self) -> None:
        """Another key for the key compartment, and another reading key."""
        record, reading = self.hub.record, BoxKey.generate()
        self.root = self.root.locked(lockout.holders(record, self.root.shared, self.now))
        keys = {**self.vault.reading_keys, b64(reading.public): reading}
        self.save(lockout.fresh(record, replace(self.vault, reading_keys=keys), self.now))
        self.post(self.account("reading", {"key": b64(reading.public), "bad": 1}))

    def do(self, step: owed.Step) -> None:
        """Perform one step of `owed`."""
        result = self.steps.perform(self.hub.record, self.vault, step, self.me.signer, self.now)
        if isinstance(result, Vault):
            self.save(result)
        else:
            self.post(result)

    # --- what a patient decides -----------------------------------------------------------------------------------

    def meet(self, other: Identity) -> None:
        """Open the relation with a counterpart."""
        self.hub.know(other)
        if other.account not in self.hub.record.relations:
            self.post(self.steps.open_relation(self.hub.record, other.account, "card", self.me.signer, self.now))

    def grant(
        self, other: Identity, categories, *, whole=True, until=None, gid=None, purposes=("TREAT",), emergency=(), nb=0
    ) -> str:
        """Grant these categories, or change the grant `gid`."""
        self.meet(other)
        gid = gid or identifiers.new_id()
        terms = Terms(
            other.account, frozenset(categories), whole, True, tuple(purposes), nb, until or self.now + 90 * DAY,
            b'{"resourceType":"Consent"}', random_bytes(16), emergency=tuple(emergency),
        )  # fmt: skip
        if not whole:
            self.turn()
        self.save(self.vault.with_terms(gid, terms))
        self.post(self.steps.grant(self.hub.record, self.vault, gid, terms, self.me.signer, self.now))
        self.settle()
        return gid

    def turn(self) -> None:
        """Start a new epoch in every open set: from now on."""
        open_sets = [s for s, state in self.hub.record.sets.items() if not state.closed]
        self.save(self.steps.prepare(self.hub.record, self.vault, open_sets, self.now))
        self.settle()

    def withdraw(self, other: Identity, gid: str, settle: bool = True) -> None:
        """End a grant."""
        self.post(self.steps.end(self.hub.record, other.account, gid, self.me.signer, self.now))
        if settle:
            self.settle()

    def spare(self) -> str:
        """A set that nobody writes to yet, a new one where none is left."""
        for _ in range(2):
            for set_id, state in self.hub.record.sets.items():
                if not state.closed and self.hub.record.author(set_id) is None:
                    return set_id
            self.save(self.steps.new_sets(self.vault))
            self.settle()
        raise AssertionError("no spare set")

    def permit(self, other: Identity) -> str:
        """Give an author a spare set, its own grant, and the permit."""
        self.meet(other)
        set_id = self.spare()
        if other.account != self.me.account:
            gid = identifiers.new_id()
            terms = Terms(
                other.account, EVERYTHING, True, False, ("TREAT",), 0, self.now + 10**8, b"", random_bytes(16)
            )
            self.save(self.vault.with_terms(gid, terms))
            record = self.hub.record
            self.post(self.steps.own_grant(record, self.vault, gid, set_id, terms, self.me.signer, self.now))
        self.post(self.steps.permit(self.hub.record, other.account, set_id, self.me.signer, self.now))
        return set_id

    # --- what an author writes ------------------------------------------------------------------------------------

    def sealed(
        self, author: Identity, set_id: str, category: int, lines: list[bytes], epoch: int | None = None, **changes: Any
    ) -> bytes:
        """An envelope as the author would seal it next."""
        state = self.hub.record.sets[set_id]
        index = self.vault.sets[set_id].index(category)
        stream = self.vault.sets[set_id].ids[index]
        number = epoch or state.current
        seq, prev = self.hub.last(author.account, author.device, stream) or (0, "")
        header = {"bid": identifiers.new_id(), "seq": seq + 1, "prev": prev, "at": self.now} | changes
        to = sealing.Destination(self.me.account, stream, number, state.epoch(number).publics[index])
        return sealing.seal(lines, to, sealing.Author(author.account, author.device, author.sign), **header)

    def write(self, author: Identity, set_id: str, category: int, lines: list[bytes], epoch: int | None = None) -> str:
        """Seal as the author and deposit; returns the envelope's id."""
        raw = self.sealed(author, set_id, category, lines, epoch)
        own = author.account == self.me.account
        self.hub.deposit(raw, self.hub.record.account if own else author.state, self.now)
        return envelope.parse(raw).bid


def client(now: int = START) -> Client:
    """A patient who has enrolled, with one block of four sets started."""
    me = person(now)
    root = RootCompartment.new(me.root, random_bytes(32))
    made = Client(me, Hub(me), Vault(me.reading), now, random_bytes(32), root=root)
    made.save(steps.new_sets(made.vault))
    made.settle()
    return made


def permit_of(hub: Hub, set_id: str) -> bytes:
    """The permit frame of a set."""
    author = hub.record.author(set_id)
    assert author is not None
    return hub.record.relations[author].permits[set_id].frame.raw


def relation(hub: Hub, other: Identity) -> relations.RelationState:
    """The relation with a counterpart."""
    return hub.record.relations[other.account]
