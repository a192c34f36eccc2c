"""What can be checked without a key of an envelope that its home hub has stamped (PROTOCOL.md 3.4, steps 6 to 9)."""

from consent.accounts import AccountState
from consent.envelope import Envelope, Stamp
from consent.primitives import broken, stale
from consent.rules import DEPOSITORS
from consent.streams import SetState


def check(envelope: Envelope, stamp: Stamp, state: SetState, author: AccountState, hub: str, hub_key: bytes) -> None:
    """Stamp, positions, device, signature and epoch. `state`: the set of the stream; `hub`: the patient's home hub.

    Raises `Rejected`: `stale` where a stamped position is not held yet, else `broken` with `stamp`, `fork`, `signer`,
    `device`, `signature` or `epoch`, in this order.
    """
    stamp.verify(hub_key, envelope)
    if stamp.hub != hub:
        raise broken("stamp")
    for chain, (seq, hash_) in ((author, stamp.aut), (state, stamp.set)):
        if seq >= len(chain.links):
            raise stale()
        if chain.links[seq].hash != hash_:
            raise broken("fork")
    device = author.device(envelope.dev, stamp.aut[0])
    if device.role not in DEPOSITORS:
        raise broken("device")
    envelope.verify(device.sign)
    _check_epoch(envelope, stamp, state)


def _check_epoch(envelope: Envelope, stamp: Stamp, state: SetState) -> None:
    current = state.current_at(stamp.set[0])
    if envelope.ep == current:
        return
    newest = state.epoch(current)
    if envelope.ep != current - 1 or stamp.at >= newest.link.iat + newest.grace:
        raise broken("epoch")
