"""The operations of the hub, one entry each."""

from dataclasses import dataclass

JSON = "application/json"
BYTES = "application/octet-stream"
FHIR = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
JOSE = "application/jose"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path. `body` and `gives` name schemas; `statuses` are those of success."""

    method: str
    path: str
    name: str
    summary: str
    gives: str = ""
    body: str = ""
    takes: str = JSON
    media: str = JSON
    parameters: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200,)
    refusals: tuple[int, ...] = ()
    signed_in: bool = True
    of_hubs: bool = False
    database: bool = True


_ACC = ("acc",)
_FHIR_PAGE = ("_count", "_format", "page")

OPERATIONS = (
    # the hub
    Operation("get", "/v1/hub", "describeHub", "The hub, keys of hubs, clock and limits", "Hub", signed_in=False),
    Operation("get", "/healthz", "healthz", "The process answers", "Text", media=TEXT, signed_in=False, database=False),
    Operation("get", "/readyz", "readyz", "The database answers", "Text", media=TEXT, signed_in=False),
    Operation("get", "/metrics", "metrics", "Counters for Prometheus", "Text", media=TEXT, signed_in=False),
    Operation("get", "/openapi.json", "openapi", "This document", "Any", signed_in=False, database=False),
    # accounts and tokens
    Operation(
        "post", "/v1/accounts", "createAccount", "Make an account: first statements and first device's token key",
        "Client", "Enrolment", statuses=(200, 201), refusals=(401, 403, 409, 422, 429), signed_in=False,
    ),
    Operation(
        "post", "/v1/clients", "registerClient", "Register the key by which a device asks for tokens", "Client",
        "Frame", statuses=(201,), refusals=(401, 409, 429), signed_in=False,
    ),
    Operation(
        "post", "/oauth/token", "giveToken", "An access token, by SMART Backend Services", "Token", "TokenRequest",
        takes=FORM, refusals=(401, 429), signed_in=False,
    ),
    Operation(
        "get", "/fhir/.well-known/smart-configuration", "smartConfiguration", "What a SMART client has to know", "Any",
        signed_in=False, database=False,
    ),
    Operation(
        "get", "/.well-known/smart-configuration", "smartConfigurationAtRoot", "The same at the root", "Any",
        signed_in=False, database=False,
    ),
    Operation(
        "put", "/v1/sign-in", "setSignIn", "Set the sign-in key, which the passphrase yields", body="SignInKey",
        statuses=(204,),
    ),
    Operation(
        "post", "/v1/sign-in", "signIn", "A short token for the sealed vault, by the sign-in key", "Token", "SignIn",
        refusals=(401, 429), signed_in=False,
    ),
    Operation(
        "post", "/v1/recover", "recover", "A short token for the sealed vault, by the recovery sheet", "Token",
        "Recovery", refusals=(401, 429), signed_in=False,
    ),
    Operation(
        "put", "/v1/pairings/{place}/reply", "replyToDevice", "A sealed word to a new device, which makes the place",
        body="Sealed", parameters=("place",), statuses=(204,), refusals=(404, 409, 429),
    ),
    Operation(
        "put", "/v1/pairings/{place}/reveal", "revealToDevice", "The new device's sealed answer", body="Sealed",
        parameters=("place",), statuses=(204,), refusals=(404, 409, 429), signed_in=False,
    ),
    Operation(
        "get", "/v1/pairings/{place}", "readPairing", "What lies at a place; of one that there is not, nothing",
        "Pairing", parameters=("place",), refusals=(404, 429), signed_in=False,
    ),
    Operation(
        "delete", "/v1/pairings/{place}", "endPairing", "Forget a place of this account's", parameters=("place",),
        statuses=(204,), refusals=(404,),
    ),
    # chains
    Operation(
        "post", "/v1/statements", "postStatements", "Append statements of one account, all or nothing", "Heads",
        "Statements", refusals=(404, 409),
    ),
    Operation(
        "get", "/v1/chains/acct/{acc}", "readAccount", "An account's chain", "Frames",
        parameters=("acc", "after_link", "fp"), refusals=(404,),
    ),
    Operation(
        "get", "/v1/chains/set/{acc}/{set_id}", "readSet", "A set's stream chain", "Frames",
        parameters=("acc", "set_id", "after_link"), refusals=(404,),
    ),
    Operation(
        "get", "/v1/chains/rel/{acc}/{oth}", "readRelation", "A relation chain", "Frames",
        parameters=("acc", "oth", "after_link"), refusals=(404,),
    ),
    Operation("post", "/v1/heads", "readHeads", "Where chains end, signed by their home hubs", "Frames", "Question"),
    Operation("get", "/v1/sets/{acc}", "listSets", "A patient's sets", "Sets", parameters=_ACC, refusals=(404,)),
    Operation(
        "get", "/v1/relations/{acc}", "listRelations", "An account's relations", "Relations", parameters=_ACC,
        refusals=(404,),
    ),
    Operation(
        "get", "/v1/permits/{acc}/{set_id}", "readPermit", "The permit of a set", "Frame",
        parameters=("acc", "set_id"), refusals=(404,),
    ),
    Operation(
        "get", "/v1/bundles/{acc}/{lst}", "readBundle", "A bundle, by its hash", "Bytes", media=BYTES,
        parameters=("acc", "lst"), refusals=(404,),
    ),
    Operation("get", "/v1/vault/{acc}", "readVault", "The sealed vault", "Vault", parameters=_ACC, refusals=(404,)),
    # envelopes
    Operation(
        "post", "/v1/envelopes", "postEnvelopes", "Deposit envelopes: LE32 length and frame, repeated", "Results",
        "Bytes", takes=BYTES,
    ),
    Operation(
        "get", "/v1/feed", "readFeed", "What is new for the caller's account", "Feed",
        parameters=("after", "wait", "limit", "purpose", "only"),
    ),
    Operation(
        "get", "/v1/streams/{acc}/{stream}", "readStream", "Envelopes of one stream by position", "Positions",
        parameters=("acc", "stream", "after_position", "limit", "purpose"), refusals=(404,),
    ),
    Operation(
        "put", "/v1/objects/{stream}/{bid}", "putObject", "Keep the object that an envelope will name", body="Bytes",
        takes=BYTES, parameters=("stream", "bid"), statuses=(200, 201), refusals=(404, 409),
    ),
    Operation(
        "get", "/v1/objects/{acc}/{stream}/{bid}", "readObject", "The object of an envelope", "Bytes", media=BYTES,
        parameters=("acc", "stream", "bid", "purpose"), refusals=(404,),
    ),
    Operation(
        "post", "/v1/emergencies", "declareEmergency", "Declare an emergency: opens the grant that was made for it",
        "Opening", "Frame", refusals=(404, 409),
    ),
    # messages and the log
    Operation(
        "post", "/v1/messages", "postMessage", "Send a sealed message", "Sent", "Message", statuses=(202,),
        refusals=(404,),
    ),
    Operation(
        "get", "/v1/log/{acc}", "readLog", "The account's access log", "Log",
        parameters=("acc", "after_position", "log_limit"), refusals=(404,),
    ),
    Operation(
        "post", "/v1/reads", "reportReads", "Report what was read in the house", "Taken", "Reads", statuses=(202,)
    ),
    Operation(
        "post", "/v1/objections", "objectToEntry", "Say against an entry of the own log that it was not right",
        "Sent", "Objection", statuses=(202,), refusals=(404,),
    ),
    # SMART Health Links
    Operation("get", "/v1/health-links", "listHealthLinks", "The caller's SMART Health Links", "HealthLinks"),
    Operation(
        "put", "/v1/health-links/{name}", "putHealthLink", "Keep a sealed file behind a link and a passcode",
        body="HealthLink", parameters=("link",), statuses=(200, 201), refusals=(404, 409, 422),
    ),
    Operation(
        "patch", "/v1/health-links/{name}", "extendHealthLink", "Let a link hold until another moment",
        body="HealthLinkEnd", parameters=("link",), statuses=(204,), refusals=(404, 409),
    ),
    Operation(
        "delete", "/v1/health-links/{name}", "revokeHealthLink", "Close a link, and forget its file",
        parameters=("link",), statuses=(204,), refusals=(404,),
    ),
    Operation(
        "post", "/shl/{secret}", "readManifest", "The files behind a SMART Health Link, for whoever has the passcode",
        "Manifest", "ManifestRequest", parameters=("secret",), refusals=(401, 404, 429), signed_in=False,
    ),
    Operation(
        "get", "/shl/{secret}/{ticket}", "readHealthLinkFile", "The sealed file, by the address of a manifest", "Bytes",
        media=JOSE, parameters=("secret", "ticket"), refusals=(404, 429), signed_in=False,
    ),
    # the directory
    Operation(
        "get", "/v1/directory", "listOrganisations", "Organisations and services", "Organisations",
        parameters=("q", "after_account"),
    ),
    Operation(
        "get", "/fhir/metadata", "fhirMetadata", "CapabilityStatement", "Any", media=FHIR, parameters=("_format",),
        refusals=(406,), signed_in=False,
    ),
    Operation(
        "get", "/fhir/Organization", "searchOrganization", "Search organisations", "Any", media=FHIR,
        parameters=("_id", "identifier", "name", *_FHIR_PAGE), refusals=(406,),
    ),
    Operation(
        "get", "/fhir/Endpoint", "searchEndpoint", "Search endpoints", "Any", media=FHIR,
        parameters=("_id", "organization", *_FHIR_PAGE), refusals=(406,),
    ),
    Operation(
        "get", "/fhir/PractitionerRole", "searchPractitionerRole", "Search roles", "Any", media=FHIR,
        parameters=("_id", "organization", *_FHIR_PAGE), refusals=(406,),
    ),
    *(
        Operation(
            "get", f"/fhir/{name}/{{ident}}", f"read{name}", f"One {name}", "Any", media=FHIR,
            parameters=("ident", "_format"), refusals=(404, 406),
        )
        for name in ("Organization", "Endpoint", "PractitionerRole")
    ),
)  # fmt: skip
