"""What a hub keeps of other hubs, and for them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Peers, nonces, doubts, what is held back, what waits for a peer; and which notices go ahead."""
    op.add_column("feed", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "peers",
        sa.Column("domain", sa.String(length=190), nullable=False),
        sa.Column("urgent", sa.String(length=64), nullable=False),
        sa.Column("statements", sa.String(length=64), nullable=False),
        sa.Column("envelopes", sa.String(length=64), nullable=False),
        sa.Column("confirmed", sa.BigInteger(), nullable=False),
        sa.Column("introduced", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("domain"),
    )
    op.create_table(
        "nonces",
        sa.Column("peer", sa.String(length=190), nullable=False),
        sa.Column("nonce", sa.String(length=22), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "nonce"),
    )
    op.create_index(op.f("ix_nonces_exp"), "nonces", ["exp"], unique=False)
    op.create_table(
        "doubts",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("oth", sa.String(length=190), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("acc", "kind", "oth"),
    )
    op.create_table(
        "held",
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("recipient", sa.String(length=190), nullable=False),
        sa.Column("stream", sa.String(length=22), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("acc", "recipient", "stream"),
    )
    op.create_index("held_by_recipient", "held", ["recipient"], unique=False)
    _forwards()


def _forwards() -> None:
    op.create_table(
        "forwards",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("peer", sa.String(length=190), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("acc", sa.String(length=190), nullable=False),
        sa.Column("ref", sa.String(length=43), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("forwards_by_name", "forwards", ["acc", "kind", "ref"], unique=True)
    op.create_index("forwards_by_peer", "forwards", ["peer", "answered", "id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE forwards ALTER COLUMN body SET STORAGE EXTERNAL")
