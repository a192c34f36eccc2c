"""Programs that may ask for access tokens: each registered with its public keys and its scopes.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet, RSAKey
from sqlalchemy import RowMapping, bindparam, delete, exc, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from connectors.gateway.database import Database
from connectors.gateway.models import clients, used_assertions
from fhir_profiles.assertions import ED25519
from fhir_profiles.problems import Problem
from fhir_profiles.scopes import Scopes

ALGORITHMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): ("RS384",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ED25519,
}
"""The algorithms that a client may sign with, by type and curve of its key."""
RSA_BITS = 2048
MAX_KEYS = 10

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REGISTRATION = select(clients.c.registration).where(clients.c.name == bindparam("name"))
_SECRET = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@dataclass(frozen=True, slots=True)
class Client:
    """A registered program. `name` is its `client_id`; `registration` is another each time the name is registered."""

    name: str
    registration: str
    keys: KeySet
    scopes: Scopes
    added: int


def add(database: Database, name: str, jwks: str, scope: str, now: float | None = None) -> Client:
    """Register a program by its JSON Web Key Set (RFC 7517), public keys only. Raises `Problem`."""
    if not _NAME.fullmatch(name):
        raise Problem("invalid", "A client's name has up to 64 letters, digits, dots, hyphens and underscores.")
    scopes = Scopes.parse(scope)
    if not scopes:
        raise Problem("invalid", "Say what the client may do, such as system/*.rs.")
    row = {
        "name": name,
        "registration": secrets.token_urlsafe(16),
        "jwks": json.dumps(public_keys(jwks).as_dict(private=False)),
        "scope": str(scopes),
        "added": int(time.time() if now is None else now),
    }
    try:
        with database.write() as connection:
            connection.execute(insert(clients), row)
    except exc.IntegrityError:
        raise Problem("conflict", "There is a client of this name already: remove it first.") from None
    return _client(row)


def remove(database: Database, name: str) -> bool:
    """Forget a program; its access tokens end at once. Says whether there was one."""
    with database.write() as connection:
        return connection.execute(delete(clients).where(clients.c.name == name)).rowcount > 0


def listed(database: Database) -> list[Client]:
    """All registered programs, by name."""
    with database.read() as connection:
        rows = connection.execute(select(clients).order_by(clients.c.name)).mappings()
        return [_client(row) for row in rows]


def find(database: Database, name: str) -> Client | None:
    """A program by its name."""
    if not _NAME.fullmatch(name):
        return None
    with database.read() as connection:
        row = connection.execute(select(clients).where(clients.c.name == name)).mappings().one_or_none()
    return _client(row) if row is not None else None


def is_registered(database: Database, name: str, registration: str) -> bool:
    """Whether a program still is registered as it was."""
    with database.read() as connection:
        there = connection.execute(_REGISTRATION, {"name": name}).scalar_one_or_none()
    return there is not None and there == registration


def use_assertion(database: Database, client: str, jti: str, end: int, now: int) -> bool:
    """Note that an assertion was used, until the second `end`. False if it was before."""
    make = sqlite_insert if database.sqlite else postgresql_insert
    used = make(used_assertions).values(client=client, jti=jti, end=end).on_conflict_do_nothing()
    with database.write() as connection:
        connection.execute(delete(used_assertions).where(used_assertions.c.end < now))
        return connection.execute(used.returning(used_assertions.c.jti)).first() is not None


def public_keys(jwks: str) -> KeySet:
    """The keys of a JSON Web Key Set of a client. Raises `Problem` for one that could not be used, or is secret."""
    try:
        keys = json.loads(jwks)["keys"]
    except (ValueError, TypeError, KeyError):
        raise Problem("invalid", 'The keys must be a JSON Web Key Set: {"keys": [...]}.') from None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        raise Problem("invalid", f"A JSON Web Key Set must hold one to {MAX_KEYS} keys.")
    found = [_public_key(key) for key in keys]
    if len({key.kid for key in found}) < len(found):
        raise Problem("invalid", "Two keys of the set have the same kid.")
    return KeySet(found)


def _public_key(jwk: dict[str, Any]) -> Key:
    if jwk.keys() & _SECRET:
        raise Problem("invalid", "The set holds a secret key: keep that, and register the public half.")
    if not isinstance(jwk.get("kid"), str) or not jwk["kid"]:
        raise Problem("invalid", "Each key of the set must have a kid, by which the client names it.")
    algorithms = ALGORITHMS.get((str(jwk.get("kty")), str(jwk.get("crv", ""))))
    if algorithms is None or jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithms[0]) not in algorithms:
        raise Problem("invalid", "A key must be RSA for RS384, EC P-384 for ES384, or OKP Ed25519 for EdDSA.")
    try:
        key = JWKRegistry.import_key(
            {name: jwk[name] for name in ("kty", "crv", "n", "e", "x", "y", "kid") if name in jwk}
        )
    except (JoseError, ValueError):
        raise Problem("invalid", "A key of the set cannot be understood.") from None
    if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS:
        raise Problem("invalid", f"An RSA key must have {RSA_BITS} bits or more.")
    return key


def _client(row: RowMapping | dict[str, Any]) -> Client:
    keys = KeySet.import_key_set(json.loads(row["jwks"]))
    return Client(row["name"], row["registration"], keys, Scopes.parse(row["scope"]), row["added"])
