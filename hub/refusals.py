"""From the protocol's `Rejected` to a problem: which status a reason has, and what goes along with it."""

from dataclasses import dataclass
from typing import Any

from consent.chains import Chain
from consent.envelope import Envelope
from consent.grants import Record
from consent.primitives import Rejected, b64
from fhir_profiles.problems import Problem

_MALFORMED = {"limits": 413, "frame": 400, "canon": 400, "fields": 400}
_DEPOSIT = {"unknown": 404, "no-permit": 403, "device": 403, "signature": 403}
CONFLICT = 409


def refusal(rejected: Rejected, **extra: Any) -> Problem:
    """A statement, registration or message that does not hold."""
    status = _MALFORMED.get(rejected.reason, CONFLICT)
    return Problem("refused", "The protocol refuses this.", status=status, reason=rejected.reason, **extra)


def statement_refusal(rejected: Rejected, chain: Chain | None, seq: int, now: int) -> Problem:
    """A statement that does not hold. `chain`: as the hub has it; `seq`: where the statement wanted to stand."""
    if rejected.reason in ("seq", "prev"):
        head = list(chain.head) if chain and chain.head else None
        links = [b64(link.raw) for link in chain.links[seq:]] if chain else []
        return refusal(Rejected(rejected.kind, "head"), head=head, links=links)
    if rejected.reason == "clock":
        return refusal(rejected, now=now)
    return refusal(rejected)


def deposit_status(reason: str) -> int:
    """The status of one refused envelope (PROTOCOL.md 3.2)."""
    return _DEPOSIT.get(reason) or _MALFORMED.get(reason) or (400 if reason == "suite" else CONFLICT)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one envelope. `extra` goes out beside: `stamp`, or `reason` and what helps the sender."""

    bid: str
    status: int
    extra: dict[str, Any]

    def json(self) -> dict[str, Any]:
        """As it stands in the answer."""
        return {"bid": self.bid, "status": self.status, **self.extra}


def newer_links(record: Record, e: Envelope) -> dict[str, Any]:
    """The links of the stream chain behind the epoch of an envelope that came too late, for its author to catch up."""
    state = next(state for state in record.sets.values() if e.str in state.ids)
    behind = state.epoch(e.ep).link.seq + 1 if e.ep <= state.current else len(state.links)
    return {"links": [b64(link.raw) for link in state.links[behind:]]}
