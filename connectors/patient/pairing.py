"""A device is added by another one: both sides of it, on the account's device and on the new one (PROTOCOL.md 5.2)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from connectors.chain_store import account_now
from connectors.hub_client import HubClient
from connectors.keyring import Keyring
from connectors.local_database import set_state
from connectors.patient.account_writer import AccountWriter
from connectors.patient.client import Client
from connectors.patient.enrolment import card, register
from consent import pairing
from consent import vault as vaults
from consent.identifiers import new_device
from consent.keys import BoxKey, SigningKey
from consent.pairing import Invitation, Reply, Reveal
from consent.primitives import b64, random_bytes, unb64
from consent.rules import blob_hash
from fhir_profiles.problems import Problem

PATIENCE_SECONDS = 600
AGAIN_SECONDS = 1.0

T = TypeVar("T")

# --- on the account's device --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """A new device whose invitation was answered."""

    invitation: Invitation
    reply: Reply


def answer(client: Client, shown: str) -> Offer:
    """Answer an invitation as it was scanned or pasted. Raises `Rejected(broken, fields)`, `Problem`."""
    invitation, own = Invitation.parse(shown), card(client)
    if invitation.domain != own.account.domain:
        raise Problem("invalid", f"the new device is at another hub: {invitation.domain}")
    reply = Reply.of(own, client.keyring.sign.public, client.keyring.box.public)
    client.hub.put_reply(invitation.place, reply.seal(invitation))
    return Offer(invitation, reply)


def hear_reveal(client: Client, offer: Offer) -> Reveal:
    """What the new device reveals. Raises `Problem` where none comes, `Rejected` for what does not fit."""

    def look() -> bytes | None:
        reply, reveal = client.hub.pairing(offer.invitation.place)
        if reply is None:
            raise Problem("gone", "the new device did not answer in time")
        return reveal

    return pairing.open_reveal(_awaited(look), client.keyring.box, offer.invitation)


def admit(client: Client, offer: Offer, reveal: Reveal) -> None:
    """The digits were the same: the device is the account's, with the vault's key. The same again is harmless."""
    client.sync()
    client.anew(lambda: _admit(client, offer.invitation, reveal))
    client.hub.end_pairing(offer.invitation.place)


def _admit(client: Client, invitation: Invitation, reveal: Reveal) -> None:
    device = reveal.device
    if device in client.record.account.devices:
        return
    account, keys, root = client.account, client.keyring, client.root
    writer = AccountWriter(account, client.record.account, client.now)
    body = {"dev": device, "role": "client", "sign": b64(invitation.sign), "box": b64(invitation.box)}
    writer.add(root.root, ("root",), "device", body)
    writer.add_vault(keys, root.named(device, reveal.label), client.vault, client.vault_key)
    _, _, wraps = client.hub.vault(account)
    wraps[device] = vaults.wrap_for_box(client.vault_key, account, device, invitation.box)
    client.post(writer.written, wraps)


def decline(client: Client, offer: Offer) -> None:
    """The digits differ: nothing was added, and the new device finds that out."""
    client.hub.end_pairing(offer.invitation.place)


# --- on the new device --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Newcomer:
    """A device that is nobody's yet: its keys, and what it shows."""

    hub: HubClient
    hub_key: bytes
    sign: SigningKey
    box: BoxKey
    reveal: Reveal
    invitation: Invitation


def newcomer(hub_url: str, label: str = "", clock: Callable[[], float] = time.time) -> Newcomer:
    """Fresh keys and an invitation. `label`: what the device may be called."""
    hub = HubClient(hub_url, clock=clock)
    said = hub.hub()
    sign, box, reveal = SigningKey.generate(), BoxKey.generate(), pairing.new_reveal(new_device(), label)
    invitation = pairing.invite(said["domain"], sign, box, reveal)
    return Newcomer(hub, unb64(said["key"], 32), sign, box, reveal, invitation)


def hear_reply(new: Newcomer) -> Reply:
    """Wait for a reply, take this one and no other, and reveal what was committed to."""
    place = new.invitation.place
    reply = pairing.open_reply(_awaited(lambda: new.hub.pairing(place)[0]), new.box)
    new.hub.put_reveal(place, new.reveal.seal(reply))
    return reply


def move_in(
    new: Newcomer, reply: Reply, directory: Path, hub_url: str, clock: Callable[[], float] = time.time
) -> Client:
    """Wait until the other device is done, look that all is as it said, and keep the account in this directory.

    Raises `Problem(gone)` where the device was not added.
    """
    _awaited(lambda: True if new.hub.pairing(new.invitation.place)[0] is None else None)
    account, device = str(reply.card.account), new.reveal.device
    early = Keyring(account, device, hub_url, new.hub_key, new.sign, new.box, SigningKey.generate(), random_bytes(32))
    own = HubClient(hub_url, early.credentials, clock=clock)
    try:
        register(own, early)
    except Problem as problem:
        if problem.code != "unauthenticated":
            raise
        raise Problem("gone", "the other device did not add this one") from None
    state = account_now(own, account, reply.card.fingerprint)
    clients = [(d.sign, d.box) for d in state.devices.values() if d.until is None and d.role == "client"]
    version, sealed, wraps = own.vault(account)
    there = {(new.sign.public, new.box.public), (reply.sign, reply.box)} <= set(clients)
    if not there or (version, blob_hash(sealed)) != state.vault or device not in wraps:
        raise Problem("stale", "the account's chain or vault is not as the other device said")
    key = vaults.unwrap_by_box(wraps[device], account, device, new.box)
    root = vaults.unseal_root(sealed, account, key)
    if root.root.public != state.roots[-1][1]:
        raise Problem("stale", "the hub's vault holds another root key than the account chain")
    keys = replace(early, handle_key=root.handle_key)
    keys.save(directory)
    client = Client(directory, keys, clock)
    set_state(client.db, "vault_key", key)
    client.outbox.begin_anew()
    client.sync()
    return client


def _awaited(look: Callable[[], T | None]) -> T:
    """What comes of looking again and again, for as long as the hub keeps it. Raises `Problem(gone)`."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(AGAIN_SECONDS)
    raise Problem("gone", "the other device did not answer in time")
