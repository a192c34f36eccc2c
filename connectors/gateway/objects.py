"""Objects that envelopes name: fetched when the envelope is opened, and asked for again while they cannot be had."""

import logging
from collections.abc import Callable

from connectors.gateway.keystore import Keystore
from connectors.hub_client import HubClient
from consent.envelope import Envelope
from fhir_profiles.problems import Problem

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 3600.0

log = logging.getLogger("obhut.gateway")


class Objects:
    """What is known of envelopes that wait for their object; at the start all that wait for anything are tried."""

    def __init__(self, keystore: Keystore, clock: Callable[[], float]) -> None:
        self._keystore = keystore
        self._clock = clock
        self._waiting = dict.fromkeys(keystore.waiting(), (0.0, 0.0))

    def fetch(self, hub: HubClient, patient: str, envelope: Envelope) -> bytes | None:
        """The object that an envelope names; None while it cannot be had: then the envelope waits."""
        try:
            return hub.object(patient, envelope.str, envelope.bid)
        except Problem as problem:
            log.warning("an object cannot be fetched", extra={"reason": problem.code})
            return None

    def ask_later(self, bid: str) -> None:
        """Ask for the object of an envelope again, after a longer pause each time."""
        _, before = self._waiting.get(bid, (0.0, 0.0))
        pause = min(max(2 * before, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        self._waiting[bid] = (self._clock() + pause, pause)

    def due(self) -> list[str]:
        """The envelopes that are tried again now."""
        now = self._clock()
        if all(at > now for at, _ in self._waiting.values()):
            return []
        kept = set(self._keystore.waiting())
        self._waiting = {bid: pause for bid, pause in self._waiting.items() if bid in kept}
        due = [bid for bid, (at, _) in self._waiting.items() if at <= now]
        self._waiting |= {bid: (now + LONGEST_PAUSE_SECONDS, self._waiting[bid][1]) for bid in due}
        return due
