"""The hub's own three keys, as seeds of 32 bytes in its data directory: one signs stamps and notes, one access tokens,
one the hub's requests to other hubs."""

import os
import tempfile
from pathlib import Path

from consent.keys import SigningKey
from consent.primitives import KEY_BYTES, random_bytes

STAMP_KEY = "hub.key"
TOKEN_KEY = "token.key"  # noqa: S105 - a file's name
PEER_KEY = "peer.key"
ALL = (STAMP_KEY, TOKEN_KEY, PEER_KEY)


def load(directory: Path, name: str) -> SigningKey:
    """The key of that name, made durable on first use and readable by the hub's user only. Raises `OSError`."""
    path = directory / name
    try:
        seed = path.read_bytes()
    except FileNotFoundError:
        seed = _make(path)
    if len(seed) != KEY_BYTES:
        raise OSError(f"{name} is not a key of {KEY_BYTES} bytes")
    return SigningKey(seed)


def _make(path: Path) -> bytes:
    """Write a fresh seed under a temporary name and link it in place, so that two first starts agree on one key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
    with os.fdopen(descriptor, "wb") as file:
        file.write(random_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path.read_bytes()
