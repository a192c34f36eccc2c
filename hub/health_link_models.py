"""The tables of SMART Health Links. See `hub.models`."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Named, String, Table, TypedColumns

from hub.models import HASH, NAME, metadata


class HealthLinkColumns(TypedColumns):
    """A link. `name`: SHA-256 of the secret in its address; `verifier`: of its passcode, by `salt`.

    `sealed`: what the patient noted for herself. `wrong`: passcodes that were wrong; `opened`, `opened_at`: how often
    and when last.
    """

    acc: Named[str] = Column(String(NAME), primary_key=True)
    name: Named[str] = Column(String(HASH), primary_key=True)
    at: Named[int] = Column(BigInteger)
    until: Named[int] = Column(BigInteger)
    salt: Named[bytes] = Column(LargeBinary)
    verifier: Named[bytes] = Column(LargeBinary)
    size: Named[int] = Column(BigInteger)
    sealed: Named[bytes] = Column(LargeBinary)
    wrong: Named[int] = Column(BigInteger)
    opened: Named[int] = Column(BigInteger)
    opened_at: Named[int] = Column(BigInteger)


health_links = Table(
    "health_links", metadata, HealthLinkColumns,
    Index("health_links_by_name", "name"), Index("health_links_by_end", "until"),
)  # fmt: skip


class HealthLinkPartColumns(TypedColumns):
    """The part `n` of the file behind a link."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    name: Named[str] = Column(String(HASH), primary_key=True)
    n: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    part: Named[bytes] = Column(LargeBinary)


health_link_parts = Table("health_link_parts", metadata, HealthLinkPartColumns)


class HealthLinkTicketColumns(TypedColumns):
    """A short address of the file behind a link: the hash of what stands in it, and until when it counts."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    name: Named[str] = Column(String(HASH), primary_key=True)
    ticket: Named[str] = Column(String(HASH), primary_key=True)
    until: Named[int] = Column(BigInteger)


health_link_tickets = Table("health_link_tickets", metadata, HealthLinkTicketColumns)
