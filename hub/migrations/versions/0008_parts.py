"""An organisation may be a part of another one, as a ward of its hospital."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Beside each organisation the account of what it is a part of."""
    op.add_column("organisations", sa.Column("part_of", sa.String(length=190), nullable=False, server_default=""))
