"""What a hub vouches for when it is asked: the heads of chains, and how far it has come for a peer (PROTOCOL.md 5.8).

Both are signed by the hub's stamp key and carry the asker's nonce. The asker times them by its own clock, from the
moment at which it asked; `at` is the answerer's clock, for people who compare, and decides nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consent import frames, identifiers
from consent.frames import Frame
from consent.keys import SigningKey
from consent.primitives import broken
from consent.statements import Check, Position, account_name, choice, digest, id16, number, require, rows, shape, text

MAX_CHAINS = 250


def _domain(value: Any) -> None:
    text(value)
    identifiers.domain(value)


_ROWS = rows(digest, number, digest)


def _heads(value: Any) -> None:
    """`[cid, seq, hash]`, sorted by cid, each chain once."""
    _ROWS(value)
    names = [row[0] for row in value]
    require(sorted(set(names)) == names)


NOTE: dict[str, Check] = {
    "v": number, "typ": choice("note"), "hub": _domain, "to": _domain, "nonce": id16, "cur": number, "at": number,
}  # fmt: skip
HEADS: dict[str, Check] = {
    "v": number, "typ": choice("heads"), "hub": _domain, "to": account_name, "nonce": id16, "at": number,
    "heads": _heads,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """A hub's word to a peer: all that was committed for it is at or before `cur`."""

    hub: str
    to: str
    nonce: str
    cur: int
    at: int
    frame: Frame = field(repr=False)

    def verify(self, key: bytes, *, hub: str, to: str, nonce: str) -> None:
        """Check that the hub at this domain answers this question of the peer `to`.

        Raises `Rejected(broken, …)` with `hub`, `to`, `nonce` or `signature`, in this order.
        """
        _answers(self, hub, to, nonce)
        self.frame.verify("obhut-note", key)


@dataclass(frozen=True, slots=True)
class Heads:
    """A home hub's word to an account: where chains of its accounts end, by the chain's name (`cid`)."""

    hub: str
    to: str
    nonce: str
    at: int
    heads: Mapping[str, Position]
    frame: Frame = field(repr=False)

    def verify(self, key: bytes, *, hub: str, to: str, nonce: str) -> None:
        """Check that the hub at this domain answers this question of the account `to`. Raises as `Note.verify`."""
        _answers(self, hub, to, nonce)
        self.frame.verify("obhut-heads", key)


def _answers(word: Note | Heads, hub: str, to: str, nonce: str) -> None:
    if word.hub != hub:
        raise broken("hub")
    if word.to != to:
        raise broken("to")
    if word.nonce != nonce:
        raise broken("nonce")


def note(key: SigningKey, *, hub: str, to: str, nonce: str, cur: int, at: int) -> bytes:
    """A hub signs how far it has come for the peer `to`. Returns the frame."""
    header: dict[str, Any] = {"v": 1, "typ": "note", "hub": hub, "to": to, "nonce": nonce, "cur": cur, "at": at}
    shape(header, NOTE)
    return frames.sign(header, "obhut-note", key)


def sign(
    key: SigningKey, *, hub: str, to: str, nonce: str, at: int, heads: Iterable[tuple[str, Position]]
) -> bytes:  # fmt: skip
    """The home hub signs where chains end: their names, each with its head. Returns the frame.

    Raises `Rejected(broken, limits)` for more than 250.
    """
    places = sorted([name, *position] for name, position in heads)
    header: dict[str, Any] = {"v": 1, "typ": "heads", "hub": hub, "to": to, "nonce": nonce, "at": at, "heads": places}
    shape(header, HEADS)
    if len(places) > MAX_CHAINS:
        raise broken("limits")
    return frames.sign(header, "obhut-heads", key)


def parse_note(raw: bytes) -> Note:
    """Read a note. Raises `Rejected(broken, …)` with `limits`, `frame`, `canon` or `fields`."""
    frame = frames.parse(raw)
    header = frame.header
    shape(header, NOTE)
    require(header["v"] == 1)
    return Note(header["hub"], header["to"], header["nonce"], header["cur"], header["at"], frame)


def parse(raw: bytes) -> Heads:
    """Read heads. Raises `Rejected(broken, …)` with `limits`, `frame`, `canon`, `fields`; `limits` for too many."""
    frame = frames.parse(raw)
    header = frame.header
    shape(header, HEADS)
    require(header["v"] == 1)
    if len(header["heads"]) > MAX_CHAINS:
        raise broken("limits")
    places = {name: (seq, hash_) for name, seq, hash_ in header["heads"]}
    return Heads(header["hub"], header["to"], header["nonce"], header["at"], places, frame)
