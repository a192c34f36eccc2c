"""Vectors of bundles: what opens, and everything that must not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from consent import frames, primitives, statements
from consent.keys import BoxKey
from consent.primitives import b64, label_hash, unb64
from consent.rules import blob_hash
from consent.sealing import bundle_context, record
from consent.statements import chain_id
from consent.streams import range_digest
from tests.consent.world import START, Client, Identity, client, organisation
from tests.vectors.chains import OTHER_HASH, OTHER_ID, Chains
from tests.vectors.making import OK, Pool, Source, broken, not_for_you

CONSENT = b'{"resourceType":"Consent"}'
RULES = b'{"deny":["Observation"]}'


@dataclass
class Parcel:
    """A grant with its bundle in the making, as the second link of a relation."""

    home: Client
    house: Identity
    rows: list[list[Any]]
    records: list[bytes]
    consent: bytes = b"s" * 16 + CONSENT
    finer: bytes = RULES
    context: dict[str, Any] = field(default_factory=dict)
    """Differences between what the bundle is bound to and where it stands."""
    sealed_to: bytes = b""
    plaintext: bytes | None = None
    padded: bytes | None = None
    key_context: bytes = b""
    data: bytes = b"obhut-bundle"
    named: str = ""
    """The hash of the Consent that the statement names, where it is not that of the one inside."""
    altered: Any = None
    """Changes the bundle's bytes before they are named by the statement."""

    def link(self, first: bytes, gid: str) -> tuple[bytes, bytes]:
        """The statement and the bundle."""
        me, oth = self.home.me, self.house.account
        rk = self.house.state.reading_key()
        prev = b64(frames.frame_hash(first))
        given = {"cid": chain_id("rel", me.account, oth), "seq": 1, "prev": prev, "gid": gid, "rk": rk} | self.context
        ctx = bundle_context(*given.values())
        plain = self.plaintext
        if plain is None:
            plain = _sized(self.consent) + _sized(self.finer) + b"".join(self.records)
        key, nonce = primitives.random_bytes(32), primitives.random_bytes(24)
        padded = primitives.pad(plain) if self.padded is None else self.padded
        blob = nonce + primitives.encrypt(key, nonce, self.data + ctx, padded)
        blob = self.altered(blob) if self.altered else blob
        sealed = primitives.seal_box(key + (self.key_context or ctx), self.sealed_to or unb64(rk))
        consent = b64(label_hash("obhut-consent", self.consent[:16], self.consent[16:]))
        body = {
            "gid": gid, "consent": self.named or consent, "purpose": ["TREAT"], "nb": 0, "until": START * 2,
            "grow": 0, "em": [],
            "req": "", "cover": [[s, 1, mask_] for s, mask_ in sorted({r[0]: r[3] for r in self.rows}.items())],
            "rk": rk, "key": b64(sealed), "lst": blob_hash(blob), "has": self.rows,
        }  # fmt: skip
        known = self.home.hub.record
        names = (me.account, oth)
        cite = {n: (known.accounts[n] if n == oth else known.account).links[-1].position for n in names}
        frame = statements.sign(
            me.sign, kind="rel", acc=me.account, oth=oth, head=(0, prev), iat=START, typ="grant", by=me.signer.by,
            cite=cite, body=body,
        )  # fmt: skip
        return frame, blob


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(4, "little") + part


class Bundles:
    """Makes the file `bundle`."""

    def __init__(self) -> None:
        self.home, self.house = client(), organisation("klinik")
        self.home.turn()
        self.home.meet(self.house)
        self.pool = Pool()
        self.vectors: list[dict[str, Any]] = []
        self.sets = sorted(self.home.vault.sets)[:2]
        vault, record_ = self.home.vault, self.home.hub.record
        self.rows, self.records = [], []
        for set_id in self.sets:
            key, state = vault.sets[set_id], record_.sets[set_id]
            mask = key.mask(frozenset([1, 8]))
            self.rows.append([set_id, 1, 2, mask, range_digest(state.digests(1, 2))])
            for epoch in (1, 2):
                master = vault.master(set_id, epoch, state.epoch(epoch).digest)
                self.records.append(record(set_id, epoch, key, master, mask))

    @property
    def accounts(self) -> Chains:
        """The chains that the relation cites."""
        return {self.house.account: self.house.frames, self.home.me.account: self.home.hub.record.account.frames}

    def parcel(self, **changes: Any) -> Parcel:
        """A good one, changed."""
        return Parcel(
            self.home, self.house, changes.pop("rows", self.rows), changes.pop("records", self.records), **changes
        )

    def add(
        self, name: str, parcel: Parcel, expect: Any = OK, *, blob: bytes | None = None,
        keys: Sequence[BoxKey] | None = None, kept: int = 64, **more: Any,
    ) -> None:  # fmt: skip
        """One vector. `kept`: how many seeds are those of the stream chains."""
        first = self.home.hub.record.relations[self.house.account].frames[0]
        frame, made = parcel.link(first, OTHER_ID)
        if expect == OK:
            salt, consent = parcel.consent[:16], parcel.consent[16:]
            finer = parcel.finer.decode()
            more = {"salt": b64(salt), "consent": b64(consent), "rules": finer, "kept": kept} | more
        self.vectors.append({
            "name": name, "chain": ["rel", self.home.me.account, self.house.account],
            "frames": self.pool.all([first, frame]), "link": 1, "blob": self.pool(made if blob is None else blob),
            "accounts": "a0",
            "sets": {s: self.pool.all(self.home.hub.record.sets[s].frames) for s in self.sets},
            "keys": [b64(bytes(key)) for key in (self.house.reading.values() if keys is None else keys)],
            **more, "expect": expect,
        })  # fmt: skip

    def good(self) -> None:
        one = self.records[0]
        self.add("grant", self.parcel(), first=[[one[i], b64(one[i + 1 : i + 33])] for i in range(20, 548, 33)])
        self.add("seeds only", self.parcel(consent=b"", finer=b""))
        self.add("rules left out", self.parcel(finer=b""))
        self.add("a salt and no consent", self.parcel(consent=b"s" * 16))
        self.add("the key is one of several", self.parcel(), keys=[self.house.box, *self.house.reading.values()])
        wrong = self.records[0][:20] + bytes([self.records[0][20]]) + bytes(32) + self.records[0][53:]
        self.add("one seed is another", self.parcel(records=[wrong, *self.records[1:]]), kept=63)
        other = self.records[0][:20] + self.records[1][20:]
        self.add(
            "the seeds of the second epoch as those of the first",
            self.parcel(records=[other, *self.records[1:]]),
            kept=48,
        )
        other = self.records[0][:20] + self._of_other_set()
        self.add("the seeds of another set", self.parcel(rows=[self._row(0, 1, 1)], records=[other]), kept=0)
        order = self.records[0][:20] + self.records[0][53:] + self.records[0][20:53]
        self.add("indices in another order: that of categories counts", self.parcel(records=[order, *self.records[1:]]))

    def _row(self, which: int, first: int, last: int) -> list[Any]:
        set_id, _, _, mask, _ = self.rows[which]
        return [set_id, first, last, mask, range_digest(self.home.hub.record.sets[set_id].digests(first, last))]

    def _of_other_set(self) -> bytes:
        """The second set's seeds under the first one's indices."""
        mine, other = self.records[0][20:], self.records[2][20:]
        return b"".join(mine[i : i + 1] + other[i + 1 : i + 33] for i in range(0, 528, 33))

    def bound(self) -> None:
        """A bundle fits nowhere else."""
        for name, context in {
            "moved by one place": {"seq": 2}, "after another link": {"prev": OTHER_HASH},
            "for another grant": {"gid": b64(bytes(16))},
            "for another reading key": {"rk": b64(self.house.box.public)}, "for another relation": {"cid": OTHER_HASH},
        }.items():  # fmt: skip
            self.add(f"bound: {name}", self.parcel(context=context), broken("context"))
        self.add("bound: key bound rightly, content not", self.parcel(data=b"obhut-bundlf"), broken("aead"))
        self.add("bound: content bound rightly, key not", self.parcel(key_context=bytes(32)), broken("context"))
        self.add("key: sealed to another", self.parcel(sealed_to=self.house.box.public), broken("seal"))
        self.add("key: the reader has another", self.parcel(), not_for_you("key"), keys=[self.house.box])
        self.add("key: the reader has none", self.parcel(), not_for_you("key"), keys=[])

    def damaged(self) -> None:
        self.add("bytes: another bundle", self.parcel(), broken("blob"), blob=b"other")
        self.add("bytes: nothing", self.parcel(), broken("blob"), blob=b"")
        self.add(
            "bytes: named, but altered", self.parcel(altered=lambda b: b[:-1] + bytes([b[-1] ^ 1])), broken("aead")
        )
        self.add("bytes: nonce altered", self.parcel(altered=lambda b: bytes([b[0] ^ 1]) + b[1:]), broken("aead"))
        self.add("bytes: one short", self.parcel(altered=lambda b: b[:-1]), broken("aead"))
        self.add("bytes: one more", self.parcel(altered=lambda b: b + b"\x00"), broken("aead"))
        self.add("bytes: a nonce only", self.parcel(altered=lambda b: b[:24]), broken("aead"))
        self.add("bytes: named, but nothing", self.parcel(altered=lambda b: b""), broken("aead"))
        self.add("padding: none", self.parcel(padded=b"x" * 512), broken("padding"))

    def records_(self) -> None:
        """Records are those of `has`, one to one."""
        one, *rest = self.records
        mask = self.rows[0][3]
        outside = next(i for i in range(32) if not mask >> i & 1)
        twice = one[:53] + one[20:53] + one[86:]
        faults = {
            "one byte short": [one, *rest[:-1], rest[-1][:-1]], "one byte more": [one, *rest[:-1], rest[-1] + b"\x00"],
            "one record less": [one, *rest[:-1]], "one record more": [one, *rest, one], "none": [],
            "order of epochs": [rest[0], one, *rest[1:]], "order of sets": [*rest[1:], one, rest[0]],
            "index twice": [twice, *rest], "index outside the mask": [one[:20] + bytes([outside]) + one[21:], *rest],
            "index 32": [one[:20] + b"\x20" + one[21:], *rest], "index 255": [one[:20] + b"\xff" + one[21:], *rest],
            "another set": [bytes(16) + one[16:], *rest], "another epoch": [one[:16] + b"\x03" + one[17:], *rest],
            "epoch's upper bytes": [one[:19] + b"\x01" + one[20:], *rest],
        }  # fmt: skip
        for name, records in faults.items():
            self.add(f"records: {name}", self.parcel(records=records), broken("record"))
        far = [[*self.rows[0][:2], 4096, *self.rows[0][3:]]]
        self.add("records: far fewer than 4,096", self.parcel(rows=far), broken("record"))
        self.add("parts: another Consent than named", self.parcel(named=OTHER_HASH), broken("consent"))
        self.add("parts: salt too short", self.parcel(consent=b"s" * 15), broken("record"))
        self.add("parts: rules are not JSON", self.parcel(finer=b"{"), broken("record"))
        self.add("parts: rules are not UTF-8", self.parcel(finer=b'"\xff"'), broken("record"))
        self.add("parts: length beyond the end", self.parcel(plaintext=b"\xff\xff\xff\xff"), broken("record"))
        beyond = _sized(b"") + b"\x01\x00\x00\x00"
        self.add("parts: second length beyond the end", self.parcel(rows=[], plaintext=beyond), broken("record"))
        self.add("parts: no second length", self.parcel(plaintext=bytes(4)), broken("record"))
        self.add("parts: nothing", self.parcel(plaintext=b""), broken("record"))
        self.add("parts: three bytes", self.parcel(plaintext=bytes(3)), broken("record"))


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `bundle`."""
    made = Bundles()
    made.good()
    made.bound()
    made.damaged()
    made.records_()
    accounts = {acc: made.pool.all(part) for acc, part in made.accounts.items()}
    return made.vectors, {"frames": made.pool.table, "accounts": {"a0": accounts}}
