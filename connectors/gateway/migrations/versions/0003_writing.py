"""What a house writes: who may, where to, what is on its way, and which of its patients are Obhut's."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """What a house writes."""
    op.add_column("resources", sa.Column("kept", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("read_reports", sa.Column("kept", WORD, nullable=False, server_default=""))
    op.add_column("staff_tokens", sa.Column("writes", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "destinations",
        sa.Column("name", WORD, nullable=False),
        sa.Column("category", sa.Integer, nullable=False),
        sa.Column("patient", WORD, nullable=False),
        sa.Column("set", WORD, nullable=False),
        sa.Column("stream", WORD, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", "category"),
        sqlite_with_rowid=False,
    )
    op.create_index("destinations_patient", "destinations", ["patient"])
    op.create_table(
        "outgoing",
        sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("mark", WORD, nullable=False),
        sa.Column("patient", WORD, nullable=False),
        sa.Column("category", sa.Integer, nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("resource", WORD, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("deletes", sa.Boolean, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("reason", WORD, nullable=False),
        sa.Column("person", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outgoing_state", "outgoing", ["state", "id"])
    op.create_table(
        "linked_patients",
        sa.Column("local", WORD, primary_key=True),
        sa.Column("name", WORD, nullable=False),
        sa.Column("patient", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("linked_patients_name", "linked_patients", ["name"])
