"""`obhut gateway client add · list · remove`: which programs may ask for tokens, and what is refused."""

import json

import pytest
from click.testing import CliRunner
from joserfc.jwk import ECKey, OctKey, OKPKey

from connectors.gateway import clients
from connectors.gateway.cli import gateway
from connectors.gateway.database import Database
from tests.connectors.gateway.programs import KEYS, jwks

SCOPE = "system/*.rs system/Observation.cruds"
EC = KEYS["ES384"]


@pytest.fixture
def run(tmp_path, database_url):
    """Runs a command of `obhut gateway client` on a database; `jwks` is the text of the file of keys."""

    def client(command, *words, jwks=None):
        if jwks is not None:
            (tmp_path / "jwks.json").write_text(jwks)
            words += ("--jwks", str(tmp_path / "jwks.json"))
        return CliRunner().invoke(gateway, ["client", command, *words, "--database", database_url])

    return client


def test_a_program_is_registered_listed_and_removed(run, database_url):
    """Each command says what it did; what was removed is gone."""
    both = jwks(EC, KEYS["RS384"], use="sig", x5t="whatever")
    assert run("add", "reporting", "--scope", SCOPE, jwks=both).output == f"reporting {SCOPE}\n"
    assert run("add", "billing", "--scope", "system/Patient.read", jwks=both).exit_code == 0
    assert run("list").output == f"billing system/Patient.rs\nreporting {SCOPE}\n"
    database = Database(database_url)
    found = clients.find(database, "reporting")
    assert [key.kid for key in found.keys] == ["ec", "rsa"]
    assert run("remove", "billing").exit_code == 0
    assert run("list").output == f"reporting {SCOPE}\n"
    assert clients.find(database, "billing") is None
    database.close()


def test_a_name_is_registered_once(run):
    """Another program does not take over a name; removing one that is not there says so."""
    assert run("add", "reporting", "--scope", SCOPE, jwks=jwks(EC)).exit_code == 0
    again = run("add", "reporting", "--scope", "system/*.cruds", jwks=jwks(KEYS["Ed25519"]))
    assert (again.exit_code, "already: remove it first" in again.output) == (2, True)
    assert run("list").output == f"reporting {SCOPE}\n"
    gone = run("remove", "billing")
    assert (gone.exit_code, "no client of this name" in gone.output) == (1, True)


@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (jwks(EC, private=True), "secret key"),
        (jwks(KEYS["RS384"], private=True), "secret key"),
        (jwks(OctKey.generate_key(256, {"kid": "k"}), private=True), "secret key"),
        (jwks(ECKey.generate_key("P-256", {"kid": "k"})), "RSA for RS384, EC P-384"),
        (jwks(OKPKey.generate_key("X25519", {"kid": "k"})), "RSA for RS384, EC P-384"),
        (jwks(EC, use="enc"), "RSA for RS384, EC P-384"),
        (jwks(EC, alg="ES256"), "RSA for RS384, EC P-384"),
        (jwks(KEYS["RS384"], n="_" * 170 + "w"), "2048 bits"),
        (jwks(EC, kid=""), "must have a kid"),
        (jwks(EC, kid=7), "must have a kid"),
        (jwks(EC, EC), "same kid"),
        (jwks(EC, x="AAAA"), "cannot be understood"),
        (jwks(EC, x=7), "cannot be understood"),
        (jwks(*[EC] * 11), "one to 10 keys"),
        ('{"keys": []}', "one to 10 keys"),
        ('{"keys": [7]}', "one to 10 keys"),
        (json.dumps(EC.as_dict(private=False)), "JSON Web Key Set"),
        ("[]", "JSON Web Key Set"),
        ("no JSON", "JSON Web Key Set"),
    ],
    ids=range(19),
)
def test_keys_that_cannot_be_used_are_refused_with_the_reason(keys, sentence, tmp_path):
    """One sentence, and nothing is registered; of a secret key nothing is shown."""
    (tmp_path / "jwks.json").write_text(keys)
    database = ["--database", f"sqlite:///{tmp_path}/g.db"]
    words = ["client", "add", "reporting", "--scope", SCOPE, "--jwks", str(tmp_path / "jwks.json"), *database]
    done = CliRunner().invoke(gateway, words)
    assert (done.exit_code, sentence in " ".join(done.output.split())) == (2, True), done.output
    assert "Traceback" not in done.output
    assert CliRunner().invoke(gateway, ["client", "list", *database]).output == ""


@pytest.mark.parametrize(
    ("name", "scope", "file", "sentence"),
    [
        ("re porting", SCOPE, "", "A client's name has"),
        ("", SCOPE, "", "A client's name has"),
        ("x" * 65, SCOPE, "", "A client's name has"),
        ("reporting", "", "", "Say what the client may do"),
        ("reporting", "system/Observation.rs?category=laboratory", "", "Restrictions of a scope"),
        ("reporting", "patient/*.rs", "", "Only scopes of programs"),
        ("reporting", SCOPE, "https://client.example/jwks.json", "Keys behind a URL are not supported"),
        ("reporting", SCOPE, "missing.json", "cannot be read"),
    ],
)
def test_what_cannot_be_registered_is_refused_with_the_reason(name, scope, file, sentence, tmp_path):
    """A name, a scope, an address of keys."""
    (tmp_path / "jwks.json").write_text(jwks(EC))
    keys = file if "://" in file else str(tmp_path / (file or "jwks.json"))
    words = ["client", "add", name, "--scope", scope, "--jwks", keys, "--database", f"sqlite:///{tmp_path}/g.db"]
    done = CliRunner().invoke(gateway, words)
    assert (done.exit_code, sentence in " ".join(done.output.split())) == (2, True), done.output
