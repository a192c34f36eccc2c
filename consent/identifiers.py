"""Identifiers: parsed once, compared as values, never by prefix or suffix (PROTOCOL.md 1.3)."""

import re
from dataclasses import dataclass

from consent.primitives import b32, b64, broken, label_hash, random_bytes, unb32, unb64

ACCOUNT_BYTES = 190
FINGERPRINT_BYTES = 20
ID_BYTES = 16

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_PERSON = re.compile(r"p-[a-z2-7]{25}[aeimquy4]")  # base32 of 16 bytes, its unused bits 0
_NAME = re.compile(r"(?!p-)[a-z0-9][a-z0-9-]{1,62}")
_DEVICE = re.compile(r"d[a-z2-7]{16}")


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """`local@domain`: a person (`p-…`, random), an organisation or a service."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def is_person(self) -> bool:
        """Whether the account is a patient's or relative's."""
        return self.local.startswith("p-")


@dataclass(frozen=True, slots=True)
class Card:
    """What a person shows at first contact: her account, and the fingerprint of its first root key."""

    account: Account
    fingerprint: str

    def __str__(self) -> str:
        return f"obhut:{self.account}#{self.fingerprint}"


def domain(text: str) -> str:
    """Parse a hub's domain: two or more labels, lower case, no port. Raises `Rejected(broken, fields)`."""
    if len(text) > ACCOUNT_BYTES or not _DOMAIN.fullmatch(text):
        raise broken("fields")
    return text


def account(text: str) -> Account:
    """Parse an account. Raises `Rejected(broken, fields)`."""
    local, at, host = text.partition("@")
    if len(text) > ACCOUNT_BYTES or not at or not (_PERSON.fullmatch(local) or _NAME.fullmatch(local)):
        raise broken("fields")
    return Account(local, domain(host))


def new_person(host: str) -> Account:
    """A fresh random account of a person at the hub `host`."""
    return Account("p-" + b32(random_bytes(ID_BYTES)), domain(host))


def device(text: str) -> str:
    """Check a device's name. Raises `Rejected(broken, fields)`."""
    if not _DEVICE.fullmatch(text):
        raise broken("fields")
    return text


def new_device() -> str:
    """A fresh random device name."""
    return "d" + b32(random_bytes(10))


def new_id() -> str:
    """A fresh random id of a set, envelope or grant: 16 bytes as 22 characters."""
    return b64(random_bytes(ID_BYTES))


def binary_id(text: str) -> bytes:
    """The 16 bytes of a set, stream, envelope or grant id. Raises `Rejected(broken, fields)`."""
    return unb64(text, ID_BYTES)


def fingerprint(name: str, root: bytes) -> str:
    """The fingerprint of an account's first root key: 32 characters base32."""
    return b32(label_hash("obhut-fp", name, root)[:FINGERPRINT_BYTES])


def card(text: str) -> Card:
    """Parse a card as scanned or typed, upper case too. Raises `Rejected(broken, fields)`."""
    head, colon, rest = text.strip().lower().partition(":")
    name, mark, print_ = rest.partition("#")
    if head != "obhut" or not colon or not mark:
        raise broken("fields")
    if not text.isascii():  # lower case would make a `k` of the Kelvin sign
        raise broken("fields")
    unb32(print_, FINGERPRINT_BYTES)
    return Card(account(name), print_)
