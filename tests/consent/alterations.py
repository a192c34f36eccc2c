"""What is done to frames in the tests of the twin: bits flipped, fields altered and signed anew."""

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from consent import envelope, frames
from consent.keys import SigningKey
from consent.primitives import b64, label_hash

Header = dict[str, Any]

NUMBERS = [0, 1, 2, 3, 31, 32, 3599, 3600, 3601, 4096, 4097, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, -1]
WORDS = [
    "",
    "A",
    "HS1",
    "HS2",
    "root",
    "recovery",
    "full",
    "client",
    "card",
    "permit",
    "stamp",
    "close",
    "end",
    "__proto__",
    "é",
]
ODD: list[Any] = [
    *NUMBERS,
    *WORDS,
    [],
    {},
    None,
    True,
    1.5,
    [1],
    {"a": 1},
    b64(bytes(16)),
    b64(bytes(32)),
    b64(bytes(112)),
]


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every member of a header, however deep; of long lists the first and the last."""
    members = value.items() if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else ()
    for name, member in members if len(members) < 20 else [*members][:1] + [*members][-1:]:
        yield (*here, name)
        yield from places(member, (*here, name))


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of every field, however deep."""
    for name, member in value.items() if isinstance(value, dict) else ():
        yield name, member
        yield from members(member)


@st.composite
def altered(draw: st.DrawFn, header: Header, others: Sequence[Header] = ()) -> bytes:
    """The header's bytes with one or two things altered: a value, a field more or less, a key twice, a list's order.

    A value may also be borrowed from where `others` have one of the same name, so that it has the right shape.
    """
    changed = json.loads(json.dumps(header))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(changed))))
        holder = changed
        for name in path[:-1]:
            holder = holder[name]
        what = draw(st.sampled_from(["replace", "near", "drop", "add", "reverse", "borrow", "borrow", "borrow"]))
        lent = [
            value for other in others for name, value in members(other) if name == path[-1] and value != holder[name]
        ]
        here = holder[path[-1]]
        if what == "borrow" and lent:
            holder[path[-1]] = deepcopy(draw(st.sampled_from(lent)))
        elif what == "drop":
            del holder[path[-1]]
        elif what == "near" and isinstance(here, int):
            holder[path[-1]] = here + draw(st.sampled_from([-1, 1]))
        elif what == "add" and isinstance(here, dict | list):
            here.update({"extra": 1}) if isinstance(here, dict) else here.extend(here[-1:] or [0])
        elif what == "reverse" and isinstance(here, list):
            here.reverse()
        else:
            holder[path[-1]] = deepcopy(draw(st.sampled_from(ODD)))
        if not changed:
            break
    text = spelled(changed)
    if draw(st.integers(0, 9)) == 0:
        name, value = draw(st.sampled_from(sorted(header.items())))
        text = text[:-1] + spelled({name: value}).replace(b"{", b",", 1)
    return text


def flips(raw: bytes, bits: int = 1) -> Iterator[bytes]:
    """Each byte with one of its bits flipped; so many of them, one after the other."""
    for place in range(len(raw)):
        for bit in range(bits):
            flipped = bytearray(raw)
            flipped[place] ^= 1 << (place * 5 + place // 8 + bit) % 8
            yield bytes(flipped)


def signed(header: bytes, label: str, key: SigningKey) -> bytes:
    """A frame around any header, canonical or not."""
    return frames.MAGIC + len(header).to_bytes(4, "little") + header + key.sign(label_hash(label, header))


def spelled(header: Header) -> bytes:
    """A header as JSON, also where it is not canonical."""
    return json.dumps(header, separators=(",", ":"), sort_keys=True).encode()


def frames_of(header: bytes, signature: bytes, ciphertext: bytes) -> bytes:
    """An envelope's bytes from its parts."""
    return envelope.MAGIC + len(header).to_bytes(4, "little") + header + signature + ciphertext
