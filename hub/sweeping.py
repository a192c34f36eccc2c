"""What has expired is forgotten: by the first request that comes to a process, and then by one about each hour."""

import logging
from dataclasses import dataclass

from flask import request
from sqlalchemy.exc import DBAPIError

from hub import limits, objects
from hub.context import Hub
from hub.observability import say
from hub.store import directory, peers

EVERY_SECONDS, AGAIN_SECONDS = 3600, 60


@dataclass
class Sweep:
    """Called before each request. `due`: Unix seconds."""

    hub: Hub
    due: int = 0

    def __call__(self) -> None:
        """Forget used assertions and nonces, old tries, and objects whose envelope has not come."""
        now = self.hub.now()
        if now < self.due or request.blueprint is None:  # whether the process lives is asked without the database
            return
        self.due = now + EVERY_SECONDS
        try:
            with self.hub.db.write() as tx:
                directory.sweep(tx, now, limits.ATTEMPT_SECONDS)
                peers.sweep_nonces(tx, now)
            objects.sweep(self.hub)
        except DBAPIError as error:  # it is not this request that fails
            say(logging.WARNING, event="what has expired stays for now", error=type(error).__name__)
            self.due = now + AGAIN_SECONDS
