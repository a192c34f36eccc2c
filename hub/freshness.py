"""Of another hub's patients only what that hub has confirmed within a minute is released (PROTOCOL.md 5.8).

So a withdrawal that cannot reach this hub stops the release here all the same; and nothing is released that could not
be told to the patient's log.
"""

from sqlalchemy import Connection

from fhir_profiles.problems import Problem
from hub.context import Hub
from hub.store import forwards, peers
from hub.store.database import domain_of

STALE_SECONDS = 60
RETRY_SECONDS = 10


def fresh(hub: Hub, conn: Connection, acc: str) -> bool:
    """Whether what this hub holds of an account is its own, or confirmed by a peer it still knows and not in doubt.

    A peer that has taken nothing for long, so that no entry of a log has room any more, confirms nothing.
    """
    domain = domain_of(acc)
    if domain == hub.config.domain:
        return True
    if domain not in hub.peers or not 0 <= hub.now() - peers.progress(conn, domain).confirmed <= STALE_SECONDS:
        return False
    return not peers.doubted(conn, acc) and not forwards.full(conn, domain, forwards.ROOM)


def check(hub: Hub, conn: Connection, acc: str) -> None:
    """Refuse to release what may have been withdrawn meanwhile. Raises `Problem(stale)`."""
    if not fresh(hub, conn, acc):
        raise Problem(
            "stale", "The patient's home hub has not confirmed, or taken, anything lately; try again soon.",
            retry_after=RETRY_SECONDS,
        )  # fmt: skip
