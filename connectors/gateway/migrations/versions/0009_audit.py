"""The house's audit: who may read it, and what of a read it has to tell."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Beside a token whether it is for the audit; beside a read what was asked, and whether the audit has it."""
    op.add_column("staff_tokens", sa.Column("audits", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("read_reports", sa.Column("address", WORD, nullable=False, server_default=""))
    op.add_column("read_reports", sa.Column("stated", WORD, nullable=False, server_default=""))
    op.add_column("read_reports", sa.Column("audited", sa.Boolean, nullable=False, server_default=sa.false()))
