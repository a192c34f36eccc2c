"""The vault: what the patient's side keeps, sealed in two compartments, and who can unwrap their keys (PROTOCOL.md 5).

The root compartment is for the patient alone; it holds the key of the other, which a delegate of scope `full` is given
too. The hub stores ciphertext and wraps. The account chain names version and hash, so an older vault is noticed.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from consent import finer_rules, primitives
from consent.keys import BoxKey, SigningKey
from consent.mandates import KINDS, Kind
from consent.primitives import KEY_BYTES, NONCE_BYTES, b64, broken, equal, label_hash, random_bytes, unb64
from consent.rules import compartments
from consent.sets import Master, SetKey

VERSION = 3


@dataclass(frozen=True)
class Candidate:
    """A next epoch that is being handed out: its number, its master, and what its maker had seen when making it."""

    epoch: int
    master: Master
    account_seq: int
    iat: int


@dataclass(frozen=True)
class Terms:
    """What the patient agreed with a counterpart under one grant id, in the words of the projection.

    `categories`: indices granted. `whole`: from the first epoch, else from now on. `consent`: the FHIR Consent as
    signed for this counterpart, `salt` its 16 bytes. `rules`: the finer rules as agreed, JSON; `hides`: what she hid
    from all when it was signed, as `Type/id`. Other rules or other hides take another salt. Times in Unix seconds.
    `emergency`: empty, or as `em` of the grant: the span in seconds, then the roles that may declare.
    """

    oth: str
    categories: frozenset[int]
    whole: bool
    grow: bool
    purposes: tuple[str, ...]
    nb: int
    until: int
    consent: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    rules: Any = field(default=None, repr=False)
    request: str = ""
    emergency: tuple[int | str, ...] = ()
    hides: tuple[str, ...] = field(default=(), repr=False)

    @property
    def finer(self) -> Any:
        """The finer rules that travel: as agreed, and what is hidden besides; None for none."""
        return finer_rules.hiding(self.rules, self.hides) if self.hides else self.rules


@dataclass(frozen=True)
class Named:
    """How the patient's side names a delegate: a kind of `mandates.KINDS`, and the categories kept from it."""

    kind: Kind
    private: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Word:
    """What one guardian last decided for a counterpart: when (Unix seconds), and the terms, or None for a refusal."""

    at: int
    terms: Terms | None


@dataclass(frozen=True, repr=False)
class RootCompartment:
    """What no delegate gets: the root key, the key of her own handles, and the key of the other compartment.

    `shared`: accounts of the delegates to whom `key` was handed. `names`: what her devices are called.
    """

    root: SigningKey
    handle_key: bytes
    key: bytes
    shared: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, root: SigningKey, handle_key: bytes) -> Self:
        """With a fresh key that nobody has."""
        return cls(root, handle_key, random_bytes(KEY_BYTES))

    def locked(self, stay: Iterable[str] = ()) -> Self:
        """With another key, which is for these delegates only."""
        return replace(self, key=random_bytes(KEY_BYTES), shared=tuple(stay))

    def named(self, device: str, name: str) -> Self:
        """With a device called so; no name changes nothing."""
        return replace(self, names={**self.names, device: name}) if name else self

    def dump(self) -> bytes:
        """The plaintext that is sealed."""
        value = {
            "root": b64(bytes(self.root)),
            "handle_key": b64(self.handle_key),
            "key": b64(self.key),
            "shared": list(self.shared),
        }
        return _json(value | ({"names": dict(self.names)} if self.names else {}))

    @classmethod
    def load(cls, plaintext: bytes) -> Self:
        """Read what `dump` wrote. Raises `Rejected(broken, vault)`."""
        with _reading():
            value = json.loads(plaintext)
            secrets = [unb64(value[name], KEY_BYTES) for name in ("root", "handle_key", "key")]
            names = {str(device): str(name) for device, name in value.get("names", {}).items()}
            return cls(SigningKey(secrets[0]), secrets[1], secrets[2], tuple(map(str, value["shared"])), names)


@dataclass(frozen=True, repr=False)
class Vault:
    """The key compartment: set keys, masters, candidates, terms. Each method returns the next version's content.

    `terms`: by the grant's id; what an amendment replaced, by the hash of its Consent. `hides`: resources that nobody
    reads by a grant, as `Type/id`; `hidden_from`: by account, those that one counterpart does not read. `desks`: by
    device, the account of the desk at which it was for a visit. `mandates`: by a delegate's account, how it is named.
    `words`: by counterpart and guardian, what that one decided.
    """

    reading_keys: Mapping[str, BoxKey] = field(default_factory=dict)
    sets: Mapping[str, SetKey] = field(default_factory=dict)
    masters: Mapping[tuple[str, int, bytes], Master] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    desks: Mapping[str, str] = field(default_factory=dict)
    mandates: Mapping[str, Named] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, Word]] = field(default_factory=dict)
    hidden_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Vault {len(self.sets)} sets, {len(self.masters)} epochs>"

    def master(self, set_id: str, epoch: int, digest: bytes) -> Master:
        """The master of an epoch. Raises `Rejected(not-for-you, seed)`."""
        found = self.masters.get((set_id, epoch, digest))
        if found is None:
            raise primitives.Rejected("not-for-you", "seed")
        return found

    def with_set(self, set_id: str, set_key: SetKey, master: Master) -> Self:
        """With a new set and a candidate for its first epoch; after any loss that candidate counts as seen."""
        return replace(self, sets={**self.sets, set_id: set_key}).with_candidate(set_id, Candidate(1, master, 0, 0))

    def with_candidate(self, set_id: str, candidate: Candidate) -> Self:
        """With a candidate for a set's next epoch; its master is kept for good."""
        digest = candidate.master.digest(set_id, candidate.epoch)
        masters = {**self.masters, (set_id, candidate.epoch, digest): candidate.master}
        return replace(self, masters=masters, candidates={**self.candidates, set_id: candidate})

    def without_candidates(self, set_ids: Iterable[str]) -> Self:
        """With these candidates dropped."""
        gone = set(set_ids)
        return replace(self, candidates={s: c for s, c in self.candidates.items() if s not in gone})

    def with_terms(self, gid: str, terms: Terms) -> Self:
        """With the terms of a grant, new or changed."""
        return replace(self, terms={**self.terms, gid: terms})

    def hides_from(self, oth: str) -> tuple[str, ...]:
        """All that is hidden from a counterpart, in order."""
        return tuple(sorted({*self.hides, *self.hidden_from.get(oth, ())}))

    def with_hides(self, references: Iterable[str], oth: str = "") -> Self:
        """With just these resources hidden: from all, or besides from one counterpart."""
        hides = tuple(sorted(set(references)))
        if not oth:
            return replace(self, hides=hides)
        rest = {name: kept for name, kept in self.hidden_from.items() if name != oth}
        return replace(self, hidden_from=rest | ({oth: hides} if hides else {}))

    def with_desk(self, device: str, desk: str) -> Self:
        """With a device at a desk."""
        return replace(self, desks={**self.desks, device: desk})

    def with_mandate(self, delegate: str, named: Named) -> Self:
        """With a delegate named so."""
        return replace(self, mandates={**self.mandates, delegate: named})

    def with_words(self, oth: str, words: Mapping[str, Word]) -> Self:
        """With just these words of guardians for a counterpart."""
        others = {name: kept for name, kept in self.words.items() if name != oth}
        return replace(self, words={**others, oth: words} if words else others)

    def dump(self) -> bytes:
        """The plaintext that is sealed."""
        value = {
            "v": VERSION,
            "reading_keys": [b64(bytes(key)) for key in self.reading_keys.values()],
            "sets": {set_id: b64(key.secret) for set_id, key in self.sets.items()},
            "masters": [[s, e, b64(d), b64(m.secret)] for (s, e, d), m in self.masters.items()],
            "candidates": {
                s: [c.epoch, b64(c.master.secret), c.account_seq, c.iat] for s, c in self.candidates.items()
            },
            "terms": {gid: _dump_terms(terms) for gid, terms in self.terms.items()},
            "hides": list(self.hides),
            "desks": dict(self.desks),
            "mandates": {name: [one.kind, sorted(one.private)] for name, one in self.mandates.items()},
            "words": {
                oth: {name: [word.at, word.terms and _dump_terms(word.terms)] for name, word in words.items()}
                for oth, words in self.words.items()
            },
        }
        if self.hidden_from:
            value["hidden_from"] = {oth: list(hides) for oth, hides in self.hidden_from.items()}
        return _json(value)

    @classmethod
    def load(cls, plaintext: bytes) -> Self:
        """Read what `dump` wrote. Raises `Rejected(broken, vault)`."""
        with _reading():
            value = json.loads(plaintext)
            if value["v"] != VERSION:
                raise broken("vault")
            reading = [BoxKey(unb64(key, KEY_BYTES)) for key in value["reading_keys"]]
            return cls(
                {b64(key.public): key for key in reading},
                {set_id: SetKey(unb64(key, KEY_BYTES)) for set_id, key in value["sets"].items()},
                {(s, e, unb64(d, 16)): Master(unb64(m, KEY_BYTES)) for s, e, d, m in value["masters"]},
                {s: Candidate(c[0], Master(unb64(c[1], 32)), c[2], c[3]) for s, c in value["candidates"].items()},
                {gid: _load_terms(terms) for gid, terms in value["terms"].items()},
                tuple(map(str, value["hides"])),
                {str(device): str(desk) for device, desk in value["desks"].items()},
                {name: _named(kind, private) for name, (kind, private) in value["mandates"].items()},
                {
                    oth: {name: Word(at, None if t is None else _load_terms(t)) for name, (at, t) in words.items()}
                    for oth, words in value["words"].items()
                },
                {oth: tuple(map(str, hides)) for oth, hides in value.get("hidden_from", {}).items()},
            )


def _named(kind: str, private: Iterable[int]) -> Named:
    return Named(KINDS[KINDS.index(kind)], frozenset(private))


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (primitives.Rejected, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise broken("vault") from None


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _dump_terms(terms: Terms) -> dict[str, Any]:
    return {
        "oth": terms.oth, "categories": sorted(terms.categories), "whole": terms.whole, "grow": terms.grow,
        "purposes": list(terms.purposes), "nb": terms.nb, "until": terms.until, "consent": b64(terms.consent),
        "salt": b64(terms.salt), "rules": terms.rules, "request": terms.request,
    } | _said(emergency=terms.emergency, hides=terms.hides)  # fmt: skip


def _said(**elements: tuple[int | str, ...] | tuple[str, ...]) -> dict[str, Any]:
    return {name: list(element) for name, element in elements.items() if element}


def _load_terms(value: dict[str, Any]) -> Terms:
    return Terms(
        value["oth"], frozenset(value["categories"]), value["whole"], value["grow"], tuple(value["purposes"]),
        value["nb"], value["until"], unb64(value["consent"]), unb64(value["salt"]), value["rules"], value["request"],
        tuple(value.get("emergency", ())), tuple(map(str, value.get("hides", ()))),
    )  # fmt: skip


def seal_root(root: RootCompartment, account: str, vault_key: bytes) -> bytes:
    """Seal the root compartment. Returns nonce ‖ ciphertext, which every version carries until it changes."""
    return _seal(vault_key, _root_context(account), root.dump())


def unseal_root(sealed: bytes, account: str, vault_key: bytes) -> RootCompartment:
    """Open the root compartment of a sealed vault. Raises `Rejected(broken, aead)` for another key or account.

    Whether it holds the root key of the account chain is the caller's to check: who may write the vault may put an
    elder compartment there.
    """
    return RootCompartment.load(_unseal(vault_key, _root_context(account), compartments(sealed)[0]))


def seal(sealed_root: bytes, vault: Vault, account: str, version: int, key: bytes) -> bytes:
    """Seal the vault's content as this version. Returns LE32 length ‖ sealed root compartment ‖ nonce ‖ ciphertext."""
    context = label_hash("obhut-vault", account, version)
    return struct.pack("<I", len(sealed_root)) + sealed_root + _seal(key, context, vault.dump())


def unseal(sealed: bytes, account: str, version: int, key: bytes) -> Vault:
    """Open the key compartment of a sealed vault. Raises `Rejected(broken, aead)` for another key, account, version."""
    return Vault.load(_unseal(key, label_hash("obhut-vault", account, version), compartments(sealed)[1]))


def _seal(key: bytes, context: bytes, plaintext: bytes) -> bytes:
    nonce = random_bytes(NONCE_BYTES)
    return nonce + primitives.encrypt(key, nonce, context, primitives.pad(plaintext))


def _unseal(key: bytes, context: bytes, sealed: bytes) -> bytes:
    return primitives.unpad(primitives.decrypt(key, sealed[:NONCE_BYTES], context, sealed[NONCE_BYTES:]))


def _root_context(account: str) -> bytes:
    return label_hash("obhut-vault-root", account)


def wrap_for_box(key: bytes, account: str, name: str, box: bytes) -> bytes:
    """A sealed box of the vault's key to a device's box key, or of the key compartment's to a delegate's reading key.

    `name`: that device, or that delegate's account.
    """
    return primitives.seal_box(key + _wrap_context(account, name), box)


def unwrap_by_box(wrap: bytes, account: str, name: str, box: BoxKey) -> bytes:
    """The key that `wrap_for_box` wrapped. Raises `Rejected(broken, …)`."""
    opened = box.open(wrap)
    if len(opened) != 2 * KEY_BYTES or not equal(opened[KEY_BYTES:], _wrap_context(account, name)):
        raise broken("context")
    return opened[:KEY_BYTES]


def wrap_for_secret(key: bytes, account: str, name: str, wrap_key: bytes) -> bytes:
    """The vault's key for the recovery sheet (`name` = `sheet`) or the passphrase (`passphrase`)."""
    nonce = random_bytes(NONCE_BYTES)
    return nonce + primitives.encrypt(wrap_key, nonce, _wrap_context(account, name), key)


def unwrap_by_secret(wrap: bytes, account: str, name: str, wrap_key: bytes) -> bytes:
    """The vault's key by the recovery sheet or the passphrase. Raises `Rejected(broken, aead)`."""
    return primitives.decrypt(wrap_key, wrap[:NONCE_BYTES], _wrap_context(account, name), wrap[NONCE_BYTES:])


def _wrap_context(account: str, name: str) -> bytes:
    return label_hash("obhut-wrap", account, name)
