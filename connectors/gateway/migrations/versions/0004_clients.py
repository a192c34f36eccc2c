"""Programs that sign in to a plain server, and the assertions that they used."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Both tables, empty."""
    op.create_table(
        "clients",
        sa.Column("name", WORD, primary_key=True),
        sa.Column("registration", WORD, nullable=False),
        sa.Column("jwks", WORD, nullable=False),
        sa.Column("scope", WORD, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "used_assertions",
        sa.Column("client", WORD, nullable=False),
        sa.Column("jti", WORD, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client", "jti"),
        sqlite_with_rowid=False,
    )
    op.create_index("used_assertions_end", "used_assertions", ["end"])
