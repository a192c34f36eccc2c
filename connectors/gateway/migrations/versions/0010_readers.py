"""Who within the house may read by a grant."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """A table of purposes and roles for each grant with finer rules, which are all decided anew: that fills it."""
    op.create_table(
        "readers",
        sa.Column("rules", WORD, nullable=False),
        sa.Column("purpose", WORD, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("admitted", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("rules", "purpose", "role"),
        sqlite_with_rowid=False,
    )
    op.execute("DELETE FROM permitted")
    op.execute("DELETE FROM decided")
