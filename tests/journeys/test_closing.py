"""What she takes back, and the end of her account, over a real hub: at the readers, at the hub, after crashes."""

import sqlite3

import pytest

from connectors.entries import Entry
from connectors.gateway.enrolment import send_request
from connectors.patient import access_log, closing, deletion, permits, sharing
from connectors.patient.client import Client
from connectors.patient.intake import Intake
from connectors.wearables.importer import Report, read
from consent.categories import NAMES
from fhir_profiles.problems import Problem
from tests.connectors.wearables import exports
from tests.connectors.wearables.exports import DAY
from tests.journeys.conftest import give, obhut
from tests.journeys.test_sharing import VITALS, found, weight, write


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here; the hub's part is tested on both in tests/hub."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


ASLEEP = ("HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysisAsleepDeep")


class Crash(Exception):  # noqa: N818 - what happens, not what went wrong
    """The process dies here."""


# --- she takes something back


@pytest.fixture
def readers(ada, practice):
    """A practice that reads her vitals: one by itself, two that came with others."""
    sharing.grant(ada.client, practice.account, {VITALS})
    ada.client.outbox.put([
        Entry(ada.account, VITALS, [weight(ada.client, 1)], "Observation/w1"),
        Entry(ada.account, VITALS, [weight(ada.client, 2), weight(ada.client, 3)], "day/2026-10-01"),
        Entry(ada.account, VITALS, [weight(ada.client, 4), weight(ada.client, 5)]),
    ])  # fmt: skip
    ada.client.flush()
    assert found(practice, ada.client) == {"w1", "w2", "w3", "w4", "w5"}
    ada.reading.refresh()
    return practice


@pytest.mark.parametrize("number", [1, 2, 4])
def test_what_she_deletes_is_gone_at_all_readers(ada, readers, number):
    """By itself or out of what came with others: only this one goes, at the practice and here."""
    deletion.delete(ada.reading, f"Observation/w{number}")
    rest = {f"w{n}" for n in range(1, 6) if n != number}
    assert found(readers, ada.client) == rest
    assert set(ada.reads()) == rest


def test_what_was_written_again_is_there_again(ada, readers):
    """A deletion is no end of the name: the same resource may be written anew."""
    deletion.delete(ada.reading, "Observation/w1")
    ada.client.outbox.put([Entry(ada.account, VITALS, [weight(ada.client, 1, "75.00")], "Observation/w1")])
    ada.client.flush()
    assert "w1" in found(readers, ada.client)


def test_what_she_deleted_does_not_come_back_with_her_next_import(ada, practice, tmp_path):
    """A night, an hour and a weight out of a watch's day: the next export tells more of that day, but not of these."""
    sharing.grant(ada.client, practice.account, range(len(NAMES)))
    hours = [exports.record("HeartRate", "60", f"{DAY} 1{n}:00:00 +0200", unit="count/min") for n in range(2)]
    weights = [exports.record("BodyMass", f"8{n}", f"{DAY} 07:00:00 +0200", unit="kg") for n in range(2)]
    night = exports.record(ASLEEP[0], ASLEEP[1], f"{DAY} 00:30:00 +0200", f"{DAY} 06:00:00 +0200")
    walk = exports.steps(100, "08:00:00", "08:10:00")
    lines = (*hours, *weights, night, walk)
    brought(ada, exports.zipped(tmp_path / "a.zip", exports.document(*lines, exported=f"{DAY} 11:30:00 +0200")))
    before = set(ada.reads("Observation"))
    gone = {ada.reads(f"Observation?{search}")[0] for search in ("code=93832-4", "code=29463-7&value-quantity=81")}
    gone.add(ada.reads("Observation?status=preliminary&date=ge2026-10-01T11:00:00%2B02:00&code=8867-4")[0])
    for id_ in gone:
        deletion.delete(ada.reading, f"Observation/{id_}")
    more = (*lines, exports.record("HeartRate", "70", f"{DAY} 11:40:00 +0200", unit="count/min"))
    later = exports.zipped(tmp_path / "b.zip", exports.document(*more, exported="2026-10-02 12:00:00 +0200"))
    report = brought(ada, later)
    assert (len(gone), report.left) == (3, {"deleted": 4})
    assert set(ada.reads("Observation")) == before - gone
    assert found(practice, ada.client) == before - gone


def brought(person, path):
    """What the command `obhut wearable import` does with an export."""
    intake, report = Intake(person.directory), Report()
    for batch in read(path, intake.patient, report=report, ledger=intake.ledger):
        intake.put(batch)
    intake.flush()
    exports.adds_up(report)
    return report


@pytest.mark.parametrize("name", ["Observation", "Observation/", "Observation?code=29463-7", "Observation/w1?x", ""])
def test_what_names_no_one_resource_deletes_nothing(ada, name):
    """Not even where there is only one that it could mean."""
    write(ada.client, 1)
    assert ada.reads() == ["w1"]
    with pytest.raises(Problem, match="Type/id"):
        deletion.delete(ada.reading, name)
    assert ada.reads() == ["w1"]


def test_what_is_not_there_cannot_be_deleted(ada):
    """The command says so."""
    done = obhut("patient", "delete", "Observation/w9", "--account", str(ada.directory))
    assert (done.returncode, "there is no Observation/w9" in done.stderr) == (2, True)


# --- the end of the account


def rows(tmp_path, table, account):
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        return db.execute(f"SELECT count(*) FROM {table} WHERE acc = ?", (account,)).fetchone()[0]


def test_the_export_holds_everything_byte_for_byte(ada, tmp_path):
    """A resource a line, as it was sealed; readable by its owner only."""
    write(ada.client, 1, 2)
    done = obhut("patient", "export", str(tmp_path / "out.ndjson"), "--account", str(ada.directory))
    assert "2 resources" in done.stdout, done.stderr
    assert (tmp_path / "out.ndjson").read_bytes() == weight(ada.client, 1) + b"\n" + weight(ada.client, 2) + b"\n"
    assert (tmp_path / "out.ndjson").stat().st_mode & 0o777 == 0o600


def test_a_closed_account_is_gone_at_the_hub_and_at_its_readers(ada, ben, practice, tmp_path):
    """Envelopes, bundles, vault and wraps go; readers purge; the name, the chains and the log stay."""
    write(ada.client, 1)
    sharing.grant(ada.client, practice.account, {VITALS})
    permits.permit(ada.client, practice.account)
    give(ada, ben)
    assert (found(practice, ada.client), ben.reads(of=ada.account)) == ({"w1"}, ["w1"])
    ada.reading.close()
    done = obhut("patient", "close", "--account", str(ada.directory), "--yes", "--export", str(tmp_path / "out.ndjson"))
    assert "closed" in done.stdout, done.stderr
    assert (tmp_path / "out.ndjson").read_bytes() == weight(ada.client, 1) + b"\n"
    for table in ("envelopes", "bundles", "vaults", "wraps", "sequences", "messages"):
        assert rows(tmp_path, table, ada.account) == 0, table
    assert (rows(tmp_path, "accounts", ada.account), rows(tmp_path, "log", ada.account) > 0) == (1, True)
    assert found(practice, ada.client) == set()
    assert practice.keys.held(ada.account) == set()
    assert ben.reads(of=ada.account) == []
    assert ben.reading.keystore.held(ada.account) == set()
    assert not list(ada.directory.glob("record.db*"))
    again = Client.open(ada.directory)
    assert any(entry.action == "release" for entry in access_log.entries(again))
    head = again.record.account.head
    closing.close(again)
    assert again.record.account.head == head
    again.close()
    ada.open()


def test_nobody_reaches_a_closed_account(ada, practice, hub):
    """No message, no sign-in, no recovery, no second account of the name."""
    card, code = ada.card, ada.code
    closing.close(ada.client)
    with pytest.raises(Problem) as caught:
        send_request(practice.keys, card, frozenset({VITALS}), ("TREAT",), "")
    assert caught.value.code == "not-found"
    with pytest.raises(Problem) as caught:
        ada.client.hub.recover(ada.account, code.fetch_token)
    assert caught.value.code == "unauthenticated"
    with pytest.raises(Problem) as caught:
        write(ada.client, 1)
    assert caught.value.code == "forbidden"


def test_a_crash_at_any_step_is_gone_on_from(ada, practice, monkeypatch):
    """Before and after each statement the process dies; the next start asks the chains what is left."""
    write(ada.client, 1)
    sharing.grant(ada.client, practice.account, {VITALS})
    permits.permit(ada.client, practice.account)
    post, sent, deaths = Client.post, [], 0

    def dies(self, *args, **more):
        if len(sent) % 2 == 0:
            sent.append("before")
            raise Crash
        post(self, *args, **more)
        sent.append("after")
        raise Crash

    monkeypatch.setattr(Client, "post", dies)
    while not ada.client.record.account.closed:
        with pytest.raises(Crash):
            closing.close(ada.client)
        deaths += 1
        ada.open()
        ada.client.chains.catch_up()
    record = ada.client.record
    assert deaths == len(sent) == 2 * sum(1 for word in sent if word == "after")
    assert all(state.closed for state in record.sets.values())
    assert not list(record.live_grants(ada.client.now))
    assert not any(relation.permitted(s) for oth, relation in record.relations.items() for s in relation.permits
                   if oth != ada.account)  # fmt: skip
