"""The tables. What an account owns has the account (`acc`) as the leading key column, to be partitioned by it; nothing
refers across accounts. Frames and ciphertext stand byte for byte as they came; times are Unix seconds."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    MetaData,
    Named,
    String,
    Table,
    Text,
    TypedColumns,
    false,
)

metadata = MetaData()

NAME = 190  # an account
ID = 22  # 16 bytes, base64url
HASH = 43  # 32 bytes, base64url


class AccountColumns(TypedColumns):
    """An account at this hub; its row is the lock under which everything the account owns changes.

    `log_seq`, `log_hash`: the last entry of its access log. `log_released`: the number of envelopes released by it.
    """

    acc: Named[str] = Column(String(NAME), primary_key=True)
    cls: Named[str] = Column(String(7))
    log_seq: Named[int] = Column(BigInteger)
    log_hash: Named[str] = Column(String(HASH), server_default="")
    log_released: Named[int] = Column(BigInteger, server_default="0")
    verifier: Named[str] = Column(Text)
    fetch: Named[str] = Column(String(HASH))
    fetch_before: Named[str] = Column(String(HASH))
    fetch_changed: Named[int] = Column(BigInteger)


accounts = Table("accounts", metadata, AccountColumns)


class LinkColumns(TypedColumns):
    """A statement: one link of the chain (`kind`, `acc`, `oth`)."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    kind: Named[str] = Column(String(4), primary_key=True)
    oth: Named[str] = Column(String(NAME), primary_key=True)
    seq: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    frame: Named[bytes] = Column(LargeBinary)


links = Table("links", metadata, LinkColumns)


class HeadColumns(TypedColumns):
    """The last link of each chain."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    kind: Named[str] = Column(String(4), primary_key=True)
    oth: Named[str] = Column(String(NAME), primary_key=True)
    seq: Named[int] = Column(BigInteger)
    hash: Named[str] = Column(String(HASH))


heads = Table("heads", metadata, HeadColumns)


class TieColumns(TypedColumns):
    """Who has ever had to do with a patient: herself, her counterparts, her delegates; and hubs that hold her chain."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    oth: Named[str] = Column(String(NAME), primary_key=True)


ties = Table("ties", metadata, TieColumns, Index("ties_by_other", "oth", "acc"))


class BundleColumns(TypedColumns):
    """A bundle beside a `grant` or `keys` statement, by its hash; `oth` is the counterpart."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    lst: Named[str] = Column(String(HASH), primary_key=True)
    oth: Named[str] = Column(String(NAME))
    blob: Named[bytes] = Column(LargeBinary)


bundles = Table("bundles", metadata, BundleColumns)


class VaultColumns(TypedColumns):
    """The sealed vault."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    ver: Named[int] = Column(BigInteger)
    ciphertext: Named[bytes] = Column(LargeBinary)


vaults = Table("vaults", metadata, VaultColumns)


class WrapColumns(TypedColumns):
    """The vault's key, wrapped for a device, the sheet or the passphrase; a part of it for a delegate, by account."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    name: Named[str] = Column(String(NAME), primary_key=True)
    wrap: Named[bytes] = Column(LargeBinary)


wraps = Table("wraps", metadata, WrapColumns)


class RouteColumns(TypedColumns):
    """Whose stream an id is: an envelope's header names the stream, not the patient."""

    stream: Named[str] = Column(String(ID), primary_key=True)
    acc: Named[str] = Column(String(NAME))


routes = Table("routes", metadata, RouteColumns)


class StreamColumns(TypedColumns):
    """A stream: its set and index, the position of its last envelope, and the bytes up to there."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    stream: Named[str] = Column(String(ID), primary_key=True)
    set_id: Named[str] = Column(String(ID))
    idx: Named[int] = Column(BigInteger)
    pos: Named[int] = Column(BigInteger)
    size: Named[int] = Column(BigInteger)


streams = Table("streams", metadata, StreamColumns)


class PermitColumns(TypedColumns):
    """The permit frame of a set, and the one author it ever has."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    set_id: Named[str] = Column(String(ID), primary_key=True)
    aut: Named[str] = Column(String(NAME))
    frame: Named[bytes] = Column(LargeBinary)


permits = Table("permits", metadata, PermitColumns)


class SequenceColumns(TypedColumns):
    """The last envelope of a device in a stream."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    stream: Named[str] = Column(String(ID), primary_key=True)
    dev: Named[str] = Column(String(17), primary_key=True)
    seq: Named[int] = Column(BigInteger)
    hash: Named[str] = Column(String(HASH))


sequences = Table("sequences", metadata, SequenceColumns)


class EnvelopeColumns(TypedColumns):
    """An envelope at its dense position in a stream, with the stamp it was acknowledged by."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    stream: Named[str] = Column(String(ID), primary_key=True)
    pos: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    bid: Named[str] = Column(String(ID))
    ep: Named[int] = Column(BigInteger)
    size: Named[int] = Column(BigInteger)
    frame: Named[bytes] = Column(LargeBinary)
    stamp: Named[bytes] = Column(LargeBinary)


envelopes = Table("envelopes", metadata, EnvelopeColumns, Index("envelopes_by_bid", "acc", "bid", unique=True))


class ObjectColumns(TypedColumns):
    """An object beside the envelope `bid`, which need not have come yet: of which stream, and since when it is kept.

    `come`: so many of its bytes are here; one that another hub gives comes in parts.
    """

    acc: Named[str] = Column(String(NAME), primary_key=True)
    bid: Named[str] = Column(String(ID), primary_key=True)
    stream: Named[str] = Column(String(ID))
    size: Named[int] = Column(BigInteger)
    hash: Named[str] = Column(String(HASH))
    at: Named[int] = Column(BigInteger)
    come: Named[int] = Column(BigInteger, server_default="0")


objects = Table("objects", metadata, ObjectColumns)


class ObjectPartColumns(TypedColumns):
    """The part `n` of an object, so that none is ever held whole."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    bid: Named[str] = Column(String(ID), primary_key=True)
    n: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    part: Named[bytes] = Column(LargeBinary)


object_parts = Table("object_parts", metadata, ObjectPartColumns)


class FeedColumns(TypedColumns):
    """What one transaction (`tx`) announces to a recipient, in order (`n`).

    `what`: `acct`, `set`, `rel` (the statements `first` … `last` of the chain `ref`), `envelope` (positions `first` …
    `last` of the stream `ref`), `message` (the id `ref`) or `declare` (the number `ref`). `size`: the bytes of the
    frames announced. A recipient is an account of this hub, or another hub's domain. `urgent`: what a hub is told
    before all else.
    """

    acc: Named[str] = Column(String(NAME), primary_key=True)
    tx: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    n: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    recipient: Named[str] = Column(String(NAME))
    what: Named[str] = Column(String(8))
    ref: Named[str] = Column(String(NAME))
    first: Named[int] = Column(BigInteger)
    last: Named[int] = Column(BigInteger)
    size: Named[int] = Column(BigInteger)
    urgent: Named[bool] = Column(Boolean, server_default=false())


feed = Table("feed", metadata, FeedColumns, Index("feed_by_recipient", "recipient", "tx", "n"))


class OpeningColumns(TypedColumns):
    """A grant that begins later: at `at` its counterpart is to be told of everything it covers."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    gid: Named[str] = Column(String(ID), primary_key=True)
    recipient: Named[str] = Column(String(NAME))
    at: Named[int] = Column(BigInteger)


openings = Table("openings", metadata, OpeningColumns, Index("openings_by_recipient", "recipient", "at"))


class MessageColumns(TypedColumns):
    """A sealed message to an account."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    id: Named[str] = Column(String(HASH), primary_key=True)
    sender: Named[str] = Column(String(NAME))
    frame: Named[bytes] = Column(LargeBinary)


messages = Table("messages", metadata, MessageColumns)


class LogColumns(TypedColumns):
    """The access log of an account, a hash chain (`consent.log`). `detail` is a JSON object; `ref` keeps single what is
    reported twice."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    seq: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    at: Named[int] = Column(BigInteger)
    actor: Named[str] = Column(String(NAME))
    device: Named[str] = Column(String(17))
    action: Named[str] = Column(String(16))
    purpose: Named[str] = Column(String(64))
    detail: Named[str] = Column(Text)
    sealed: Named[bytes | None] = Column(LargeBinary)
    ref: Named[str | None] = Column(String(HASH))
    hash: Named[str] = Column(String(HASH), server_default="")


log = Table("log", metadata, LogColumns, Index("log_by_ref", "acc", "ref", unique=True))


class DeclarationColumns(TypedColumns):
    """A declared emergency, by the number that it bears: the grant `gid` is open for `oth` from `at` until `until`."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    rnd: Named[str] = Column(String(ID), primary_key=True)
    oth: Named[str] = Column(String(NAME))
    gid: Named[str] = Column(String(ID))
    at: Named[int] = Column(BigInteger)
    until: Named[int] = Column(BigInteger)
    frame: Named[bytes] = Column(LargeBinary)


declarations = Table("declarations", metadata, DeclarationColumns, Index("declarations_by_end", "acc", "until"))


class ClientColumns(TypedColumns):
    """The Ed25519 key by which a device asks for tokens, and when it was registered."""

    acc: Named[str] = Column(String(NAME), primary_key=True)
    dev: Named[str] = Column(String(17), primary_key=True)
    key: Named[bytes] = Column(LargeBinary)
    at: Named[int] = Column(BigInteger)


clients = Table("clients", metadata, ClientColumns)


class OrganisationColumns(TypedColumns):
    """An organisation or service that the operator let in. `code`: hash of its admission code, empty once used.

    `part_of`: the account of the organisation that it is a part of; empty where it is none.
    """

    acc: Named[str] = Column(String(NAME), primary_key=True)
    title: Named[str] = Column(Text)
    type: Named[str] = Column(String(16))
    code: Named[str] = Column(String(HASH))
    joined: Named[int | None] = Column(BigInteger)
    part_of: Named[str] = Column(String(NAME), server_default="")


organisations = Table("organisations", metadata, OrganisationColumns)


class AssertionColumns(TypedColumns):
    """Ids of client assertions that were used, until they expire."""

    client: Named[str] = Column(String(NAME + 18), primary_key=True)
    jti: Named[str] = Column(String(HASH), primary_key=True)
    exp: Named[int] = Column(BigInteger, index=True)


assertions = Table("assertions", metadata, AssertionColumns)


class AttemptColumns(TypedColumns):
    """Tries to open an account since a moment; `subject` is a hash, whether the account exists or not."""

    subject: Named[str] = Column(String(HASH), primary_key=True)
    since: Named[int] = Column(BigInteger)
    count: Named[int] = Column(BigInteger)


attempts = Table("attempts", metadata, AttemptColumns)


class PairingColumns(TypedColumns):
    """A place where two devices leave sealed words for each other, since a moment; `acc`: whose device made it."""

    place: Named[str] = Column(String(HASH), primary_key=True)
    acc: Named[str] = Column(String(NAME))
    at: Named[int] = Column(BigInteger)
    reply: Named[bytes] = Column(LargeBinary)
    reveal: Named[bytes] = Column(LargeBinary)


pairings = Table("pairings", metadata, PairingColumns, Index("pairings_by_account", "acc"))


class ConsoleColumns(TypedColumns):
    """A link to the operator's page that counts once, or a `session` that one began; by the hash of its secret."""

    secret: Named[str] = Column(String(HASH), primary_key=True)
    session: Named[bool] = Column(Boolean)
    until: Named[int] = Column(BigInteger, index=True)


console = Table("console", metadata, ConsoleColumns)


class CounterColumns(TypedColumns):
    """Whole numbers of the database itself: see `hub.store.database`."""

    name: Named[str] = Column(String(16), primary_key=True)
    value: Named[int] = Column(BigInteger)


counters = Table("counters", metadata, CounterColumns)
