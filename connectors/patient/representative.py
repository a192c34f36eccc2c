"""A delegate of scope `full` acts for a patient: as her own client does, but for what needs her root key (5.12)."""

from connectors.local_database import get_state, set_state
from connectors.patient.client import Client
from connectors.patient.side import Side
from consent import vault as vaults
from consent.accounts import Delegate
from consent.lockout import FULL
from consent.primitives import Rejected
from consent.steps import Written
from fhir_profiles.problems import Problem


def delegation(client: Client, patient: str) -> Delegate:
    """By which the account of a client acts for a patient now. Raises `Problem(forbidden)`."""
    try:
        found = client.chains.accounts[patient].delegate(client.account, client.now)
    except (KeyError, Rejected):
        found = None
    if found is None or found.fp != client.record.account.fingerprint:
        raise Problem("forbidden", f"{patient} has not named you a delegate, or your time has ended")
    return found


def fetch(client: Client, patient: str) -> Delegate:
    """Take in everything of the patient that a delegate sees. Raises `Problem(forbidden)` for who is none now."""
    if patient in client.chains.accounts:
        delegation(client, patient)
        client.chains.refresh("acct", patient)
    found = delegation(client, patient)
    for name in client.hub.counterparts(patient):
        client.chains.account(name)
        client.chains.refresh("acct", name)
        client.chains.refresh("rel", patient, name)
    for set_id in client.hub.sets(patient):
        client.chains.refresh("set", patient, set_id)
    return found


def resign(client: Client, patient: str) -> None:
    """Be a delegate of a patient no more, of whichever scope. Raises `Problem(forbidden)` for who is none."""
    fetch(client, patient)
    side = Representative(client, patient)
    side.post([Written(side.sign_account("undelegate", {"to": client.account}))])


class Representative(Side):
    """The client of a delegate of scope `full`, for one patient. `sync` first; what talks raises `Problem`."""

    def __init__(self, client: Client, patient: str) -> None:
        super().__init__(patient, client.keyring, client.db, client.hub, client.chains, client.clock)
        self._client = client

    def sync(self) -> None:
        """As of a client; `Problem(forbidden)` for who is no delegate of this scope now."""
        self._client.sync()
        if fetch(self._client, self.account).scope != FULL:
            raise Problem("forbidden", f"{self.account} lets you manage her grants: this is for the scope full")

    def _key(self, sealed: bytes) -> bytes:
        """As it was handed here; another one where the patient has changed it, and handed it to this delegate again."""
        kept = get_state(self.db, self._key_state)
        if kept is not None and self._opens(kept, sealed):
            return kept
        wrap = self.hub.vault(self.account)[2].get(self.keyring.account)
        if wrap is None:
            detail = f"the key of {self.account}'s vault has not been handed to you yet: her own client comes first"
            raise Problem("forbidden", detail)
        for box in self._client.vault.reading_keys.values():
            try:
                key = vaults.unwrap_by_box(wrap, self.account, self.keyring.account, box)
            except Rejected:
                continue  # it was sealed to another of the reading keys
            set_state(self.db, self._key_state, key)
            return key
        raise Problem("forbidden", "the vault's key was sealed to a reading key that you do not hold", reason="key")

    def _opens(self, key: bytes, sealed: bytes) -> bool:
        try:
            vaults.unseal(sealed, self.account, self.record.account.vault[0], key)
        except Rejected:
            return False
        return True

    @property
    def _key_state(self) -> str:
        return f"vault_key {self.account}"
