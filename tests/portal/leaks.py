"""Looks for secrets in what passed between browser and hub, however they are written."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote_to_bytes

from tests.portal.between import Passed

SHORTEST, LONG = 5, 10
"""Bytes that a secret must have: shorter ones occur in ciphertext by chance. Words that are not long do so in base64,
in any case; they must stand alone there."""
DEPTH = 3
"""How often what is encoded may be encoded again: keys in statements in JSON."""
WORD = re.compile(rb"[A-Za-z0-9+/_-]+")
ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
ESCAPED = re.compile(rb"\\u([0-9a-fA-F]{4})")
URL_SAFE = bytes.maketrans(b"-_", b"+/")


def leaks(passed: Iterable[Passed], secrets: Mapping[str, bytes | str]) -> list[tuple[str, str]]:
    """Names of the secrets that are there, each with the request that it went along with.

    Texts are found in any case, as UTF-8 or UTF-16; all of them plain, percent-encoded, escaped in JSON, in base64 or
    in hexadecimal. Of the portal's own files only what was asked is looked through, not what they say.
    """
    wanted = {name: spelt(secret) for name, secret in secrets.items()}
    found = []
    for one in passed:
        whole = unwrapped(one.asked if one.is_bundle else one.asked + b"\n" + one.answered)
        both = whole, whole.lower()
        found += [(name, one.line) for name, is_in in wanted.items() if any(map(is_in, both))]
    return found


def spelt(secret: bytes | str) -> Callable[[bytes], bool]:
    """Whether bytes give a secret away."""
    assert len(secret) >= SHORTEST, "too short to be told from chance"
    if isinstance(secret, bytes):
        return lambda data: secret in data
    plain, wide = secret.lower().encode(), secret.lower().encode("utf-16-le")
    if len(plain) >= LONG or not WORD.fullmatch(plain):
        return lambda data: plain in data or wide in data
    alone = re.compile(rb"(?<![\w+/-])" + re.escape(plain) + rb"(?![\w+/=-])")
    return lambda data: wide in data or (plain in data and alone.search(data) is not None)


def unwrapped(data: bytes) -> bytes:
    """The data, and behind them what is encoded in them."""
    pieces = [data]
    for _ in range(DEPTH):
        data = b"\n".join(_decoded(data))
        pieces.append(data)
    return b"\n".join(pieces)


def _decoded(data: bytes) -> Iterable[bytes]:
    """What is encoded in the data, piece by piece."""
    for line in data.split(b"\n"):
        if b"%" in line:
            yield unquote_to_bytes(line)
        if b"\\u" in line:
            yield ESCAPED.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), line)
    for word in ENCODED.findall(data):
        if len(word) % 4 != 1:
            yield b64decode(word.translate(URL_SAFE) + b"==")
    for word in HEX.findall(data):
        yield bytes.fromhex(word.decode())
