"""Access tokens: JWTs by RFC 9068 that a server signs with an Ed25519 key of its own and believes for five minutes."""

import secrets
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from fhir_profiles.problems import Problem

TOKEN_SECONDS = 300
ALGORITHM = "Ed25519"
TYPE = "at+jwt"


def issue(key: OKPKey, base_url: str, subject: str, scope: str, now: int, **more: str) -> dict[str, object]:
    """A token for a client of the server at `base_url`, as the token endpoint answers; `more` are further claims."""
    claims = {
        "iss": base_url, "aud": base_url, "sub": subject, "client_id": subject, "iat": now,
        "exp": now + TOKEN_SECONDS, "jti": secrets.token_urlsafe(16), "scope": scope,
    } | more  # fmt: skip
    token = jwt.encode({"alg": ALGORITHM, "typ": TYPE}, claims, key, algorithms=[ALGORITHM])
    return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS, "scope": scope}


def claims(key: OKPKey, base_url: str, token: str, now: Callable[[], int]) -> dict[str, Any]:
    """What a token of this server says. Raises `Problem(unauthenticated)`, the same for every reason."""
    rules = jwt.JWTClaimsRegistry(
        now=now,
        iss={"essential": True, "value": base_url},
        aud={"essential": True, "value": base_url},
        exp={"essential": True},
        sub={"essential": True},
        scope={"essential": True},
    )
    try:
        opened = jwt.decode(token, key, algorithms=[ALGORITHM])
        rules.validate(opened.claims)
    except (JoseError, ValueError):
        raise unauthenticated() from None
    if opened.header.get("typ") != TYPE:
        raise unauthenticated()
    return dict(opened.claims)


def unauthenticated(detail: str = "A valid access token is needed.") -> Problem:
    """The refusal of who cannot say who they are."""
    return Problem("unauthenticated", detail)
