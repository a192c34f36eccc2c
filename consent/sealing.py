"""Sealing: resources into an envelope or an object, seeds into a bundle (PROTOCOL.md 3.1, 3.5 and 4.1)."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent import canonical, primitives
from consent.envelope import OBJECT, RESOURCES, SUITE, build, context
from consent.keys import SigningKey
from consent.objects import CHUNK_BYTES
from consent.primitives import KEY_BYTES, NONCE_BYTES, b64, broken, label_hash, random_bytes, unb64
from consent.relations import Handed
from consent.sets import Master, SetKey
from consent.statements import Position


@dataclass(frozen=True)
class Destination:
    """Where an author writes: a stream of a patient, and the public key of its current epoch."""

    patient: str
    stream: str
    epoch: int
    public: bytes


@dataclass(frozen=True)
class Author:
    """Who writes, and with which device."""

    account: str
    device: str
    key: SigningKey


def handle(stream: str, name: str, handle_key: bytes) -> str:
    """`hd`: names what a later envelope replaces, without telling what it is. `name` e.g. `Observation/123`."""
    return b64(label_hash("obhut-handle", stream, name.encode(), key=handle_key)[:16])


def seal(
    lines: Sequence[bytes],
    to: Destination,
    author: Author,
    *,
    bid: str,
    seq: int,
    prev: str,
    at: int,
    hd: str = "",
    cty: str = RESOURCES,
) -> bytes:
    """Seal resources (each one JSON line, verbatim) into an envelope. Returns the frame.

    `at`: Unix second of sealing, kept by the hour only. `seq` counts from 1 for each author, device and stream; `prev`
    is the hash of the envelope before, or empty at 1. Raises `Rejected(broken, count)` for a resource over several
    lines: its readers could not tell where it ends.
    """
    if any(not line or b"\n" in line for line in lines):
        raise broken("count")
    header = _about(to, author, bid, seq) | {"cty": cty, "prev": prev, "tb": at - at % 3600, "hd": hd, "n": len(lines)}
    return _seal(b"\n".join(lines), header, to, author)


def _about(to: Destination, author: Author, bid: str, seq: int) -> dict[str, Any]:
    """What the context of an envelope is made of, but for the patient."""
    return {
        "suite": SUITE, "str": to.stream, "ep": to.epoch, "aut": author.account, "dev": author.device, "bid": bid,
        "seq": seq,
    }  # fmt: skip


def _seal(plaintext: bytes, about: Mapping[str, Any], to: Destination, author: Author) -> bytes:
    header: dict[str, Any] = {"v": 1, **about}
    ctx = context(to.patient, header)
    key = random_bytes(KEY_BYTES)
    nonce = random_bytes(NONCE_BYTES)
    header["wk"] = b64(primitives.seal_box(key + ctx, to.public))
    header["kc"] = b64(commitment(ctx, key))
    header["nc"] = b64(nonce)
    padded = primitives.pad(plaintext)
    return build(header, primitives.encrypt(key, nonce, associated(header), padded), author.key)


def commitment(ctx: bytes, key: bytes) -> bytes:
    """`kc`: binds the ciphertext to one content key."""
    return label_hash("hse1-kc", ctx, key=key)


def associated(header: Mapping[str, Any]) -> bytes:
    """The associated data of an envelope's ciphertext: its whole header."""
    return b"hse1-aad" + canonical.dump(dict(header))


# --- objects ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ObjectKey:
    """What binds an object to the one envelope that will name it: a key of its own, and the envelope's context."""

    key: bytes = field(repr=False)
    ctx: bytes = field(repr=False)


def object_key(to: Destination, author: Author, bid: str, seq: int) -> ObjectKey:
    """A fresh key for the object of the envelope that will have this id and sequence number."""
    return ObjectKey(random_bytes(KEY_BYTES), context(to.patient, _about(to, author, bid, seq)))


def seal_object(plaintext: Iterable[bytes], size: int, key: ObjectKey) -> Iterator[bytes]:
    """Seal `size` bytes of plaintext, given in pieces of any length. Yields the header, then chunk after chunk.

    The plaintext is what an envelope of resources would have had. Needs memory for one piece and one chunk.
    """
    state, header = primitives.begin_stream(key.key)
    yield header
    left = primitives.padme(size + 1)
    waiting = bytearray()
    for piece in _padded(plaintext, size):
        waiting += piece
        while len(waiting) >= CHUNK_BYTES or len(waiting) == left > 0:
            chunk = bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
            left -= len(chunk)
            yield primitives.seal_chunk(state, key.ctx, chunk, last=left == 0)


def _padded(plaintext: Iterable[bytes], size: int) -> Iterator[bytes]:
    yield from plaintext
    yield b"\x80" + bytes(primitives.padme(size + 1) - size - 1)


def seal_reference(
    key: ObjectKey, size: int, hash_: str, count: int, to: Destination, author: Author, *,
    bid: str, seq: int, prev: str, at: int, hd: str = "",
) -> bytes:  # fmt: skip
    """The envelope of a sealed object: its key, the bytes of its plaintext and its hash. Returns the frame.

    `count`: how many resources the object holds; the rest as in `seal`, `bid` and `seq` as in `object_key`.
    """
    header = _about(to, author, bid, seq) | {
        "cty": OBJECT, "prev": prev, "tb": at - at % 3600, "hd": hd, "n": count,
    }  # fmt: skip
    reference = canonical.dump({"v": 1, "key": b64(key.key), "size": size, "hash": hash_})
    return _seal(reference, header, to, author)


# --- bundles ------------------------------------------------------------------------------------------------------


def bundle_context(cid: str, seq: int, prev: str, gid: str, rk: str) -> bytes:
    """What binds a bundle to its relation, its place in the chain, its grant and its reading key."""
    return label_hash("obhut-bundle-ctx", cid, seq, prev, gid, rk)


@dataclass(frozen=True)
class SealedBundle:
    """A bundle and the content key sealed to the counterpart's reading key."""

    blob: bytes
    key: str


def seal_bundle(
    cid: str, place: Position, gid: str, rk: str, records: Sequence[bytes], consent: bytes = b"", rules: object = None
) -> SealedBundle:
    """Seal seeds (and with a grant: `consent` = salt ‖ FHIR Consent, and the finer rules) for a counterpart.

    `place`: the sequence number and `prev` of the statement that carries it.
    """
    finer = b"" if rules is None else json.dumps(rules, ensure_ascii=False, separators=(",", ":")).encode()
    plaintext = b"".join(
        (len(consent).to_bytes(4, "little"), consent, len(finer).to_bytes(4, "little"), finer, *records)
    )
    ctx = bundle_context(cid, *place, gid, rk)
    key, nonce = random_bytes(KEY_BYTES), random_bytes(NONCE_BYTES)
    ciphertext = primitives.encrypt(key, nonce, b"obhut-bundle" + ctx, primitives.pad(plaintext))
    return SealedBundle(nonce + ciphertext, b64(primitives.seal_box(key + ctx, unb64(rk, 32))))


def record(set_id: str, epoch: int, set_key: SetKey, master: Master, mask: int) -> bytes:
    """The seeds of one epoch for one counterpart: 548 bytes, whatever is granted."""
    indices = set_key.indices(set_key.granted(mask))
    return pack(set_id, epoch, [(index, master.seed(index)) for index in indices])


def pack(set_id: str, epoch: int, seeds: Sequence[tuple[int, bytes]]) -> bytes:
    """The record of sixteen (index, seed), in the order of categories."""
    packed = b"".join(bytes([index]) + seed for index, seed in seeds)
    return unb64(set_id, 16) + epoch.to_bytes(4, "little") + packed


def records(
    rows: Sequence[Handed],
    set_keys: Mapping[str, SetKey],
    masters: Mapping[tuple[str, int], Master],
) -> list[bytes]:
    """The records of a bundle, in the order of `has`, epochs ascending."""
    return [
        record(row.set, epoch, set_keys[row.set], masters[row.set, epoch], row.mask)
        for row in rows
        for epoch in range(row.first, row.last + 1)
    ]
