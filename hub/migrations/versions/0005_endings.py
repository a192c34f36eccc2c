"""When copies of other hubs' patients are looked through: not each minute, but when a grant ends."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Who has none of these rows is looked through when the relay starts (`hub.uncovered.look_through`)."""
    op.create_table(
        "endings",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc"),
    )
    op.create_index(op.f("ix_endings_at"), "endings", ["at"])
