"""Wakes the feeds that wait in this process: when something was committed for them, and when the process ends."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PLACES_EACH = 8
"""So many of one account, or of one hub, may wait at a time: no one shall take all places."""
LOOK_SECONDS = 0.5
"""So soon a feed looks again by itself: what another process commits rings no bell here."""


class Bell:
    """At most `places` wait at a time; a feed of another process is found by looking again."""

    def __init__(self, places: int) -> None:
        self._lock = threading.Lock()
        self._places = places
        self._waiting: dict[str, set[threading.Event]] = {}
        self.count = 0
        self._ended = False

    @contextmanager
    def listen(self, account: str, seconds: float) -> Iterator[Iterator[None] | None]:
        """Turns to look for something in: one at once, and one whenever something may have come for the account.

        The last one is after so many seconds, or when the process ends. None where no place is left.
        """
        event = threading.Event()
        with self._lock:
            full = self.count >= self._places or len(self._waiting.get(account, ())) >= PLACES_EACH
            if not full:
                self.count += 1
                self._waiting.setdefault(account, set()).add(event)
        if full:
            yield None
            return
        try:
            yield self._turns(event, seconds)
        finally:
            with self._lock:
                self.count -= 1
                self._waiting[account].discard(event)
                if not self._waiting[account]:
                    del self._waiting[account]

    def _turns(self, event: threading.Event, left: float) -> Iterator[None]:
        yield
        while left > 0 and not self._ended:
            event.wait(min(left, LOOK_SECONDS))
            left -= LOOK_SECONDS
            event.clear()
            yield

    def ring(self, accounts: set[str]) -> None:
        """Wake those who wait for one of these accounts."""
        with self._lock:
            for account in accounts:
                for event in self._waiting.get(account, ()):
                    event.set()

    def end(self) -> None:
        """Wake all, and let nobody wait any more."""
        self._ended = True
        with self._lock:
            for events in self._waiting.values():
                for event in events:
                    event.set()
