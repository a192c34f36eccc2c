"""A standalone gateway with --auth, and programs that sign in to it."""

import json
import warnings
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from flask import Flask
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from sqlalchemy import select
from werkzeug.test import TestResponse

from connectors.gateway import clients
from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.models import metadata
from tests.connectors.gateway.conftest import Api

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ENDPOINT = "http://127.0.0.1:8080/oauth/token"
KEYS: dict[str, Key] = {
    "RS384": RSAKey.generate_key(2048, {"kid": "rsa"}),
    "ES384": ECKey.generate_key("P-384", {"kid": "ec"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "okp"}),
}
KEYS["Ed25519"] = KEYS["EdDSA"]


def jwks(*keys: Key, private: bool = False, **more: Any) -> str:
    """A JSON Web Key Set as a file holds it."""
    return json.dumps({"keys": [key.as_dict(private=private) | more for key in keys]})


@dataclass
class Programs:
    """The server and those who call it; every program has the same three keys."""

    config: Config
    clock: Any
    app: Flask = field(init=False)
    _ids: count = field(default_factory=count)

    def __post_init__(self) -> None:
        self.app = create_app(self.config, clock=self.clock)

    @property
    def database(self) -> Database:
        return self.app.extensions["gateway"].store.database

    @property
    def now(self) -> int:
        return int(self.clock())

    def add(self, name: str, scope: str) -> str:
        clients.add(self.database, name, jwks(*{id(key): key for key in KEYS.values()}.values()), scope, self.now)
        return name

    def claims(self, name: str, **changes: Any) -> dict[str, Any]:
        claims = {"iss": name, "sub": name, "aud": ENDPOINT, "exp": self.now + 240, "jti": f"id-{next(self._ids)}"}
        return {key: value for key, value in (claims | changes).items() if value is not None}

    def assertion(self, name: str, alg: str = "ES384", header: dict[str, Any] | None = None, **changes: Any) -> str:
        fields = {"alg": alg, "typ": "JWT", "kid": KEYS[alg].kid} | (header or {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA is the older of two names
            return jwt.encode(fields, self.claims(name, **changes), KEYS[alg], algorithms=[alg])

    def ask(self, assertion: str, **more: str) -> TestResponse:
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion}
        return self.app.test_client().post("/oauth/token", data=form | more)

    def token(self, name: str, scope: str = "") -> str:
        answer = self.ask(self.assertion(name), **({"scope": scope} if scope else {}))
        assert answer.status_code == 200, answer.text
        return answer.json["access_token"]

    def api(self, token: str = "") -> Api:
        """A client that sends this token."""
        api = Api(self.app.test_client())
        if token:
            api.headers["Authorization"] = f"Bearer {token}"
        return api

    def allowed(self, scope: str) -> Api:
        """A client of a new program that may do just this."""
        return self.api(self.token(self.add(f"program-{next(self._ids)}", scope)))

    def dump(self) -> dict[str, list[Any]]:
        """Everything in the database."""
        with self.database.read() as connection:
            return {
                table.name: sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables
            }
