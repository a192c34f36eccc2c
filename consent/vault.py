"""The vault: what the patient's side keeps, sealed under one key, and who can unwrap that key (PROTOCOL.md 5).

The hub stores ciphertext and wraps. The account chain names version and hash, so an older vault is noticed.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from consent import finer_rules, primitives
from consent.keys import BoxKey, SigningKey
from consent.primitives import KEY_BYTES, NONCE_BYTES, b64, broken, equal, label_hash, random_bytes, unb64
from consent.sets import Master, SetKey


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


@dataclass(frozen=True, repr=False)
class Vault:
    """Root key, set keys, masters, candidates, terms. Never changed; each method returns the next version's content.

    `terms`: by the grant's id; what an amendment replaced, by the hash of its Consent. `hides`: resources that nobody
    reads by a grant, as `Type/id`. `desks`: by device, the account of the desk at which it was for a visit.
    """

    root: SigningKey
    handle_key: bytes
    reading_keys: Mapping[str, BoxKey] = field(default_factory=dict)
    sets: Mapping[str, SetKey] = field(default_factory=dict)
    masters: Mapping[tuple[str, int, bytes], Master] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    desks: Mapping[str, str] = field(default_factory=dict)

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

    def with_hides(self, references: Iterable[str]) -> Self:
        """With just these resources hidden."""
        return replace(self, hides=tuple(sorted(set(references))))

    def with_desk(self, device: str, desk: str) -> Self:
        """With a device at a desk."""
        return replace(self, desks={**self.desks, device: desk})

    def dump(self) -> bytes:
        """The plaintext that is sealed."""
        value = {
            "v": self._version(),
            "root": b64(bytes(self.root)),
            "handle_key": b64(self.handle_key),
            "reading_keys": [b64(bytes(key)) for key in self.reading_keys.values()],
            "sets": {set_id: b64(key.secret) for set_id, key in self.sets.items()},
            "masters": [[s, e, b64(d), b64(m.secret)] for (s, e, d), m in self.masters.items()],
            "candidates": {
                s: [c.epoch, b64(c.master.secret), c.account_seq, c.iat] for s, c in self.candidates.items()
            },
            "terms": {gid: _dump_terms(terms) for gid, terms in self.terms.items()},
            "hides": list(self.hides),
            "desks": dict(self.desks),
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def _version(self) -> int:
        """2 where anything is hidden, or a desk noted: who knows nothing of it must not write the vault without it."""
        return 2 if self.hides or self.desks or any(terms.hides for terms in self.terms.values()) else 1

    @classmethod
    def load(cls, plaintext: bytes) -> Self:
        """Read what `dump` wrote. Raises `Rejected(broken, vault)`."""
        try:
            value = json.loads(plaintext)
            if value["v"] not in (1, 2):
                raise broken("vault")
            reading = [BoxKey(unb64(key, 32)) for key in value["reading_keys"]]
            return cls(
                SigningKey(unb64(value["root"], 32)),
                unb64(value["handle_key"], 32),
                {b64(key.public): key for key in reading},
                {set_id: SetKey(unb64(key, 32)) for set_id, key in value["sets"].items()},
                {(s, e, unb64(d, 16)): Master(unb64(m, 32)) for s, e, d, m in value["masters"]},
                {s: Candidate(c[0], Master(unb64(c[1], 32)), c[2], c[3]) for s, c in value["candidates"].items()},
                {gid: _load_terms(terms) for gid, terms in value["terms"].items()},
                tuple(map(str, value.get("hides", ()))),
                {str(device): str(desk) for device, desk in value.get("desks", {}).items()},
            )
        except (primitives.Rejected, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            raise broken("vault") from None


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


def seal(vault: Vault, account: str, version: int, key: bytes) -> bytes:
    """Seal the vault's content as this version. Returns nonce ‖ ciphertext."""
    nonce = random_bytes(NONCE_BYTES)
    ctx = label_hash("obhut-vault", account, version)
    return nonce + primitives.encrypt(key, nonce, ctx, primitives.pad(vault.dump()))


def unseal(ciphertext: bytes, account: str, version: int, key: bytes) -> Vault:
    """Open a sealed vault. Raises `Rejected(broken, aead)` for another key, account or version."""
    ctx = label_hash("obhut-vault", account, version)
    padded = primitives.decrypt(key, ciphertext[:NONCE_BYTES], ctx, ciphertext[NONCE_BYTES:])
    return Vault.load(primitives.unpad(padded))


def wrap_for_device(key: bytes, account: str, device: str, box: bytes) -> bytes:
    """The vault's key for one of the patient's devices: a sealed box to its box key."""
    return primitives.seal_box(key + _wrap_context(account, device), box)


def unwrap_by_device(wrap: bytes, account: str, device: str, box: BoxKey) -> bytes:
    """The vault's key by a device. Raises `Rejected(broken, …)`."""
    opened = box.open(wrap)
    if len(opened) != 2 * KEY_BYTES or not equal(opened[KEY_BYTES:], _wrap_context(account, device)):
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
