"""`seal` and `open`: envelopes of 1 KiB in one processor, beside what libsodium alone takes for them."""

import time
from collections.abc import Iterator

from connectors.bench.figures import Figure, Wish, best
from connectors.keyring import Keyring
from connectors.patient.account_writer import AccountWriter
from consent import envelope, primitives, statements, steps, streams
from consent.accounts import AccountState
from consent.grants import Record
from consent.identifiers import fingerprint, new_id, new_person
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.opening import Reader, open_envelope
from consent.primitives import NONCE_BYTES, SEAL_BYTES, TAG_BYTES, b64, random_bytes
from consent.sealing import Destination, seal
from consent.streams import SetState
from consent.vault import Vault
from fhir_profiles import resources

VITALS = 1
HUB = "hub.obhut.example"
WRAPPED = 64
"""Bytes of a content key and what binds it."""
PADDED = 1024
_BEFORE = (
    b'{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":'
    b'"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":'
    b'"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/%s"},"effectiveDateTime":"2026-11-25",'
    b'"valueQuantity":{"value":72,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"},"note":[{"text":"'
)
_BEHIND = b'"}]}'


def seal_(wish: Wish) -> Iterator[Figure]:
    """Seal one Observation after the other for a stream."""
    home = _Home()
    limit = best(home.sealed_by_libsodium, wish.seconds)
    yield Figure("seal", best(home.sealed, wish.seconds), "envelopes/s", limit, _about(wish))


def open_(wish: Wish) -> Iterator[Figure]:
    """Open one envelope again and again as its patient's other device, the resource checked against HL7's tables."""
    home = _Home()
    raw = home.sealed()
    stamped, permit = home.stamped(raw), home.permit
    reader = home.reader()
    limit = best(home.opened_by_libsodium, wish.seconds)
    value = best(lambda: open_envelope(raw, stamped, permit, reader, home.now), wish.seconds)
    yield Figure("open", value, "envelopes/s", limit, _about(wish))


def _about(wish: Wish) -> str:
    return f"one processor, 1 KiB of padded plaintext, libsodium alone as the limit, best of 3, {wish.seconds:g} s"


class _Home:
    """A patient with one set of her own, and the hub's key; nothing of it leaves this process."""

    def __init__(self) -> None:
        self.now = int(time.time())
        name = new_person(HUB)
        root, reading, self.hub = SigningKey.generate(), BoxKey.generate(), SigningKey.generate()
        self.keys = Keyring.generate(str(name), f"https://{HUB}", self.hub.public)
        writer = AccountWriter(self.keys.account, AccountState(self.keys.account), self.now)
        recovery = RecoveryCode.generate().signing_key
        body = {"root": b64(root.public), "recovery": b64(recovery.public), "class": "person"}
        writer.add(root, ("root",), "create", body)
        writer.add_device(root, self.keys, "client")
        self.account = writer.state
        record = Record(self.account, accounts={self.account.acc: self.account})
        vault = steps.new_sets(Vault({b64(reading.public): reading}), 1)
        (self.set,) = vault.sets
        vault = steps.prepare(record, vault, [self.set], self.now)
        start = steps.begin(record, vault, self.set, self.keys.signer, self.now).frame
        self.state = streams.extend(SetState(self.account.acc, self.set), start, record.accounts)
        self.permit = statements.permit(
            self.keys.sign, acc=self.account.acc, aut=self.account.acc, fp=fingerprint(self.account.acc, root.public),
            set_id=self.set, iat=self.now, by=self.keys.signer.by, cite=steps.cite(record),
        )  # fmt: skip
        index = vault.sets[self.set].index(VITALS)
        self.seed = vault.candidates[self.set].master.seed(index)
        self.to = Destination(self.account.acc, vault.sets[self.set].ids[index], 1, self.state.epochs[0].publics[index])
        before = _BEFORE % name.local.encode()
        self.line = before + b"x" * (PADDED - 1 - len(before) - len(_BEHIND)) + _BEHIND
        self._secrets()

    def _secrets(self) -> None:
        """What libsodium is given for one envelope, without anything around it."""
        self.key, self.nonce, self.digest = random_bytes(32), random_bytes(NONCE_BYTES), random_bytes(32)
        self.associated, self.message = bytes(700), bytes(PADDED)
        self.signature = self.keys.sign.sign(self.digest)
        self.wrapped = primitives.seal_box(bytes(WRAPPED), self.to.public)
        self.ciphertext = primitives.encrypt(self.key, self.nonce, self.associated, self.message)
        assert len(self.wrapped) == WRAPPED + SEAL_BYTES
        assert len(self.ciphertext) == PADDED + TAG_BYTES

    def sealed(self) -> bytes:
        """An envelope."""
        return seal([self.line], self.to, self.keys.author, bid=new_id(), seq=1, prev="", at=self.now)

    def sealed_by_libsodium(self) -> None:
        """The calls that sealing one needs."""
        primitives.seal_box(bytes(WRAPPED), self.to.public)
        primitives.encrypt(self.key, self.nonce, self.associated, self.message)
        self.keys.sign.sign(self.digest)

    def opened_by_libsodium(self) -> None:
        """The calls that opening one needs: two signatures, the hub's and the author's, one box, one ciphertext."""
        primitives.verify(self.keys.sign.public, self.digest, self.signature)
        primitives.verify(self.keys.sign.public, self.digest, self.signature)
        primitives.open_box(self.wrapped, self.seed)
        primitives.decrypt(self.key, self.nonce, self.associated, self.ciphertext)

    def stamped(self, raw: bytes) -> bytes:
        """The hub's word beside an envelope."""
        return envelope.stamp(
            self.hub, HUB, envelope.parse(raw), at=self.now, aut=streams.position(self.account),
            set_head=streams.position(self.state), rel=envelope.relation_mark((0, ""), self.set),
        )  # fmt: skip

    def reader(self) -> Reader:
        """The patient's other device."""
        return Reader(
            patient=self.account.acc, hub_key=self.hub.public, accounts={self.account.acc: self.account},
            sets={self.set: self.state}, relation=None, confirmed=True, seed=lambda *_: self.seed,
            known=lambda *_: None, category_of=lambda *_: VITALS, check=_checked,
        )  # fmt: skip


def _checked(line: bytes) -> dict[str, object]:
    resource = resources.parse(line)
    resources.check(resource)
    return resource
