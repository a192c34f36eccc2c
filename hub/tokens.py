"""Routes: the token endpoint, by SMART Backend Services.

https://hl7.org/fhir/smart-app-launch/backend-services.html: a device proves itself by a JWT that it signed with its
registered Ed25519 key (RFC 7523, `private_key_jwt`).
"""

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, ClientMixin, InvalidClientError, scope_to_list
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from flask import Blueprint, Response, request
from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey

from consent.primitives import Rejected
from hub import auth
from hub.auth import EVERYTHING, SCOPES
from hub.context import Hub, hub
from hub.limits import slow_down
from hub.store import directory as store
from hub.store.hashing import digest
from hub.wire import answer

ALGORITHMS = ("EdDSA", "Ed25519")
"""Two names of the same: RFC 8037's, which SMART clients write, and RFC 9864's."""
HEADER = {"alg", "typ", "kid"}
MAX_SECONDS = 300
LEEWAY_SECONDS = 30
METHOD = "private_key_jwt"
BODY_BYTES = 16 * 1024

pages = Blueprint("tokens", __name__)


class _Ed25519Only(jws.JWSRegistry):
    """Ed25519 under both of its names, and nothing else."""

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


class _Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """A device as OAuth's client. `key` is None where it has none."""

    def __init__(self, acc: str, dev: str, key: bytes) -> None:
        self.acc, self.dev, self.key = acc, dev, key

    def get_client_id(self) -> str:
        return f"{self.acc}/{self.dev}"

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(word for word in scope_to_list(scope or EVERYTHING) or [] if word in SCOPES)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method, endpoint) == (METHOD, "token")

    def check_grant_type(self, grant_type: str) -> bool:
        return bool(grant_type == "client_credentials")


class _Assertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """The client's assertion, checked more strictly than RFC 7523 asks for."""

    CLIENT_AUTH_METHOD = METHOD

    def __init__(self, home: Hub) -> None:
        super().__init__()
        self._home = home

    def extract_assertion(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims, unverified. A key, or the address of one, that comes along is refused."""
        headers, claims = super().extract_assertion(assertion)
        if not headers.keys() <= HEADER or headers.get("alg") not in ALGORITHMS:
            raise InvalidClientError(description="The header of the assertion is not accepted.")
        client = claims.get("sub")
        if not isinstance(client, str) or headers.get("kid") != client.rpartition("/")[2]:
            raise InvalidClientError(description="The key of the assertion is not known.")
        return headers, claims

    def resolve_client_public_key(self, client: _Client) -> OKPKey:
        return auth.public_key(client.key)

    def process_assertion_claims(self, assertion: str, resolve_key: OKPKey) -> dict[str, Any]:
        """Verify the signature, then the claims."""
        try:
            token = jwt.decode(assertion, resolve_key, registry=_Ed25519Only())
            self._rules().validate(token.claims)
        except (JoseError, ValueError):
            raise InvalidClientError(description="The assertion does not hold.") from None
        claims = dict(token.claims)
        home = self._home
        if claims["iss"] != claims["sub"] or claims["exp"] > home.now() + MAX_SECONDS + LEEWAY_SECONDS:
            raise InvalidClientError(description="The assertion does not hold.")
        with home.db.write() as tx:
            if not store.use_assertion(home.db, tx, claims["sub"], digest(claims["jti"]), claims["exp"]):
                raise InvalidClientError(description="The assertion was used before.")
        return claims

    def _rules(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=self._home.now,
            leeway=LEEWAY_SECONDS,
            iss={"essential": True},
            sub={"essential": True},
            aud={"essential": True, "value": self._home.config.token_endpoint},
            exp={"essential": True},
            jti={"essential": True},
        )


class _Grant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = (METHOD,)


def server(home: Hub) -> AuthorizationServer:
    """The authorization server of a hub."""

    def client(client_id: str) -> _Client | None:
        acc, _, dev = client_id.partition("/")
        with home.db.read() as conn:
            key = store.client_key(conn, acc, dev)
            try:
                home.chains(conn).account(acc).device(dev)
            except Rejected:
                return None
        return _Client(acc, dev, key) if key else None

    def token(client: _Client, scope: str, **_: object) -> dict[str, object]:
        return auth.issue(home, client.get_client_id(), scope or EVERYTHING)

    made = AuthorizationServer(query_client=client, save_token=lambda *_: None)
    made.scopes_supported = SCOPES
    made.register_client_auth_method(METHOD, _Assertion(home))
    made.register_token_generator("default", token)
    made.register_grant(_Grant)
    return made


@pages.post("/oauth/token")
def give_token() -> Response:
    """An access token for a device."""
    slow_down()
    request.max_content_length = BODY_BYTES
    response: Response = server(hub()).create_token_response()
    if response.status_code == 400 and response.get_json().get("error") == "invalid_client":
        response.status_code = 401  # https://www.rfc-editor.org/rfc/rfc6749#section-5.2
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@pages.get("/.well-known/smart-configuration")
def smart_configuration() -> Response:
    """What a SMART client has to know: https://hl7.org/fhir/smart-app-launch/conformance.html"""
    config = hub().config
    return answer(
        {
            "issuer": config.base_url,
            "token_endpoint": config.token_endpoint,
            "token_endpoint_auth_methods_supported": [METHOD],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "grant_types_supported": ["client_credentials"],
            "registration_endpoint": f"{config.base_url}/v1/clients",
            "scopes_supported": list(SCOPES),
            "code_challenge_methods_supported": [],
            "capabilities": ["client-confidential-asymmetric"],
        }
    )
