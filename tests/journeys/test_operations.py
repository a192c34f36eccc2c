"""What docs/operations.md tells an operator to do, done: backup, loss, restore on another port, migration."""

import re
import time
from pathlib import Path

import pytest
import requests

from connectors.entries import Entry
from connectors.gateway.visibility import Scope
from connectors.patient import enrolment, sharing
from connectors.patient.client import Client
from consent import envelope
from consent.categories import INDEX, NAMES
from consent.identifiers import account
from consent.primitives import unb64
from fhir_profiles.problems import Problem
from fhir_profiles.search import parse
from tests.conftest import empty
from tests.journeys.conftest import obhut
from tests.ports import free_port
from tests.soak.writer import line

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """An empty database, of either kind."""
    yield from empty(request.param, tmp_path / "test.sqlite", request)


@pytest.fixture
def other_url(request, database_url, tmp_path):
    """An empty database of the other kind."""
    other = "postgresql" if database_url.startswith("sqlite") else "sqlite"
    yield from empty(other, tmp_path / "other.sqlite", request)


def put(client: Client, *names: str) -> None:
    client.outbox.put(Entry(client.account, INDEX["vitals"], [line(client, name, "vitals")]) for name in names)
    client.flush()


def places(client: Client) -> list[tuple[str, int, str, str]]:
    """Device, sequence and hashes of every envelope in the feed."""
    found, cursor = [], ""
    while True:
        page = client.hub.feed(cursor, only="envelope")
        for event in page["events"]:
            e = envelope.parse(unb64(event["frame"]))
            found.append((e.dev, e.seq, e.prev, e.hash))
        if not page["events"]:
            return found
        cursor = page["next"]


def shown(practice, client) -> list[str]:
    practice.inbox.catch_up()
    page = practice.store.search(parse("Observation", [("_count", "1000")]), Scope(("TREAT",), int(time.time())))
    return sorted(match.id for match in page.matches)


def test_a_hub_restored_on_another_port_goes_on_without_loss_or_double(hub, practice, other_url, tmp_path):
    """What was acknowledged after the backup is offered again; cursors, chains and sequences go on; both databases."""
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    sharing.grant(client, practice.account, range(len(NAMES)))
    put(client, "1", "2")
    assert shown(practice, client) == ["1", "2"]
    made = obhut("hub", "backup", str(tmp_path / "kept"), **hub.environment)
    assert made.returncode == 0, made.stderr
    put(client, "3", "4")
    assert shown(practice, client) == ["1", "2", "3", "4"]
    before = places(client)
    hub.kill()

    directory, port = tmp_path / "again", free_port()
    hub.url = f"http://127.0.0.1:{port}"
    hub.environment |= {
        "OBHUT_HUB_DATA": str(directory), "OBHUT_HUB_DATABASE": other_url, "OBHUT_HUB_BIND": f"127.0.0.1:{port}",
        "OBHUT_HUB_URL": hub.url,
    }  # fmt: skip
    done = obhut("hub", "restore", str(tmp_path / "kept"), **hub.environment)
    assert done.returncode == 0, done.stderr
    refused = obhut("hub", "restore", str(tmp_path / "kept"), **hub.environment)
    assert (refused.returncode, "not empty" in refused.stderr, "Traceback" in refused.stderr) == (2, True, False)
    hub.start()
    client.hub.url = practice.inbox.hub.url = hub.url
    for party in (client.hub, practice.inbox.hub):
        with pytest.raises(Problem, match="unauthenticated"):
            party.feed()  # tokens name the old address; the next call asks for a new one
    put(client, "5")
    assert shown(practice, client) == ["1", "2", "3", "4", "5"]
    after = places(client)
    assert after[:4] == before
    assert [seq for _, seq, _, _ in after] == [1, 2, 3, 4, 5]
    assert after[4][2] == after[3][3]
    for kind, acc, oth in client.db.execute("SELECT DISTINCT kind, acc, oth FROM chains").fetchall():
        client.chains.recheck(kind, acc, oth)
    client.save_vault(client.vault)
    client.sync()
    client.close()


def test_every_command_of_the_page_runs(hub, practice, tmp_path):
    """Each line of a `bash` block, with the words in capitals put in; the gateway's tables, a patient's device too."""
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    name = account(client.account)
    client.close()
    page = (ROOT / "docs/operations.md").read_text()
    lines = [text for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for text in block.splitlines()]
    assert len(lines) >= 8
    made = {"record": practice.database.removeprefix("sqlite:///"), "keys": str(practice.directory / "keys")}
    for text in lines:
        words = text.split()[1:]
        fresh = words[1] == "restore"
        new = tmp_path / f"new-{words[0]}"
        values = {
            "BACKUP": str(tmp_path / f"kept-{words[0]}"),
            "sqlite:///RECORD": f"sqlite:///{new}.db" if fresh else f"sqlite:///{made['record']}",
            "KEYSTORE": str(new) if fresh else made["keys"],
            "ACCOUNT": str(new) if fresh else str(tmp_path / "patient"),
        }
        data = {"OBHUT_HUB_DATA": str(new), "OBHUT_HUB_DATABASE": ""} if fresh else {}
        done = obhut(*(values.get(word, word) for word in words), **(hub.environment | data))
        assert done.returncode == 0, (text, done.stderr)
    assert Client.open(tmp_path / "new-patient").account == str(name)
    assert requests.get(f"{hub.url}/readyz", timeout=60).status_code == 200
