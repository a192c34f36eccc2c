"""What is checked in one stroke for speed is checked as strictly as member by member."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent import canonical, envelope, frames, identifiers
from consent.keys import SigningKey
from consent.primitives import Rejected, b64, unb32, unb64
from consent.statements import blob, require, shape

SIZES = (16, 24, 32, 112)
URL = st.text(st.sampled_from("AQgwEIMUYcko048abBZz-_+/=~ é\n"), max_size=8)


def outcome(read, *given_):
    """What comes of reading something: a value, or a reason."""
    try:
        return read(*given_)
    except Rejected as rejected:
        return rejected.reason


def member_by_member(data: bytes):
    """A header as canonical JSON of the right fields, without the expression that knows all of it."""
    header = canonical.parse(data)
    shape(header, envelope.HEADER)
    return header


def ids(size: int):
    return st.binary(min_size=size, max_size=size).map(b64)


NUMBERS = st.integers(0, 3) | st.integers(2**53 - 2, 2**53 + 1) | st.integers(10**15 - 2, 10**15 + 1)
LONG = f"{'a' * 60}.{'b' * 60}."
HEADERS = st.fixed_dictionaries(
    {
        "v": st.just(1) | NUMBERS, "suite": st.sampled_from(["HS1", "HS2", "hs1", ""]),
        "cty": st.sampled_from([envelope.RESOURCES, envelope.DELETE, "application/json"]),
        "aut": st.sampled_from(
            ["p-aaaaaaaaaaaaaaaaaaaaaaaaaa@a.bc", "p-aaaaaaaaaaaaaaaaaaaaaaaaab@a.bc", "praxis@hub-a.example",
             "praxis@hub", "@", "a@b@c.d", f"ab@{LONG}{'c' * 63}", f"ab@{LONG}{'c' * 64}"]
        ),
        "dev": st.sampled_from(["d" + "a2" * 8, "d" + "a1" * 8, "d"]), "str": ids(16), "bid": ids(16), "kc": ids(32),
        "nc": ids(24), "wk": ids(112), "hd": st.just("") | ids(16), "prev": st.just("") | ids(32), "ep": NUMBERS,
        "seq": NUMBERS, "tb": NUMBERS, "n": NUMBERS,
    }
)  # fmt: skip


def spelled(header) -> bytes:
    return json.dumps(header, separators=(",", ":"), sort_keys=True).encode()


POSITIONS = st.tuples(NUMBERS, ids(32) | ids(16)).map(list)
STAMPS = st.fixed_dictionaries(
    {
        "v": st.just(1) | NUMBERS, "typ": st.just("stamp") | st.just("note"), "bid": ids(16) | ids(24), "fh": ids(32),
        "hub": st.sampled_from(["hub-a.obhut.example", "", "A b", "é"]), "at": NUMBERS, "aut": POSITIONS,
        "set": POSITIONS, "rel": ids(32),
    }
)  # fmt: skip


def stamp_member_by_member(data: bytes):
    """The header of a stamp, without the expression that knows all of it."""
    header = canonical.parse(data)
    shape(header, envelope._STAMP)
    require(header["v"] == 1)
    return header


WAYS = {
    "envelope": (HEADERS, envelope._header, member_by_member),
    "stamp": (STAMPS, envelope._stamp_header, stamp_member_by_member),
}


@pytest.mark.parametrize("what", WAYS)
@given(data=st.data())
def test_a_header_is_what_its_members_say(what, data):
    """Right ones and those with a member that is not: the same value, or the same reason."""
    headers, short, long = WAYS[what]
    written = spelled(data.draw(headers))
    assert outcome(short, written) == outcome(long, written)


@pytest.mark.parametrize("what", WAYS)
@given(data=st.data())
def test_a_header_of_another_spelling_is_what_its_members_say(what, data):
    """A byte altered, added or left out, a member gone or doubled: the same value, or the same reason."""
    headers, short, long = WAYS[what]
    header = data.draw(headers)
    right = spelled(header)
    at = data.draw(st.integers(0, len(right) - 1))
    byte = bytes([data.draw(st.integers(0, 255) | st.sampled_from(b'"\\,:{}019aA-_ \n'))])
    name = data.draw(st.sampled_from(sorted(header)))
    without = spelled({other: value for other, value in header.items() if other != name})
    doubled = right[:1] + right[right.index(f'"{name}":'.encode()) :]
    for other in (right[:at] + byte + right[at + 1 :], right[:at] + byte + right[at:], right[:at] + right[at + 1 :],
                  without, doubled, right + b"\n", b" " + right):  # fmt: skip
        assert outcome(short, other) == outcome(long, other)


def test_a_stamp_is_written_canonically_and_read_in_one_stroke():
    """The hub writes it as a text: the same bytes as from its members, and such as the expression knows."""
    key = SigningKey.generate()
    hash_, bid = b64(bytes(32)), b64(bytes(16))
    named = SimpleNamespace(bid=bid, hash=hash_)
    raw = envelope.stamp(key, "a.bc", named, at=10**9, aut=(0, hash_), set_head=(17, hash_), rel=hash_)
    header = envelope.parse_stamp(raw).frame.header
    assert raw == frames.sign(header, "obhut-stamp", key)
    assert envelope._STAMP_SPELLED.fullmatch(spelled(header).decode())


def test_a_right_header_is_read_in_one_stroke():
    """The expression knows each kind of content, with and without a handle and a predecessor."""
    right = {
        "v": 1, "suite": "HS1", "aut": "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@a.bc", "dev": "d" + "a2" * 8, "ep": 1, "tb": 3600,
        "str": b64(bytes(16)), "bid": b64(bytes(16)), "kc": b64(bytes(32)), "nc": b64(bytes(24)), "wk": b64(bytes(112)),
    }  # fmt: skip
    for more in (
        {"cty": envelope.RESOURCES, "hd": "", "prev": "", "seq": 1, "n": 100},
        {"cty": envelope.DELETE, "hd": b64(bytes(16)), "prev": b64(bytes(32)), "seq": 10**9, "n": 0},
    ):
        assert envelope._SPELLED.fullmatch(spelled(right | more).decode())


@given(st.data())
def test_base64url_of_a_size_is_what_decodes_to_it(data):
    """The expression for so many bytes takes exactly what the strict decoder takes."""
    size = data.draw(st.sampled_from(SIZES))
    text = data.draw(ids(size))
    at = data.draw(st.integers(0, len(text)))
    for other in (text, text[:at] + data.draw(URL) + text[at + 1 :], text[:-1] + data.draw(URL)):
        decoded = outcome(unb64, other, size)
        assert (outcome(blob(size), other) is None) == isinstance(decoded, bytes)


@given(st.binary(min_size=16, max_size=16), st.data())
def test_a_persons_name_is_sixteen_bytes(raw, data):
    """The expression for `p-…` takes exactly what the strict decoder of base32 takes."""
    name = str(identifiers.new_person("a.bc"))[2:28]
    at = data.draw(st.integers(0, 26))
    for other in (name, name[:at] + data.draw(st.text("abcdefghq4567210AZ=- ", max_size=2)) + name[at + 1 :]):
        if "@" not in other:
            right = isinstance(outcome(unb32, other, 16), bytes)
            assert isinstance(outcome(identifiers.account, f"p-{other}@a.bc"), identifiers.Account) == right


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=6)
JSON = st.recursive(
    TEXTS | st.integers(0, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(NAMES, JSON, max_size=4))
@example({"cite": {"b@a": [1, "x"], "A ~": [2, "y"]}})
def test_canonical_bytes_are_those_of_pythons_own_json(value):
    """Another writer of JSON, told to sort and to leave out white space, writes the same."""
    written = outcome(canonical.dump, value)
    assert written in ("canon", spelled(value))
