"""A patient, an author with several devices, two epochs and a reader: what the vectors of envelopes are made in."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from consent import canonical, envelope, owed, primitives, steps, streams
from consent.envelope import Envelope, context
from consent.frames import sign
from consent.keys import SigningKey
from consent.primitives import b64, label_hash
from consent.sealing import commitment
from tests.consent.readers import reader
from tests.consent.world import START, Client, Identity, client, organisation, permit_of
from tests.vectors.making import Pool

GRACE = 3600


class Post:
    """The practice writes vitals; the hospital reads vitals and lab, not conditions.

    At `START` epoch 1; at `START + 100` epoch 2, which leaves epoch 1 an hour of grace.
    """

    def __init__(self) -> None:
        self.home: Client = client()
        self.author, self.reader = organisation("praxis"), organisation("klinik")
        self.devices = {role: self.author.other_device() for role in ("writer", "service", "gateway", "client")}
        self.late, self.gone = self.author.other_device(), self.author.other_device()
        for role, device in (*self.devices.items(), ("gateway", self.gone)):
            self.author.add("device", device.device_body(role), START)
        self.author.add("undevice", {"dev": self.gone.device}, START)
        self.set = self.home.permit(self.author)
        self.gid = self.home.grant(self.reader, [1, 8])
        self.first = [self.home.write(self.author, self.set, 1, [observation(self.home, n)]) for n in range(2)]
        self.home.now = START + 100
        self._turn()
        self.author.add("device", self.late.device_body("gateway"), START + 100)
        self.home.hub.know(self.author)

    def _turn(self) -> None:
        """Epoch 2 of all sets, with grace."""
        home = self.home
        home.save(steps.prepare(home.hub.record, home.vault, list(home.hub.record.sets), home.now))
        while step := owed.owed(home.hub.record, home.vault, home.now):
            if isinstance(step, owed.StartEpoch):
                home.post(steps.start_epoch(home.hub.record, home.vault, step.set, home.me.signer, home.now, GRACE))
            else:
                home.do(step)

    @property
    def state(self) -> streams.SetState:
        """The author's set."""
        return self.home.hub.record.sets[self.set]

    def index(self, category: int) -> int:
        """The index of a category's stream in use."""
        return self.home.vault.sets[self.set].index(category)

    def stream(self, category: int) -> str:
        """The id of a category's stream in use."""
        return self.home.vault.sets[self.set].ids[self.index(category)]

    def readers(self, pool: Pool) -> dict[str, Any]:
        """The hospital and the patient's own client, as context of vectors."""
        record = self.home.hub.record
        there = reader(self.home.hub, self.reader)
        seeds = [
            [self.set, epoch, i, b64(seed)] for epoch in (1, 2) for i in range(32)
            if (seed := there.seed(self.set, epoch, i)) is not None
        ]  # fmt: skip
        known = [[e.aut, e.dev, e.str, e.seq, e.hash] for e, _ in self.home.hub.envelopes.values()]
        base = {
            "patient": record.account.acc, "hub_key": b64(self.home.hub.key.public), "confirmed": 1,
            "accounts": {a: pool.all(record.accounts[a].frames) for a in (self.author.account, record.account.acc)},
            "sets": {self.set: pool.all(self.state.frames)}, "known": known, "pins": {},
            "categories": [[self.set, self.index(c), c] for c in (1, 8)],
        }  # fmt: skip
        links = pool.all(record.relations[self.reader.account].frames)
        accounts = {self.reader.account: pool.all(self.reader.frames)} | base["accounts"]
        key = self.home.vault.sets[self.set]
        own = [
            [self.set, e.number, i, b64(self.home.vault.master(self.set, e.number, e.digest).seed(i))]
            for e in self.state.epochs for i in range(32)
        ]  # fmt: skip
        return {
            "klinik": base | {"accounts": accounts, "relation": [self.reader.account, links], "seeds": seeds},
            "patient": base | {"seeds": own, "categories": [[self.set, i, c] for i, (c, _) in enumerate(key.order)]},
        }


def observation(home: Client, number: int, **fields: Any) -> bytes:
    """A resource in one line."""
    value = {
        "resourceType": "Observation", "id": str(number), "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs",
        }]}],
        "subject": {"reference": f"Patient/{home.me.account.split('@')[0]}"}, "valueInteger": number,
    } | fields  # fmt: skip
    return json.dumps({k: v for k, v in value.items() if v is not None}, separators=(",", ":")).encode()


@dataclass
class Letter:
    """One envelope, stamp and permit in the making. A fault changes one field; two faults change two."""

    post: Post
    lines: list[bytes]
    header: dict[str, Any]
    """Fields of the header that differ from what the author would write next."""
    category: int = 1
    author: Identity | None = None
    key: SigningKey | None = None
    patient: str = ""
    seal_to: bytes = b""
    stamp: dict[str, Any] = field(default_factory=dict)
    stamp_key: SigningKey | None = None
    permit: bytes | None = None
    reader: str = "klinik"
    change: dict[str, Any] = field(default_factory=dict)
    now: int = START + 200
    ctx: bytes = b""
    kc: bytes = b""
    padded: bytes | None = None
    after: Any = None
    """Changes the frame's bytes after signing."""
    flip: bool = False
    """The ciphertext is altered before signing."""
    resealed: dict[str, Any] = field(default_factory=dict)
    """Fields altered after sealing and before signing."""

    def frame(self) -> bytes:
        """The envelope."""
        post, who = self.post, self.author or self.post.author
        seq, prev = post.home.hub.last(who.account, who.device, post.stream(self.category)) or (0, "")
        head = {
            "v": 1, "suite": "HS1", "cty": envelope.RESOURCES, "str": post.stream(self.category),
            "ep": post.state.current, "aut": who.account, "dev": who.device, "bid": b64(primitives.random_bytes(16)),
            "seq": seq + 1, "prev": prev, "tb": START - START % 3600, "hd": "", "n": len(self.lines),
        } | self.header  # fmt: skip
        dek, nonce = primitives.random_bytes(32), primitives.random_bytes(24)
        ctx = self.ctx or context(self.patient or post.home.me.account, head)
        public = self.seal_to or post.state.epoch(min(head["ep"], 2) or 1).publics[post.index(self.category)]
        head["wk"] = b64(primitives.seal_box(dek + ctx, public))
        head["kc"] = b64(self.kc or commitment(ctx, dek))
        head["nc"] = b64(nonce)
        padded = primitives.pad(b"\n".join(self.lines)) if self.padded is None else self.padded
        sealed = primitives.encrypt(dek, nonce, b"hse1-aad" + canonical.dump(head), padded)
        if self.flip:
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        head |= self.resealed
        raw = built(head, sealed, self.key or who.sign)
        return self.after(raw) if self.after else raw

    def stamped(self, raw: bytes) -> bytes:
        """The home hub's stamp on it, or what somebody made of it."""
        post = self.post
        record = post.home.hub.record
        value = {
            "v": 1, "typ": "stamp", "hub": "hub-a.example.org", "bid": b64(bytes(16)), "fh": "", "at": self.now,
            "aut": list(streams.position(record.accounts[post.author.account])),
            "set": list(streams.position(post.state)), "rel": b64(label_hash("obhut-relation", 0, "x", post.set)),
        }  # fmt: skip
        try:
            seen: Envelope = envelope.parse(raw)
            value |= {"bid": seen.bid, "fh": seen.hash}
        except primitives.Rejected:
            value |= {"fh": b64(bytes(32))}
        return sign(value | self.stamp, "obhut-stamp", self.stamp_key or post.home.hub.key)

    def vector(self, name: str, pool: Pool, expect: Any, **more: Any) -> dict[str, Any]:
        """As it stands in the file."""
        raw = self.frame()
        permit = permit_of(self.post.home.hub, self.post.set) if self.permit is None else self.permit
        return {
            "name": name, "reader": self.reader, "change": self.change, "frame": pool(raw),
            "stamp": pool(self.stamped(raw)), "permit": pool(permit),
            "now": self.now, **more, "expect": expect,
        }  # fmt: skip

    def but(self, **fields: Any) -> "Letter":
        """Another one, changed."""
        return replace(self, **fields)


def built(head: dict[str, Any], sealed: bytes, key: SigningKey) -> bytes:
    """A signed frame of any header that is canonical, whether or not its fields are right."""
    head_bytes = canonical.dump(head)
    signature = key.sign(envelope.signed_digest(head_bytes, sealed))
    return envelope.MAGIC + len(head_bytes).to_bytes(4, "little") + head_bytes + signature + sealed
