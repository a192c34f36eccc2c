"""The access log of an account as a hash chain: bytes of an entry, its head, and what does not hold (PROTOCOL.md 5.17).

The home hub writes the log and can write what it likes. The chain and the heads that it signed make sure that it cannot
take back unnoticed what it has once shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from consent import canonical, frames, identifiers
from consent.frames import Frame
from consent.keys import SigningKey
from consent.primitives import Rejected, b64, broken, label_hash
from consent.rules import CLOCK_SECONDS
from consent.statements import Check, Statement, account_name, choice, digest, number, require, shape, text

KEEP_DAYS = 1096
"""So many days an entry is kept at least: three years, a leap year among them."""

SWEPT = "swept"
"""The action of the entry that says up to where the log was removed because of its age."""

FAULTS = {
    "altered": "it is not what was written, or the one before it is not",
    "missing": "missing",
    "order": "not in their order",
    "shortened": "the hub signed that there are more, and they are gone",
    "replaced": "the hub signed another one in this place",
    "early": "what was before was removed before its time",
}
Kind = Literal["altered", "missing", "order", "shortened", "replaced", "early"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to an account's things, when (Unix seconds) and for what.

    `sealed`: what a recipient's gateway told of a read, sealed to the patient. `hash`: as the hub states it.
    """

    acc: str
    seq: int
    at: int
    actor: str
    device: str
    action: str
    purpose: str
    detail: Mapping[str, Any]
    sealed: bytes = field(default=b"", repr=False)
    hash: str = ""

    def hash_behind(self, prev: str) -> str:
        """Its hash (base64url) behind the entry whose hash is `prev`, "" for none.

        Raises `Rejected(broken, canon)` for what has no canonical spelling.
        """
        header = canonical.dump({
            "v": 1, "acc": self.acc, "seq": self.seq, "prev": prev, "at": self.at, "actor": self.actor,
            "device": self.device, "action": self.action, "purpose": self.purpose, "detail": dict(self.detail),
        })  # fmt: skip
        return b64(label_hash("obhut-log", header, self.sealed))


# --- the head -----------------------------------------------------------------------------------------------------


def _domain(value: Any) -> None:
    text(value)
    identifiers.domain(value)


HEAD: dict[str, Check] = {
    "v": number, "typ": choice("log"), "hub": _domain, "acc": account_name, "seq": number, "hash": digest,
    "at": number,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Head:
    """The home hub's word, at `at`, that the log of an account ends with the entry `seq` and its hash."""

    hub: str
    acc: str
    seq: int
    hash: str
    at: int
    frame: Frame = field(repr=False)

    def verify(self, key: bytes, *, hub: str, acc: str) -> None:
        """Check that this hub says it of this account's log.

        Raises `Rejected(broken, …)` with `hub`, `to` (of another account) or `signature`, in this order.
        """
        if self.hub != hub:
            raise broken("hub")
        if self.acc != acc:
            raise broken("to")
        self.frame.verify("obhut-log-head", key)


def sign_head(key: SigningKey, *, hub: str, acc: str, seq: int, hash_: str, at: int) -> bytes:
    """The home hub signs where a log ends. Returns the frame."""
    header: dict[str, Any] = {
        "v": 1, "typ": "log", "hub": hub, "acc": acc, "seq": seq, "hash": hash_, "at": at,
    }  # fmt: skip
    shape(header, HEAD)
    return frames.sign(header, "obhut-log-head", key)


def parse_head(raw: bytes) -> Head:
    """Read a head. Raises `Rejected(broken, …)` with `limits`, `frame`, `canon` or `fields`."""
    frame = frames.parse(raw)
    header = frame.header
    shape(header, HEAD)
    require(header["v"] == 1)
    return Head(header["hub"], header["acc"], header["seq"], header["hash"], header["at"], frame)


# --- checking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What does not hold of the entries `first` … `last`.

    `altered`: an entry is not what its hash and the one before say. `missing`: there is none. `order`: one comes twice
    or late. `shortened`: the hub signed more than there is. `replaced`: it signed another entry there. `early`: the
    entries before were removed before their time.
    """

    first: int
    last: int
    kind: Kind

    def __str__(self) -> str:
        """In words."""
        place = f"entry {self.first}" if self.first == self.last else f"entries {self.first} to {self.last}"
        return f"{place}: {FAULTS[self.kind]}"


def faults(entries: Sequence[Entry], heads: Iterable[Head]) -> list[Fault]:
    """What does not hold of a log, the entries in the order in which they were given out; nothing where it is whole.

    `heads`: all that the hub signed of this log and that are at hand; their signatures are the caller's to check. A log
    that begins later than with the entry 1 must say by an entry of its own that what was before was too old.
    """
    last = entries[-1].seq if entries else 0
    found = _unlinked(entries)
    stated = {entry.seq: entry.hash for entry in entries}
    begins = entries[0].seq if entries else 1
    for head in heads:
        if head.seq > last:
            found.append(Fault(last + 1, head.seq, "shortened"))
        elif head.seq >= begins and head.seq in stated and stated[head.seq] != head.hash:
            found.append(Fault(head.seq, head.seq, "replaced"))
    return sorted(set(found))


def _unlinked(entries: Sequence[Entry]) -> list[Fault]:
    """What the entries say against each other."""
    found: list[Fault] = []
    seq, prev = 0, ""
    if entries and entries[0].seq > 1:
        seq, prev = entries[0].seq - 1, _swept_before(entries)
        found += _early(entries) if prev else [Fault(1, seq, "missing")]
    for place, entry in enumerate(entries):
        if entry.seq <= seq and place:
            found.append(Fault(entry.seq, entry.seq, "order"))
        elif entry.seq > seq + 1:
            found.append(Fault(seq + 1, entry.seq - 1, "missing"))
        elif (prev or seq == 0) and not _follows(entry, prev):
            found.append(Fault(entry.seq, entry.seq, "altered"))
        seq, prev = entry.seq, entry.hash
    return found


def _follows(entry: Entry, prev: str) -> bool:
    try:
        return entry.hash_behind(prev) == entry.hash
    except Rejected:  # it has no spelling that a hub could have hashed
        return False


def _sweeps(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.action == SWEPT]


def _swept_before(entries: Sequence[Entry]) -> str:
    """The hash of the entry before the first, as the log itself says it; "" where it says nothing of it."""
    for entry in _sweeps(entries):
        if entry.detail.get("last") == entries[0].seq - 1:
            return str(entry.detail.get("hash", ""))
    return ""


def _early(entries: Sequence[Entry]) -> list[Fault]:
    """Sweeps that removed what was younger than it may be."""
    limit = KEEP_DAYS * 24 * 3600
    return [
        Fault(entry.seq, entry.seq, "early")
        for entry in _sweeps(entries)
        if not isinstance(entry.detail.get("before"), int) or entry.detail["before"] > entry.at - limit
    ]


def untold(entries: Sequence[Entry], links: Iterable[Statement]) -> list[Statement]:
    """Those of an account's statements of which its log says nothing; but not of what it was allowed to remove."""
    told = {_name(entry.detail) for entry in entries if entry.action == "statement"}
    swept = max((entry.detail.get("before", 0) for entry in _sweeps(entries)), default=0)
    return [
        link
        for link in links
        if link.iat >= swept + CLOCK_SECONDS
        and _name({"kind": link.kind, "oth": link.oth, "seq": link.seq, "typ": link.typ}) not in told
    ]


def _name(detail: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(detail.get(name) for name in ("kind", "oth", "seq", "typ"))
