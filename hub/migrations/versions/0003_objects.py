"""Objects beside envelopes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Objects and their parts."""
    op.create_table(
        "objects",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("bid", sa.String(length=22), nullable=False),
        sa.Column("stream", sa.String(length=22), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=43), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "bid"),
    )
    op.create_table(
        "object_parts",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("bid", sa.String(length=22), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "bid", "n"),
    )
    if op.get_bind().dialect.name == "postgresql":  # ciphertext does not get smaller: it need not try
        op.execute("ALTER TABLE object_parts ALTER COLUMN part SET STORAGE EXTERNAL")
