"""Sealing: resources into an envelope, seeds into a bundle (PROTOCOL.md 3.1 and 4.1)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consent import canonical, primitives
from consent.envelope import RESOURCES, SUITE, build, context
from consent.keys import SigningKey
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
    header: dict[str, Any] = {
        "v": 1, "suite": SUITE, "cty": cty, "str": to.stream, "ep": to.epoch, "aut": author.account,
        "dev": author.device, "bid": bid, "seq": seq, "prev": prev, "tb": at - at % 3600, "hd": hd, "n": len(lines),
    }  # fmt: skip
    ctx = context(to.patient, header)
    key = random_bytes(KEY_BYTES)
    nonce = random_bytes(NONCE_BYTES)
    header["wk"] = b64(primitives.seal_box(key + ctx, to.public))
    header["kc"] = b64(commitment(ctx, key))
    header["nc"] = b64(nonce)
    padded = primitives.pad(b"\n".join(lines))
    return build(header, primitives.encrypt(key, nonce, associated(header), padded), author.key)


def commitment(ctx: bytes, key: bytes) -> bytes:
    """`kc`: binds the ciphertext to one content key."""
    return label_hash("hse1-kc", ctx, key=key)


def associated(header: Mapping[str, Any]) -> bytes:
    """The associated data of an envelope's ciphertext: its whole header."""
    return b"hse1-aad" + canonical.dump(dict(header))


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
    seeds = b"".join(bytes([index]) + master.seed(index) for index in indices)
    return unb64(set_id, 16) + epoch.to_bytes(4, "little") + seeds


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
