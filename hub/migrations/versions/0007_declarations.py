"""Declared emergencies: what each opened, and for how long."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of declarations."""
    op.create_table(
        "declarations",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("rnd", sa.String(length=22), nullable=False),
        sa.Column("oth", sa.String(length=190), nullable=False),
        sa.Column("gid", sa.String(length=22), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "rnd"),
    )
    op.create_index("declarations_by_end", "declarations", ["acc", "until"])
