"""Wycheproof's edge vectors through the primitives. Where the vectors are absent there is nothing to compare."""

import json
from pathlib import Path

from nacl import bindings

from consent.primitives import Rejected, decrypt, verify

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "wycheproof"


def cases(name):
    """(group, test) pairs of a file."""
    path = FOLDER / f"{name}_test.json"
    groups = json.loads(path.read_bytes())["testGroups"] if path.is_file() else []
    return [(group, test) for group in groups for test in group["tests"]]


def accepted(call):
    """Whether a call returns; it may raise `Rejected` only."""
    try:
        call()
    except Rejected:
        return False
    return True


def test_ed25519_accepts_exactly_what_is_valid():
    """Every signature gets Wycheproof's verdict, malleable and non-canonical ones too."""
    found = [
        (test["tcId"], test["result"])
        for group, test in cases("ed25519")
        if accepted(
            lambda g=group, t=test: verify(
                bytes.fromhex(g["publicKey"]["pk"]), bytes.fromhex(t["msg"]), bytes.fromhex(t["sig"])
            )
        )
        != (test["result"] == "valid")
    ]
    print(f"{len(cases('ed25519'))} Ed25519 vectors")
    assert found == []


def test_xchacha20_poly1305_accepts_exactly_what_is_valid():
    """Every ciphertext of the sizes that Obhut uses gets Wycheproof's verdict, and the plaintext is right."""
    wrong = []
    for group, test in cases("xchacha20_poly1305"):
        if (group["ivSize"], group["keySize"], group["tagSize"]) != (192, 256, 128):
            continue
        key, nonce, aad, ciphertext, tag, message = (
            bytes.fromhex(test[name]) for name in ("key", "iv", "aad", "ct", "tag", "msg")
        )
        try:
            opened = decrypt(key, nonce, aad, ciphertext + tag)
        except Rejected:
            opened = None
        if opened != (message if test["result"] == "valid" else None):
            wrong.append(test["tcId"])
    print(f"{len(cases('xchacha20_poly1305'))} XChaCha20-Poly1305 vectors")
    assert wrong == []


def test_x25519_agrees_or_refuses_the_zero_point():
    """libsodium's agreement is Wycheproof's shared secret, and raises exactly where that is all zero."""
    wrong = []
    for _, test in cases("x25519"):
        shared = bytes.fromhex(test["shared"])
        try:
            found = bindings.crypto_scalarmult(bytes.fromhex(test["private"]), bytes.fromhex(test["public"]))
        except RuntimeError:
            found = bytes(32)
        if found != shared:
            wrong.append(test["tcId"])
    print(f"{len(cases('x25519'))} X25519 vectors")
    assert wrong == []
