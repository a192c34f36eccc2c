"""What the routes of one hub share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from flask import current_app
from joserfc.jwk import OKPKey
from sqlalchemy import Connection

from consent.keys import SigningKey
from consent.primitives import b64
from fhir_profiles.access_tokens import AccessTokens
from hub.bell import Bell
from hub.config import Config
from hub.observability import Metrics
from hub.peers import Peer
from hub.refused import Refused
from hub.states import Cache, Chains
from hub.store.chains import ChainName
from hub.store.database import Database

PeerHeads = Callable[[str, str, str, Sequence[ChainName]], bytes | None]
"""Domain of a peer, account that asks, nonce, chains → that hub's frame; None where it does not answer."""


def key_of(key: SigningKey) -> OKPKey:
    """A signing key as a JWK."""
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public), "d": b64(bytes(key))})


def no_peers(*_: object) -> None:
    """A hub that stands alone: chains of other hubs' accounts are left out."""


@dataclass(frozen=True)
class Hub:
    """One hub: its settings, database, keys and clock. `clock` gives Unix seconds."""

    config: Config
    db: Database
    key: SigningKey = field(repr=False)
    token_key: SigningKey = field(repr=False)
    clock: Callable[[], float]
    bell: Bell
    metrics: Metrics
    peers: Mapping[str, Peer]
    peer_key: SigningKey = field(repr=False)
    cache: Cache = field(default_factory=Cache)
    refused: Refused = field(default_factory=Refused)
    peer_heads: PeerHeads = no_peers
    """How another hub is asked for the heads of its accounts' chains."""

    @cached_property
    def stamp_keys(self) -> Mapping[str, bytes]:
        """By which the stamps of hubs are checked, by domain; the own one among them."""
        return {self.config.domain: self.key.public} | {peer.domain: peer.key for peer in self.peers.values()}

    @cached_property
    def access_tokens(self) -> AccessTokens:
        """The tokens that this hub gives, and believes."""
        return AccessTokens(key_of(self.token_key), self.config.base_url, self.now)

    def now(self) -> int:
        """The hub's Unix second."""
        return int(self.clock())

    def chains(self, conn: Connection) -> Chains:
        """The chains as a connection sees them."""
        return Chains(conn, self.cache)


def hub() -> Hub:
    """The hub that serves the present request."""
    return cast("Hub", current_app.extensions["obhut"])
