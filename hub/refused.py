"""Questions that were refused because of consent, noted in the patient's log behind the back of whoever asked.

Whoever asked shall not learn from its answer, nor from how long this or the next one takes, that there is something
that it may not have. So an entry is written a few seconds later. Nothing was given out: of a process that is killed
meanwhile such an entry may be lost.
"""

import atexit
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, Timer
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from fhir_profiles.problems import Problem
from hub.observability import say
from hub.store import audit
from hub.store.hashing import digest

if TYPE_CHECKING:
    from hub.auth import Caller
    from hub.context import Hub

LATER_SECONDS = 5.0
DAY_SECONDS = 24 * 3600
MAX_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Question:
    """Who asked for what of a patient: a `stream`, `object` or `bundle` by its name; or brought an object there."""

    acc: str
    actor: str
    device: str
    what: str
    name: str
    purpose: str
    at: int

    @property
    def ref(self) -> str:
        """The same question is noted once a day, however often it is asked."""
        said = (self.actor, self.device, self.what, self.name, self.purpose, str(self.at // DAY_SECONDS))
        return f"refusal-{digest(' '.join(said).encode())[:32]}"


def _start(write: Callable[[], object]) -> None:
    timer = Timer(LATER_SECONDS, write)
    timer.daemon = True
    atexit.unregister(write)
    atexit.register(write)
    timer.start()


@dataclass
class Refused:
    """What is still to be written by this process."""

    later: Callable[[Callable[[], object]], object] = _start
    _waiting: dict[tuple[str, str], tuple["Hub", Question]] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def note(self, home: "Hub", caller: "Caller", acc: str, what: str, name: str, purpose: str = "") -> None:
        """Let an entry be written soon."""
        asked = Question(acc, caller.acc, caller.dev, what, name, purpose, home.now())
        with self._lock:
            first = not self._waiting
            if len(self._waiting) < MAX_WAITING:
                self._waiting[acc, asked.ref] = home, asked
        if first:
            self.later(self.write)

    def write(self) -> None:
        """Write what waits; only where whoever asked has, or had, to do with the patient: strangers fill no log."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        for home, asked in waiting:
            try:
                _write(home, asked)
            except (DBAPIError, Problem) as error:
                say(logging.WARNING, event="a refusal is not in the log", error=type(error).__name__)


def _write(home: "Hub", asked: Question) -> None:
    with home.db.write(asked.acc) as tx:
        if not home.chains(tx.conn).relation(asked.acc, asked.actor).links:
            return
        detail = {"what": asked.what, "name": asked.name, "reason": "consent"}
        audit.write(
            tx, at=asked.at, actor=asked.actor, device=asked.device, action="refusal", purpose=asked.purpose,
            detail=detail, ref=asked.ref,
        )  # fmt: skip
