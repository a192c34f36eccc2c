"""The SMART server of a standalone gateway: who gets a token, what is refused, and when a token ends.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

import base64
import json
from dataclasses import replace

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from connectors.gateway import clients
from connectors.gateway.smart import NAMES
from fhir_profiles import resources
from tests.connectors.gateway.conftest import BASE, issue
from tests.connectors.gateway.programs import ENDPOINT, KEYS

EVERYTHING = "system/*.cruds"


def b64(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("alg", NAMES)
def test_a_program_gets_a_token_by_each_algorithm(programs, alg):
    """From the assertion to the first call."""
    name = programs.add("reporting", "system/*.rs")
    answer = programs.ask(programs.assertion(name, alg), scope="system/Patient.rs")
    assert (answer.status_code, answer.json["token_type"], answer.json["expires_in"]) == (200, "Bearer", 300)
    assert answer.json["scope"] == "system/Patient.rs"
    assert answer.headers["Cache-Control"] == "no-store"
    assert programs.api(answer.json["access_token"]).get("Patient").status_code == 200


CLAIMS = {
    "expired": {"exp": -31},
    "living too long": {"exp": 331},
    "without an end": {"exp": None},
    "with an end that is no number": {"exp": float("nan")},
    "with an end after all time": {"exp": float("inf")},
    "not valid yet": {"nbf": 31},
    "issued in the future": {"iat": 31},
    "for another server": {"aud": "https://elsewhere.example/oauth/token"},
    "for the FHIR base": {"aud": BASE},
    "for several others": {"aud": ["https://elsewhere.example/oauth/token"]},
    "without an audience": {"aud": None},
    "of another issuer": {"iss": "billing"},
    "of another subject": {"sub": "billing"},
    "of nobody": {"iss": "nobody", "sub": "nobody"},
    "of a name that no database takes": {"iss": "a\0b", "sub": "a\0b"},
    "without a subject": {"sub": None},
    "with a number as subject": {"sub": 7},
    "without an id": {"jti": None},
    "with an id that is no text": {"jti": "\ud800"},
}
HEADERS = {
    "with its own jwk": {"jwk": KEYS["ES384"].as_dict(private=False)},
    "with the address of a key": {"jku": "https://elsewhere.example/keys"},
    "with a certificate's address": {"x5u": "https://elsewhere.example/cert"},
    "with a certificate": {"x5c": ["AAAA"]},
    "with something critical": {"crit": ["exp"], "exp": 1},
    "with another key's kid": {"kid": "rsa"},
    "with an unknown kid": {"kid": "none"},
    "without a kid": {"kid": ""},
}


def dated(programs, case):
    moments = ("exp", "nbf", "iat")
    return {name: programs.now + value if name in moments and value else value for name, value in CLAIMS[case].items()}


@pytest.mark.parametrize("case", [*CLAIMS, *HEADERS])
def test_an_assertion_is_refused_and_changes_nothing(programs, case):
    """Every claim and header that must not be believed is not."""
    programs.add("billing", EVERYTHING)
    name = programs.add("reporting", EVERYTHING)
    claims = dated(programs, case) if case in CLAIMS else {}
    header = {"alg": "ES384", "typ": "JWT", "kid": "ec"} | HEADERS.get(case, {})
    signing = f"{b64(header)}.{b64(programs.claims(name, **claims))}"
    signature = jws.JWSRegistry.algorithms["ES384"].sign(signing.encode(), KEYS["ES384"])
    before = programs.dump()
    assertion = f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    answer = programs.ask(assertion)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert programs.dump() == before


def test_what_the_refusals_alter_is_all_that_they_refuse(programs):
    """The same assertion put together by hand, unaltered, is taken."""
    name = programs.add("reporting", EVERYTHING)
    signing = f"{b64({'alg': 'ES384', 'typ': 'JWT', 'kid': 'ec'})}.{b64(programs.claims(name))}"
    signature = jws.JWSRegistry.algorithms["ES384"].sign(signing.encode(), KEYS["ES384"])
    assertion = f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert programs.ask(assertion).status_code == 200


@pytest.mark.parametrize("alg", ["none", "", "RS256", "ES256", "ES512", "PS384", "Ed448"])
def test_another_algorithm_is_not_believed(programs, alg):
    """`none` and all that are not served, whatever stands as signature."""
    name = programs.add("reporting", EVERYTHING)
    before = programs.dump()
    for signature in ("", "A" * 128):
        assertion = f"{b64({'alg': alg, 'kid': 'ec'})}.{b64(programs.claims(name))}.{signature}"
        assert programs.ask(assertion).status_code == 401
    assert programs.dump() == before


@pytest.mark.parametrize("alg", ["HS256", "HS384"])
def test_a_mac_with_the_public_key_is_not_believed(programs, alg):
    """What everybody knows proves nothing."""
    name = programs.add("reporting", EVERYTHING)
    before = programs.dump()
    for public in (KEYS["RS384"].as_pem(private=False), KEYS["ES384"].as_der(private=False)):
        secret = OctKey.import_key(public.hex())
        assertion = jwt.encode({"alg": alg, "kid": "rsa"}, programs.claims(name), secret, algorithms=[alg])
        assert programs.ask(assertion).status_code == 401
    assert programs.dump() == before


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("RS384", RSAKey.generate_key(2048, {"kid": "rsa"})),
        ("ES384", ECKey.generate_key("P-384", {"kid": "ec"})),
        ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "okp"})),
        ("RS384", RSAKey.generate_key(2048, {"kid": "ec"})),
        ("ES256", ECKey.generate_key("P-256", {"kid": "ec"})),
    ],
    ids=["rsa", "ec", "okp", "another kind", "another curve"],
)
def test_another_key_under_a_registered_name_is_not_believed(programs, alg, key):
    """The name of a key is no proof."""
    name = programs.add("reporting", EVERYTHING)
    before = programs.dump()
    assertion = jwt.encode({"alg": alg, "kid": key.kid}, programs.claims(name), key, algorithms=[alg])
    assert programs.ask(assertion).status_code == 401
    assert programs.dump() == before


@pytest.mark.parametrize("assertion", ["", "x", "a.b.c", "..", "e30.e30.e30", "é.é.é", "W10.W10.", "A" * 20_000])
def test_what_is_no_jwt_is_refused(programs, assertion):
    """Garbage gets an error of the client's, never a fault."""
    assert programs.ask(assertion).status_code in (400, 401, 413)


def test_an_assertion_works_once(programs_on_both, clock):
    """The same `jti` again is refused, also while only the leeway keeps it alive."""
    programs = programs_on_both
    name = programs.add("reporting", EVERYTHING)
    assertion = programs.assertion(name)
    assert programs.ask(assertion).status_code == 200
    before = programs.dump()
    assert programs.ask(assertion).status_code == 401
    assert programs.dump() == before
    clock.advance(260)
    programs.token(name)  # forgets what has ended
    assert programs.ask(assertion).status_code == 401
    clock.advance(60)
    programs.token(name)
    assert len(programs.dump()["used_assertions"]) == 2


@pytest.mark.parametrize("grant", ["authorization_code", "password", ""])
def test_another_grant_is_refused(programs, grant):
    """Programs only: nobody is asked for a passphrase or a consent page here."""
    answer = programs.ask(programs.assertion(programs.add("reporting", EVERYTHING)), grant_type=grant)
    assert (answer.status_code, answer.json["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("registered", "asked", "given"),
    [
        ("system/*.cruds", "system/Patient.rs system/Observation.c", "system/Patient.rs system/Observation.c"),
        ("system/*.cruds", "system/Patient.read", "system/Patient.read"),
        ("system/*.rs", "system/*.cruds", "system/*.rs"),
        ("system/Patient.read", "system/*.*", "system/Patient.rs"),
        ("system/*.rs system/Observation.cruds", "", "system/*.rs system/Observation.cruds"),
    ],
)
def test_a_program_gets_of_what_it_asks_what_it_is_registered_for(programs, registered, asked, given):
    """The answer says what was given."""
    name = programs.add("reporting", registered)
    answer = programs.ask(programs.assertion(name), **({"scope": asked} if asked else {}))
    assert answer.json["scope"] == given


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("system/Observation.rs?category=laboratory", "Restrictions of a scope"),
        ("system/Patient.rs patient/*.read", "Only scopes of programs"),
        ("system/Observation.rs", "not registered for any of these"),
        ("launch openid", "Only scopes of programs"),
    ],
)
def test_a_scope_that_cannot_be_given_is_refused_with_the_reason(programs, asked, sentence):
    """Rather than something near it."""
    answer = programs.ask(programs.assertion(programs.add("reporting", "system/Patient.rs")), scope=asked)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_scope")
    assert sentence in answer.json["error_description"]


def test_a_token_ends_after_five_minutes(programs, clock):
    """301 seconds later it opens nothing."""
    api = programs.allowed("system/*.rs")
    clock.advance(299)
    assert api.get("Patient").status_code == 200
    clock.advance(2)
    assert api.get("Patient").status_code == 401


def test_a_token_ends_with_its_program(programs_on_both):
    """Removed: 401 at once; and a program of the same name registered later does not bring it back."""
    programs = programs_on_both
    api = programs.api(programs.token(programs.add("reporting", EVERYTHING)))
    assert api.get("Patient").status_code == 200
    assert clients.remove(programs.database, "reporting")
    assert api.get("Patient").status_code == 401
    programs.add("reporting", EVERYTHING)
    assert api.get("Patient").status_code == 401


def test_a_token_cannot_be_made_elsewhere(programs):
    """Of another key, another type, for another server, without an end, unsigned: 401, and the same answer."""
    name = programs.add("reporting", EVERYTHING)
    key = programs.app.extensions["smart"].tokens._key
    good = json.loads(jws.extract_compact(programs.token(name).encode()).payload)
    typ = {"alg": "Ed25519", "typ": "at+jwt"}

    def made(header, claims, key=key):
        return jwt.encode(header, claims, key, algorithms=["Ed25519"])

    assert programs.api(made(typ, good)).get("Patient").status_code == 200
    bad = [
        made(typ, good, KEYS["Ed25519"]), made(typ | {"typ": "JWT"}, good), made(typ, good | {"aud": "https://x.example"}),
        made(typ, good | {"iss": "https://x.example"}), made(typ, {k: v for k, v in good.items() if k != "exp"}),
        f"{b64({'alg': 'none', 'typ': 'at+jwt'})}.{b64(good)}.", programs.assertion(name), "x", "é",
    ]  # fmt: skip
    answers = [programs.api(token).get("Patient") for token in bad]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.data for answer in answers} == {answers[0].data}


def test_the_server_keeps_its_key(programs):
    """A token of one process is believed by another."""
    token = programs.token(programs.add("reporting", EVERYTHING))
    other = replace(programs)
    assert other.api(token).get("Patient").status_code == 200
    other.database.close()


def test_the_configuration_says_what_is_true(programs):
    """Where the token endpoint is, and what it takes."""
    said = programs.api().get(".well-known/smart-configuration").json
    assert said["token_endpoint"] == ENDPOINT
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert set(said["token_endpoint_auth_signing_alg_values_supported"]) == set(KEYS)
    assert said["grant_types_supported"] == ["client_credentials"]
    for scope in said["scopes_supported"]:
        answer = programs.ask(programs.assertion(programs.add(f"p{hash(scope)}", EVERYTHING)), scope=scope)
        assert answer.json["scope"] == scope


def test_the_capability_statement_names_the_token_endpoint(programs):
    """It is open, it is R4, and says SMART with the address that older clients look for."""
    statement = programs.api().get("metadata").json
    resources.check(statement)
    security = statement["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    [uris] = security["extension"]
    assert uris["url"].endswith("/oauth-uris")
    assert uris["extension"] == [{"url": "token", "valueUri": ENDPOINT}]


def test_without_auth_there_is_no_smart_server(api):
    """No security in the CapabilityStatement, no token endpoint, and no token asked for."""
    assert "security" not in api.get("metadata").json["rest"][0]
    assert api.client.post("/oauth/token").status_code == 404
    assert issue(api.get(".well-known/smart-configuration"))["code"] == "not-found"
    assert api.get("Patient", Authorization="Bearer x").status_code == 200


def test_the_key_is_not_in_the_repr(programs):
    """What is printed by mistake shows no secret."""
    smart = programs.app.extensions["smart"]
    assert smart.tokens._key.as_dict(private=True)["d"] not in repr(smart) + repr(smart.tokens)
