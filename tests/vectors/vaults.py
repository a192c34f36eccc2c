"""Vectors of the sealed vault: both compartments opened, and everything that must not open."""

import json
from dataclasses import replace
from typing import Any

from consent import vault as vaults
from consent.primitives import b64, label_hash
from consent.rules import LENGTH
from consent.vault import Named, RootCompartment, Vault, Word
from tests.consent.world import START, client, organisation
from tests.vectors.basics import PATIENT
from tests.vectors.making import OK, Source, broken

MOTHER, FATHER = ("p-" + letter * 25 + "a@hub-a.example.org" for letter in "mf")
OTHER = "p-" + "b" * 25 + "a@hub-a.example.org"


class Vaults:
    """Makes the file `vault`: a vault with something in every field, and an empty one."""

    def __init__(self, source: Source) -> None:
        self.vectors = list[dict[str, Any]]()
        self.vault_key, self.key = source.draw(32), source.draw(32)
        home, house = client(), organisation("praxis")
        self.root = RootCompartment(home.me.root, home.root.handle_key, self.key, (MOTHER, FATHER))
        gid = home.grant(house, [1, 8], whole=False)
        terms = replace(home.vault.terms[gid], hides=("Observation/1",), rules=[{"type": "deny"}], consent="é".encode())
        full = home.vault.with_terms(gid, terms).with_hides(["Observation/1"]).with_desk(home.me.device, house.account)
        full = full.with_candidate(min(full.sets), vaults.Candidate(3, next(iter(full.masters.values())), 4, START))
        self.full = replace(
            full, mandates={MOTHER: Named("guardian"), FATHER: Named("guardian", frozenset([14, 13]))},
            words={house.account: {MOTHER: Word(START, terms), FATHER: Word(START + 1, None)}},
        )  # fmt: skip
        self.sealed_root = vaults.seal_root(self.root, PATIENT, self.vault_key)
        self.sealed = vaults.seal(self.sealed_root, self.full, PATIENT, 7, self.key)

    def add(self, name: str, part: str, sealed: bytes, expect: Any = OK, content: bytes = b"", **told: Any) -> None:
        """One vector; `part` is opened with its own key."""
        key = {"root": self.vault_key, "keys": self.key}[part]
        given = {"part": part, "account": PATIENT, "version": 7, "key": b64(key), "sealed": b64(sealed)} | told
        if expect == OK:
            given["content"] = json.loads(content)
        self.vectors.append({"name": name, **given, "expect": expect})

    def sealed_content(self, value: dict[str, Any]) -> bytes:
        """The key compartment with another content."""
        made = vaults._seal(self.key, label_hash("obhut-vault", PATIENT, 7), json.dumps(value).encode())
        return len(self.sealed_root).to_bytes(LENGTH, "little") + self.sealed_root + made

    def make(self) -> None:
        """All vectors."""
        end = LENGTH + len(self.sealed_root)
        self.add("root compartment", "root", self.sealed, content=self.root.dump())
        self.add("key compartment", "keys", self.sealed, content=self.full.dump())
        empty = vaults.seal(self.sealed_root, Vault(), PATIENT, 7, self.key)
        self.add("nothing in it", "keys", empty, content=Vault().dump())
        self.add("root compartment of another version", "root", self.sealed, content=self.root.dump(), version=8)
        for part, place in (("root", LENGTH), ("keys", end)):
            other = self.key if part == "root" else self.vault_key
            self.add(f"{part}: the other's key", part, self.sealed, broken("aead"), key=b64(other))
            self.add(f"{part}: another account", part, self.sealed, broken("aead"), account=OTHER)
            for at, name in ((place, "nonce"), (place + 24, "ciphertext"), (place + 300, "inside")):
                flipped = bytearray(self.sealed)
                flipped[at] ^= 1
                self.add(f"{part}: {name} altered", part, bytes(flipped), broken("aead"))
            for size in (0, 3, end - 1):
                self.add(f"{part}: cut to {size} bytes", part, self.sealed[:size], broken("vault"))
        self.add("keys: another version", "keys", self.sealed, broken("aead"), version=8)
        self.add("keys: a byte less", "keys", self.sealed[:-1], broken("aead"))
        self.add("keys: none", "keys", self.sealed[:end], broken("aead"))
        shifted = (end - LENGTH - 1).to_bytes(LENGTH, "little") + self.sealed[LENGTH:]
        self.add("root: the border one byte earlier", "root", shifted, broken("aead"))
        self.add("keys: the border one byte earlier", "keys", shifted, broken("aead"))
        good = json.loads(self.full.dump())
        for version in (1, 2, 4):
            self.add(f"form {version}", "keys", self.sealed_content(good | {"v": version}), broken("vault"))
        for name in good:
            less = {field: value for field, value in good.items() if field != name}
            self.add(f"without {name}", "keys", self.sealed_content(less), broken("vault"))


def vectors(source: Source) -> list[dict[str, Any]]:
    """The file `vault`."""
    made = Vaults(source)
    made.make()
    return made.vectors
