"""Schemas and parameters of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from consent.heads import MAX_CHAINS
from consent.objects import MAX_SEALED_OBJECT
from hub.chains import MAX_STATEMENTS, MAX_WRAPS
from hub.enrolment import MAX_FRAMES
from hub.envelopes import EVENTS, MAX_EVENTS, MAX_WAIT_SECONDS
from hub.fhir import MAX_PAGE, PAGE
from hub.health_links import LONGEST, MAX_FILE, SHORTEST
from hub.release import KINDS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
BINARY: Schema = {"type": "string", "contentEncoding": "base64url", "pattern": "^[A-Za-z0-9_-]*$"}
SEALED: Schema = BINARY | {"minLength": 2}
KEY: Schema = BINARY | {"minLength": 43, "maxLength": 43}
ACCOUNT: Schema = {"type": "string", "maxLength": 190}


def ref(name: str) -> Schema:
    """A schema of this document by name."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members and none else."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def many(item: Schema, most: int | None = None) -> Schema:
    """An array."""
    return {"type": "array", "items": item} | ({"maxItems": most} if most else {})


_EVENTS = [
    closed(
        {"type": {"const": "statement"}, "kind": {"enum": ["acct", "set", "rel"]}, "acc": ACCOUNT, "oth": TEXT,
         "seq": NUMBER, "frame": BINARY},
        {"blob": BINARY},
    ),
    closed(
        {"type": {"const": "envelope"}, "acc": ACCOUNT, "set": BINARY, "str": BINARY, "pos": NUMBER, "frame": BINARY,
         "stamp": BINARY}
    ),
    closed({"type": {"const": "message"}, "id": TEXT, "from": ACCOUNT, "to": ACCOUNT, "frame": BINARY}),
    closed({"type": {"const": "declare"}, "acc": ACCOUNT, "frame": BINARY, "at": NUMBER, "until": NUMBER}),
]  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "Any": {"type": "object"},
    "Text": TEXT,
    "Bytes": {},
    "Problem": {
        "type": "object",
        "description": "RFC 9457. `reason` is the protocol's word where the protocol refuses.",
        "properties": {
            "type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT, "reason": TEXT,
            "links": many(BINARY), "now": NUMBER, "retry_after": NUMBER, "remainingAttempts": NUMBER,
            "head": {"type": ["array", "null"], "items": {"type": ["integer", "string"]}},
        },
        "required": ["type", "title", "status", "detail"],
    },
    "Hub": closed(
        {"domain": TEXT, "title": TEXT, "key": KEY, "peers": {"type": "object", "additionalProperties": KEY},
         "now": NUMBER, "token_endpoint": TEXT,
         "limits": {"type": "object", "additionalProperties": NUMBER}}
    ),
    "Enrolment": closed({"frames": many(BINARY, MAX_FRAMES), "client": BINARY}, {"admission": TEXT}),
    "Frame": closed({"frame": BINARY}),
    "Client": closed({"client_id": TEXT}, {"account": ACCOUNT}),
    "TokenRequest": closed(
        {"grant_type": {"const": "client_credentials"}, "client_assertion": TEXT,
         "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
        {"scope": TEXT},
    ),
    "Token": closed({"access_token": TEXT, "token_type": {"const": "Bearer"}, "expires_in": NUMBER, "scope": TEXT}),
    "OAuthError": closed({"error": TEXT}, {"error_description": TEXT}),
    "SignInKey": closed({"key": KEY}),
    "SignIn": closed({"account": ACCOUNT, "key": KEY}),
    "Sealed": closed({"sealed": SEALED}),
    "Pairing": closed({}, {"reply": BINARY, "reveal": BINARY}),
    "Recovery": closed({"account": ACCOUNT, "token": KEY}),
    "Statements": closed(
        {"statements": many(closed({"frame": BINARY}, {"blob": BINARY}), MAX_STATEMENTS)},
        {"wraps": {"type": "object", "additionalProperties": BINARY, "maxProperties": MAX_WRAPS}, "fetch": KEY},
    ),
    "Heads": closed({"heads": many(many({"type": ["integer", "string"]}, 5))}),
    "Question": closed(
        {"nonce": BINARY | {"minLength": 22, "maxLength": 22},
         "chains": many({"type": "array", "prefixItems": [{"enum": ["acct", "set", "rel"]}, ACCOUNT, TEXT],
                         "minItems": 3, "maxItems": 3}, MAX_CHAINS)}
    ),
    "Frames": closed({"frames": many(BINARY)}, {"cited": {"type": "object", "additionalProperties": many(BINARY)}}),
    "Sets": closed({"sets": many(BINARY)}),
    "Relations": closed({"relations": many(many(ACCOUNT, 2))}),
    "Vault": closed(
        {"ver": NUMBER, "ciphertext": BINARY, "wraps": {"type": "object", "additionalProperties": BINARY}}
    ),
    "Results": closed(
        {"results": many(
            closed(
                {"bid": BINARY, "status": {"type": "integer"}},
                {"stamp": BINARY, "reason": TEXT, "links": many(BINARY), "seq": NUMBER, "hash": BINARY},
            )
        )}
    ),
    "Feed": closed(
        {"events": many({"oneOf": _EVENTS}), "next": TEXT,
         "permits": {"type": "object", "additionalProperties": BINARY}}
    ),
    "Positions": closed(
        {"envelopes": many(closed({"pos": NUMBER, "frame": BINARY, "stamp": BINARY})), "next": NUMBER,
         "permits": {"type": "object", "additionalProperties": BINARY}}
    ),
    "Message": closed({"to": ACCOUNT, "frame": SEALED}, {"fp": TEXT}),
    "Sent": closed({"id": TEXT}),
    "Opening": closed({"at": NUMBER, "until": NUMBER}),
    "Log": closed(
        {"entries": many(
            closed(
                {"seq": NUMBER, "at": NUMBER, "actor": TEXT, "device": TEXT, "action": TEXT, "purpose": TEXT,
                 "detail": {"type": "object"}, "hash": BINARY},
                {"sealed": BINARY},
            )
        ), "next": NUMBER, "head": BINARY}
    ),
    "Objection": closed({"entry": NUMBER, "frame": SEALED}),
    "Reads": closed(
        {"reports": many(closed({"acc": ACCOUNT, "at": NUMBER, "purpose": TEXT, "sealed": SEALED}), 100)}
    ),
    "Taken": closed({"results": many(closed({"status": {"type": "integer"}}))}),
    "HealthLinks": closed(
        {"links": many(
            closed(
                {"name": BINARY, "at": NUMBER, "until": NUMBER, "size": NUMBER, "sealed": BINARY, "left": NUMBER,
                 "opened": NUMBER, "opened_at": NUMBER}
            )
        )}
    ),
    "HealthLink": closed(
        {"passcode": {"type": "string", "minLength": SHORTEST, "maxLength": LONGEST}, "until": NUMBER,
         "sealed": SEALED, "file": {"type": "string", "maxLength": MAX_FILE, "description": "A compact JWE"}}
    ),
    "HealthLinkEnd": closed({"until": NUMBER}),
    "ManifestRequest": {
        "type": "object",
        "properties": {"recipient": {"type": "string", "minLength": 1, "maxLength": 1024},
                       "passcode": {"type": "string", "maxLength": LONGEST}, "embeddedLengthMax": NUMBER},
        "required": ["recipient"],
    },
    "Manifest": closed(
        {"files": many(
            closed(
                {"contentType": TEXT, "fhirVersion": TEXT, "status": TEXT, "lastUpdated": TEXT},
                {"location": TEXT, "embedded": TEXT},
            )
        )}
    ),
    "Organisations": closed(
        {"organisations": many(
            closed(
                {"account": ACCOUNT, "name": TEXT, "type": TEXT, "part_of": TEXT, "fingerprint": TEXT,
                 "reading_key": BINARY}
            )
        ), "next": {"type": ["string", "null"]}}
    ),
}  # fmt: skip


def _parameter(name: str, place: str, description: str, schema: Schema) -> Schema:
    found = {"name": name, "in": place, "description": description, "schema": schema}
    return found | ({"required": True} if place == "path" else {})


def _between(least: int, most: int, default: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


_CURSOR = r"^([0-9]{1,15}[.][0-9]{1,15}[.][0-9]{1,15})?$"
_KINDS = "|".join(KINDS)

_IN_PATH = {
    "acc": "Account", "oth": "Counterpart", "set_id": "Set", "stream": "Stream", "lst": "Hash of the bundle",
    "author": "Account that wrote it", "device": "Device that wrote it", "bid": "Id of the envelope",
    "ident": "Id of the resource", "place": "Place that follows from what a new device shows",
    "secret": "What stands in the link", "ticket": "As in the manifest",
}  # fmt: skip
_WORDS = {
    "q": "Words of the title or account", "fp": "Fingerprint of the account, from a card",
    "_id": "Ids of resources", "name": "Beginnings of the name", "organization": "Ids, or Organization/id",
    "identifier": "Accounts and fingerprints, with or without `urn:obhut:account|` and `urn:obhut:fingerprint|`",
    "page": "As in the link `next`", "hash": "Hash of the whole object",
}  # fmt: skip


def _any_of(value: str) -> str:
    """The pattern of one value or several, with commas between."""
    return f"^{value}(,{value})*$"


def _word(name: str) -> Schema:
    form = _FORMS.get(name)
    return {"type": "string", "maxLength": 200} | ({"pattern": form} if form else {})


_IDENT, _SAID = r"[A-Za-z0-9.-]{1,64}", r"[^\x00,|\\]+"
_FORMS = {
    "q": r"^[^\x00]*$", "page": r"^[^\x00]*$", "_id": _any_of(_IDENT), "name": _any_of(_SAID),
    "organization": _any_of(f"(Organization/)?{_IDENT}"), "identifier": _any_of(rf"{_SAID}([|]{_SAID})?"),
}  # fmt: skip

PARAMETERS: dict[str, Schema] = {
    **{name: _parameter(name, "path", text, TEXT) for name, text in _IN_PATH.items()},
    **{name: _parameter(name, "query", text, _word(name)) for name, text in _WORDS.items()},
    "link": _parameter("name", "path", "SHA-256 of the link's secret, base64url", TEXT),
    "_format": _parameter("_format", "query", "Only JSON is served", {"enum": ["json", "application/fhir+json"]}),
    "_count": _parameter("_count", "query", "Entries a page", _between(0, MAX_PAGE, PAGE)),
    "after": _parameter("after", "query", "Cursor: `next` of the page before", {"type": "string", "pattern": _CURSOR}),
    "after_link": _parameter("after", "query", "Only links behind this one", _between(-1, 2**53 - 1, -1)),
    "after_position": _parameter("after", "query", "Only what stands behind this", _between(0, 2**53 - 1, 0)),
    "after_account": _parameter("after", "query", "`next` of the page before", ACCOUNT),
    "wait": _parameter("wait", "query", "Seconds to wait for news", _between(0, MAX_WAIT_SECONDS, 0)),
    "size": _parameter("size", "query", "Bytes of the whole object", _between(1, MAX_SEALED_OBJECT, 1)),
    "from": _parameter("from", "query", "Bytes that stand before these", _between(0, MAX_SEALED_OBJECT, 0)),
    "limit": _parameter("limit", "query", "At most so many events", _between(1, MAX_EVENTS, EVENTS)),
    "log_limit": _parameter("limit", "query", "At most so many entries", _between(1, 500, 500)),
    "purpose": _parameter(
        "purpose", "query", "For what it is asked: a code of v3-ActReason; without it for whatever the grants allow",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{0,64}$"},
    ),
    "only": _parameter(
        "only", "query", "Kinds of events, with commas", {"type": "string", "pattern": f"^({_KINDS})(,({_KINDS}))*$"}
    ),
}  # fmt: skip
