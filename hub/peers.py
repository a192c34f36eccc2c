"""The hubs that this hub knows: pinned in a file of its operator, each by its two public keys.

A hub that joins is one block in its peers' files; `obhut hub peer` prints the block by which others pin this one.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from consent import identifiers
from consent.primitives import KEY_BYTES, Rejected, b64, unb64

RATE = 1200
_TEXTS = ("domain", "url", "key", "peer_key")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another hub: `key` checks its stamps and notes, `peer_key` its requests; `rate`: what it may ask in a minute."""

    domain: str
    url: str
    key: bytes
    peer_key: bytes
    rate: int = RATE


def load(path: str, own: str) -> Mapping[str, Peer]:
    """The peers of the file at `path`, by domain; none where it is empty. `own`: this hub's domain.

    Raises `ValueError` with one sentence.
    """
    if not path:
        return {}
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise ValueError("The file of peers cannot be read: it is TOML with a block [[peer]] for each.") from None
    blocks = content.get("peer", [])
    if content.keys() - {"peer"} or not isinstance(blocks, list):
        raise ValueError("The file of peers holds blocks [[peer]] and nothing else.")
    found = [_peer(block) for block in blocks]
    domains = [peer.domain for peer in found]
    keys = [key for peer in found for key in (peer.key, peer.peer_key)]
    if own in domains or len(set(domains)) < len(domains) or len(set(keys)) < len(keys):
        raise ValueError("A peer, or a key of one, is named twice in the file of peers, or the hub itself is.")
    return {peer.domain: peer for peer in found}


def _peer(block: Any) -> Peer:
    if not isinstance(block, dict) or block.keys() - {*_TEXTS, "rate"}:
        raise ValueError(f"A block [[peer]] holds {', '.join(_TEXTS)}, and rate if wanted.")
    texts = [value for name in _TEXTS if isinstance(value := block.get(name), str)]
    rate = block.get("rate", RATE)
    if len(texts) < len(_TEXTS) or not isinstance(rate, int) or rate < 1:
        raise ValueError(f"A block [[peer]] holds {', '.join(_TEXTS)} as strings, and rate as a number if wanted.")
    domain, url, key, peer_key = texts
    try:
        identifiers.domain(domain)
        keys = unb64(key, KEY_BYTES), unb64(peer_key, KEY_BYTES)
    except (Rejected, UnicodeEncodeError):
        raise ValueError("The domain or a key of a peer is not as `obhut hub peer` prints it.") from None
    if not _secure(url):
        raise ValueError(f"The URL of the peer {domain} must begin with https:// (http:// on this machine only).")
    return Peer(domain, url.rstrip("/"), *keys, rate)


def _secure(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname)))


def _loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def block(peer: Peer) -> str:
    """The block by which other hubs pin this one."""
    lines = {"domain": peer.domain, "url": peer.url, "key": b64(peer.key), "peer_key": b64(peer.peer_key)}
    return "\n".join(["[[peer]]", *(f'{name} = "{value}"' for name, value in lines.items())])
