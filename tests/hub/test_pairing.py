"""Two devices leave sealed words for each other: few, small, not for long, and never replaced."""

import pytest

from consent.pairing import MAX_WORD
from consent.primitives import b64, random_bytes
from hub.limits import Buckets
from hub.pairing import PLACES
from hub.store.pairing import SECONDS
from tests.hub.people import problem


def path(place, word=""):
    """Where a word lies."""
    return f"/v1/pairings/{place}" + (f"/{word}" if word else "")


@pytest.fixture
def place():
    """A place that nobody can guess."""
    return b64(random_bytes(32))


def put(town, place, word, sealed, who=None):
    """Leave a word; the status of the answer."""
    return town.call("PUT", path(place, word), who, json={"sealed": b64(sealed)}).status_code


def test_two_words_lie_at_a_place_until_it_is_ended(towns, place):
    """The first is a client's, the second anybody's who knows the place; the same again is harmless."""
    me = towns.patient().me
    assert towns.get(path(place)).json == {}
    assert put(towns, place, "reveal", b"too early") == 404
    assert [put(towns, place, "reply", b"one", me) for _ in range(2)] == [204, 204]
    assert towns.get(path(place)).json == {"reply": b64(b"one")}
    assert [put(towns, place, "reveal", b"two") for _ in range(2)] == [204, 204]
    assert towns.get(path(place)).json == {"reply": b64(b"one"), "reveal": b64(b"two")}
    assert towns.call("DELETE", path(place), me).status_code == 204
    assert towns.get(path(place)).json == {}


def test_a_word_that_lies_there_is_never_replaced(towns, place):
    """Neither by its author nor by somebody else; and nobody else ends the place."""
    me, other = towns.patient().me, towns.patient().me
    put(towns, place, "reply", b"one", me)
    put(towns, place, "reveal", b"two")
    assert put(towns, place, "reply", b"another", me) == put(towns, place, "reply", b"one", other) == 409
    assert put(towns, place, "reveal", b"another") == 409
    assert towns.call("DELETE", path(place), other).status_code == 204
    assert towns.get(path(place)).json == {"reply": b64(b"one"), "reveal": b64(b"two")}


def test_only_a_client_makes_a_place(towns, place):
    """Without a token, with one for the vault alone, and with that of a gateway there is none."""
    patient, house = towns.patient(), towns.organisation("praxis")
    key = random_bytes(32)
    towns.call("PUT", "/v1/sign-in", patient.me, json={"key": b64(key)})
    vault = towns.post("/v1/sign-in", {"account": patient.me.account, "key": b64(key)}).json["access_token"]
    body = {"json": {"sealed": b64(b"one")}}
    assert towns.call("PUT", path(place, "reply"), **body).status_code == 401
    assert towns.call("PUT", path(place, "reply"), token=vault, **body).status_code == 403
    assert towns.call("PUT", path(place, "reply"), house, **body).status_code == 403
    assert towns.get(path(place)).json == {}


def test_what_lies_there_is_over_after_ten_minutes(towns, clock, place):
    """Nothing is read of it any more, nothing is added, and the hourly sweep forgets it."""
    me = towns.patient().me
    put(towns, place, "reply", b"one", me)
    clock.advance(SECONDS)
    assert towns.get(path(place)).json == {}
    assert put(towns, place, "reveal", b"two") == 404
    clock.advance(3600)
    towns.get(path(place))
    assert towns.dump()["pairings"] == []


def test_a_place_that_is_over_can_be_made_anew(towns, clock, place):
    """At once, not only after the hourly sweep; by whoever comes first, and with nothing of what lay there."""
    me, other = towns.patient().me, towns.patient().me
    put(towns, place, "reply", b"one", me)
    put(towns, place, "reveal", b"two")
    clock.advance(SECONDS + 1)
    assert [put(towns, place, "reply", b"three", who) for who in (other, me)] == [204, 409]
    assert towns.get(path(place)).json == {"reply": b64(b"three")}


def test_few_and_small(town, place):
    """An account has eight places at most, also when it asks for the same one twice; a word has 1 KiB at most."""
    me = town.patient().me
    places = [b64(random_bytes(32)) for _ in range(PLACES)]
    assert [put(town, one, "reply", b"one", me) for one in places * 2] == [204] * 2 * PLACES
    assert put(town, place, "reply", b"one", me) == 429
    assert put(town, places[0], "reveal", bytes(MAX_WORD + 1)) == 413
    assert put(town, places[0], "reveal", b"") == 400
    assert put(town, "short", "reply", b"one", me) == put(town, "A" * 44, "reply", b"one", me) == 404


def test_who_has_no_token_is_counted(town, place):
    """Reading and answering without a token count by address."""
    me = town.patient().me
    put(town, place, "reply", b"one", me)
    town.app.extensions["obhut.buckets"] = Buckets(2)
    assert [town.get(path(place)).status_code for _ in range(3)] == [200, 200, 429]
    answer = town.call("PUT", path(place, "reveal"), json={"sealed": b64(b"two")})
    assert problem(answer)["status"] == 429
