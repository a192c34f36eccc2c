"""Routes: the token endpoint, by SMART Backend Services.

https://hl7.org/fhir/smart-app-launch/backend-services.html: a device proves itself by a JWT that it signed with its
registered Ed25519 key (RFC 7523, `private_key_jwt`).
"""

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, ClientMixin, scope_to_list
from flask import Blueprint, Response, request
from joserfc.jwk import KeySet

from consent.primitives import Rejected
from fhir_profiles.assertions import ED25519, METHOD, Assertion
from hub import auth
from hub.auth import EVERYTHING, SCOPES
from hub.context import Hub, hub
from hub.limits import slow_down
from hub.store import directory as store
from hub.wire import answer

BODY_BYTES = 16 * 1024

pages = Blueprint("tokens", __name__)


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

    def keys(client: _Client) -> KeySet:
        return KeySet([auth.public_key(client.key, client.dev)])

    def use(client_id: str, jti: str, end: int) -> bool:
        with home.db.write() as tx:
            return store.use_assertion(home.db, tx, client_id, jti, end)

    def token(client: _Client, scope: str, **_: object) -> dict[str, object]:
        return auth.issue(home, client.get_client_id(), scope or EVERYTHING)

    made = AuthorizationServer(query_client=client, save_token=lambda *_: None)
    made.scopes_supported = SCOPES
    made.register_client_auth_method(METHOD, Assertion(home.config.token_endpoint, ED25519, home.now, keys, use))
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


@pages.get("/fhir/.well-known/smart-configuration")
@pages.get("/.well-known/smart-configuration")
def smart_configuration() -> Response:
    """What a SMART client has to know: https://hl7.org/fhir/smart-app-launch/conformance.html"""
    config = hub().config
    return answer(
        {
            "issuer": config.base_url,
            "token_endpoint": config.token_endpoint,
            "token_endpoint_auth_methods_supported": [METHOD],
            "token_endpoint_auth_signing_alg_values_supported": list(ED25519),
            "grant_types_supported": ["client_credentials"],
            "registration_endpoint": f"{config.base_url}/v1/clients",
            "scopes_supported": list(SCOPES),
            "code_challenge_methods_supported": [],
            "capabilities": ["client-confidential-asymmetric"],
        }
    )
