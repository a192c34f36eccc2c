"""Hashes by which secrets and long names are kept."""

import hashlib

from consent.primitives import b64


def digest(text: str | bytes) -> str:
    """SHA-256 as base64url, 43 characters."""
    return b64(hashlib.sha256(text.encode() if isinstance(text, str) else text).digest())
