"""Objects over 1 MiB, a secretstream: sizes, and the hash by which an envelope names its object (PROTOCOL.md 3.5).

Nothing here holds a secret: sealing is `consent.sealing.seal_object`, opening `consent.opening.open_object`.

object = header(24) ‖ chunks of XChaCha20-Poly1305 secretstream: 64 KiB of padded plaintext each, the last one final
"""

import hashlib
from collections.abc import Iterable

from consent.primitives import STREAM_CHUNK_OVERHEAD, STREAM_HEADER_BYTES, b64, padme

CHUNK_BYTES = 64 * 1024
"""Plaintext of every chunk but the last, which may hold less."""
MAX_OBJECT = 64 * 1024 * 1024 - 1
"""Bytes of plaintext that an object still holds."""
LABEL = "obhut-object"


def sealed_size(size: int) -> int:
    """Bytes of the sealed object of `size` bytes of plaintext; both sides know it, so that nothing can be left off."""
    padded = padme(size + 1)
    chunks = -(-padded // CHUNK_BYTES)
    return STREAM_HEADER_BYTES + padded + chunks * STREAM_CHUNK_OVERHEAD


MAX_SEALED_OBJECT = sealed_size(MAX_OBJECT)


def object_hash(pieces: Iterable[bytes], size: int) -> str:
    """`hash` of a sealed object of `size` bytes, given piece by piece: L("obhut-object", object), base64url."""
    state = hashlib.blake2b(digest_size=32)
    for length, part in ((len(LABEL), LABEL.encode()), (size, b"")):
        state.update(length.to_bytes(8, "little"))
        state.update(part)
    for piece in pieces:
        state.update(piece)
    return b64(state.digest())
