"""SMART Health Links: a sealed file, for a time, for whoever has link and passcode."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Links, the parts of their files, and the short addresses by which these are given out."""
    op.create_table(
        "health_links",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("name", sa.String(length=43), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("verifier", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("wrong", sa.BigInteger(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "name"),
    )
    op.create_index("health_links_by_name", "health_links", ["name"])
    op.create_index("health_links_by_end", "health_links", ["until"])
    op.create_table(
        "health_link_parts",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("name", sa.String(length=43), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "name", "n"),
    )
    op.create_table(
        "health_link_tickets",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("name", sa.String(length=43), nullable=False),
        sa.Column("ticket", sa.String(length=43), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "name", "ticket"),
    )
    if op.get_bind().dialect.name == "postgresql":  # ciphertext does not get smaller: it need not try
        op.execute("ALTER TABLE health_link_parts ALTER COLUMN part SET STORAGE EXTERNAL")
