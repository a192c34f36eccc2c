"""Links to the next page: opaque and unforgeable, because search terms and sort keys may be personal data."""

import json

from connectors.gateway.store import Store
from consent.primitives import NONCE_BYTES, Rejected, b64, decrypt, encrypt, label_hash, random_bytes, unb64
from fhir_profiles.problems import Problem

PAGE = "_page"
LONGEST_LINK = 8000
"""Bytes of a link that can be followed: a request's first line has 8190 at most, here and behind most proxies."""
KEY_STATE = "page-key"

Args = list[tuple[str, str]]


class Links:
    """Writes and reads the value of `_page`: search parameters and cursor, encrypted under the database's own key.

    The same page always has the same link: the nonce is a keyed hash of what is encrypted.
    """

    def __init__(self, store: Store) -> None:
        self._key = unb64(store.state_once(KEY_STATE, b64(random_bytes(32))), 32)

    def write(self, type_: str, args: Args, after: tuple[object, ...]) -> str:
        """The token of the page behind `after`."""
        plain = json.dumps([args, after], separators=(",", ":")).encode()
        nonce = label_hash("obhut-gateway-page", type_.encode(), plain, key=self._key)[:NONCE_BYTES]
        return b64(nonce + encrypt(self._key, nonce, type_.encode(), plain))

    def read(self, type_: str, token: str) -> tuple[Args, tuple[object, ...]]:
        """Parameters and cursor of a token. Raises `Problem(invalid)` for one that this gateway did not write."""
        try:
            sealed = unb64(token)
            plain = decrypt(self._key, sealed[:NONCE_BYTES], type_.encode(), sealed[NONCE_BYTES:])
        except Rejected:
            raise Problem("invalid", "This is no link to a page that this server has given.") from None
        args, after = json.loads(plain)
        return [(name, value) for name, value in args], tuple(after)
