"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEALED = (
    ("bundles", "blob"), ("vaults", "ciphertext"), ("envelopes", "frame"), ("messages", "frame"), ("log", "sealed"),
)  # fmt: skip
"""What is ciphertext does not get smaller: PostgreSQL need not try."""


def upgrade() -> None:
    """The first tables."""
    _accounts()
    _chains()
    _streams()
    _feed()
    counters = sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": name, "value": 0} for name in ("tx", "base", "cluster")])
    if op.get_bind().dialect.name == "postgresql":
        for table, column in SEALED:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("cls", sa.String(length=7), nullable=False),
        sa.Column("log_seq", sa.BigInteger(), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("fetch", sa.String(length=43), nullable=False),
        sa.Column("fetch_before", sa.String(length=43), nullable=False),
        sa.Column("fetch_changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc"),
    )
    op.create_table(
        "organisations",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=43), nullable=False),
        sa.Column("joined", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("acc"),
    )
    op.create_table(
        "clients",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("dev", sa.String(length=17), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "dev"),
    )
    op.create_table(
        "assertions",
        sa.Column("client", sa.String(length=208), nullable=False),
        sa.Column("jti", sa.String(length=43), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client", "jti"),
    )
    op.create_index("ix_assertions_exp", "assertions", ["exp"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )


def _chains() -> None:
    op.create_table(
        "links",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("oth", sa.String(length=190), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "kind", "oth", "seq"),
    )
    op.create_table(
        "heads",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("oth", sa.String(length=190), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=43), nullable=False),
        sa.PrimaryKeyConstraint("acc", "kind", "oth"),
    )
    op.create_table(
        "ties",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("oth", sa.String(length=190), nullable=False),
        sa.PrimaryKeyConstraint("acc", "oth"),
    )
    op.create_index("ties_by_other", "ties", ["oth", "acc"], unique=False)
    op.create_table(
        "bundles",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("lst", sa.String(length=43), nullable=False),
        sa.Column("oth", sa.String(length=190), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "lst"),
    )
    op.create_table(
        "vaults",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("ver", sa.BigInteger(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc"),
    )
    op.create_table(
        "wraps",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("wrap", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "name"),
    )
    op.create_table(
        "permits",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("set_id", sa.String(length=22), nullable=False),
        sa.Column("aut", sa.String(length=190), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "set_id"),
    )


def _streams() -> None:
    op.create_table(
        "routes",
        sa.Column("stream", sa.String(length=22), nullable=False),
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.PrimaryKeyConstraint("stream"),
    )
    op.create_table(
        "streams",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("stream", sa.String(length=22), nullable=False),
        sa.Column("set_id", sa.String(length=22), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "stream"),
    )
    op.create_table(
        "sequences",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("stream", sa.String(length=22), nullable=False),
        sa.Column("dev", sa.String(length=17), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=43), nullable=False),
        sa.PrimaryKeyConstraint("acc", "stream", "dev"),
    )
    op.create_table(
        "envelopes",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("stream", sa.String(length=22), nullable=False),
        sa.Column("pos", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bid", sa.String(length=22), nullable=False),
        sa.Column("ep", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "stream", "pos"),
    )
    op.create_index("envelopes_by_bid", "envelopes", ["acc", "bid"], unique=True)


def _feed() -> None:
    op.create_table(
        "feed",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("tx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recipient", sa.String(length=190), nullable=False),
        sa.Column("what", sa.String(length=8), nullable=False),
        sa.Column("ref", sa.String(length=190), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "tx", "n"),
    )
    op.create_index("feed_by_recipient", "feed", ["recipient", "tx", "n"], unique=False)
    op.create_table(
        "openings",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("gid", sa.String(length=22), nullable=False),
        sa.Column("recipient", sa.String(length=190), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "gid"),
    )
    op.create_index("openings_by_recipient", "openings", ["recipient", "at"], unique=False)
    op.create_table(
        "messages",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("id", sa.String(length=43), nullable=False),
        sa.Column("sender", sa.String(length=190), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "id"),
    )
    op.create_table(
        "log",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=190), nullable=False),
        sa.Column("device", sa.String(length=17), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("ref", sa.String(length=43), nullable=True),
        sa.PrimaryKeyConstraint("acc", "seq"),
    )
    op.create_index("log_by_ref", "log", ["acc", "ref"], unique=True)
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
