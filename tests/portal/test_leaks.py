"""What looks for secrets finds them, however a careless page would write them; and finds none where there are none."""

import json
from base64 import b16encode, b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
import requests

from tests.portal.between import Passed, between
from tests.portal.leaks import leaks

NOTE, KEY = "Grüße: 71,37 kg", bytes(range(200, 232))
SECRETS = {"note": NOTE, "key": KEY, "word": "apfel"}
JSON = json.dumps({"note": NOTE}).encode()
PLANTED = {
    "body": ("note", NOTE.encode()),
    "other case": ("note", b"GR\xc3\xbcSSE " + NOTE.replace("kg", "KG").encode()),
    "utf-16": ("note", NOTE.lower().encode("utf-16-le")),
    "json": ("note", JSON),
    "percent": ("note", b"/v1/feed?q=" + quote(NOTE).encode()),
    "base64 of json": ("note", b'{"x":"' + b64encode(JSON) + b'"}'),
    "raw": ("key", b"\0\0" + KEY + b"\0"),
    "base64": ("key", b'{"key":"' + b64encode(KEY) + b'"}'),
    "base64url without padding": ("key", b"key=" + urlsafe_b64encode(KEY).rstrip(b"=")),
    "inside other bytes": ("key", b'"' + b64encode(b"frame" + KEY + b"end") + b'"'),
    "twice": ("key", b64encode(json.dumps({"k": b64encode(KEY).decode()}).encode())),
    "a word": ("word", b'["birne","Apfel"]'),
    "a word in base64": ("word", b'{"x":"' + b64encode(b'{"words":"apfel birne"}') + b'"}'),
    "hexadecimal": ("key", b16encode(KEY).lower()),
}


@pytest.mark.parametrize("way", PLANTED)
@pytest.mark.parametrize("side", ["asked", "answered"])
def test_a_planted_secret_is_found(way, side):
    """In what is asked and in what is answered, by its name, and no other one."""
    name, data = PLANTED[way]
    passed = Passed("POST /v1/envelopes", **{"asked": b"", "answered": b""} | {side: data})
    assert leaks([passed], SECRETS) == [(name, "POST /v1/envelopes")]


def test_what_says_nothing_is_let_pass():
    """Other texts and keys, and the portal's own files, which hold every word; but never what they are asked with."""
    assert leaks([Passed("GET /v1/hub", b64encode(KEY[1:]), "Grüsse: 71,38 kg".encode())], SECRETS) == []
    assert leaks([Passed("GET /v1/feed", b"", b'"frame":"x4ApfelQ"')], SECRETS) == []
    file = f"GET /portal/{'0' * 64}/portal.js"
    assert leaks([Passed(file, b"", NOTE.encode())], SECRETS) == []
    assert leaks([Passed(file, NOTE.encode(), b"")], SECRETS) == [("note", file)]


def test_a_secret_on_its_way_through_is_seen(portal_hub):
    """The server in the middle keeps address, headers and body of what it hands on, and the hub's answer."""
    with between(portal_hub.url) as middle:
        headers = {"X-Note": quote(NOTE)}
        for data in (None, KEY):
            method = "GET" if data is None else "POST"
            requests.request(method, f"{middle.url}/v1/hub", headers=headers, data=data, timeout=30)
    assert leaks(middle.passed, SECRETS) == [("note", "GET /v1/hub"), ("note", "POST /v1/hub"), ("key", "POST /v1/hub")]
    assert b"obhut.example" in middle.passed[0].answered
