"""Access tokens: JWTs by RFC 9068 that a server signs with an Ed25519 key of its own and believes for five minutes."""

import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from fhir_profiles.problems import Problem

TOKEN_SECONDS = 300
ALGORITHM = "Ed25519"
TYPE = "at+jwt"
MAX_OPENED = 2000


class AccessTokens:
    """The access tokens of the server at `base_url`, signed with `key`. `now` gives its Unix second."""

    def __init__(self, key: OKPKey, base_url: str, now: Callable[[], int]) -> None:
        self._key, self._base_url, self._now = key, base_url, now
        # A token comes with every request while it counts: its signature is checked once, its times at each.
        self._open = lru_cache(maxsize=MAX_OPENED)(self._decode)
        self._rules = jwt.JWTClaimsRegistry(
            now=now,
            iss={"essential": True, "value": base_url},
            aud={"essential": True, "value": base_url},
            exp={"essential": True},
            sub={"essential": True},
            scope={"essential": True},
        )

    def issue(self, subject: str, scope: str, **more: str) -> dict[str, object]:
        """A token for a client, as the token endpoint answers; `more` are further claims."""
        now = self._now()
        claims = {
            "iss": self._base_url, "aud": self._base_url, "sub": subject, "client_id": subject, "iat": now,
            "exp": now + TOKEN_SECONDS, "jti": secrets.token_urlsafe(16), "scope": scope,
        } | more  # fmt: skip
        token = jwt.encode({"alg": ALGORITHM, "typ": TYPE}, claims, self._key, algorithms=[ALGORITHM])
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS, "scope": scope}

    def claims(self, token: str) -> dict[str, Any]:
        """What a token of this server says. Raises `Problem(unauthenticated)`, the same for every reason."""
        try:
            opened = self._open(token)
            self._rules.validate(opened.claims)
        except (JoseError, ValueError):
            raise unauthenticated() from None
        if opened.header.get("typ") != TYPE:
            raise unauthenticated()
        return dict(opened.claims)

    def _decode(self, token: str) -> jwt.Token:
        return jwt.decode(token, self._key, algorithms=[ALGORITHM])


def unauthenticated(detail: str = "A valid access token is needed.") -> Problem:
    """The refusal of who cannot say who they are."""
    return Problem("unauthenticated", detail)
