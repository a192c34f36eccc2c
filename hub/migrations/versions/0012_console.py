"""Links to the operator's page that count once, and the sessions they began."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of links and sessions."""
    op.create_table(
        "console",
        sa.Column("secret", sa.String(length=43), nullable=False),
        sa.Column("session", sa.Boolean(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("secret"),
    )
    op.create_index("ix_console_until", "console", ["until"])
