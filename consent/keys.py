"""Keys and what they are derived from. A key has one purpose; none is converted into another.

The recovery code yields three keys and the passphrase two, each under a label of its own (PROTOCOL.md 5).
"""

from dataclasses import dataclass
from typing import Self

from consent import primitives
from consent.primitives import KEY_BYTES, Rejected, b32, broken, label_hash, random_bytes, unb32

PASSPHRASE_OPERATIONS = 3
PASSPHRASE_MEMORY = 256 * 1024 * 1024
PASSPHRASE_WORDS = 6
"""Fewer random words could be guessed by whoever holds the wrap."""


class _Secret:
    """A secret that shows its size, never its bytes."""

    __slots__ = ("_secret", "public")
    public: bytes
    _secret: bytes

    def __bytes__(self) -> bytes:
        return self._secret

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._secret)} bytes>"

    @classmethod
    def generate(cls) -> Self:
        """A fresh random key."""
        return cls(random_bytes(KEY_BYTES))

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise broken("key")
        self._secret = seed


class SigningKey(_Secret):
    """An Ed25519 key, from its seed of 32 bytes."""

    __slots__ = ("_expanded",)

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed)
        self.public, self._expanded = primitives.signing_pair(seed)

    def sign(self, digest: bytes) -> bytes:
        """Sign a labelled hash; 64 bytes."""
        return primitives.sign(self._expanded, digest)


class BoxKey(_Secret):
    """An X25519 key, from its secret of 32 bytes."""

    __slots__ = ()

    def __init__(self, secret: bytes) -> None:
        super().__init__(secret)
        self.public = primitives.box_public(secret)

    def open(self, sealed: bytes) -> bytes:
        """Open a sealed box. Raises `Rejected(broken, seal)`."""
        return primitives.open_box(sealed, self._secret)


@dataclass(frozen=True, repr=False)
class RecoveryCode:
    """256 random bits on the recovery sheet: 56 characters in groups of four, the last four a check."""

    secret: bytes

    def __repr__(self) -> str:
        return "<RecoveryCode>"

    def __str__(self) -> str:
        text = b32(self.secret) + b32(label_hash("obhut-code", self.secret)[:3])[:4]
        return "-".join(text[i : i + 4] for i in range(0, len(text), 4)).upper()

    @classmethod
    def generate(cls) -> Self:
        """A fresh code."""
        return cls(random_bytes(KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a code as typed: case, spaces and dashes do not count. Raises `Rejected(broken, code)`."""
        plain = "".join(text.split()).replace("-", "").lower()
        try:
            code = cls(unb32(plain[:52], KEY_BYTES))
        except Rejected:
            raise broken("code") from None
        if str(code).replace("-", "").lower() != plain:
            raise broken("code")
        return code

    @property
    def signing_key(self) -> SigningKey:
        """The key named `recovery` in the account chain."""
        return SigningKey(label_hash("obhut-recovery", key=self.secret))

    @property
    def wrap_key(self) -> bytes:
        """The key that wraps the vault's key for the sheet."""
        return label_hash("obhut-sheet", key=self.secret)

    @property
    def fetch_token(self) -> bytes:
        """What the hub asks for before it hands out the sealed vault; it learns nothing else from it."""
        return label_hash("obhut-fetch", key=self.secret)


@dataclass(frozen=True, repr=False)
class PassphraseKeys:
    """Two independent keys from a passphrase: one to sign in with, one for the vault, which never leaves the device."""

    sign_in: bytes
    wrap_key: bytes

    def __repr__(self) -> str:
        return "<PassphraseKeys>"

    @classmethod
    def derive(cls, account: str, passphrase: str, memory: int = PASSPHRASE_MEMORY) -> Self:
        """Argon2id over the passphrase, salted by the account; `memory` in bytes, at least 64 MiB."""
        if memory < 64 * 1024 * 1024:
            raise broken("memory")
        salt = label_hash("obhut-salt", account)[:16]
        master = primitives.stretch(passphrase, salt, PASSPHRASE_OPERATIONS, memory)
        return cls(label_hash("obhut-signin", key=master), label_hash("obhut-unlock", key=master))
