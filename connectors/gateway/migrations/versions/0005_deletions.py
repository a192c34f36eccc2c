"""Deletions are remembered: one that came first wins over what was written before it and comes late."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of deletions."""
    op.create_table(
        "deletions",
        sa.Column("bid", WORD, primary_key=True),
        sa.Column("owner", WORD, nullable=False),
        sa.Column("stream", WORD, nullable=False),
        sa.Column("author", WORD, nullable=False),
        sa.Column("handle", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("deletions_origin", "deletions", ["owner", "stream", "author", "handle"])
