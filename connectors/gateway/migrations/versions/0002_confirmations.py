"""When a patient's chains were confirmed has a row of its own, not a column on each of her streams."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """A table of confirmations. Nothing is shown before the first one, which comes with the next question."""
    op.create_table(
        "confirmations",
        sa.Column("patient", WORD, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.drop_column("live_streams", "confirmed_at")
