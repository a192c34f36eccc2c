"""Places where two devices leave sealed words for each other while one is added."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table, by the place's name."""
    op.create_table(
        "pairings",
        sa.Column("place", sa.String(length=43), nullable=False),
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("reveal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_index("pairings_by_account", "pairings", ["acc"])
