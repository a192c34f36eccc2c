"""`obhut patient health-link`: part of the record for somebody without an account, made and ended in a shell."""

import json
from base64 import urlsafe_b64decode

import pytest
import requests
from joserfc import jwe
from joserfc.jwk import OctKey

from tests.journeys.conftest import obhut

OBSERVATION = {
    "resourceType": "Observation", "id": "w1", "status": "final", "effectiveDateTime": "2026-08-01",
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                              "code": "vital-signs"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Gewicht"},
}  # fmt: skip


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the commands are the same."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def account(hub, tmp_path):
    """An account with a weight that everybody may see and one that is hidden."""
    directory = str(tmp_path / "account")
    assert obhut("patient", "enrol", "--account", directory, "--hub", hub.url).returncode == 0
    for name, digits in (("w1", "72.50"), ("w2", "99.90")):
        path = tmp_path / f"{name}.json"
        value = f'"valueQuantity":{{"value":{digits},"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}'
        path.write_text(json.dumps(OBSERVATION | {"id": name})[:-1] + f",{value}}}")
        done = obhut("patient", "add", "--account", directory, str(path))
        assert done.returncode == 0, done.stderr
    done = obhut("patient", "hide", "--account", directory, "Observation/w2")
    assert done.returncode == 0, done.stderr
    return directory


def link(*words):
    return obhut("patient", "health-link", *words)


def opened(link, passcode):
    """What is behind a link, by the standard alone; the status where nothing is."""
    coded = link.partition("#shlink:/")[2]
    payload = json.loads(urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    manifest = requests.post(payload["url"], json={"recipient": "Dr. Weber", "passcode": passcode}, timeout=10)
    if manifest.status_code != 200:
        return manifest.status_code
    sealed = requests.get(manifest.json()["files"][0]["location"], timeout=10).content
    key = urlsafe_b64decode(payload["key"] + "=")
    return jwe.decrypt_compact(sealed, OctKey.import_key(key)).plaintext.decode()


def test_a_link_is_made_opened_listed_extended_and_revoked(account):
    """What she hides is not in it, digits stay; the list and the log tell of it by the same number."""
    made = link("make", "--account", account, "--categories", "vitals", "--label", "Gewicht")
    assert made.returncode == 0, made.stderr
    address, said = made.stdout.splitlines()
    passcode = said.removeprefix("passcode ")
    assert opened(address, "not-it") == 401
    bundle = opened(address, passcode)
    assert "72.50" in bundle and '"w2"' not in bundle and json.loads(bundle)["type"] == "collection"
    (listed,) = [json.loads(row) for row in link("list", "--account", account, "--json").stdout.splitlines()]
    assert (listed["link"], listed["passcode"], listed["label"]) == (address, passcode, "Gewicht")
    assert (listed["opened"], listed["left"]) == (1, 9)
    number = listed["name"][:6]
    assert f"{number}  Gewicht  until" in link("list", "--account", account).stdout
    assert link("extend", "--account", account, number).returncode == 0
    assert json.loads(link("list", "--account", account, "--json").stdout)["until"] == listed["until"] + 7 * 86400
    done = link("revoke", "--account", account, number)
    assert (done.returncode, done.stdout) == (0, f"revoked {number}\n"), done.stderr
    assert opened(address, passcode) == 404
    log = obhut("patient", "log", "--account", account, "--all").stdout
    for words in (
        f"made link {number}", f"tried a wrong passcode at your link {number}; tries left: 9",
        f"“Dr. Weber”, opened your link {number}", f"left link {number} open", f"revoked link {number}",
    ):  # fmt: skip
        assert words in log
    assert obhut("patient", "log", "--account", account, "--verify").returncode == 0


def test_what_cannot_be_a_link_is_a_sentence(account):
    """Nothing in the category, a category that is none, too long, too short a passcode, an unknown number."""
    account = ("--account", account)
    for words, why in (
        (("make", *account, "--categories", "lab"), "nothing in these categories"),
        (("make", *account, "--categories", "weights"), "unknown category"),
        (("make", *account, "--categories", "vitals", "--days", "91"), "90 days"),
        (("make", *account, "--categories", "vitals", "--passcode", "123"), "6 characters"),
        (("revoke", *account, "-nope_"), "no such link"),
    ):
        done = link(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert why in done.stderr, done.stderr
