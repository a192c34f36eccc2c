"""What goes when an account is closed, and what stays: its name, its chains and the access log."""

from sqlalchemy import delete, or_, update

from hub.health_link_models import health_link_parts, health_link_tickets, health_links
from hub.models import (
    accounts,
    bundles,
    envelopes,
    feed,
    messages,
    object_parts,
    objects,
    openings,
    sequences,
    vaults,
    wraps,
)
from hub.peer_models import held
from hub.store.database import Tx

CONTENT = (
    envelopes, object_parts, objects, bundles, vaults, wraps, sequences, openings, messages, held, health_links,
    health_link_parts, health_link_tickets,
)  # fmt: skip


def erase(tx: Tx) -> None:
    """Delete all that was sealed for or by the account's own side, and every way in but its devices.

    The row of the account stays, so that its name is never given again; the chains stay, so that who holds copies can
    learn and check that it was closed; streams stay as names, so that nobody else can take them.
    """
    for table in CONTENT:
        tx.conn.execute(delete(table).where(table.c.acc == tx.acc))
    announced = or_(feed.c.what == "envelope", feed.c.what == "message")
    tx.conn.execute(delete(feed).where(feed.c.acc == tx.acc, announced))
    nothing = {"verifier": "", "fetch": "", "fetch_before": ""}
    tx.conn.execute(update(accounts).where(accounts.c.acc == tx.acc).values(**nothing))
