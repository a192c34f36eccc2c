"""The doors for hubs: what is not the peer's own fresh request is refused, said, counted, and changes nothing."""

import logging
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import requests

from consent import heads
from consent.keys import SigningKey
from consent.primitives import unb64
from fhir_profiles.problems import Problem
from hub import peer_auth, peer_client, signatures, wire
from hub.limits import Buckets
from hub.peer_client import PeerClient
from hub.signatures import Message
from tests.consent.world import DOMAIN
from tests.hub.peering.federation import OTHER

BODY = b'{"urgent":"","statements":"","envelopes":"","nonce":"AAAAAAAAAAAAAAAAAAAAAA","wait":0}'


def send(hubs, *, body=BODY, sent=None, query="", sender=OTHER, to=DOMAIN, late=0, key=None, url=None):
    """A signed request of B to A's feed, as it may be changed on its way."""
    base = hubs.a.hub.config.base_url
    message = Message("POST", (url or base) + "/v1/peer/feed", {"Content-Type": "application/json"})
    signatures.sign(key or hubs.b.hub.peer_key, sender, to, message, body, hubs.b.now + late)
    return message.headers, lambda: requests.post(
        base + "/v1/peer/feed" + query, data=body if sent is None else sent, headers=message.headers, timeout=20
    )


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("signature", {"sent": BODY.replace(b"0", b"1")}),
        ("signature", {"query": "?wait=1"}),
        ("signature", {"url": "http://elsewhere.example"}),
        ("destination", {"to": OTHER}),
        ("peer", {"sender": "hub-c.example.org"}),
        ("signature", {"key": SigningKey.generate()}),
        ("clock", {"late": -61}),
        ("clock", {"late": 61}),
    ],
)
def test_a_request_that_was_changed_is_refused(hubs, caplog, reason, change):
    """Body, query, target, destination, sender, key, time: 401 with the reason word, which is logged and counted."""
    caplog.set_level(logging.INFO)
    before = hubs.a.dump()
    _, go = send(hubs, **change)
    answer = go()
    assert (answer.status_code, answer.json()["reason"]) == (401, reason)
    assert hubs.a.dump() == before
    said = [record.fields for record in caplog.records if getattr(record, "fields", {}).get("status") == 401]
    assert [(fields["route"], fields["reason"]) for fields in said] == [("/v1/peer/feed", reason)]
    assert f'obhut_hub_peer_refusals_total{{reason="{reason}"}} 1.0' in hubs.a.get("/metrics").get_data(as_text=True)


def test_a_request_counts_once(both_hubs):
    """The same bytes again are a replay, which changes nothing; so is one that comes to another process."""
    _, go = send(both_hubs)
    assert go().status_code == 200
    before = both_hubs.a.dump()
    answer = go()
    assert (answer.status_code, answer.json()["reason"]) == (401, "replay")
    assert both_hubs.a.dump() == before


def test_a_body_that_comes_much_later_than_its_head_does_not_count(hubs, clock, monkeypatch):
    """By then its nonce may be forgotten, and so the same request might count a second time."""
    read = wire.raw_body

    def late(*given):
        clock.advance(360)
        return read(*given)

    monkeypatch.setattr(peer_auth.wire, "raw_body", late)
    answer = send(hubs)[1]()
    assert (answer.status_code, answer.json()["reason"]) == (401, "clock")


def test_the_body_of_nobody_known_is_not_read(hubs):
    """A request without a good signature is answered by its head alone, however much it says that it brings."""
    port = int(hubs.a.hub.config.base_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(
            b"POST /v1/peer/envelopes HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: 8000000\r\n\r\n"
        )
        assert b" 401 " in line.recv(64)


def test_two_signatures_or_none_are_refused(hubs):
    """Nobody asks which one counts."""
    headers, go = send(hubs)
    other, _ = send(hubs)
    for name in ("Signature", "Signature-Input"):
        headers[name] += ", " + other[name].replace("obhut=", "second=", 1)
    assert go().json()["reason"] == "signature"
    del headers["Signature"], headers["Signature-Input"]
    assert go().json()["reason"] == "signature"


def test_a_token_opens_no_door_for_hubs(hubs):
    """Who is signed in at the hub is not a hub."""
    person = hubs.a.person()
    answer = hubs.a.call("POST", "/v1/peer/feed", person, data=BODY, content_type="application/json")
    assert answer.status_code == 401


def test_a_hub_with_a_wrong_clock_is_told_the_time(hubs):
    """Its client signs once more by the other's clock."""
    own = hubs.b.hub
    client = PeerClient(own.peers[DOMAIN], OTHER, own.peer_key, lambda: hubs.b.clock() - 1000)
    assert client.post("/v1/peer/feed", dict.fromkeys(("urgent", "statements", "envelopes"), "") | {
        "nonce": "A" * 22, "wait": 0
    })["kind"] == ""  # fmt: skip


def test_a_hub_that_asks_too_often_is_slowed_down(hubs):
    """By its own rate, whatever address it comes from."""
    hubs.a.app.extensions["obhut.peer_buckets"][OTHER] = Buckets(1)
    assert send(hubs)[1]().status_code == 200
    assert send(hubs)[1]().status_code == 429


def test_heads_are_vouched_for_by_the_home_hub(both_hubs):
    """Asked at B, A's frame comes back, for whom the asker may see."""
    patient, hospital, _, _ = both_hubs.shared()
    both_hubs.read()
    chains = [["rel", patient.me.account, hospital.account], ["acct", patient.me.account, ""]]
    answer = both_hubs.b.post("/v1/heads", {"nonce": "A" * 22, "chains": chains}, hospital)
    (frame,) = answer.json["frames"]
    found = heads.parse(unb64(frame))
    found.verify(both_hubs.a.hub.key.public, hub=DOMAIN, to=hospital.account, nonce="A" * 22)
    assert found.heads == {
        chain.id: chain.head for chain in (patient.hub.record.relations[hospital.account], patient.hub.record.account)
    }


@contextmanager
def speaking(hubs, body):
    """A client of a peer that begins an answer of 1,000 bytes, and then sends these pieces."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for piece in body:
                    connection.sendall(piece)

        thread = threading.Thread(target=answer)
        thread.start()
        peer = replace(hubs.b.hub.peers[DOMAIN], url=f"http://127.0.0.1:{server.getsockname()[1]}")
        client = PeerClient(peer, OTHER, hubs.b.hub.peer_key, hubs.b.clock)
        yield client
        client.close()
        thread.join()


def test_an_answer_that_breaks_off_is_no_answer(hubs):
    """A hub that dies while it answers is out of reach, and nothing of what came is used."""
    with speaking(hubs, [b"{"]) as client, pytest.raises(Problem, match="busy"):
        client.get("/v1/peer/chains/acct/x")


def test_an_answer_that_drips_is_given_up(hubs, monkeypatch):
    """A peer that sends a byte now and then holds nobody here for ever."""
    monkeypatch.setattr(peer_client, "ANSWER_SECONDS", 0.1)
    given_up = threading.Event()
    drops = (b" " for _ in iter(lambda: given_up.wait(0.05), True))
    with speaking(hubs, drops) as client:
        with pytest.raises(Problem, match="busy"):
            client.get("/v1/peer/chains/acct/x")
        given_up.set()
