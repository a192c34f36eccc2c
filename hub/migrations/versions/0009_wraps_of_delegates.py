"""Wraps under the name of an account: a delegate's, beside those of devices."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The name of a wrap may be as long as an account's."""
    with op.batch_alter_table("wraps") as table:
        table.alter_column("name", type_=sa.String(length=190), existing_type=sa.String(length=32), nullable=False)
