"""The SMART server of a standalone gateway: programs sign in by SMART Backend Services, and keep to their scopes.

https://hl7.org/fhir/smart-app-launch/backend-services.html. Its key is in the database, beside the registered clients.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, ClientMixin, InvalidScopeError
from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from joserfc.jwk import KeySet, OKPKey

from connectors.gateway import clients, fhir_api
from connectors.gateway.clients import ALGORITHMS, Client
from connectors.gateway.negotiation import bearer
from connectors.gateway.permission import CREATE, DELETE, READ, SEARCH, UPDATE, require
from connectors.gateway.store import Store
from consent.keys import SigningKey
from consent.primitives import KEY_BYTES, b64, random_bytes, unb64
from fhir_profiles.access_tokens import AccessTokens, unauthenticated
from fhir_profiles.assertions import METHOD, Assertion
from fhir_profiles.problems import Problem
from fhir_profiles.scopes import Scopes

KEY_STATE = "token-key"
BODY_BYTES = 16 * 1024
NAMES = tuple(name for names in ALGORITHMS.values() for name in names)

OPEN = frozenset({"healthz", "readyz", "metadata", "smart.give_token", "smart.configuration"})
"""Endpoints that ask for no token."""
BUNDLE = "bundle"
INTERACTIONS = {
    "read": READ, "search": SEARCH, "search_by_form": SEARCH, "create": CREATE, "update": UPDATE, "delete": DELETE,
}  # fmt: skip
"""What the other endpoints do with the type in their address. One that is not here is refused."""

pages = Blueprint("smart", __name__)


@dataclass(frozen=True, slots=True)
class Smart:
    """The server's part: where it is seen, its tokens, its clock (Unix seconds). `base_url` is the FHIR base."""

    store: Store
    base_url: str
    tokens: AccessTokens = field(repr=False)
    now: Callable[[], int]

    @property
    def token_endpoint(self) -> str:
        """Where clients ask for tokens, and the audience of their assertions."""
        return fhir_api.token_endpoint(self.base_url)


def init_app(app: Flask, store: Store, base_url: str, clock: Callable[[], float]) -> None:
    """Add the server to an app, and ask a token at all doors but the open ones."""
    seed = SigningKey(unb64(store.state_once(KEY_STATE, b64(random_bytes(KEY_BYTES))), KEY_BYTES))
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(seed.public), "d": b64(bytes(seed))})

    def now() -> int:
        return int(clock())

    app.extensions["smart"] = Smart(store, base_url, AccessTokens(key, base_url, now), now)
    app.register_blueprint(pages)
    app.before_request(_guard)


def _guard() -> None:
    """Raises `Problem` unless the caller's token allows what the address and method ask for."""
    endpoint = request.endpoint
    if endpoint is None or endpoint in OPEN:
        return
    scopes = _scopes(_smart())
    if endpoint == BUNDLE:
        g.scopes = scopes  # each entry asks for itself
        return
    if endpoint not in INTERACTIONS:
        raise Problem("forbidden", "No scope allows this here.")
    type_ = (request.view_args or {})["type_"]
    require(scopes, type_, INTERACTIONS[endpoint])
    if "If-None-Exist" in request.headers:
        require(scopes, type_, SEARCH)


def _scopes(smart: Smart) -> Scopes:
    """What the token of the present request allows. Raises `Problem(unauthenticated)`."""
    token = bearer(request)
    if not token:
        raise unauthenticated("Send an access token: GET /fhir/.well-known/smart-configuration says where to get one.")
    claims = smart.tokens.claims(token)
    if not clients.is_registered(smart.store.database, claims["sub"], str(claims.get("registration"))):
        raise unauthenticated("This client is not registered any more.")
    return Scopes.parse(claims["scope"])


class _Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """A registered program as OAuth's client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method, endpoint) == (METHOD, "token")

    def check_grant_type(self, grant_type: str) -> bool:
        return bool(grant_type == "client_credentials")


class _Grant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = (METHOD,)


def _server(smart: Smart) -> AuthorizationServer:
    database = smart.store.database

    def client(name: str) -> _Client | None:
        found = clients.find(database, name)
        return _Client(found) if found is not None else None

    def keys(client: _Client) -> KeySet:
        return client.client.keys

    def use(name: str, jti: str, end: int) -> bool:
        return clients.use_assertion(database, name, jti, end, smart.now())

    def token(client: _Client, scope: str, **_: object) -> dict[str, object]:
        given, name = _granted(client.client, scope), client.client.name
        registration = client.client.registration
        return smart.tokens.issue(name, given, registration=registration)

    made = AuthorizationServer(query_client=client, save_token=lambda *_: None)
    made.scopes_supported = None  # any that can be understood; what a client may have was said when it was registered
    made.register_client_auth_method(METHOD, Assertion(smart.token_endpoint, NAMES, smart.now, keys, use))
    made.register_token_generator("default", token)
    made.register_grant(_Grant)
    return made


def _granted(client: Client, asked: str | None) -> str:
    """What is given of the scopes asked for, as the client wrote them if it is all. Raises `InvalidScopeError`."""
    if not asked:
        return str(client.scopes)
    try:
        scopes = Scopes.parse(asked)
    except Problem as problem:
        raise InvalidScopeError(description=problem.detail) from None
    given = scopes.within(client.scopes)
    if not given:
        raise InvalidScopeError(description="The client is not registered for any of these scopes.")
    return " ".join(asked.split()) if client.scopes.covers(scopes) else str(given)


@pages.post("/oauth/token")
def give_token() -> Response:
    """An access token for a registered program."""
    request.max_content_length = BODY_BYTES
    response: Response = _server(_smart()).create_token_response()
    if response.status_code == 400 and response.get_json().get("error") == "invalid_client":
        response.status_code = 401  # https://www.rfc-editor.org/rfc/rfc6749#section-5.2
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@pages.get("/fhir/.well-known/smart-configuration")
def configuration() -> Response:
    """What a SMART client has to know: https://hl7.org/fhir/smart-app-launch/conformance.html"""
    return jsonify(
        {
            "token_endpoint": _smart().token_endpoint,
            "token_endpoint_auth_methods_supported": [METHOD],
            "token_endpoint_auth_signing_alg_values_supported": list(NAMES),
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.read", "system/*.write", "system/*.*"],
            "code_challenge_methods_supported": [],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }
    )


def _smart() -> Smart:
    smart: Smart = current_app.extensions["smart"]
    return smart
