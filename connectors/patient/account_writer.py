"""Links of an account chain and the next vault version, signed one after another, to be sent in one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.keyring import Keyring
from consent import accounts, statements
from consent import vault as vaults
from consent.accounts import AccountState
from consent.keys import SigningKey
from consent.primitives import b64
from consent.rules import blob_hash
from consent.statements import Position
from consent.steps import Written
from consent.vault import RootCompartment, Vault


@dataclass
class AccountWriter:
    """Writes links of an account chain one after another, before they are sent."""

    account: str
    state: AccountState
    now: int
    written: list[Written] = field(default_factory=list)

    def add(
        self, key: SigningKey, by: tuple[str, ...], typ: str, body: Mapping[str, object], blob: bytes | None = None
    ) -> None:
        """Sign the next link and take it in."""
        head: Position | None = self.state.head
        iat = max(self.now, self.state.links[-1].iat) if self.state.links else self.now
        frame = statements.sign(key, kind="acct", acc=self.account, head=head, iat=iat, typ=typ, by=by, body=body)
        self.state = accounts.extend(self.state, frame)
        self.written.append(Written(frame, blob))

    def add_device(self, root: SigningKey, keys: Keyring, role: str) -> None:
        """Certify a device."""
        body = {"dev": keys.device, "role": role, "sign": b64(keys.sign.public), "box": b64(keys.box.public)}
        self.add(root, ("root",), "device", body)

    def add_vault(self, keys: Keyring, root: RootCompartment, vault: Vault, vault_key: bytes) -> None:
        """Seal the vault's next version, and name it, by a device."""
        version = self.state.vault[0] + 1
        sealed = vaults.seal(vaults.seal_root(root, keys.account, vault_key), vault, keys.account, version, root.key)
        self.add(keys.sign, keys.signer.by, "vault", {"ver": version, "hash": blob_hash(sealed)}, sealed)
