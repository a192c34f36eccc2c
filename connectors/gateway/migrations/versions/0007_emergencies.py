"""Declared emergencies: what each opened and for whom; a token tells since when it is there."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEY = ("patient", "stream", "purpose", "from_epoch", "rules", "person")


def upgrade() -> None:
    """A table of emergencies, the person beside what may be shown, and the second at which a token was made."""
    op.create_table(
        "emergencies",
        sa.Column("rnd", WORD, primary_key=True),
        sa.Column("name", WORD, nullable=False),
        sa.Column("person", WORD, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("code", WORD, nullable=False),
        sa.Column("text", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("patient", WORD, nullable=False),
        sa.Column("gid", WORD, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_index("emergencies_state", "emergencies", ["state", "at"])
    op.create_index("emergencies_patient", "emergencies", ["patient", "until"])
    op.add_column("staff_tokens", sa.Column("issued", sa.BigInteger, nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("live_streams", sa.Column("person", WORD, nullable=False, server_default=""))
        op.drop_constraint("live_streams_pkey", "live_streams")
        op.create_primary_key("live_streams_pkey", "live_streams", list(KEY))
        return
    op.rename_table("live_streams", "live_streams_before")
    op.create_table(
        "live_streams",
        sa.Column("patient", WORD, nullable=False),
        sa.Column("stream", WORD, nullable=False),
        sa.Column("purpose", WORD, nullable=False),
        sa.Column("from_epoch", sa.Integer, nullable=False),
        sa.Column("person", WORD, nullable=False, server_default=""),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("rules", WORD, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint(*KEY),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO live_streams (patient, stream, purpose, from_epoch, until, rules)"
        " SELECT patient, stream, purpose, from_epoch, until, rules FROM live_streams_before"
    )
    op.drop_table("live_streams_before")
