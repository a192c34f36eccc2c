"""Who is calling: the token endpoint and what it refuses, access tokens, registration, signing in."""

import json
from dataclasses import replace

import pytest
from joserfc import jwk, jwt

from consent import messages
from consent.keys import SigningKey
from consent.primitives import b64, random_bytes
from hub.context import key_of
from hub.limits import Buckets
from hub.store import directory
from hub.store.hashing import digest
from tests.hub.people import problem


@pytest.fixture
def person(town):
    return town.person()


def forged(header, claims, key=b""):
    """A JWT put together by hand."""
    parts = [b64(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*parts, b64(key)])


def claims_of(town, who, **changes):
    client = f"{who.account}/{who.device}"
    return {
        "iss": client,
        "sub": client,
        "aud": town.hub.config.token_endpoint,
        "exp": town.now + 240,
        "jti": "once",
    } | changes


def test_a_device_gets_a_token_that_opens_its_feed(towns):
    """SMART Backend Services, from the assertion to the first call."""
    who = towns.person()
    answer = towns.ask_token(towns.assertion(who), scope="system/*.rs")
    assert (answer.status_code, answer.json["token_type"], answer.json["expires_in"]) == (200, "Bearer", 300)
    assert answer.json["scope"] == "system/*.rs"
    assert towns.get("/v1/feed", token=answer.json["access_token"]).status_code == 200


def test_both_names_of_the_algorithm_are_taken(town, person):
    """`EdDSA` as SMART clients write it, `Ed25519` as RFC 9864 does."""
    key = town.keys[person.device]
    secret = jwk.OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public), "d": b64(bytes(key))})
    header = {"alg": "EdDSA", "typ": "JWT", "kid": person.device}
    with pytest.warns(Warning, match="EdDSA"):
        assertion = jwt.encode(header, claims_of(town, person), secret, algorithms=["EdDSA"])
    assert town.ask_token(assertion).status_code == 200


CLAIMS = {
    "expired": {"exp": -31},
    "living too long": {"exp": 331},
    "without an end": {"exp": None},
    "for another server": {"aud": "https://elsewhere.example/oauth/token"},
    "for the base only": {"aud": "http://127.0.0.1:8101"},
    "for several servers": {"aud": ["https://elsewhere.example/oauth/token"]},
    "without an audience": {"aud": None},
    "of another issuer": {"iss": "somebody"},
    "without an id": {"jti": None},
    "with a number as subject": {"sub": 7},
    "without a subject": {"sub": None},
    "with a subject that no database takes": {"sub": "a\0/b"},
    "with an id that is no text": {"jti": "\ud800"},
    "with an end that is no number": {"exp": float("nan")},
}  # fmt: skip
HEADERS = {
    "with its own jwk": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
    "with the address of a key": {"jku": "https://elsewhere.example/keys"},
    "with a certificate's address": {"x5u": "https://elsewhere.example/cert"},
    "with a certificate": {"x5c": ["AAAA"]},
    "with something critical": {"crit": ["exp"], "exp": 1},
    "with another kid": {"kid": "dzzzzzzzzzzzzzzzz"},
    "with an empty kid": {"kid": ""},
}


@pytest.mark.parametrize("case", [*CLAIMS, *HEADERS])
def test_an_assertion_is_refused_and_changes_nothing(town, person, case):
    """Every claim and header that must not be believed is not."""
    claims = {
        name: town.now + value if name == "exp" and value else value for name, value in CLAIMS.get(case, {}).items()
    }
    key = town.keys[person.device]
    header = {"alg": "Ed25519", "typ": "JWT", "kid": person.device} | HEADERS.get(case, {})
    values = {name: value for name, value in claims_of(town, person, **claims).items() if value is not None}
    signing = b".".join(b64(json.dumps(part).encode()).encode() for part in (header, values))
    assertion = signing.decode() + "." + b64(key.sign(signing))
    before = town.dump()
    answer = town.ask_token(assertion)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert town.dump() == before


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": "ES256"}, {}, {"alg": 7}]
)
def test_no_other_algorithm_is_believed(town, person, header):
    """`none`, a MAC keyed by the public key, and unknown algorithms."""
    full = header | {"kid": person.device}
    if header.get("alg") == "HS256":
        secret = jwk.OctKey.import_key(town.keys[person.device].public)
        assertion = jwt.encode(full, claims_of(town, person), secret, algorithms=["HS256"])
    else:
        assertion = forged(full, claims_of(town, person), b"" if header.get("alg") == "none" else bytes(64))
    answer = town.ask_token(assertion)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("assertion", ["", "x", "a.b.c", "..", "e30.e30.e30", "é.é.é", "W10.W10."])
def test_what_is_no_jwt_is_refused(town, assertion):
    """Garbage gets an OAuth error, never a fault."""
    assert town.ask_token(assertion).status_code in (400, 401)


def test_an_assertion_works_once(towns):
    """The same `jti` again is refused."""
    who = towns.person()
    assertion = towns.assertion(who)
    assert towns.ask_token(assertion).status_code == 200
    assert towns.ask_token(assertion).status_code == 401


def test_an_assertion_stays_used_while_its_end_is_forgiven(towns, clock):
    """What a hub forgets at its start is only what it would refuse anyway, for clocks that differ too."""
    who = towns.person()
    assertion = towns.assertion(who, exp=towns.now + 240)
    assert towns.ask_token(assertion).status_code == 200
    clock.advance(250)
    with towns.hub.db.write() as tx:
        directory.sweep(tx, towns.now, 600)
    assert towns.ask_token(assertion).status_code == 401


def test_an_unknown_client_and_a_wrong_key_are_refused(town, person):
    """Nobody gets a token for somebody else."""
    stranger = replace(person, device="d" + "a" * 16)
    town.keys[stranger.device] = SigningKey.generate()
    assert town.ask_token(town.assertion(stranger)).status_code == 401
    town.keys[person.device] = SigningKey.generate()
    assert town.ask_token(town.assertion(person)).status_code == 401


def test_scopes_narrow_and_unknown_ones_are_refused(town, person):
    """A token for the directory reads the directory only."""
    assert town.ask_token(town.assertion(person), scope="vault").json["error"] == "invalid_scope"
    token = town.ask_token(town.assertion(person), scope="system/Organization.rs").json["access_token"]
    assert town.get("/fhir/Organization", token=token).status_code == 200
    assert town.get("/fhir/Endpoint", token=token).status_code == 403
    assert town.get("/v1/feed", token=token).status_code == 403


def test_an_access_token_ends_and_cannot_be_made_elsewhere(town, person, clock):
    """Expired, of another key, of another type, for another hub: 401, and the same answer."""
    home = town.hub
    token = town.token(person)
    client = f"{person.account}/{person.device}"
    good = {
        "iss": home.config.base_url,
        "aud": home.config.base_url,
        "sub": client,
        "exp": town.now + 60,
        "scope": "system/*.rs",
    }
    typ = {"alg": "Ed25519", "typ": "at+jwt"}

    def made(header, claims, key=None):
        return jwt.encode(header, claims, key_of(key or home.token_key), algorithms=["Ed25519"])

    assert town.get("/v1/feed", token=made(typ, good)).status_code == 200
    bad = [
        made(typ, good, SigningKey.generate()), made(typ, good, home.key), made(typ | {"typ": "JWT"}, good),
        made(typ, good | {"aud": "https://elsewhere.example"}), made(typ, good | {"iss": "x"}),
        made(typ, {k: v for k, v in good.items() if k != "exp"}), made(typ, good | {"sub": person.account}),
        forged({"alg": "none", "typ": "at+jwt"}, good), town.assertion(person), "x", "",
    ]  # fmt: skip
    clock.advance(301)
    answers = [town.call("GET", "/v1/feed", headers={"Authorization": f"Bearer {t}"}) for t in [*bad, token]]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}


def test_a_registration_must_be_fresh_and_signed_by_the_device(town, person, clock):
    """A wrong signature and an unknown account get the same answer; an old registration cannot come back."""

    def registered(who, key, at):
        return messages.register(who.sign, acc=who.account, dev=who.device, token_key=key.public, at=at)

    def post(frame):
        return town.post("/v1/clients", {"frame": b64(frame)})

    old, new = SigningKey.generate(), SigningKey.generate()
    clock.advance(1)
    first, second = registered(person, old, town.now), registered(person, new, town.now + 1)
    assert [post(first).status_code, post(second).status_code] == [201, 201]
    before = town.dump()
    assert post(first).status_code == 409
    thief = replace(person, sign=SigningKey.generate())
    nobody = replace(person, account="p-" + "a" * 26 + "@" + person.account.partition("@")[2])
    answers = [post(registered(who, old, town.now)) for who in (thief, nobody)]
    assert [a.status_code for a in answers] == [401, 401]
    assert answers[0].data == answers[1].data
    clock.advance(3600)
    assert problem(post(registered(person, old, town.now - 3000)))["reason"] == "clock"
    assert town.dump() == before


def test_a_passphrase_opens_the_vault_and_nothing_else(towns):
    """The sign-in key gives a short token for the sealed vault; a wrong key and a wrong name give the same refusal."""
    patient, key = towns.patient(), random_bytes(32)
    acc = patient.me.account
    assert towns.call("PUT", "/v1/sign-in", patient.me, json={"key": b64(key)}).status_code == 204
    token = towns.post("/v1/sign-in", {"account": acc, "key": b64(key)}).json["access_token"]
    assert towns.get(f"/v1/vault/{acc}", token=token).json["ver"] == patient.hub.vault[0]
    for path in ("/v1/feed", f"/v1/log/{acc}", f"/v1/sets/{acc}", "/v1/directory"):
        assert towns.get(path, token=token).status_code == 403
    wrong = [towns.post("/v1/sign-in", {"account": name, "key": b64(bytes(32))}) for name in (acc, "nobody@x.y")]
    assert [answer.status_code for answer in wrong] == [401, 401]
    assert wrong[0].data == wrong[1].data


def sign_in(town, account, key, address="192.0.2.1"):
    """Try to sign in from an address; the status of the answer."""
    body = {"account": account, "key": b64(key)}
    return town.call("POST", "/v1/sign-in", json=body, environ_base={"REMOTE_ADDR": address}).status_code


def test_guessing_is_slowed_down_by_account(town, clock):
    """After ten tries an account must wait, whether it exists or not, also for the right key."""
    patient, key = town.patient(), random_bytes(32)
    town.call("PUT", "/v1/sign-in", patient.me, json={"key": b64(key)})
    for account in (patient.me.account, "nobody@x.y"):
        assert [sign_in(town, account, bytes(32)) for _ in range(11)] == [401] * 10 + [429]
    assert sign_in(town, patient.me.account, key) == 429
    clock.advance(601)
    assert sign_in(town, patient.me.account, key) == 200


def test_who_guesses_from_one_place_keeps_nobody_else_out(town):
    """Tries count by network too: only where many of them guess must the account's owner wait as well."""
    patient, key = town.patient(), random_bytes(32)
    town.call("PUT", "/v1/sign-in", patient.me, json={"key": b64(key)})
    for _ in range(20):
        sign_in(town, patient.me.account, bytes(32), "2001:db8:0:1::1")
    assert sign_in(town, patient.me.account, bytes(32), "2001:db8:0:1::2") == 429
    assert sign_in(town, patient.me.account, key, "::ffff:192.0.2.1") == 200
    assert [sign_in(town, patient.me.account, bytes(32)) for _ in range(11)] == [401] * 10 + [429]
    assert sign_in(town, patient.me.account, key, "::ffff:192.0.2.1") == 429
    assert sign_in(town, patient.me.account, key, "::ffff:192.0.2.2") == 200
    for network in range(10):
        answers = {sign_in(town, patient.me.account, bytes(32), f"2001:db8:1:{network}::1") for _ in range(10)}
        assert answers == {401}
    assert sign_in(town, patient.me.account, key, "192.0.2.3") == 429


def test_wrong_tokens_keep_no_right_one_out(town):
    """What the sheet yields cannot be guessed: it opens the vault, however many wrong tokens came before it."""
    patient, token = town.patient(), random_bytes(32)
    body = {"statements": [], "fetch": digest(token)}
    assert town.post("/v1/statements", body, patient.me).status_code == 200

    def recover(account, token):
        return town.post("/v1/recover", {"account": account, "token": b64(token)})

    wrong, unknown = ([recover(acc, bytes(32)) for _ in range(11)] for acc in (patient.me.account, "nobody@x.y"))
    assert [answer.status_code for answer in wrong] == [401] * 10 + [429]
    assert [answer.data for answer in wrong] == [answer.data for answer in unknown]
    assert recover(patient.me.account, token).status_code == 200
    assert recover(patient.me.account, bytes(32)).status_code == 429


def test_doors_without_a_token_count_by_address(town):
    """Beyond the rate: 429 with Retry-After."""
    town.app.extensions["obhut.buckets"] = Buckets(3)
    answers = [town.post("/v1/recover", {"account": "x@y.z", "token": b64(bytes(32))}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert "Retry-After" in answers[-1].headers


def test_smart_configuration_says_what_is_true(town):
    """The token endpoint, the algorithms, the scopes; under the base of FHIR, where SMART looks, and at the root."""
    said = town.get("/fhir/.well-known/smart-configuration").json
    assert said == town.get("/.well-known/smart-configuration").json
    assert said["token_endpoint"] == town.get("/v1/hub").json["token_endpoint"]
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
