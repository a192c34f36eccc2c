"""Tables of the gateway: resources, their search index, what is granted now, who may ask and who asked, what goes out.

The index has three tables, by how values compare: text (token, reference, string, uri), date, quantity (and number).
Every row of the text index repeats the patients and the dates of its resource, so that the usual clinical question
(patient, code, period, newest first) is one scan of one index, whatever else is stored.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()

# Compared by code point on both databases, so that a prefix is a range of the index.
Word = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only under the name INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")

NO_DATE = -(2**62)
"""`low` of a resource that has no clinical date: it comes last when the newest come first."""

NO_CATEGORY = -1

resources = Table(
    "resources",
    metadata,
    Column("rid", RowId, primary_key=True, autoincrement=True),
    Column("type", Word, nullable=False),
    Column("id", Word, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated", BigInteger, nullable=False),  # microseconds since 1970
    Column("deleted", Boolean, nullable=False),  # deleted by FHIR: answers 410, is in no index
    Column("low", BigInteger, nullable=False),  # earliest clinical date, microseconds; NO_DATE without one
    Column("owner", Word, nullable=False),  # the patient's account; '' for what is house-local
    Column("set", Word, nullable=False),
    Column("stream", Word, nullable=False),
    Column("index", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("author", Word, nullable=False),
    Column("bid", Word, nullable=False),
    Column("handle", Word, nullable=False),
    Column("body", LargeBinary, nullable=False),  # as it came
    Column("kept", Boolean, nullable=False, server_default=false()),  # taken over into the house's own record
    UniqueConstraint("type", "id", "owner", "stream", "author", name="resources_identity"),
    Index("resources_type", "type", "rid"),
    Index("resources_updated", "type", "updated", "rid"),
    Index("resources_origin", "owner", "stream", "author", "handle"),
    sqlite_autoincrement=True,  # a row of the index must never lead to another resource
)

stored_columns = tuple(
    resources.c[name]
    for name in (
        "rid", "type", "id", "version", "updated", "deleted", "owner", "body", "stream", "author", "handle",
        "epoch",
    )
)  # fmt: skip
"""What is read of a resource: the members of `records.Stored`, in their order."""

index_text = Table(
    "index_text",
    metadata,
    Column("param", Word, nullable=False),  # Observation.code
    Column("value", Word, nullable=False),  # token: code; reference: id or URL; string: folded; uri
    Column("patient", Word, nullable=False),  # id of the patient the resource is about; '' if about none
    Column("low", BigInteger, nullable=False),  # clinical date, as in resources
    Column("rid", BigInteger, nullable=False),
    Column("qualifier", Word, nullable=False),  # token: system; reference: type; string: as written
    Column("high", BigInteger, nullable=False),  # latest clinical date
    PrimaryKeyConstraint("param", "value", "patient", "low", "rid", "qualifier"),
    sqlite_with_rowid=False,
)

index_date = Table(
    "index_date",
    metadata,
    Column("param", Word, nullable=False),
    Column("low", BigInteger, nullable=False),  # microseconds since 1970, half-open: `high` is excluded
    Column("high", BigInteger, nullable=False),
    Column("rid", BigInteger, nullable=False),
    PrimaryKeyConstraint("param", "low", "high", "rid"),
    Index("index_date_rid", "rid"),
    sqlite_with_rowid=False,
)

index_quantity = Table(
    "index_quantity",
    metadata,
    Column("param", Word, nullable=False),
    Column("low", Double, nullable=False),  # both the value, but for ranges and comparators
    Column("high", Double, nullable=False),
    Column("rid", BigInteger, nullable=False),
    Column("system", Word, nullable=False),
    Column("code", Word, nullable=False),
    Column("unit", Word, nullable=False),
    PrimaryKeyConstraint("param", "low", "high", "rid", "system", "code", "unit"),
    Index("index_quantity_rid", "rid"),
    sqlite_with_rowid=False,
)

spans = Table(
    # The longest period seen of each type's clinical date: a search for "since" need not look further back than this.
    "spans",
    metadata,
    Column("type", Word, primary_key=True),
    Column("span", BigInteger, nullable=False),  # microseconds
)

envelopes = Table(
    # Envelopes already taken, so that one delivered twice, or late, changes nothing.
    "envelopes",
    metadata,
    Column("bid", Word, primary_key=True),
    Column("owner", Word, nullable=False),
    Column("stream", Word, nullable=False),
    Index("envelopes_origin", "owner", "stream"),
)

deletions = Table(
    # What authors took back: an envelope that was written before and comes late brings nothing of it again.
    "deletions",
    metadata,
    Column("bid", Word, primary_key=True),
    Column("owner", Word, nullable=False),
    Column("stream", Word, nullable=False),
    Column("author", Word, nullable=False),
    Column("handle", Word, nullable=False),
    Column("at", BigInteger, nullable=False),  # when the hub stamped it, seconds since 1970
    Index("deletions_origin", "owner", "stream", "author", "handle"),
)

live_streams = Table(
    # What may be shown now; written by the inbox from the patient's chains, one row a purpose. `rules` names a grant
    # that has finer rules: under it only what is `permitted` may be shown.
    "live_streams",
    metadata,
    Column("patient", Word, nullable=False),
    Column("stream", Word, nullable=False),
    Column("purpose", Word, nullable=False),
    Column("from_epoch", Integer, nullable=False),
    Column("person", Word, nullable=False, server_default=""),  # who alone sees it, in an emergency; '' for all
    Column("until", BigInteger, nullable=False),  # seconds since 1970, excluded
    Column("rules", Word, nullable=False, server_default=""),
    Column("category", Integer, nullable=False, server_default=str(NO_CATEGORY)),  # NO_CATEGORY where it is not known
    PrimaryKeyConstraint("patient", "stream", "purpose", "from_epoch", "rules", "person"),
    sqlite_with_rowid=False,
)

permitted = Table(
    # What a grant's finer rules permit: decided when a resource comes, and anew when the rules change.
    "permitted",
    metadata,
    Column("rules", Word, nullable=False),  # the grant
    Column("rid", BigInteger, nullable=False),
    PrimaryKeyConstraint("rules", "rid"),
    Index("permitted_rid", "rid"),
    sqlite_with_rowid=False,
)

readers = Table(
    # Who may read by a grant that has finer rules: of the rows that fit a person's purpose and role the deepest purpose
    # counts, and there the role that is named ('' is any other). Written with `decided`; nobody may without a row.
    "readers",
    metadata,
    Column("rules", Word, nullable=False),  # the grant
    Column("purpose", Word, nullable=False),
    Column("role", Word, nullable=False),
    Column("depth", Integer, nullable=False),  # how many purposes lie above, and itself
    Column("admitted", Integer, nullable=False),  # 1 or 0
    PrimaryKeyConstraint("rules", "purpose", "role"),
    sqlite_with_rowid=False,
)
decided = Table(
    # By which finer rules of a grant `permitted` was filled. Without a row here it has to be filled again.
    "decided",
    metadata,
    Column("rules", Word, primary_key=True),
    Column("patient", Word, nullable=False),
    Column("name", Word, nullable=False),  # hash of the rules
)

emergencies = Table(
    # Emergencies that people of the house have declared, and what the hub said. `until` 0: it opened nothing.
    "emergencies",
    metadata,
    Column("rnd", Word, primary_key=True),  # random; it counts once at the hub
    Column("name", Word, nullable=False),  # the Patient's id, as it was named
    Column("person", Word, nullable=False),
    Column("role", Word, nullable=False),
    Column("code", Word, nullable=False),  # of the reason
    Column("text", Word, nullable=False),
    Column("at", BigInteger, nullable=False),  # seconds since 1970
    Column("state", Word, nullable=False),  # waiting, answered, unreachable or late
    Column("patient", Word, nullable=False),  # the account
    Column("gid", Word, nullable=False),  # the grant that it opened
    Column("until", BigInteger, nullable=False),  # seconds since 1970, excluded
    Index("emergencies_state", "state", "at"),
    Index("emergencies_patient", "patient", "until"),
)

confirmations = Table(
    # When the home hub was asked for the heads of a patient's chains and said what is held here.
    "confirmations",
    metadata,
    Column("patient", Word, primary_key=True),
    Column("at", BigInteger, nullable=False),  # the moment of asking, seconds since 1970 by the own clock
    Column("until", BigInteger, nullable=False),  # so long it counts, that second excluded
)

staff_tokens = Table(
    "staff_tokens",
    metadata,
    Column("hash", Word, primary_key=True),  # of the token; the token itself is shown once
    Column("person", Word, nullable=False),
    Column("role", Word, nullable=False),
    Column("purpose", Word, nullable=False),
    Column("expires", BigInteger, nullable=False),  # seconds since 1970
    Column("writes", Boolean, nullable=False, server_default=false()),
    Column("issued", BigInteger, nullable=False, server_default="0"),  # seconds since 1970
    Column("audits", Boolean, nullable=False, server_default=false()),  # she may read the house's audit
)

clients = Table(
    # Programs that may ask for access tokens, standalone with --auth only.
    "clients",
    metadata,
    Column("name", Word, primary_key=True),  # its client_id
    Column("registration", Word, nullable=False),  # random; an access token ends with the registration it was given to
    Column("jwks", Word, nullable=False),  # public keys, a JSON Web Key Set
    Column("scope", Word, nullable=False),
    Column("added", BigInteger, nullable=False),  # seconds since 1970
)

used_assertions = Table(
    # What clients proved themselves by, so that it works once.
    "used_assertions",
    metadata,
    Column("client", Word, nullable=False),
    Column("jti", Word, nullable=False),  # hash of the assertion's id
    Column("end", BigInteger, nullable=False),  # when it would be refused anyway, seconds since 1970
    PrimaryKeyConstraint("client", "jti"),
    Index("used_assertions_end", "end"),
    sqlite_with_rowid=False,
)

read_reports = Table(
    # Who read what of a patient: kept until the inbox has sent it to her.
    "read_reports",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("patient", Word, nullable=False),
    Column("person", Word, nullable=False),
    Column("role", Word, nullable=False),
    Column("purpose", Word, nullable=False),
    Column("at", BigInteger, nullable=False),  # seconds since 1970
    Column("what", Word, nullable=False),  # resource type
    Column("number", Integer, nullable=False),
    Column("kept", Word, nullable=False, server_default=""),  # why it was taken over, where it was
    Column("address", Word, nullable=False, server_default=""),  # what was asked, below the FHIR base
    Column("stated", Word, nullable=False, server_default=""),  # purpose of the token
    Column("audited", Boolean, nullable=False, server_default=false()),  # the house's audit has it
)

destinations = Table(
    # Where the house may write now; written by the inbox from permits, chains and the own grant.
    "destinations",
    metadata,
    Column("name", Word, nullable=False),  # the patient's Patient.id
    Column("category", Integer, nullable=False),
    Column("patient", Word, nullable=False),  # the account
    Column("set", Word, nullable=False),
    Column("stream", Word, nullable=False),
    Column("index", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    PrimaryKeyConstraint("name", "category"),
    Index("destinations_patient", "patient"),
    sqlite_with_rowid=False,
)

outgoing = Table(
    # What was written about patients and is not known to be at the hub, in the order of writing. It is in the same
    # transaction as the resource, so that what was acknowledged goes out.
    "outgoing",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("mark", Word, nullable=False),  # random: by which the outbox knows it again
    Column("patient", Word, nullable=False),
    Column("category", Integer, nullable=False),
    Column("type", Word, nullable=False),
    Column("resource", Word, nullable=False),  # its id
    Column("version", Integer, nullable=False),
    Column("deletes", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),  # empty for a deletion, and once the outbox or nobody has it
    Column("state", Word, nullable=False),  # waiting, queued (in the outbox) or refused
    Column("reason", Word, nullable=False),  # why it was refused
    Column("person", Word, nullable=False),  # who wrote it
    Column("at", BigInteger, nullable=False),  # seconds since 1970
    Index("outgoing_state", "state", "id"),
    sqlite_autoincrement=True,
)

linked_patients = Table(
    # Which Obhut patient a house-local Patient is, told by her card.
    "linked_patients",
    metadata,
    Column("local", Word, primary_key=True),  # the house's Patient.id
    Column("name", Word, nullable=False),  # her Patient.id at Obhut
    Column("patient", Word, nullable=False),  # her account
    Column("at", BigInteger, nullable=False),  # seconds since 1970
    Index("linked_patients_name", "name"),
)

state = Table("state", metadata, Column("key", Word, primary_key=True), Column("value", Word, nullable=False))
