"""Opening: the only door to plaintext. Every check in a fixed order; plaintext, or one `Rejected` (PROTOCOL.md 3.4)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from consent import canonical, primitives, stamped, streams
from consent import envelope as envelopes
from consent.accounts import AccountState
from consent.categories import category
from consent.envelope import DELETE, OBJECT, Envelope, Stamp, context
from consent.identifiers import account as parse_account
from consent.keys import BoxKey
from consent.objects import CHUNK_BYTES, MAX_OBJECT, object_hash, sealed_size
from consent.primitives import (
    NONCE_BYTES,
    STREAM_CHUNK_OVERHEAD,
    STREAM_HEADER_BYTES,
    Rejected,
    b64,
    broken,
    equal,
    label_hash,
    stale,
    unb64,
)
from consent.relations import Bundle, RelationState, check_permit
from consent.rules import blob_hash
from consent.sealing import bundle_context, commitment
from consent.statements import MASK_BITS, Permit, blob, digest, number, parse_permit, require, shape
from consent.streams import SetState
from fhir_profiles.problems import Problem

Check = Callable[[bytes], dict[str, Any]]
"""Reads and checks one resource; raises `Problem`, or `Rejected(broken, fhir)`."""

SUBJECTS = ("subject", "patient", "beneficiary", "for", "individual", "candidate")
"""Where R4 says whom a resource is about."""

RECORD_BYTES = 16 + 4 + MASK_BITS * 33

_REFERENCE = {"v": number, "key": blob(32), "size": number, "hash": digest}


def _no_object(_: Envelope) -> bytes | None:
    return None


@dataclass
class Reader:
    """What a reader holds, all verified before: chains, seeds, and how far it has read.

    `relation`: its own with the patient, or None for the patient's own client. `confirmed`: the relation's head was
    confirmed in time. `seed(set, epoch, index)` and `known(author, device, stream, seq)` (an envelope's hash) look up
    what is held; `pins` keeps the first author seen of each set. `category_of(set, index)`: from the reader's bundle.
    `object(envelope)` gets the sealed object that an envelope names, or None while it cannot be had.
    """

    patient: str
    hub_key: bytes = field(repr=False)
    accounts: Mapping[str, AccountState] = field(repr=False)
    sets: Mapping[str, SetState] = field(repr=False)
    relation: RelationState | None = field(repr=False)
    confirmed: bool
    seed: Callable[[str, int, int], bytes | None] = field(repr=False)
    known: Callable[[str, str, str, int], str | None] = field(repr=False)
    category_of: Callable[[str, int], int | None] = field(repr=False)
    check: Check = field(repr=False)
    pins: dict[str, str] = field(default_factory=dict, repr=False)
    object: Callable[[Envelope], bytes | None] = field(default=_no_object, repr=False)


@dataclass(frozen=True)
class Opened:
    """Plaintext of an envelope; `repr` shows counts only.

    `lines` are the resources verbatim, beside each its parsed form; `quarantined` those of another subject or
    category, never to be shown; `missing`: earlier envelopes of this device and stream have not arrived.
    """

    envelope: Envelope
    set: str
    index: int
    resources: tuple[tuple[bytes, dict[str, Any]], ...] = field(repr=False)
    quarantined: tuple[tuple[bytes, dict[str, Any]], ...] = field(repr=False)
    missing: bool

    @property
    def deletes(self) -> bool:
        """Whether the envelope takes back what its handle names."""
        return self.envelope.cty == DELETE


def open_envelope(raw: bytes, stamp_raw: bytes, permit_raw: bytes, reader: Reader, now: int) -> Opened:
    """Open an envelope as released by a hub. Raises `Rejected`; the order of checks is that of PROTOCOL.md 3.4."""
    envelope = envelopes.parse(raw)
    stamp = envelopes.parse_stamp(stamp_raw)
    state, index = _place(envelope, stamp, reader)
    _check_grant(envelope, state.oth, index, reader, now)
    _check_permit(parse_permit(permit_raw), envelope, state.oth, reader)
    home = parse_account(reader.patient).domain
    stamped.check(envelope, stamp, state, reader.accounts[envelope.aut], home, reader.hub_key)
    missing = _check_sequence(envelope, reader)
    lines = _decrypt(envelope, state, index, reader)
    return _sort(envelope, state.oth, index, lines, missing, reader)


def _place(envelope: Envelope, stamp: Stamp, reader: Reader) -> tuple[SetState, int]:
    for state in reader.sets.values():
        if envelope.str in state.ids and state.acc == reader.patient:
            if stamp.set[0] >= len(state.links):
                raise stale()
            least = state.epochs[state.current_at(stamp.set[0]) - 1].suite
            if streams.SUITES.index(envelope.suite) < streams.SUITES.index(least):
                raise broken("suite")
            return state, state.ids[envelope.str]
    raise broken("stream")


def _check_grant(envelope: Envelope, set_id: str, index: int, reader: Reader, now: int) -> None:
    if reader.relation is None:
        return
    for grant in reader.relation.live(now):
        if grant.reaches(set_id, index, envelope.ep):
            break
    else:
        raise Rejected("not-for-you", "grant")
    if not reader.confirmed:
        raise stale("unconfirmed")


def _check_permit(permit: Permit, envelope: Envelope, set_id: str, reader: Reader) -> None:
    if permit.aut != envelope.aut or reader.pins.get(set_id, permit.aut) != permit.aut:
        raise broken("permit")
    if permit.aut not in reader.accounts:
        raise stale()
    check_permit(permit, reader.patient, set_id, reader.accounts)
    reader.pins[set_id] = permit.aut


def _check_sequence(envelope: Envelope, reader: Reader) -> bool:
    here = (envelope.aut, envelope.dev, envelope.str)
    same = reader.known(*here, envelope.seq)
    if same is not None and same != envelope.hash:
        raise broken("sequence")
    if envelope.seq == 1:
        return False
    before = reader.known(*here, envelope.seq - 1)
    if before is not None and before != envelope.prev:
        raise broken("sequence")
    return before is None


def _decrypt(envelope: Envelope, state: SetState, index: int, reader: Reader) -> list[bytes]:
    public = state.epoch(envelope.ep).publics[index]
    seed = reader.seed(state.oth, envelope.ep, index)
    if seed is None or primitives.box_public(seed) != public:
        raise Rejected("not-for-you", "seed")
    opened = primitives.open_box(envelope.wk, seed)
    ctx = context(
        reader.patient,
        {
            "suite": envelope.suite, "str": envelope.str, "ep": envelope.ep, "aut": envelope.aut,
            "dev": envelope.dev, "bid": envelope.bid, "seq": envelope.seq,
        },
    )  # fmt: skip
    key = opened[:32]
    if not equal(opened[32:], ctx):
        raise broken("context")
    if not equal(commitment(ctx, key), envelope.kc):
        raise broken("commitment")
    padded = primitives.decrypt(key, envelope.nc, b"hse1-aad" + envelope.header_bytes, envelope.ciphertext)
    plaintext = primitives.unpad(padded)
    if envelope.cty == OBJECT:
        plaintext = _fetch(plaintext, envelope, ctx, reader)
    lines = plaintext.split(b"\n") if plaintext else []
    if len(lines) != envelope.n:
        raise broken("count")
    return lines


def _fetch(reference: bytes, envelope: Envelope, ctx: bytes, reader: Reader) -> bytes:
    named = read_reference(reference)
    sealed = reader.object(envelope)
    if sealed is None:
        raise stale("object")
    return open_object(sealed, named, ctx)


@dataclass(frozen=True)
class Reference:
    """What an envelope says of its object: its key, the bytes of its plaintext, the hash of the sealed object."""

    key: bytes = field(repr=False)
    size: int
    hash: str


def read_reference(raw: bytes) -> Reference:
    """Read what stands in an envelope in place of resources. Raises `Rejected`: `canon`, `fields` or `limits`."""
    value = canonical.parse(raw)
    shape(value, _REFERENCE)
    require(value["v"] == 1 and value["size"] >= 1)
    if value["size"] > MAX_OBJECT:
        raise broken("limits")
    return Reference(unb64(value["key"], 32), value["size"], value["hash"])


def open_object(sealed: bytes, named: Reference, ctx: bytes) -> bytes:
    """The plaintext of an object; `ctx` is the context of its envelope (PROTOCOL.md 3.5).

    Raises `Rejected(broken, …)`: `size`, `hash`, then of each chunk `aead` and `tag`, then `padding` and `size`.
    """
    if len(sealed) != sealed_size(named.size):
        raise broken("size")
    if object_hash([sealed], len(sealed)) != named.hash:
        raise broken("hash")
    state = primitives.resume_stream(named.key, sealed[:STREAM_HEADER_BYTES])
    step = CHUNK_BYTES + STREAM_CHUNK_OVERHEAD
    padded = bytearray()
    for start in range(STREAM_HEADER_BYTES, len(sealed), step):
        chunk = sealed[start : start + step]
        padded += primitives.open_chunk(state, ctx, chunk, last=start + step >= len(sealed))
    plaintext = primitives.unpad(bytes(padded))
    if len(plaintext) != named.size:
        raise broken("size")
    return plaintext


def _sort(envelope: Envelope, set_id: str, index: int, lines: list[bytes], missing: bool, reader: Reader) -> Opened:
    expected = reader.category_of(set_id, index)
    good: list[tuple[bytes, dict[str, Any]]] = []
    odd: list[tuple[bytes, dict[str, Any]]] = []
    for line in lines:
        try:
            resource = reader.check(line)
            fits = is_about(resource, reader.patient) and category(resource) == expected
        except Problem:
            raise broken("fhir") from None
        (good if fits else odd).append((line, resource))
    return Opened(envelope, set_id, index, tuple(good), tuple(odd), missing)


def is_about(resource: Mapping[str, Any], patient: str) -> bool:
    """Whether a resource is about the patient, or about nobody in particular (a Device, an Organization)."""
    return subject(resource) in (None, f"Patient/{parse_account(patient).local}")


def subject(resource: Mapping[str, Any]) -> str | None:
    """Whom a resource is about, as a reference (`Patient/<id>`); empty for something else, None for nobody."""
    if resource.get("resourceType") == "Patient":
        return f"Patient/{resource.get('id')}"
    found = next((resource[name] for name in SUBJECTS if name in resource), None)
    if found is None:
        return None
    reference = found.get("reference") if isinstance(found, dict) else None
    return reference if isinstance(reference, str) else ""


# --- bundles ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seeds:
    """The seeds of one epoch, as a bundle hands them out: index → seed, in the order of categories."""

    set: str
    epoch: int
    by_index: Mapping[int, bytes] = field(repr=False)

    @property
    def categories(self) -> dict[int, int]:
        """Index → category, told by the order of the record."""
        return {index: place for place, index in enumerate(self.by_index)}


@dataclass(frozen=True)
class OpenedBundle:
    """What a bundle held. `consent` is the FHIR Consent without its salt, empty where the bundle carries none."""

    salt: bytes = field(repr=False)
    consent: bytes = field(repr=False)
    rules: Any = field(repr=False)
    seeds: tuple[Seeds, ...]


def open_bundle(bundle: Bundle, blob: bytes, relation: RelationState, keys: Mapping[str, BoxKey]) -> OpenedBundle:
    """Open a bundle with the reading key it was sealed to, and check its records against `has` one to one.

    Raises `Rejected`: `not-for-you` without the key, else `broken` with `blob`, `seal`, `context`, `aead`,
    `padding`, `record` or `consent`.
    """
    body = bundle.link.body
    if blob_hash(blob) != bundle.hash:
        raise broken("blob")
    if body["rk"] not in keys:
        raise Rejected("not-for-you", "key")
    opened = keys[body["rk"]].open(unb64(body["key"], 112))
    ctx = bundle_context(relation.id, bundle.link.seq, bundle.link.prev, body["gid"], body["rk"])
    if not equal(opened[32:], ctx):
        raise broken("context")
    padded = primitives.decrypt(opened[:32], blob[:NONCE_BYTES], b"obhut-bundle" + ctx, blob[NONCE_BYTES:])
    found = _read_bundle(primitives.unpad(padded), bundle)
    if found.salt and body.get("consent") != b64(label_hash("obhut-consent", found.salt, found.consent)):
        raise broken("consent")
    return found


def _read_bundle(plaintext: bytes, bundle: Bundle) -> OpenedBundle:
    consent, rest = _take(plaintext)
    finer, rest = _take(rest)
    count = sum(row.last - row.first + 1 for row in bundle.rows)
    if len(rest) != RECORD_BYTES * count or 0 < len(consent) < 16:
        raise broken("record")
    expected = [(row, epoch) for row in bundle.rows for epoch in range(row.first, row.last + 1)]
    try:
        rules = json.loads(finer.decode("utf-8"), parse_constant=_no_number) if finer else None
    except (ValueError, RecursionError):
        raise broken("record") from None
    seeds = tuple(
        _read_record(rest[i * RECORD_BYTES : (i + 1) * RECORD_BYTES], row.set, epoch, row.mask)
        for i, (row, epoch) in enumerate(expected)
    )
    return OpenedBundle(consent[:16], consent[16:], rules, seeds)


def _no_number(_: str) -> NoReturn:
    raise ValueError


def _take(data: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(data[:4], "little")
    if len(data) < end:
        raise broken("record")
    return data[4:end], data[end:]


def _read_record(data: bytes, set_id: str, epoch: int, mask: int) -> Seeds:
    if data[:16] != unb64(set_id, 16) or int.from_bytes(data[16:20], "little") != epoch:
        raise broken("record")
    found: dict[int, bytes] = {}
    for start in range(20, RECORD_BYTES, 33):
        index = data[start]
        if index > 31 or not mask >> index & 1 or index in found:
            raise broken("record")
        found[index] = data[start + 1 : start + 33]
    return Seeds(set_id, epoch, found)


def good_seeds(seeds: Seeds, state: SetState) -> Iterator[tuple[int, bytes]]:
    """The (index, seed) pairs whose public keys are those of the started epoch. The rest is `bad-seed`: dropped."""
    publics = state.epoch(seeds.epoch).publics
    for index, seed in seeds.by_index.items():
        if primitives.box_public(seed) == publics[index]:
            yield index, seed
