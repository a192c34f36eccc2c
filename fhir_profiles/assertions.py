"""How a program proves who it is: a JWT that it signed with its registered key (`private_key_jwt`, RFC 7523).

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html, checked more strictly than either asks for.
Nothing here knows of a web framework or a database: hub and gateway hand in their clock, audience and memory.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Collection
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import KeySet

METHOD = "private_key_jwt"
ED25519 = ("EdDSA", "Ed25519")
"""Two names of the same: RFC 8037's, which SMART clients write, and RFC 9864's."""
MAX_SECONDS = 300
LEEWAY_SECONDS = 30

_HEADER = {"alg", "typ", "kid"}


class Assertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """The check of an assertion, as Authlib calls it: it raises `InvalidClientError`, or the client is who it says.

    `audience`: the URL of the token endpoint; `algorithms`: the names of those taken; `now`: the Unix second;
    `keys`: a client's registered public keys, each with its `kid`; `use(client, jti, exp)`: notes that an assertion was
    used, by the hash of its `jti` and until the second after which it would be refused anyway, and says whether it is
    the first time.
    """

    CLIENT_AUTH_METHOD = METHOD

    def __init__(
        self,
        audience: str,
        algorithms: Collection[str],
        now: Callable[[], int],
        keys: Callable[[Any], KeySet],
        use: Callable[[str, str, int], bool],
    ) -> None:
        super().__init__(leeway=LEEWAY_SECONDS)
        self._audience = audience
        self._algorithms = algorithms
        self._registry = _Registry(algorithms=algorithms)
        self._now = now
        self._keys = keys
        self._use = use

    def extract_assertion(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims, unverified. A key, or the address of one, that comes along is refused."""
        try:
            headers, claims = super().extract_assertion(assertion)
        except ValueError:
            raise InvalidClientError(description="The assertion is no JWT.") from None
        if not headers.keys() <= _HEADER or headers.get("alg") not in self._algorithms:
            raise InvalidClientError(description="The header of the assertion is not accepted.")
        if not isinstance(headers.get("kid"), str) or not headers["kid"]:
            raise InvalidClientError(description="The key of the assertion is not known.")
        client = claims.get("sub")
        if not isinstance(client, str) or not (client.isascii() and client.isprintable()):
            # https://www.rfc-editor.org/rfc/rfc6749#appendix-A.1; a database may not take others as a name.
            raise InvalidClientError(description="The client of the assertion is not known.")
        return headers, claims

    def resolve_client_public_key(self, client: Any) -> KeySet:
        """The client's keys; the header's `kid` chooses."""
        return self._keys(client)

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> dict[str, Any]:
        """Verify the signature, then the claims, then that it is used for the first time."""
        try:
            token = jwt.decode(assertion, resolve_key, registry=self._registry)
            self._rules().validate(token.claims)
            claims = dict(token.claims)
            jti, end = _digest(claims["jti"]), math.ceil(claims["exp"]) + LEEWAY_SECONDS
        except (JoseError, ValueError, OverflowError):
            raise InvalidClientError(description="The assertion does not hold.") from None
        if claims["iss"] != claims["sub"] or end > self._now() + MAX_SECONDS + 2 * LEEWAY_SECONDS:
            raise InvalidClientError(description="The assertion does not hold.")
        if not self._use(claims["sub"], jti, end):
            raise InvalidClientError(description="The assertion was used before.")
        return claims

    def _rules(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=self._now,
            leeway=LEEWAY_SECONDS,
            iss={"essential": True},
            sub={"essential": True},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            jti={"essential": True},
        )


class _Registry(jws.JWSRegistry):
    """The algorithms taken and no other, without joserfc's warning that one of two names is the older."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
