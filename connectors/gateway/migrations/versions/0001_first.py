"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """The first tables."""
    _resources()
    _indexes()
    _granted()
    _people()


def _resources() -> None:
    op.create_table(
        "resources",
        sa.Column("rid", ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("type", WORD, nullable=False),
        sa.Column("id", WORD, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("low", sa.BigInteger, nullable=False),
        sa.Column("owner", WORD, nullable=False),
        sa.Column("set", WORD, nullable=False),
        sa.Column("stream", WORD, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("author", WORD, nullable=False),
        sa.Column("bid", WORD, nullable=False),
        sa.Column("handle", WORD, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("type", "id", "owner", "stream", "author", name="resources_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("resources_type", "resources", ["type", "rid"])
    op.create_index("resources_updated", "resources", ["type", "updated", "rid"])
    op.create_index("resources_origin", "resources", ["owner", "stream", "author", "handle"])
    op.create_table(
        "envelopes",
        sa.Column("bid", WORD, primary_key=True),
        sa.Column("owner", WORD, nullable=False),
        sa.Column("stream", WORD, nullable=False),
    )
    op.create_index("envelopes_origin", "envelopes", ["owner", "stream"])
    op.create_table(
        "spans",
        sa.Column("type", WORD, primary_key=True),
        sa.Column("span", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "state",
        sa.Column("key", WORD, primary_key=True),
        sa.Column("value", WORD, nullable=False),
    )


def _indexes() -> None:
    op.create_table(
        "index_text",
        sa.Column("param", WORD, nullable=False),
        sa.Column("value", WORD, nullable=False),
        sa.Column("patient", WORD, nullable=False),
        sa.Column("low", sa.BigInteger, nullable=False),
        sa.Column("rid", sa.BigInteger, nullable=False),
        sa.Column("qualifier", WORD, nullable=False),
        sa.Column("high", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("param", "value", "patient", "low", "rid", "qualifier"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "index_date",
        sa.Column("param", WORD, nullable=False),
        sa.Column("low", sa.BigInteger, nullable=False),
        sa.Column("high", sa.BigInteger, nullable=False),
        sa.Column("rid", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("param", "low", "high", "rid"),
        sqlite_with_rowid=False,
    )
    op.create_index("index_date_rid", "index_date", ["rid"])
    op.create_table(
        "index_quantity",
        sa.Column("param", WORD, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("rid", sa.BigInteger, nullable=False),
        sa.Column("system", WORD, nullable=False),
        sa.Column("code", WORD, nullable=False),
        sa.Column("unit", WORD, nullable=False),
        sa.PrimaryKeyConstraint("param", "low", "high", "rid", "system", "code", "unit"),
        sqlite_with_rowid=False,
    )
    op.create_index("index_quantity_rid", "index_quantity", ["rid"])


def _granted() -> None:
    op.create_table(
        "live_streams",
        sa.Column("patient", WORD, nullable=False),
        sa.Column("stream", WORD, nullable=False),
        sa.Column("purpose", WORD, nullable=False),
        sa.Column("from_epoch", sa.Integer, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("patient", "stream", "purpose", "from_epoch"),
        sqlite_with_rowid=False,
    )


def _people() -> None:
    op.create_table(
        "staff_tokens",
        sa.Column("hash", WORD, primary_key=True),
        sa.Column("person", WORD, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("purpose", WORD, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "read_reports",
        sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("patient", WORD, nullable=False),
        sa.Column("person", WORD, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("purpose", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("what", WORD, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )
