"""Primitives of libsodium as Obhut uses them, and Padmé; the only module that imports `nacl`.

Whatever a library call raises becomes one `Rejected`. There is no verification that answers with a boolean: a function
returns what was asked for, or it raises.
"""

import base64
import binascii
import hashlib
import hmac
import os
import unicodedata
from typing import Literal

from nacl import bindings, exceptions, pwhash

Kind = Literal["broken", "not-for-you", "stale"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64
SEAL_BYTES = bindings.crypto_box_SEALBYTES
NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
TAG_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES
STREAM_HEADER_BYTES = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
STREAM_CHUNK_OVERHEAD = bindings.crypto_secretstream_xchacha20poly1305_ABYTES

_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")
_NACL_ERRORS = (exceptions.CryptoError, TypeError, ValueError, RuntimeError)


class Rejected(Exception):  # noqa: N818 - the protocol's own word
    """What was offered does not count.

    `kind` tells what to do: `broken` (never acceptable), `not-for-you` (somebody else's), `stale` (fetch newer chains
    and try again). `reason` is one word of `PROTOCOL.md`; neither carries content.
    """

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind: Kind = kind
        self.reason = reason


def broken(reason: str) -> Rejected:
    """A `Rejected` of the kind `broken`."""
    return Rejected("broken", reason)


def stale(reason: str = "stale") -> Rejected:
    """A `Rejected` of the kind `stale`."""
    return Rejected("stale", reason)


def label_hash(label: str, *parts: str | int | bytes, key: bytes = b"") -> bytes:
    """L(label, parts; key): BLAKE2b-256 over length-prefixed parts (PROTOCOL.md 1.1). Returns 32 bytes.

    Strings enter as ASCII, integers as 8 bytes little-endian, bytes raw.
    """
    pieces: list[bytes] = []
    for part in (label, *parts):
        if isinstance(part, str):
            raw = part.encode("ascii")
        elif isinstance(part, int):
            raw = part.to_bytes(8, "little")
        else:
            raw = part
        pieces += (len(raw).to_bytes(8, "little"), raw)
    return hashlib.blake2b(b"".join(pieces), digest_size=32, key=key).digest()


def blake2b(data: bytes) -> bytes:
    """BLAKE2b-256 of `data`, unkeyed and unlabelled: only ever a part of a labelled hash."""
    return hashlib.blake2b(data, digest_size=32).digest()


def b64(data: bytes) -> str:
    """base64url without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def unb64(text: str, size: int | None = None) -> bytes:
    """Decode base64url without padding, strictly: only the one spelling of a value counts.

    Raises `Rejected(broken, fields)` for another spelling, or another length than `size`.
    """
    try:
        data = binascii.a2b_base64((text + "=" * (-len(text) % 4)).encode("ascii").translate(_FROM_URL))
    except (ValueError, TypeError):
        raise broken("fields") from None
    if b64(data) != text or (size is not None and len(data) != size):
        raise broken("fields")
    return data


def b32(data: bytes) -> str:
    """base32, lower case, without padding: what a person may have to read aloud."""
    return base64.b32encode(data).rstrip(b"=").decode("ascii").lower()


def unb32(text: str, size: int) -> bytes:
    """Decode lower-case base32 without padding, strictly. Raises `Rejected(broken, fields)`."""
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (ValueError, TypeError):
        raise broken("fields") from None
    if b32(data) != text or len(data) != size:
        raise broken("fields")
    return data


def random_bytes(count: int) -> bytes:
    """Random bytes of the operating system."""
    return os.urandom(count)


def equal(a: bytes, b: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(a, b)


def padme(length: int) -> int:
    """The padded size for `length` bytes: 256, or Padmé on integers (PROTOCOL.md 1.1)."""
    if length <= 256:
        return 256
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask


def pad(plaintext: bytes) -> bytes:
    """ISO 7816-4 padding to the Padmé size."""
    return plaintext + b"\x80" + bytes(padme(len(plaintext) + 1) - len(plaintext) - 1)


def unpad(padded: bytes) -> bytes:
    """Take the padding off; it must be exactly what `pad` writes, so that it is no covert channel."""
    plaintext = padded.rstrip(b"\x00")[:-1]
    if pad(plaintext) != padded:
        raise broken("padding")
    return plaintext


def signing_pair(seed: bytes) -> tuple[bytes, bytes]:
    """Ed25519 (public 32, secret 64 bytes) from a seed of 32 bytes."""
    try:
        public, secret = bindings.crypto_sign_seed_keypair(seed)
    except _NACL_ERRORS:
        raise broken("key") from None
    return public, secret


def sign(secret: bytes, digest: bytes) -> bytes:
    """A detached Ed25519 signature (64 bytes) over a labelled hash."""
    return bindings.crypto_sign(digest, secret)[:SIGNATURE_BYTES]


def verify(public: bytes, digest: bytes, signature: bytes) -> None:
    """Check a detached signature. Raises `Rejected(broken, signature)`."""
    if len(signature) != SIGNATURE_BYTES or len(public) != KEY_BYTES:
        raise broken("signature")  # libsodium's binding reads a key of another length as if it were right
    try:
        bindings.crypto_sign_open(signature + digest, public)
    except _NACL_ERRORS:
        raise broken("signature") from None


def box_public(secret: bytes) -> bytes:
    """The X25519 public key (32 bytes) of a secret key (32 bytes). Raises `Rejected(broken, key)`."""
    try:
        return bindings.crypto_scalarmult_base(secret)
    except _NACL_ERRORS:
        raise broken("key") from None


def seal_box(message: bytes, public: bytes) -> bytes:
    """SB(m, pk): a sealed box. Raises `Rejected(broken, key)` for a low-order key."""
    try:
        return bindings.crypto_box_seal(message, public)
    except _NACL_ERRORS:
        raise broken("key") from None


def open_box(sealed: bytes, secret: bytes) -> bytes:
    """Open a sealed box. Raises `Rejected(broken, seal)`."""
    if len(sealed) < SEAL_BYTES:
        raise broken("seal")
    try:
        return bindings.crypto_box_seal_open(sealed, box_public(secret), secret)
    except _NACL_ERRORS:
        raise broken("seal") from None


def encrypt(key: bytes, nonce: bytes, data: bytes, message: bytes) -> bytes:
    """AE(k, n, ad, m): XChaCha20-Poly1305-IETF."""
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(message, data, nonce, key)


def decrypt(key: bytes, nonce: bytes, data: bytes, ciphertext: bytes) -> bytes:
    """Open an AE. Raises `Rejected(broken, aead)`."""
    if len(ciphertext) < TAG_BYTES:
        raise broken("aead")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, data, nonce, key)
    except _NACL_ERRORS:
        raise broken("aead") from None


# --- a long message, chunk by chunk -------------------------------------------------------------------------------

Stream = bindings.crypto_secretstream_xchacha20poly1305_state
"""Where a secretstream stands; each chunk moves it on. https://doc.libsodium.org/secret-key_cryptography/secretstream"""


def begin_stream(key: bytes) -> tuple[Stream, bytes]:
    """Start sealing chunks. Returns the state and the header that goes before them."""
    state = Stream()
    return state, bindings.crypto_secretstream_xchacha20poly1305_init_push(state, key)


def seal_chunk(state: Stream, data: bytes, chunk: bytes, last: bool) -> bytes:
    """Seal the next chunk, bound to `data`; the last one is marked as final."""
    tag = (
        bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL
        if last
        else bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
    )
    return bindings.crypto_secretstream_xchacha20poly1305_push(state, chunk, data, tag)


def resume_stream(key: bytes, header: bytes) -> Stream:
    """Start opening chunks. Raises `Rejected(broken, aead)`."""
    state = Stream()
    try:
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)
    except _NACL_ERRORS:
        raise broken("aead") from None
    return state


def open_chunk(state: Stream, data: bytes, sealed: bytes, last: bool) -> bytes:
    """Open the next chunk. Raises `Rejected(broken, …)`: `aead`, or `tag` where it is final and not the last, or the
    last and not final."""
    try:
        chunk, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(state, sealed, data)
    except _NACL_ERRORS:
        raise broken("aead") from None
    final = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL
    if tag != (final if last else bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE):
        raise broken("tag")
    return chunk


def stretch(passphrase: str, salt: bytes, operations: int, memory: int) -> bytes:
    """Argon2id v1.3: 32 bytes from a passphrase, however its letters are composed; `salt` 16 bytes, `memory` in bytes.

    Raises `Rejected(broken, …)`: `passphrase` for half surrogates, `memory` for what libsodium does not take.
    """
    try:
        data = unicodedata.normalize("NFKC", passphrase).encode()
    except UnicodeEncodeError:
        raise broken("passphrase") from None
    try:
        return pwhash.argon2id.kdf(KEY_BYTES, data, salt, opslimit=operations, memlimit=memory)
    except _NACL_ERRORS:
        raise broken("memory") from None
