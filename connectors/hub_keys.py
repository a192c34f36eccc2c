"""The keys of hubs, by which what they stamped and vouched for is checked: each pinned when it is first told."""

import sqlite3

from connectors.hub_client import HubClient
from connectors.keyring import Keyring
from connectors.local_database import get_state, set_state, transaction
from consent import identifiers
from consent.primitives import broken, stale

PINNED = "hub-key:"


class HubKeys:
    """The own hub's key from the keyring; another's as the own hub first told it, kept for ever in the database."""

    def __init__(self, db: sqlite3.Connection, keyring: Keyring, hub: HubClient) -> None:
        self._db = db
        self._hub = hub
        self._own = (identifiers.account(keyring.account).domain, keyring.hub_key)

    def key(self, domain: str) -> bytes:
        """The stamp key (32 bytes) of the hub at a domain, which is that behind the @ of its accounts.

        Raises `Problem`; `Rejected`: stale for a hub that the own one does not know (yet), broken `stamp` where it now
        tells another key than before.
        """
        if domain == self._own[0]:
            return self._own[1]
        return get_state(self._db, PINNED + domain) or self._first_told(domain)

    def _first_told(self, domain: str) -> bytes:
        told = self._hub.peer_keys().get(domain)
        if told is None:
            raise stale("hub")
        with transaction(self._db):
            pinned = get_state(self._db, PINNED + domain)  # another process may have been first
            if pinned is None:
                set_state(self._db, PINNED + domain, told)
            elif pinned != told:
                raise broken("stamp")
        return told
