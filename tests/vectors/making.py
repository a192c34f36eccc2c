"""What the makers of vectors share: fixed randomness, and the shape of a file.

Everything random, the ephemeral key of a sealed box too, is drawn from a seed, so that two runs write the same bytes.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nacl import bindings

from consent import primitives

HERE = Path(__file__).parent
OK = "ok"


def broken(reason: str) -> dict[str, str]:
    """The expectation that a vector is refused for ever."""
    return {"kind": "broken", "reason": reason}


def stale(reason: str = "stale") -> dict[str, str]:
    """The expectation that newer chains must be fetched first."""
    return {"kind": "stale", "reason": reason}


def not_for_you(reason: str) -> dict[str, str]:
    """The expectation that it is somebody else's."""
    return {"kind": "not-for-you", "reason": reason}


class Source:
    """Bytes drawn from a seed, one after another."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def draw(self, count: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "little")).digest(count)

    def seal_box(self, message: bytes, public: bytes) -> bytes:
        """A sealed box as libsodium makes it, with an ephemeral key from the seed."""
        secret = self.draw(32)
        ephemeral = bindings.crypto_scalarmult_base(secret)
        nonce = hashlib.blake2b(ephemeral + public, digest_size=24).digest()
        return ephemeral + bindings.crypto_box(message, nonce, public, secret)

    def begin_stream(self, key: bytes) -> tuple[primitives.Stream, bytes]:
        """The start of a secretstream as libsodium makes it, with a header from the seed."""
        header = self.draw(primitives.STREAM_HEADER_BYTES)
        return primitives.resume_stream(key, header), header


@contextmanager
def fixed(seed: str) -> Iterator[Source]:
    """Within this, all randomness of `consent` and of the tests comes from `seed`."""
    source = Source(seed)
    kept = [
        (module, module.random_bytes)
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in ("consent", "tests") and hasattr(module, "random_bytes")
    ]
    seal_box, begin_stream = primitives.seal_box, primitives.begin_stream
    try:
        for module, _ in kept:
            module.random_bytes = source.draw
        primitives.seal_box, primitives.begin_stream = source.seal_box, source.begin_stream
        yield source
    finally:
        for module, original in kept:
            module.random_bytes = original
        primitives.seal_box, primitives.begin_stream = seal_box, begin_stream


class Pool:
    """The frames and bundles of a file, written once under a short name each."""

    def __init__(self) -> None:
        self.names: dict[bytes, str] = {}

    def __call__(self, raw: bytes) -> str:
        return self.names.setdefault(raw, f"f{len(self.names)}")

    def all(self, frames: Any) -> list[str]:
        """Names for several frames."""
        return [self(raw) for raw in frames]

    @property
    def table(self) -> dict[str, str]:
        """Name → base64url."""
        return {name: primitives.b64(raw) for raw, name in self.names.items()}


def text(kind: str, vectors: list[dict[str, Any]], **shared: Any) -> str:
    """A file of vectors, one a line. `shared` stands beside them, for example the pool of frames."""
    names = [vector["name"] for vector in vectors]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two vectors of {kind} have one name: {sorted(twice)}")
    lines = [json.dumps({"kind": kind})[:-1]]
    for name, value in shared.items():
        lines[-1] += ","
        lines.append(f'"{name}": {_table(value)}')
    lines[-1] += ","
    lines.append('"vectors": [')
    return "\n".join(lines) + "\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in vectors) + "\n]}\n"


def _table(value: Any) -> str:
    if not isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    rows = (f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
    return "{\n" + ",\n".join(rows) + "\n}"
