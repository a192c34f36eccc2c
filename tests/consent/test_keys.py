"""Keys, the recovery code and the passphrase."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.keys import BoxKey, PassphraseKeys, RecoveryCode, SigningKey
from consent.primitives import Rejected
from tests.consent.verdicts import verdict

MEMORY = 64 * 1024 * 1024


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["", " ", "-", "\n"]), st.booleans())
def test_recovery_code_is_read_as_people_type_it(secret, between, capital):
    """Groups, dashes, spaces and case do not count."""
    code = RecoveryCode(secret)
    groups = str(code).split("-")
    assert len(groups) == 14
    typed = between.join(groups)
    assert RecoveryCode.parse(typed.upper() if capital else typed.lower()) == code


@given(st.binary(min_size=32, max_size=32), st.integers(0, 55), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_wrong_letter_is_noticed_almost_always(secret, place, letter):
    """A wrong letter is refused, or, once in a million, is another code; never the same one."""
    text = str(RecoveryCode(secret)).replace("-", "").lower()
    other = text[:place] + letter + text[place + 1 :]
    found: list[RecoveryCode] = []
    assert verdict(lambda: found.append(RecoveryCode.parse(other))) in ("ok", {"kind": "broken", "reason": "code"})
    assert all((code.secret == secret) == (other == text) for code in found)


@pytest.mark.parametrize("text", ["", "a", "A" * 55, "A" * 57, "0" * 56, "ä" * 56, "A" * 56, "=" * 56, "\x00" * 56])
def test_what_is_no_code_is_refused(text):
    """Too short, too long, other letters, a wrong check."""
    with pytest.raises(Rejected, match="code"):
        RecoveryCode.parse(text)


def test_recovery_code_yields_three_different_keys():
    """To sign, to unwrap, to fetch: none tells another."""
    code = RecoveryCode(bytes(32))
    assert len({bytes(code.signing_key), code.wrap_key, code.fetch_token, code.secret}) == 4


def test_passphrase_yields_two_keys_that_depend_on_the_account():
    """One to sign in with, one for the vault; the same passphrase elsewhere yields others."""
    one = PassphraseKeys.derive("p-a@a.b", "correct horse battery staple", MEMORY)
    same = PassphraseKeys.derive("p-a@a.b", "correct horse battery staple", MEMORY)
    other = PassphraseKeys.derive("p-b@a.b", "correct horse battery staple", MEMORY)
    assert (one.sign_in, one.wrap_key) == (same.sign_in, same.wrap_key)
    assert len({one.sign_in, one.wrap_key, other.sign_in, other.wrap_key}) == 4


def test_passphrase_does_not_depend_on_how_its_letters_are_composed():
    """ü typed as one letter or as two opens the same vault; half a surrogate is refused."""
    composed, decomposed = (PassphraseKeys.derive("p-a@a.b", text, MEMORY) for text in ("fünf", "fu\u0308nf"))
    assert composed.wrap_key == decomposed.wrap_key
    with pytest.raises(Rejected, match="passphrase"):
        PassphraseKeys.derive("p-a@a.b", "\ud800", MEMORY)


def test_passphrase_is_never_stretched_with_little_memory():
    """Less than 64 MiB is refused."""
    with pytest.raises(Rejected, match="memory"):
        PassphraseKeys.derive("p-a@a.b", "x", MEMORY - 1)


@pytest.mark.parametrize("kind", [SigningKey, BoxKey])
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_key_has_32_bytes(kind, size):
    """Another size is refused."""
    with pytest.raises(Rejected, match="key"):
        kind(bytes(size))


def test_no_secret_shows():
    """The repr of a secret shows no byte of it."""
    secret = bytes(range(65, 97))
    for thing in (SigningKey(secret), BoxKey(secret), RecoveryCode(secret), PassphraseKeys(secret, secret)):
        assert "ABC" not in repr(thing)
        assert "65" not in repr(thing)
