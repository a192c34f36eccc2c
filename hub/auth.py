"""Who is calling: a device, by an access token of this hub (RFC 9068) that is short and dies with the device."""

from dataclasses import dataclass

from flask import request
from joserfc.jwk import OKPKey

from consent.primitives import Rejected, b64
from fhir_profiles.access_tokens import unauthenticated
from fhir_profiles.problems import Problem
from hub.context import Hub, hub
from hub.store.chains import ChainName

EVERYTHING = "system/*.rs"
VAULT = "vault"
FHIR_TYPES = ("Organization", "Endpoint", "PractitionerRole")
SCOPES = (EVERYTHING, *(f"system/{name}.rs" for name in FHIR_TYPES))
"""What a device may ask for; `vault` is given only to who signs in or recovers."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account's device; or, with the scope `vault` only, somebody who may fetch the sealed vault and recover."""

    acc: str
    dev: str
    role: str
    scopes: frozenset[str]

    @property
    def recovers(self) -> bool:
        """Whether this is no device, only one who signed in or came with the recovery sheet."""
        return VAULT in self.scopes

    def seals_by(self, chain: ChainName) -> bool:
        """Whether a device of this role may need a chain: a `writer` no relation but that with its own account."""
        kind, _, oth = chain
        return self.role != "writer" or kind != "rel" or oth == self.acc


def public_key(public: bytes, name: str) -> OKPKey:
    """A public key as a JWK under a name (`kid`)."""
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(public), "kid": name})


def issue(home: Hub, subject: str, scope: str) -> dict[str, object]:
    """An access token for `account/device`, or for an account alone, as the token endpoint answers."""
    return home.access_tokens.issue(subject, scope)


def caller(scope: str = EVERYTHING) -> Caller:
    """Who makes the present request, who must be a device of an account. Raises `Problem`."""
    found = _bearer()
    if found.recovers or not found.scopes & {EVERYTHING, scope}:
        raise Problem("forbidden", "The access token does not reach so far.")
    return found


def reader() -> Caller:
    """A device that may be given things; a `writer` may not."""
    found = caller()
    if found.role == "writer":
        raise Problem("forbidden", "A device of the role writer is given nothing.")
    return found


def caller_or_recoverer() -> Caller:
    """A device, or somebody who signed in or recovers."""
    found = _bearer()
    if not found.scopes & {EVERYTHING, VAULT}:
        raise Problem("forbidden", "The access token does not reach so far.")
    return found


def _bearer() -> Caller:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthenticated()
    home = hub()
    claims = home.access_tokens.claims(token)
    acc, _, dev = str(claims["sub"]).partition("/")
    scopes = frozenset(str(claims["scope"]).split())
    if scopes == {VAULT}:
        return Caller(acc, "", "", scopes)
    try:
        with home.db.read() as conn:
            device = home.chains(conn).account(acc).device(dev)
    except Rejected:
        raise unauthenticated("This device is not the account's any more.") from None
    return Caller(acc, dev, device.role, scopes)
