"""Objects that come from another hub, part after part."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """How much of an object is here, and who fetches the rest; what was kept before is whole."""
    op.add_column("objects", sa.Column("come", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE objects SET come = size")
    op.create_table(
        "fetches",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("bid", sa.String(length=22), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "bid"),
    )
