"""What takes long to count, as it was counted last: figures, storage, and how many patients wait for new keys."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import Connection

from consent.pending import pending_since
from hub.context import Hub
from hub.store.figures import Figures, figures
from hub.store.inventory import Storage, patients_with_relations, storage

FRESH_SECONDS = 3600

T = TypeVar("T")


@dataclass
class Counted(Generic[T]):
    """One value as `count` gave it, and when (Unix seconds)."""

    count: Callable[[Hub, Connection], T]
    value: T | None = None
    at: int = 0

    def __post_init__(self) -> None:
        self._counting = Lock()

    def now(self, home: Hub, age: int = FRESH_SECONDS) -> T:
        """Not older than `age` seconds. So nobody keeps the hub counting, or watches whom it is that comes."""
        with self._counting:
            if self.value is None or home.now() - self.at >= age:
                with home.db.read() as conn:
                    self.value = self.count(home, conn)
                self.at = home.now()
            return self.value


def rotations(home: Hub, conn: Connection) -> int:
    """How many patients of this hub have a rotation pending. It replays the chains of all who have a relation."""
    chains = home.chains  # one patient at a time, so that no more than one is held
    names = patients_with_relations(conn, home.config.domain)
    return sum(pending_since(chains(conn).record(acc), home.now()) is not None for acc in names)


@dataclass(frozen=True)
class Counts:
    """All that one process has counted."""

    figures: Counted[Figures] = field(default_factory=lambda: Counted(lambda home, c: figures(c, home.config.domain)))
    storage: Counted[Storage] = field(default_factory=lambda: Counted(lambda home, c: storage(home.db, c)))
    rotations: Counted[int] = field(default_factory=lambda: Counted(rotations))
