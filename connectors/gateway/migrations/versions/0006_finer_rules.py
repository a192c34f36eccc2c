"""Grants may have finer rules: of a stream under them only what they permit may be shown."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEY = ("patient", "stream", "purpose", "from_epoch", "rules")


def upgrade() -> None:
    """Name the grant beside what may be shown, and make the tables of what is permitted."""
    op.create_table(
        "permitted",
        sa.Column("rules", WORD, nullable=False),
        sa.Column("rid", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("rules", "rid"),
        sqlite_with_rowid=False,
    )
    op.create_index("permitted_rid", "permitted", ["rid"])
    op.create_table(
        "decided",
        sa.Column("rules", WORD, primary_key=True),
        sa.Column("patient", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("live_streams", sa.Column("rules", WORD, nullable=False, server_default=""))
        op.drop_constraint("live_streams_pkey", "live_streams")
        op.create_primary_key("live_streams_pkey", "live_streams", list(KEY))
        return
    op.rename_table("live_streams", "live_streams_before")
    op.create_table(
        "live_streams",
        sa.Column("patient", WORD, nullable=False),
        sa.Column("stream", WORD, nullable=False),
        sa.Column("purpose", WORD, nullable=False),
        sa.Column("from_epoch", sa.Integer, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("rules", WORD, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint(*KEY),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO live_streams (patient, stream, purpose, from_epoch, until)"
        " SELECT patient, stream, purpose, from_epoch, until FROM live_streams_before"
    )
    op.drop_table("live_streams_before")
