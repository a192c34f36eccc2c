"""Requests between hubs: what is signed, and that whatever was changed, sent elsewhere or sent again is refused."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from consent.keys import SigningKey
from consent.primitives import b64
from fhir_profiles.problems import Problem
from hub import keys, peers, signatures
from hub.cli import hub
from hub.config import Config
from hub.peers import Peer
from hub.signatures import Message
from hub.store import peers as store

A, B = "hub-a.obhut.example", "hub-b.obhut.example"
URL = "http://127.0.0.1:8101/v1/peer/feed?x=1"
BODY = b'{"wait":0}'
NOW = 1_790_000_000
KEY = SigningKey.generate()
PEERS = {B: Peer(B, "http://127.0.0.1:8102", SigningKey.generate().public, KEY.public)}


def signed(body=BODY, *, key=KEY, sender=B, to=A, now=NOW, url=URL):
    message = Message("POST", url, {"Content-Type": "application/json"} if body else {})
    signatures.sign(key, sender, to, message, body, now)
    return message


def verify(message, body=BODY, now=NOW):
    found = signatures.verify(message, PEERS, A, now)
    found.check_body(body)
    return found


def reason(message, body=BODY, now=NOW):
    with pytest.raises(Problem) as caught:
        verify(message, body, now)
    assert caught.value.status == 401
    return caught.value.extra["reason"]


@pytest.mark.parametrize("body", [BODY, b""])
def test_a_signed_request_tells_its_hub(body):
    """With and without a body; the nonce is told, to be used once."""
    found = [verify(signed(body), body) for _ in range(2)]
    assert {one.peer for one in found} == {PEERS[B]}
    assert found[0].nonce != found[1].nonce


def test_whatever_is_covered_cannot_be_changed():
    """Method, path, query, body, its type and digest, the destination, and every parameter of the signature."""
    good = signed()
    assert reason(replace(good, method="PUT")) == "signature"
    assert reason(replace(good, url=URL.replace("x=1", "x=2"))) == "signature"
    assert reason(replace(good, url=URL.replace("feed", "feeds"))) == "signature"
    assert reason(replace(good, url=URL.replace("127.0.0.1", "localhost"))) == "signature"
    assert reason(good, body=b'{"wait":1}') == "signature"
    assert reason(good, body=b"") == "signature"
    headers = good.headers
    for name in headers:
        assert reason(replace(good, headers={k: v for k, v in headers.items() if k != name})) == "signature"
    assert reason(replace(good, headers=headers | {"Content-Type": "text/plain"})) == "signature"
    assert reason(replace(good, headers=headers | {"Obhut-Destination": B})) == "signature"
    given = headers["Signature-Input"]
    for part in given.partition("=")[2].split(";")[1:]:
        name, _, value = part.partition("=")
        other = f'{name}="{B[::-1]}"' if value.startswith('"') else f"{name}={int(value) - 1}"
        for change in ("", f";{other}"):
            changed = headers | {"Signature-Input": given.replace(f";{part}", change)}
            assert reason(replace(good, headers=changed)) in ("signature", "peer")


COVERED = (*signatures.COVERED, "content-type")


@pytest.mark.parametrize("left_out", COVERED)
def test_every_component_must_be_covered(left_out, monkeypatch):
    """A signature that holds and covers less is none."""
    message = Message("POST", URL, {"Content-Type": "application/json"})
    with monkeypatch.context() as patch:
        patch.setattr(signatures.HTTPMessageSigner, "sign", without(left_out, signatures.HTTPMessageSigner.sign))
        signatures.sign(KEY, B, A, message, BODY, NOW)
    message.headers.setdefault("Content-Digest", signed().headers["Content-Digest"])
    assert reason(message) == "signature"


def without(name, sign):
    """The library's `sign`, which covers all but one component."""

    def less(self, message, *, covered_component_ids, body, **more):
        covered = [one for one in covered_component_ids if one != name]
        return sign(
            self, message, covered_component_ids=covered, body=None if name == "content-digest" else body, **more
        )

    return less


def test_a_signature_of_nobody_known_is_refused():
    """An unknown hub, a known one with another key, and no signature at all."""
    assert reason(signed(sender="hub-c.obhut.example")) == "peer"
    assert reason(signed(key=SigningKey.generate())) == "signature"
    assert reason(Message("POST", URL, {"Content-Type": "application/json"})) == "signature"


def test_two_signatures_are_refused():
    """Even where both hold: nobody asks which one counts."""
    one, other = signed(), signed()
    two = {name: f"{value}, {other.headers[name].replace('obhut=', 'second=', 1)}"
           for name, value in one.headers.items() if name.startswith("Signature")}  # fmt: skip
    assert reason(replace(one, headers=one.headers | two)) == "signature"


def test_a_request_to_another_hub_counts_nowhere_else():
    """The destination is signed."""
    assert reason(signed(to="hub-c.obhut.example")) == "destination"


@pytest.mark.parametrize(("created", "told"), [(-61, True), (-60, True), (-59, False), (60, False), (61, True)])
def test_a_request_counts_for_a_minute(created, told):
    """Too old or from the future is refused with the time that holds here; either is at most a minute."""
    message = signed(now=NOW + created)
    if not told:
        verify(message)
        return
    with pytest.raises(Problem) as caught:
        verify(message)
    assert (caught.value.extra["reason"], caught.value.extra["now"]) == ("clock", NOW)


def test_a_longer_life_is_refused(monkeypatch):
    """A signature that says it holds for longer than a minute does not hold at all."""
    with monkeypatch.context() as patch:
        patch.setattr(signatures, "SECONDS", 61)
        message = signed()
    assert reason(message) == "signature"


def test_a_nonce_counts_once(towns):
    """In the database: another process or a restart gives no second chance; after ten minutes it is forgotten."""
    db = towns.hub.db
    with db.write() as tx:
        assert store.use_nonce(db, tx, B, "n", NOW + 600)
        assert not store.use_nonce(db, tx, B, "n", NOW + 600)
        assert store.use_nonce(db, tx, A, "n", NOW + 600)
        store.sweep_nonces(tx, NOW + 600)
        assert not store.use_nonce(db, tx, B, "n", NOW + 600)
        store.sweep_nonces(tx, NOW + 601)
        assert store.use_nonce(db, tx, B, "n", NOW + 1200)


def test_the_block_that_a_hub_prints_pins_it(tmp_path):
    """`obhut hub peer` prints what the file of peers takes; three keys, none for two purposes."""
    environment = {"OBHUT_HUB_DATA": str(tmp_path), "OBHUT_HUB_DOMAIN": B, "OBHUT_HUB_BIND": "127.0.0.1:8102"}
    printed = CliRunner().invoke(hub, ["peer"], env=environment)
    assert printed.exit_code == 0
    (tmp_path / "peers.toml").write_text(printed.output)
    found = Config.from_env({"OBHUT_HUB_PEERS": str(tmp_path / "peers.toml"), "OBHUT_HUB_DOMAIN": A}).known_peers()
    own = [keys.load(tmp_path, name).public for name in keys.ALL]
    assert found == {B: Peer(B, "http://127.0.0.1:8102", own[0], own[2])}
    assert len(set(own)) == 3


GOOD = {"domain": B, "url": "https://hub-b.obhut.example", "key": b64(b"k" * 32), "peer_key": b64(b"p" * 32)}


@pytest.mark.parametrize(
    "change",
    [{"domain": "B"}, {"domain": A}, {"url": "http://hub-b.obhut.example"}, {"url": "https://"}, {"url": "ftp://x"},
     {"key": "x"}, {"peer_key": GOOD["key"]}, {"rate": 0}, {"rate": "x"}, {"more": 1}, {"key": 7}],
)  # fmt: skip
def test_a_peer_that_cannot_be_meant_ends_with_one_sentence(tmp_path, change):
    """Plain HTTP but on this machine, keys that are none or serve twice, the hub itself, unknown members."""
    block = {**GOOD, **change}
    lines = [f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}" for name, value in block.items()]
    path = tmp_path / "peers.toml"
    path.write_text("\n".join(["[[peer]]", *lines]))
    with pytest.raises(ValueError, match=r"\A[^\n]+\.\Z|\A[^\n]+\)\.\Z"):
        peers.load(str(path), A)


@pytest.mark.parametrize("text", ["peer = 1", "[[peer]", "[[other]]", "x = 1"])
def test_a_file_of_peers_is_read_strictly(tmp_path, text):
    """What is not TOML, or not blocks of peers, is refused; so is a file that is not there, and a peer named twice."""
    path = tmp_path / "peers.toml"
    path.write_text(text)
    for name in (path, tmp_path / "none"):
        with pytest.raises(ValueError, match="file of peers"):
            peers.load(str(name), A)
