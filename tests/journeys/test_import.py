"""An import that is killed again and again brings in the end exactly what one in peace brings."""

import json
import random
import time

import pytest

from connectors.gateway.visibility import Scope
from connectors.patient import enrolment, sharing
from consent.categories import NAMES
from consent.identifiers import account
from fhir_profiles.search import parse
from tests.connectors.wearables.exports import document, record, zipped
from tests.connectors.wearables.retold import abroad
from tests.journeys.conftest import killed, obhut

TYPES = ("Observation", "Device")


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is killed is the importer."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


def test_an_import_killed_at_any_moment_loses_nothing_and_doubles_nothing(hub, practice, tmp_path):
    """kill -9 at random moments, then once to the end: the practice holds each resource of the export once."""
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    me = account(client.account).local
    export, plain = tmp_path / "export.zip", tmp_path / "plain.ndjson"
    assert obhut("wearable", "generate", str(export), "--days", "9", "--records", "12000").returncode == 0
    assert obhut("wearable", "import", str(export), "--dry-run", "--out", str(plain), "--patient", me).returncode == 0
    words = ("wearable", "import", str(export), "--account", str(tmp_path / "patient"), "--json")
    chance = random.Random(7)
    for _ in range(6):
        killed(words, chance.uniform(0, 1.4))
    done = obhut(*words)
    assert done.returncode == 0, done.stderr
    again = json.loads(obhut(*words).stdout)
    assert (again["taken"], again["envelopes"]) == (0, 0)
    sharing.grant(client, practice.account, range(len(NAMES)))
    practice.inbox.catch_up()
    client.close()
    wanted = sorted(plain.read_bytes().splitlines())
    assert sorted(held(practice)) == wanted
    assert len(set(wanted)) == len(wanted) > 100


def test_a_day_that_an_export_from_abroad_tells_as_another_is_held_once(hub, practice, tmp_path):
    """What it was told as at home is taken back, and goes at all who read."""
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    sharing.grant(client, practice.account, range(len(NAMES)))
    client.close()
    steps = record("StepCount", "7", "2026-10-06 02:10:00 +0200", unit="count")
    for n, zone in enumerate((120, -480, 120)):
        export = zipped(tmp_path / "a.zip", abroad(document(steps, exported=f"2026-11-0{n + 1} 08:00:00 +0100"), zone))
        done = obhut("wearable", "import", str(export), "--account", str(tmp_path / "patient"))
        assert done.returncode == 0, done.stderr
        practice.inbox.catch_up()
        (found,) = [made for made in map(json.loads, held(practice)) if made["resourceType"] == "Observation"]
        assert found["effectivePeriod"]["start"].startswith("2026-10-05" if zone < 0 else "2026-10-06")


def test_what_she_deleted_stays_so_when_more_of_its_moment_comes(hub, tmp_path):
    """The ledger knows what was deleted by what stood in her own record."""
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    client.close()
    directory = str(tmp_path / "patient")

    def imported(*values):
        lines = [record("BodyMass", value, "2026-10-06 07:00:00 +0200", unit="kg") for value in values]
        export = zipped(tmp_path / "a.zip", document(*lines))
        done = obhut("wearable", "import", str(export), "--account", directory, "--json")
        return json.loads(done.stdout)["left"]

    def weights():
        lines = obhut("patient", "read", "Observation", "--account", directory, "--json").stdout.splitlines()
        return {made["valueQuantity"]["value"]: made["id"] for made in map(json.loads, lines)}

    imported("80")
    done = obhut("patient", "delete", f"Observation/{weights()[80]}", "--account", directory)
    assert done.returncode == 0, done.stderr
    assert imported("81", "80") == {"deleted": 1}
    assert list(weights()) == [81]


def held(practice):
    """All bodies that the practice's record shows: now is by its own clock, as what it has confirmed is."""
    scope = Scope(("TREAT",), int(time.time()))
    for type_ in TYPES:
        after = None
        while True:
            query = parse(type_, [("_count", "1000")])
            page = practice.store.search(query, scope, after)
            yield from (match.body for match in page.matches)
            after = page.after
            if after is None:
                break
