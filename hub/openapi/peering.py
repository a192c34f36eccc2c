"""The doors for other hubs as operations: each request is signed by a pinned hub (RFC 9421), none bears a token."""

from hub.openapi.operations import BYTES, Operation

_REFUSALS = (401, 404, 429)


def _post(path: str, name: str, summary: str) -> Operation:
    takes = BYTES if path == "envelopes" else "application/json"
    return Operation(
        "post", f"/v1/peer/{path}", name, summary, "Any", "Any", takes, refusals=(403, 409, *_REFUSALS),
        signed_in=False, of_hubs=True,
    )  # fmt: skip


def _chain(kind: str, name: str, summary: str, *parameters: str) -> Operation:
    path = "".join(f"/{{{parameter}}}" for parameter in parameters)
    return Operation(
        "get", f"/v1/peer/chains/{kind}{path}", name, summary, "Any", parameters=(*parameters, "after_link", "fp"),
        refusals=_REFUSALS, signed_in=False, of_hubs=True,
    )  # fmt: skip


OPERATIONS = (
    _post("feed", "peerFeed", "What is new for the calling hub, with a signed note of how far that goes"),
    _chain("acct", "peerReadAccount", "An account's chain, for a hub", "acc"),
    _chain("set", "peerReadSet", "A set's stream chain, for a hub", "acc", "set_id"),
    _chain("rel", "peerReadRelation", "A relation chain, for a hub", "acc", "oth"),
    Operation(
        "get",
        "/v1/peer/chains/of/{acc}",
        "peerListChains",
        "A patient's sets and relations, for a hub",
        "Any",
        parameters=("acc",),
        refusals=_REFUSALS,
        signed_in=False,
        of_hubs=True,
    ),
    _post("heads", "peerReadHeads", "Where chains end, for an account of the calling hub"),
    _post("envelopes", "peerPostEnvelopes", "Deposit envelopes of authors of the calling hub"),
    Operation(
        "put",
        "/v1/peer/objects/{author}/{device}/{stream}/{bid}",
        "peerPutObject",
        "The next part of an object of an author of the calling hub",
        "Any",
        "Bytes",
        BYTES,
        parameters=("author", "device", "stream", "bid", "size", "hash", "from"),
        refusals=(403, 409, 413, *_REFUSALS),
        signed_in=False,
        of_hubs=True,
    ),
    Operation(
        "get",
        "/v1/peer/objects/{acc}/{stream}/{bid}",
        "peerReadObject",
        "A part of the object of an envelope, for a hub",
        "Bytes",
        media=BYTES,
        parameters=("acc", "stream", "bid", "from"),
        statuses=(206,),
        refusals=_REFUSALS,
        signed_in=False,
        of_hubs=True,
    ),
    _post("statements", "peerPostStatements", "Append statements of a delegate of the calling hub"),
    _post("emergencies", "peerDeclareEmergency", "An emergency that a house of the calling hub declares"),
    _post("messages", "peerPostMessages", "Sealed messages from accounts of the calling hub"),
    _post("entries", "peerPostEntries", "Entries for access logs of patients here"),
)
