"""What the hub's directory says of the house itself: by its type the law tells what it may see (`consent.floor`)."""

from collections.abc import Callable

from connectors.gateway.access import HOUSE_TYPE
from connectors.gateway.store import Store
from connectors.hub_client import HubClient

AGAIN_SECONDS = 3600


class OwnEntry:
    """The house's entry; `me`: its account. `clock` gives Unix seconds."""

    def __init__(self, store: Store, me: str, clock: Callable[[], float]) -> None:
        self._store, self._me, self._clock = store, me, clock
        self._due = 0.0

    def refresh(self, hub: HubClient) -> None:
        """Ask the directory at the start and every hour; before that nothing is taken in. Raises `Problem`."""
        if self._clock() < self._due:
            return
        for one in hub.directory(self._me):
            if one["account"] == self._me and one["type"] != self._store.state(HOUSE_TYPE):
                self._store.set_state(HOUSE_TYPE, str(one["type"]))
        self._due = self._clock() + AGAIN_SECONDS
