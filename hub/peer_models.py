"""The tables of what a hub keeps of other hubs, and for them. See `hub.models`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Named,
    String,
    Table,
    Text,
    TypedColumns,
)

from hub.models import HASH, ID, NAME, metadata


class PeerColumns(TypedColumns):
    """How far this hub has read in a peer's feeds, and the second at which it asked the question that confirmed it.

    `introduced`: the peer was told of this hub's organisations.
    """

    domain: Named[str] = Column(String(NAME), primary_key=True)
    urgent: Named[str] = Column(String(64))
    statements: Named[str] = Column(String(64))
    envelopes: Named[str] = Column(String(64))
    confirmed: Named[int] = Column(BigInteger)
    introduced: Named[bool] = Column(Boolean)


peers = Table("peers", metadata, PeerColumns)


class NonceColumns(TypedColumns):
    """Nonces of requests of peers, until no request with them could count again."""

    peer: Named[str] = Column(String(NAME), primary_key=True)
    nonce: Named[str] = Column(String(ID), primary_key=True)
    exp: Named[int] = Column(BigInteger, index=True)


nonces = Table("nonces", metadata, NonceColumns)


class DoubtColumns(TypedColumns):
    """A chain of a peer's account of which a link did not hold: nothing of the account is released meanwhile."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    kind: Named[str] = Column(String(4), primary_key=True)
    oth: Named[str] = Column(String(NAME), primary_key=True)
    reason: Named[str] = Column(String(32))


doubts = Table("doubts", metadata, DoubtColumns)


class HeldColumns(TypedColumns):
    """What was announced to a recipient and not released, because the patient's hub was silent: from `first` on."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    recipient: Named[str] = Column(String(NAME), primary_key=True)
    stream: Named[str] = Column(String(ID), primary_key=True)
    first: Named[int] = Column(BigInteger)


held = Table("held", metadata, HeldColumns, Index("held_by_recipient", "recipient"))


class EndingColumns(TypedColumns):
    """When the next of the grants ends that a patient of another hub gave to accounts here: then copies may have to go.

    At a time when nothing ends, nobody is looked through.
    """

    acc: Named[str] = Column(String(NAME), primary_key=True)
    at: Named[int] = Column(BigInteger, index=True)


endings = Table("endings", metadata, EndingColumns)


class ForwardColumns(TypedColumns):
    """What waits here until the home hub of `acc` has answered: `kind` is `envelope`, `message`, `read` or `log`.

    `ref` names it among its kind. `outcome`: the answer as JSON; `told`: when its author was told.
    """

    id: Named[int] = Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    peer: Named[str] = Column(String(NAME))
    kind: Named[str] = Column(String(8))
    acc: Named[str] = Column(String(NAME))
    ref: Named[str] = Column(String(HASH))
    body: Named[bytes] = Column(LargeBinary)
    answered: Named[bool] = Column(Boolean)
    outcome: Named[str] = Column(Text)
    told: Named[int | None] = Column(BigInteger)


forwards = Table(
    "forwards", metadata, ForwardColumns, Index("forwards_by_name", "acc", "kind", "ref", unique=True),
    Index("forwards_by_peer", "peer", "answered", "id"),
)  # fmt: skip


class FetchColumns(TypedColumns):
    """A worker fetches the object beside the envelope `bid` from the patient's hub; nobody else does before `until`."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    bid: Named[str] = Column(String(ID), primary_key=True)
    until: Named[int] = Column(BigInteger)


fetches = Table("fetches", metadata, FetchColumns)
