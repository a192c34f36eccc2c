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
        seed = put(directory, name, random_bytes(KEY_BYTES))
    if len(seed) != KEY_BYTES:
        raise OSError(f"{name} is not a key of {KEY_BYTES} bytes")
    return SigningKey(seed)


def put(directory: Path, name: str, seed: bytes) -> bytes:
    """Make a seed durable unless there is one of that name; returns the one that is there. Raises `OSError`.

    It is written under a temporary name and linked in place, so that two first starts agree on one key.
    """
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
    with os.fdopen(descriptor, "wb") as file:
        file.write(seed)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path.read_bytes()
