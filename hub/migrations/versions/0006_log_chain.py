"""The access log as a hash chain."""

import json

import sqlalchemy as sa
from alembic import op

from consent.log import Entry
from consent.primitives import Rejected

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PAGE = 500


def upgrade() -> None:
    """What stands in the logs already is chained as it stands: from this day on it cannot be changed unnoticed.

    Nobody can say whether it was changed before, whichever way the chain begins; and one chain over all is easier to
    check than one that begins in the middle. The words in the clear of an entry that has no canonical spelling, as only
    a house or another hub could have sent it, are put away; what it sealed stays.
    """
    op.add_column("log", sa.Column("hash", sa.String(length=43), nullable=False, server_default=""))
    op.add_column("accounts", sa.Column("log_hash", sa.String(length=43), nullable=False, server_default=""))
    op.add_column("accounts", sa.Column("log_released", sa.BigInteger(), nullable=False, server_default="0"))
    conn = op.get_bind()
    names = ("acc", "seq", "at", "actor", "device", "action", "purpose", "detail", "sealed", "hash")
    log = sa.table("log", *(sa.column(name) for name in names))
    accounts = sa.table("accounts", sa.column("acc"), sa.column("log_hash"), sa.column("log_released"))
    for acc in list(conn.execute(sa.select(accounts.c.acc)).scalars()):
        seq, head, released = 0, "", 0
        query = sa.select(log).where(log.c.acc == acc).order_by(log.c.seq).limit(PAGE)
        while rows := conn.execute(query.where(log.c.seq > seq)).all():
            changes = []
            for row in rows:
                purpose, detail = row.purpose, json.loads(row.detail)
                kept = (acc, row.seq, row.at, row.actor, row.device, row.action)
                try:
                    head = Entry(*kept, purpose, detail, row.sealed or b"").hash_behind(head)
                except Rejected:
                    purpose, detail = "", {}
                    head = Entry(*kept, purpose, detail, row.sealed or b"").hash_behind(head)
                text = json.dumps(detail, separators=(",", ":"), sort_keys=True)
                changes.append({"n": row.seq, "new_hash": head, "new_purpose": purpose, "new_detail": text})
                count = detail.get("count", 0) if row.action == "release" else 0
                released += count if isinstance(count, int) else 0
                seq = row.seq
            change = sa.update(log).where(log.c.acc == acc, log.c.seq == sa.bindparam("n"))
            change = change.values(
                hash=sa.bindparam("new_hash"), purpose=sa.bindparam("new_purpose"), detail=sa.bindparam("new_detail")
            )
            conn.execute(change, changes)
        ends = {"log_hash": head, "log_released": released}
        conn.execute(sa.update(accounts).where(accounts.c.acc == acc).values(**ends))
