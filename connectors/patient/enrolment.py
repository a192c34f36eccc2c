"""How a device comes to an account: a new one, one joined by passphrase, one recovered by the sheet (PROTOCOL.md 5)."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.chain_store import account_now
from connectors.hub_client import HubClient
from connectors.keyring import Keyring, write_private
from connectors.local_database import get_state, set_state
from connectors.patient.account_writer import AccountWriter
from connectors.patient.client import Client
from connectors.patient.side import Side
from consent import identifiers, lockout, messages, steps
from consent import vault as vaults
from consent.accounts import AccountState
from consent.identifiers import Card
from consent.keys import PASSPHRASE_WORDS, BoxKey, PassphraseKeys, RecoveryCode, SigningKey
from consent.primitives import Rejected, b64, random_bytes, unb64
from consent.rules import blob_hash
from consent.steps import Written
from consent.vault import RootCompartment, Vault
from fhir_profiles.problems import UNDECIDED, Problem

SHEET, SHEET_BEFORE, PASSPHRASE = "sheet", "sheet-before", "passphrase"


def card(client: Side) -> Card:
    """What the patient shows at first contact."""
    return Card(identifiers.account(client.account), client.record.account.fingerprint)


def enrol(
    directory: Path, hub_url: str, clock: Callable[[], float] = time.time, sheet: RecoveryCode | None = None
) -> tuple[Client, RecoveryCode]:
    """A new patient at a hub. Returns her client and the code of the recovery sheet: `sheet`, or a fresh one.

    Keys are kept before anything is sent; running it again in the same directory finishes what was begun.
    """
    begun = directory / "enrolment.json"
    if (directory / "keys.json").exists():
        return _finish(directory, begun, clock)
    hub = HubClient(hub_url, clock=clock).hub()
    name = str(identifiers.new_person(hub["domain"]))
    keys = Keyring.generate(name, hub_url, unb64(hub["key"], 32))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    secrets = {
        "root": b64(random_bytes(32)), "reading": b64(random_bytes(32)), "vault": b64(random_bytes(32)),
        "code": str(sheet or RecoveryCode.generate()), "handle": b64(keys.handle_key), "now": hub["now"],
    }  # fmt: skip
    write_private(begun, json.dumps(secrets).encode())
    keys.save(directory)
    return _finish(directory, begun, clock)


def _finish(directory: Path, begun: Path, clock: Callable[[], float]) -> tuple[Client, RecoveryCode]:
    if not begun.exists():
        raise Problem("conflict", f"there is an account in {directory} already: use it, or choose another directory")
    secrets = json.loads(begun.read_bytes())
    keys = Keyring.load(directory)
    code, root = RecoveryCode.parse(secrets["code"]), SigningKey(unb64(secrets["root"], 32))
    reading, vault_key = BoxKey(unb64(secrets["reading"], 32)), unb64(secrets["vault"], 32)
    client = Client(directory, keys, clock)
    if get_state(client.db, "vault_key") is None:
        try:
            _create(client, keys, root, reading, code, secrets["now"])
        except Problem as problem:
            if problem.extra.get("reason") != "clock":
                raise
            secrets["now"] = client.now  # it never came to the hub, and what is signed too long ago is not taken
            write_private(begun, json.dumps(secrets).encode())
            _create(client, keys, root, reading, code, secrets["now"])
        set_state(client.db, "vault_key", vault_key)
    client.sync()
    if client.record.account.vault[0] == 0:
        vault = steps.new_sets(Vault({b64(reading.public): reading}))
        own = RootCompartment.new(root, unb64(secrets["handle"], 32))
        client.lock_vault(own, vault, _wraps(keys, vault_key, code), _fetch_hash(code))
    client.settle()
    _permit_herself(client)
    begun.unlink()
    return client, code


def _create(client: Client, keys: Keyring, root: SigningKey, reading: BoxKey, code: RecoveryCode, now: int) -> None:
    """`create`, `device`, `reading`: the first links, in one request; the same bytes whenever it is repeated."""
    writer = AccountWriter(keys.account, AccountState(keys.account), now)
    body = {"root": b64(root.public), "recovery": b64(code.signing_key.public), "class": "person"}
    writer.add(root, ("root",), "create", body)
    writer.add_device(root, keys, "client")
    writer.add(root, ("root",), "reading", {"key": b64(reading.public), "bad": 0})
    registration = messages.register(keys.sign, acc=keys.account, dev=keys.device, token_key=keys.token.public, at=now)
    client.hub.enrol([w.frame for w in writer.written], registration)
    client.chains.take("acct", keys.account, "", [w.frame for w in writer.written])


def leave(client: Client, sheet: RecoveryCode) -> None:
    """This device ends, and with it what it knows: the vault gets another key, the account another reading key (5.2).

    The new key is wrapped for the sheet and for the other clients; a passphrase is to be set anew. One request, all or
    nothing. Rotation is then pending until another device comes, by the sheet too.
    """
    account, keys = client.record.account, client.keyring
    reading, key = BoxKey.generate(), random_bytes(32)
    others = [one for one in account.devices.values() if one.until is None and one.role == "client"]
    wraps = {
        one.name: vaults.wrap_for_box(key, client.account, one.name, one.box)
        for one in others
        if one.name != keys.device
    }
    wraps[SHEET] = vaults.wrap_for_secret(key, client.account, SHEET, sheet.wrap_key)
    reading_keys = {**client.vault.reading_keys, b64(reading.public): reading}
    vault = replace(client.vault, reading_keys=reading_keys, candidates={})
    root = client.root.locked(lockout.holders(client.record, client.root.shared, client.now))
    writer = AccountWriter(client.account, account, client.now)
    writer.add_vault(keys, root, vault, key)
    writer.add(root.root, ("root",), "reading", {"key": b64(reading.public), "bad": 1})
    writer.add(root.root, ("root",), "undevice", {"dev": keys.device})
    client.post(writer.written, wraps | client.wraps_for_delegates(root))


def _wraps(keys: Keyring, vault_key: bytes, code: RecoveryCode) -> dict[str, bytes]:
    return {
        keys.device: vaults.wrap_for_box(vault_key, keys.account, keys.device, keys.box.public),
        SHEET: vaults.wrap_for_secret(vault_key, keys.account, SHEET, code.wrap_key),
    }


def _permit_herself(client: Client) -> None:
    """Her own devices write into a set of her own, by a relation with herself."""
    me, signer = client.account, client.keyring.signer
    if me not in client.record.relations:
        client.post([steps.open_relation(client.record, me, "card", signer, client.now)])
    if not client.record.relations[me].permits:
        spare = min(s for s in client.record.sets if client.record.author(s) is None)
        client.post([steps.permit(client.record, me, spare, signer, client.now)])


def set_passphrase(client: Client, passphrase: str) -> None:
    """Let a passphrase open the vault on another device. Six words or more: the hub could guess a weak one offline."""
    if len(passphrase.split()) < PASSPHRASE_WORDS:
        raise Problem("value", "choose at least six random words: whoever runs the hub could guess a shorter one")
    derived = PassphraseKeys.derive(client.account, passphrase)
    wrap = vaults.wrap_for_secret(client.vault_key, client.account, PASSPHRASE, derived.wrap_key)
    _, _, wraps = client.hub.vault(client.account)
    client.lock_vault(client.root, client.vault, wraps | {PASSPHRASE: wrap})
    client.hub.set_sign_in(derived.sign_in)


def join(
    directory: Path, hub_url: str, account: str, passphrase: str, clock: Callable[[], float] = time.time
) -> Client:
    """A further device for an account, by passphrase. Running it again finishes what was begun."""
    begun = _begun(directory, account)
    derived = PassphraseKeys.derive(account, passphrase)
    hub = HubClient(hub_url, clock=clock)
    if not begun.exists():
        token = hub.sign_in(account, derived.sign_in)
        state, root, vault, vault_key, known = _fetch(hub, account, token, PASSPHRASE, derived.wrap_key)
        keys = Keyring.generate(account, hub_url, unb64(hub.hub()["key"], 32), root.handle_key)
        writer = AccountWriter(account, state, int(hub.time))
        writer.add_device(root.root, keys, "client")
        wraps = known | {keys.device: vaults.wrap_for_box(vault_key, account, keys.device, keys.box.public)}
        _keep_arrival(begun, keys, writer, (root, vault), vault_key, wraps)
    client, _ = _arrive(begun, lambda: hub.sign_in(account, derived.sign_in), clock)
    begun.unlink()
    return client


def recover(
    directory: Path, hub_url: str, account: str, code: RecoveryCode, clock: Callable[[], float] = time.time,
    sheet: RecoveryCode | None = None,
) -> tuple[Client, RecoveryCode]:  # fmt: skip
    """The account on a new device by the recovery sheet: new root, new device, new sheet; all other devices end.

    `sheet`: the code of the new sheet, if it is not to be a fresh one.

    Everything that lost devices may have seen is rotated at once. The new sheet's code is kept before anything is sent;
    running it again in the same directory, with the old code, finishes what was begun.
    """
    begun = _begun(directory, account)
    hub = HubClient(hub_url, clock=clock)
    if not begun.exists():
        token = hub.recover(account, code.fetch_token)
        state, lost, vault, _, _ = _fetch(hub, account, token, SHEET, code.wrap_key)
        keys = Keyring.generate(account, hub_url, unb64(hub.hub()["key"], 32), lost.handle_key)
        fresh, root, vault_key = sheet or RecoveryCode.generate(), SigningKey.generate(), random_bytes(32)
        writer = AccountWriter(account, state, int(hub.time))
        body = {"root": b64(root.public), "recovery": b64(fresh.signing_key.public)}
        writer.add(code.signing_key, ("recovery",), "root", body)
        writer.add_device(root, keys, "client")
        reading = BoxKey.generate()  # the lost device could open what is sealed to the old one
        writer.add(root, ("root",), "reading", {"key": b64(reading.public), "bad": 1})
        reading_keys = {**vault.reading_keys, b64(reading.public): reading}
        opened = RootCompartment.new(root, lost.handle_key), replace(vault, reading_keys=reading_keys, candidates={})
        _keep_arrival(begun, keys, writer, opened, vault_key, _wraps(keys, vault_key, fresh), fresh)
    client, written = _arrive(begun, lambda: hub.recover(account, code.fetch_token), clock)
    client.settle()
    begun.unlink()
    return client, RecoveryCode.parse(written)


def _begun(directory: Path, account: str) -> Path:
    """Where an arrival in this directory is kept. Raises `Problem(conflict)` where another account lives."""
    begun = directory / "arrival.json"
    try:
        keys = Keyring.load(directory)
    except Problem:
        begun.unlink(missing_ok=True)  # no keys, or damaged ones: what was begun with them cannot be finished
        return begun
    if keys.account != account or (directory / "enrolment.json").exists():
        raise Problem("conflict", f"there is another account in {directory}: choose another directory")
    if begun.exists() and json.loads(begun.read_bytes())["device"] != keys.device:
        begun.unlink()  # it was kept, but not its keys, and so never sent
    return begun


def _fetch(
    hub: HubClient, account: str, token: str, wrap: str, wrap_key: bytes
) -> tuple[AccountState, RootCompartment, Vault, bytes, dict[str, bytes]]:
    """The account chain, the vault that it names, both compartments unsealed, the vault's key, and all wraps."""
    state = account_now(hub, account, token=token)
    version, sealed, wraps = hub.vault(account, token)
    if (version, blob_hash(sealed)) != state.vault:
        raise Problem("stale", "the hub's vault is not the one that the account chain names")
    vault_key = _unwrap(wraps, account, wrap, wrap_key)
    root = vaults.unseal_root(sealed, account, vault_key)
    return state, root, vaults.unseal(sealed, account, version, root.key), vault_key, wraps


def _unwrap(wraps: Mapping[str, bytes], account: str, name: str, wrap_key: bytes) -> bytes:
    """The vault's key by a secret; the sheet before the present one counts for seven days (PROTOCOL.md 2.2)."""
    if name not in wraps:
        raise Problem("not-found", "the hub holds no wrap of the vault for this way in")
    try:
        return vaults.unwrap_by_secret(wraps[name], account, name, wrap_key)
    except Rejected:
        if name != SHEET or SHEET_BEFORE not in wraps:
            raise
    return vaults.unwrap_by_secret(wraps[SHEET_BEFORE], account, SHEET, wrap_key)


def _fetch_hash(code: RecoveryCode) -> bytes:
    """What the hub keeps of the sheet's fetch token."""
    return hashlib.sha256(code.fetch_token).digest()


def _keep_arrival(
    begun: Path, keys: Keyring, writer: AccountWriter, opened: tuple[RootCompartment, Vault], vault_key: bytes,
    wraps: Mapping[str, bytes], fresh: RecoveryCode | None = None,
) -> None:  # fmt: skip
    """Keep the links that bring a device in, with the vault's next version, and the new sheet's code if any."""
    writer.add_vault(keys, *opened, vault_key)
    begun.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = {
        "device": keys.device,
        "statements": [[b64(w.frame), "" if w.blob is None else b64(w.blob)] for w in writer.written],
        "wraps": {name: b64(wrap) for name, wrap in wraps.items()},
        "vault_key": b64(vault_key),
        "code": str(fresh) if fresh else "",
    }
    write_private(begun, json.dumps(kept).encode())
    keys.save(begun.parent)


def _arrive(begun: Path, token: Callable[[], str], clock: Callable[[], float]) -> tuple[Client, str]:
    """Send what was kept, unless the hub has it, and open the account here. Returns the new sheet's code too."""
    kept = json.loads(begun.read_bytes())
    keys = Keyring.load(begun.parent)
    client = Client(begun.parent, keys, clock)
    try:
        register(client.hub, client.keyring)
    except Problem as problem:
        if problem.code != "unauthenticated":
            raise
        _send_arrival(client, kept, begun, token())
        register(client.hub, client.keyring)
    set_state(client.db, "vault_key", unb64(kept["vault_key"], 32))
    client.outbox.begin_anew()
    client.sync()
    return client, kept["code"]


def register(hub: HubClient, keys: Keyring) -> None:
    """Register the device's key for tokens; `unauthenticated` as long as the hub does not know the device."""
    hub.hub()
    said = messages.register(
        keys.sign, acc=keys.account, dev=keys.device, token_key=keys.token.public, at=int(hub.time)
    )
    hub.register(said)


def _send_arrival(client: Client, kept: Mapping[str, Any], begun: Path, token: str) -> None:
    fresh = RecoveryCode.parse(kept["code"]) if kept["code"] else None
    written = [Written(unb64(frame), unb64(blob) if blob else None) for frame, blob in kept["statements"]]
    wraps = {name: unb64(wrap) for name, wrap in kept["wraps"].items()}
    try:
        client.hub.post(written, wraps, _fetch_hash(fresh) if fresh else b"", token)
    except Problem as problem:
        if problem.code not in UNDECIDED:
            begun.unlink()  # the hub has taken nothing of it, and will not: the next try begins anew
        raise
