"""Requests between hubs, signed by HTTP Message Signatures (RFC 9421) with Ed25519.

https://www.rfc-editor.org/rfc/rfc9421: method, whole target, digest of the body, its type and the receiver's domain are
covered; the signature holds for a minute and once. Keys are pinned (`hub.peers`), signatures are verified by libsodium.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
    VerifyResult,
)

from consent import primitives
from consent.keys import SigningKey
from consent.primitives import Rejected, b64, random_bytes, unb64
from fhir_profiles.problems import Problem
from hub.peers import Peer

TAG = "obhut-hub-1"
LABEL = "obhut"
DESTINATION = "Obhut-Destination"
COVERED = ("@method", "@target-uri", "content-digest", "obhut-destination")
SECONDS = 60
NONCE_BYTES = 16
BODY_SECONDS = 300
"""So long after its end a request that has begun may still bring its body; then its nonce is still known."""
NONCE_SECONDS = 600


@dataclass
class Message:
    """A request as it is signed: `url` whole, `headers` a mapping with all fields that are covered."""

    method: str
    url: str
    headers: Any


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature holds: who sent it, and the nonce that must not have been seen before."""

    peer: Peer
    nonce: str
    expires: int
    _covered: Mapping[str, str] = field(repr=False)

    def check_body(self, body: bytes) -> None:
        """Raises `Problem(unauthenticated)` unless this is the body that was signed, and its type was too."""
        try:
            _Verifier.content_digest_class.verify_components(self._covered, body)
        except HTTPMessageSignaturesException:
            raise refused("signature") from None
        if body and '"content-type"' not in self._covered:
            raise refused("signature")


class _Ed25519(HTTPSignatureAlgorithm):
    """`ed25519` of RFC 9421 by libsodium."""

    algorithm_id = "ed25519"

    def __init__(self, public_key: bytes | None = None, private_key: SigningKey | None = None) -> None:
        self._public, self._private = public_key, private_key

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        assert self._private is not None
        return self._private.sign(message)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises `Rejected` where the signature does not hold."""
        assert self._public is not None
        primitives.verify(self._public, message, signature)


class _Keys(HTTPSignatureKeyResolver):
    def __init__(self, find: Callable[[str], Any]) -> None:
        self._find = find

    def resolve_public_key(self, key_id: str) -> Any:
        return self._find(key_id)

    def resolve_private_key(self, key_id: str) -> Any:
        return self._find(key_id)


class _Verifier(HTTPMessageVerifier):
    """Times are judged in `verify` below, after the signature, by the hub's clock."""

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """Nothing yet."""


def sign(key: SigningKey, sender: str, destination: str, message: Message, body: bytes, now: int) -> None:
    """Add digest, destination and signature to a request of the hub `sender`. `now`: Unix seconds."""
    message.headers[DESTINATION] = destination
    created = datetime.fromtimestamp(now, UTC)
    signer = HTTPMessageSigner(signature_algorithm=_Ed25519, key_resolver=_Keys(lambda _: key))
    signer.sign(
        message, key_id=sender, created=created, expires=datetime.fromtimestamp(now + SECONDS, UTC), label=LABEL,
        nonce=b64(random_bytes(NONCE_BYTES)), tag=TAG, body=body,
        covered_component_ids=(*COVERED, "content-type") if body else COVERED,
    )  # fmt: skip


def verify(message: Message, peers: Mapping[str, Peer], own: str, now: int) -> Signed:
    """Who signed a request to the hub `own`, by its head alone: the body is read then, and checked by it.

    `now`: Unix seconds of the hub.
    Raises `Problem(unauthenticated)` whose `reason` is `signature`, `peer`, `destination` or `clock`.
    """
    result = _verified(message, peers)
    parameters = result.parameters
    if parameters.get("tag") != TAG or parameters.get("alg") != _Ed25519.algorithm_id:
        raise refused("signature")
    if result.covered_components['"obhut-destination"'] != own:
        raise refused("destination")
    created, expires = parameters.get("created"), parameters.get("expires")
    if not isinstance(created, int) or not isinstance(expires, int) or not 0 < expires - created <= SECONDS:
        raise refused("signature")
    if created > now + SECONDS or expires <= now:
        raise refused("clock", now=now)
    try:
        unb64(result.nonce or "", NONCE_BYTES)
    except Rejected:
        raise refused("signature") from None
    return Signed(peers[str(parameters["keyid"])], str(result.nonce), expires, result.covered_components)


def _verified(message: Message, peers: Mapping[str, Peer]) -> VerifyResult:
    """The one signature that a request bears. Raises `Problem(unauthenticated)`."""

    def key(name: str) -> bytes:
        if name not in peers:
            raise refused("peer")
        return peers[name].peer_key

    verifier = _Verifier(signature_algorithm=_Ed25519, key_resolver=_Keys(key))
    try:
        # Two signatures are refused by the library where none is asked for by its tag.
        (result,) = verifier.verify(message, require_components=COVERED, max_age=None)
    except HTTPMessageSignaturesException as error:
        if error.args and isinstance(error.args[0], Problem):
            raise error.args[0] from None
        raise refused("signature") from None
    except ValueError:
        raise refused("signature") from None
    return result


def refused(reason: str, **extra: Any) -> Problem:
    """The refusal of a request between hubs; `reason` is all that is told and logged."""
    return Problem("unauthenticated", "The request bears no good signature of a known hub.", reason=reason, **extra)
