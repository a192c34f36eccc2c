"""What keeps doors without a token from being worn out: requests by address, tries by account and address.

Requests are counted in each process, cheaply; tries to open an account in the database, so that neither another process
nor a restart gives new ones.
"""

import ipaddress
import threading
import time
from collections.abc import Iterable

from flask import current_app, request

from fhir_profiles.problems import Problem
from hub.context import Hub, hub
from hub.store import directory as store
from hub.store.hashing import digest

MINUTE = 60.0
ATTEMPT_SECONDS = 600
MAX_ADDRESSES = 10_000
EVERYWHERE = 10
"""So many times as many tries has an account from all addresses together: who guesses at one keeps nobody else out."""
NETWORK_BITS = 64
"""One house has that much of an IPv6 address to itself."""


class Buckets:
    """A token bucket an address: `rate` requests a minute, as many at once."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, address: str, now: float) -> bool:
        """Whether one more request of this address is within its rate."""
        if not self._rate:
            return True
        with self._lock:
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets = {a: b for a, b in self._buckets.items() if b[1] > now - MINUTE}
            left, since = self._buckets.get(address, (float(self._rate), now))
            left = min(float(self._rate), left + (now - since) * self._rate / MINUTE)
            self._buckets[address] = (left - 1 if left >= 1 else left, now)
            return left >= 1


def slow_down() -> None:
    """Count a request that carries no token. Raises `Problem(too-many)`."""
    buckets: Buckets = current_app.extensions["obhut.buckets"]
    if not buckets.take(_address(), time.monotonic()):
        raise Problem("too-many", "Too many requests from this address.", retry_after=int(MINUTE / 10))


def _address() -> str:
    """Where the present request comes from, as far as it tells one house from another."""
    given = request.remote_addr or ""
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return given
    if isinstance(address, ipaddress.IPv4Address):
        return given
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address), NETWORK_BITS), strict=False))


def count_try(home: Hub, what: str, account: str) -> list[str]:
    """Count a try to open an account, whether it exists or not; returns what to forget it by. Raises `too-many`.

    What is too much for its address does not count for the account.
    """
    subjects = [digest(f"{what}:{account} {_address()}"), digest(f"{what}:{account}")]
    for subject, times in zip(subjects, (1, EVERYWHERE), strict=True) if home.config.attempts else ():
        with home.db.write() as tx:
            count = store.count_attempt(home.db, tx, subject, home.now(), ATTEMPT_SECONDS)
        if count > times * home.config.attempts:
            raise Problem("too-many", "Too many tries for this account.", retry_after=ATTEMPT_SECONDS)
    return subjects


def forget_tries(subjects: Iterable[str]) -> None:
    """A right try ends the count."""
    with hub().db.write() as tx:
        for subject in subjects:
            store.forget_attempts(tx, subject)
