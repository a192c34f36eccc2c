"""Of a stream that may be shown it is known of which category it is, because the law closes some to some roles."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The category beside what may be shown; the inbox fills it in when it starts."""
    op.add_column("live_streams", sa.Column("category", sa.Integer, nullable=False, server_default="-1"))
