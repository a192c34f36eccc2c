"""The organisation's keys change: a new reading key, or another device in the gateway's place (PROTOCOL.md 5.15).

What is new is kept before it is stated, and what was begun is remembered until the hub has it: the same command goes on
where the one before was cut off. The root key signs; it is needed for nothing else.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from connectors.chain_store import account_now
from connectors.command_line import plainly
from connectors.gateway.enrolment import KEYSTORE
from connectors.gateway.keystore import READING, ROOT
from connectors.hub_client import HubClient
from connectors.keyring import FILE, Keyring, write_private
from consent import accounts, identifiers, messages, statements
from consent.keys import BoxKey, SigningKey
from consent.primitives import b64, unb64
from consent.steps import Written
from fhir_profiles.problems import Problem

BEGUN = "rotation.json"
REPLACEMENT = "replacement"

Step = tuple[str, Mapping[str, Any]]
"""Type and body of a statement."""


@dataclass(frozen=True)
class Rotation:
    """A reading key that is kept and not yet stated; `bad`: all earlier ones are compromised."""

    key: str
    bad: bool


def rotate_key(directory: Path, root_directory: Path, bad: bool, clock: Callable[[], float] = time.time) -> str:
    """A new reading key for what others seal from now on; returns it, in public. Old secret keys are kept.

    Raises `Problem`; running it again goes on with a key that was begun.
    """
    keys, root = Keyring.load(directory), _root(root_directory)
    _check(root, keys.account)
    hub = HubClient(keys.hub, keys.credentials, clock=clock)
    state = _account(hub, keys.account, root)
    rotation = _rotation(directory, root_directory, bad, state)
    _post(hub, state, root.key, _unstated(state, rotation))
    (directory / BEGUN).unlink()
    return rotation.key


def replace_device(
    directory: Path, root_directory: Path, bad: bool, clock: Callable[[], float] = time.time
) -> tuple[str, str]:
    """Another device, with keys of its own and a new reading key, in the place of the present one; returns both names.

    The old one ends in the same request that begins the new one. Raises `Problem`; running it again goes on.
    """
    old, root = Keyring.load(directory), _root(root_directory)
    _check(root, old.account)
    new = _replacement(directory, old)
    if new.device != old.device:  # else it was cut off after the last step but one
        _move(directory, root_directory, root, old, new, bad, clock)
        new.save(directory)
    (directory / BEGUN).unlink(missing_ok=True)
    shutil.rmtree(directory / REPLACEMENT)
    return old.device, new.device


def _move(
    directory: Path, root_directory: Path, root: "Root", old: Keyring, new: Keyring, bad: bool,
    clock: Callable[[], float],
) -> None:  # fmt: skip
    hub = HubClient(old.hub, old.credentials, clock=clock)
    try:
        state = _account(hub, old.account, root)
    except Problem as problem:
        if problem.code != "unauthenticated":
            raise  # else the old device has ended already: what is left is to register the new one
    else:
        device = {"dev": new.device, "role": "gateway", "sign": b64(new.sign.public), "box": b64(new.box.public)}
        rotation = _rotation(directory, root_directory, bad, state)
        steps: list[Step] = [("undevice", {"dev": old.device}), ("device", device), *_unstated(state, rotation)]
        _post(hub, state, root.key, steps)
    hub.hub()
    hub.register(
        messages.register(new.sign, acc=new.account, dev=new.device, token_key=new.token.public, at=int(hub.time))
    )


# --- what is kept -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Root:
    """The root key, as it comes from where it is kept offline."""

    account: str
    key: SigningKey


def _root(directory: Path) -> Root:
    try:
        kept = json.loads((directory / ROOT).read_bytes())
        return Root(kept["account"], SigningKey(unb64(kept["root"], 32)))
    except FileNotFoundError:
        raise Problem("not-found", f"there is no root key in {directory}: bring the one that `enrol` wrote") from None
    except (ValueError, KeyError, TypeError):
        raise Problem("invalid", f"the file {ROOT} in {directory} is damaged: take the other copy") from None


def _check(root: Root, account: str) -> None:
    if root.account != account:
        raise Problem("conflict", f"this is the root key of {root.account}, and the keystore is of {account}")


def _rotation(directory: Path, root_directory: Path, bad: bool, state: accounts.AccountState) -> Rotation:
    """The key to state: the one that was begun, unless it was stated without the warning that is wanted now."""
    rotation = _begin(directory, root_directory, bad)
    stated = (link.body for link in state.links if link.typ == "reading")
    if bad and any(body["key"] == rotation.key and not body["bad"] for body in stated):
        (directory / BEGUN).unlink()
        rotation = _begin(directory, root_directory, bad)
    return rotation


def _begin(directory: Path, root_directory: Path, bad: bool) -> Rotation:
    """The key that was begun, or a new one: kept here and beside the root key before it is named anywhere."""
    try:
        begun = json.loads((directory / BEGUN).read_bytes())
        rotation = Rotation(begun["key"], bad or bool(begun["bad"]))
    except FileNotFoundError:
        fresh = BoxKey.generate()
        held = [*json.loads((directory / READING).read_bytes()), b64(bytes(fresh))]
        for place in (root_directory, directory):
            write_private(place / READING, json.dumps(held).encode())
        rotation = Rotation(b64(fresh.public), bad)
    write_private(directory / BEGUN, json.dumps({"key": rotation.key, "bad": int(rotation.bad)}).encode())
    return rotation


def _replacement(directory: Path, old: Keyring) -> Keyring:
    """The keys of the device to come, kept aside until it is one."""
    aside = directory / REPLACEMENT
    if not (aside / FILE).exists():
        Keyring.generate(old.account, old.hub, old.hub_key, old.handle_key).save(aside)
    return Keyring.load(aside)


# --- what is stated -----------------------------------------------------------------------------------------------


def _account(hub: HubClient, account: str, root: Root) -> accounts.AccountState:
    """The account as the hub has it now, whose first root key must be this one. Raises `Rejected(fingerprint)`."""
    fingerprint = identifiers.fingerprint(account, root.key.public)
    return account_now(hub, account, fingerprint)


def _unstated(state: accounts.AccountState, rotation: Rotation) -> list[Step]:
    stated = any(key == rotation.key for _, key in state.reading_keys)
    return [] if stated else [("reading", {"key": rotation.key, "bad": int(rotation.bad)})]


def _post(hub: HubClient, state: accounts.AccountState, root: SigningKey, steps: Sequence[Step]) -> None:
    """Statements of the root in one request, by the hub's time; none: nothing is sent."""
    if not steps:
        return
    hub.hub()
    written = []
    for typ, body in steps:
        iat = max(int(hub.time), state.links[-1].iat)
        frame = statements.sign(
            root, kind="acct", acc=state.acc, head=state.head, iat=iat, typ=typ, by=("root",), body=body
        )
        state = accounts.extend(state, frame)
        written.append(Written(frame))
    hub.post(written)


# --- commands -----------------------------------------------------------------------------------------------------

OFFLINE = click.option(
    "--root", "root_directory", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Directory of the root key, brought from where it is kept.",
)  # fmt: skip
BAD = click.option("--bad", is_flag=True, help="Somebody else may have the old keys: patients' clients rotate.")


@click.command("rotate-key")
@KEYSTORE
@OFFLINE
@BAD
@plainly
def rotate_key_command(directory: Path, root_directory: Path, bad: bool) -> None:
    """A new reading key: what patients hand out from now on is sealed to it."""
    key = rotate_key(directory, root_directory, bad)
    click.echo(f"reading key  {key}\nTake the root key offline again.")


@click.command("replace-device")
@KEYSTORE
@OFFLINE
@BAD
@plainly
def replace_device_command(directory: Path, root_directory: Path, bad: bool) -> None:
    """New keys for the gateway: the old device can do nothing any more."""
    old, new = replace_device(directory, root_directory, bad)
    click.echo(f"ended   {old}\nbegun   {new}\nTake the root key offline again.")
