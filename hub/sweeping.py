"""What has expired is forgotten: by the first request that comes to a process, and then by one about each hour.

The access logs are looked through once a day.
"""

import logging
from dataclasses import dataclass

from flask import request
from sqlalchemy.exc import DBAPIError

from hub import health_links, limits, objects
from hub.context import Hub
from hub.observability import say
from hub.store import audit, console, directory, pairing, peers

EVERY_SECONDS, AGAIN_SECONDS = 3600, 60
DAY_SECONDS = 24 * 3600
BATCH_DAYS = 30
"""The beginning of a log is removed by the month: each removal is an entry itself."""
LOGS = 100
"""So many logs are shortened by one sweep at most."""


@dataclass
class Sweep:
    """Called before each request. `due`: Unix seconds."""

    hub: Hub
    due: int = 0
    logs_due: int = 0

    def __call__(self) -> None:
        """Forget assertions, nonces, tries, pairings, sessions, lone objects, links that are over, and old entries."""
        now = self.hub.now()
        if now < self.due or request.blueprint is None:  # whether the process lives is asked without the database
            return
        self.due = now + EVERY_SECONDS
        try:
            with self.hub.db.write() as tx:
                directory.sweep(tx, now, limits.ATTEMPT_SECONDS)
                peers.sweep_nonces(tx, now)
                pairing.sweep(tx, now)
                console.sweep(tx, now)
            objects.sweep(self.hub)
            health_links.sweep(self.hub)
            if now >= self.logs_due:
                full = _sweep_logs(self.hub, now) == LOGS
                self.logs_due = now + (EVERY_SECONDS if full else DAY_SECONDS)
        except DBAPIError as error:  # it is not this request that fails
            say(logging.WARNING, event="what has expired stays for now", error=type(error).__name__)
            self.due = now + AGAIN_SECONDS


def _sweep_logs(hub: Hub, now: int) -> int:
    """Remove what is too old of access logs; what another hub told late is kept for as long as what came at once.

    Returns how many logs were shortened.
    """
    before = now - (hub.config.log_days + audit.LATE_DAYS) * DAY_SECONDS
    with hub.db.read() as conn:
        late = audit.beginning_before(conn, before - BATCH_DAYS * DAY_SECONDS, LOGS)
    for acc in late:
        with hub.db.write(acc) as tx:
            audit.sweep(tx, before, now)
    return len(late)
