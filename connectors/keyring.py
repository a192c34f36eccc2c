"""The keys of one device, in a file that only its owner can read."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from connectors.hub_client import Credentials
from consent.identifiers import new_device
from consent.keys import BoxKey, SigningKey
from consent.primitives import b64, random_bytes, unb64
from consent.sealing import Author
from consent.steps import Signer
from fhir_profiles.problems import Problem

FILE = "keys.json"


@dataclass(frozen=True)
class Keyring:
    """Who this device is, which hub it speaks to (and that hub's pinned key), and its secret keys."""

    account: str
    device: str
    hub: str
    hub_key: bytes
    sign: SigningKey
    box: BoxKey
    token: SigningKey
    handle_key: bytes = field(repr=False)
    """Keys the author's handles: the same on all devices of an account."""

    @classmethod
    def generate(cls, account: str, hub: str, hub_key: bytes, handle_key: bytes = b"") -> Self:
        """Fresh keys for a new device of an account; `handle_key` of an account that has one."""
        keys = SigningKey.generate(), BoxKey.generate(), SigningKey.generate()
        return cls(account, new_device(), hub, hub_key, *keys, handle_key or random_bytes(32))

    @property
    def credentials(self) -> Credentials:
        """What it shows to the hub."""
        return Credentials(self.account, self.device, self.token)

    @property
    def author(self) -> Author:
        """As it signs envelopes."""
        return Author(self.account, self.device, self.sign)

    @property
    def signer(self) -> Signer:
        """As it signs statements."""
        return Signer(self.account, self.device, self.sign)

    def save(self, directory: Path) -> None:
        """Write the file, readable by its owner only, all or nothing."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        value = {
            "account": self.account, "device": self.device, "hub": self.hub, "hub_key": b64(self.hub_key),
            "sign": b64(bytes(self.sign)), "box": b64(bytes(self.box)), "token": b64(bytes(self.token)),
            "handle": b64(self.handle_key),
        }  # fmt: skip
        write_private(directory / FILE, json.dumps(value, indent=1).encode())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the file. Raises `Problem`."""
        try:
            value = json.loads((directory / FILE).read_bytes())
        except FileNotFoundError:
            raise Problem("not-found", f"there is no account in {directory}: enrol one first") from None
        except ValueError:
            raise Problem("invalid", f"the file {FILE} in {directory} is damaged: restore it, or recover") from None
        return cls(
            value["account"], value["device"], value["hub"], unb64(value["hub_key"], 32),
            SigningKey(unb64(value["sign"], 32)), BoxKey(unb64(value["box"], 32)),
            SigningKey(unb64(value["token"], 32)), unb64(value["handle"], 32),
        )  # fmt: skip


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 durably, all or nothing."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    durable_name(new, path)


def durable_name(new: Path, path: Path) -> None:
    """Give a file that is written its name, in place of what had it before."""
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # else a power cut may forget the name
    finally:
        os.close(directory)
