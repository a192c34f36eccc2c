"""A patient, and a relative, who read: a real hub, each in a directory of her own."""

import json

import pytest

from connectors.entries import Entry
from connectors.patient import access_log, enrolment, sharing
from connectors.patient.reading import Reading
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles.problems import Problem
from tests.journeys.conftest import give, obhut
from tests.journeys.test_sharing import VITALS, weight, write

ACTIVITY = INDEX["activity"]


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is tested lies at the reader's."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


# --- her own record


def test_she_reads_what_she_wrote_byte_for_byte(ada):
    """Her own client opens her envelopes by the vault, keeps them, and gives them back verbatim."""
    write(ada.client, 1, 2)
    assert ada.reads() == ["w1", "w2"]
    assert [one.body for one in ada.reading.read("Observation/w1")] == [weight(ada.client, 1)]


def test_a_search_finds_by_the_same_rules_as_a_gateway(ada):
    """Codes, dates, order and count are FHIR's."""
    write(ada.client, 1, 2, 3)
    assert ada.reads("Observation?date=ge2026-10-03&_sort=-date") == ["w3", "w2"]
    assert ada.reads("Observation?code=29463-7&_sort=date&_count=2") == ["w1", "w2"]
    assert ada.reads("Observation?code=8867-4") == []
    with pytest.raises(Problem) as caught:
        ada.reads("Observation?colour=red")
    assert caught.value.code == "not-supported"


def test_what_was_sealed_before_a_rotation_stays_hers(ada, practice):
    """A withdrawal changes all keys; she reads on, before and after."""
    write(ada.client, 1)
    sharing.grant(ada.client, practice.account, {VITALS})
    sharing.withdraw(ada.client, practice.account)
    write(ada.client, 2)
    assert ada.reads() == ["w1", "w2"]


def test_a_device_that_came_by_the_sheet_reads_everything(ada, hub, tmp_path):
    """After a recovery the whole record opens on the new device."""
    write(ada.client, 1)
    fresh, _ = enrolment.recover(tmp_path / "fresh", hub.url, ada.account, ada.code)
    reading = Reading(tmp_path / "fresh", fresh)
    write(fresh, 2)
    reading.refresh()
    assert [one.id for one in reading.read("")] == ["w1", "w2"]
    reading.close()
    fresh.close()


def test_without_the_hub_she_reads_what_is_here(ada, hub):
    """Her own record needs nobody's confirmation."""
    write(ada.client, 1)
    assert ada.reads() == ["w1"]
    hub.kill()
    ada.open()
    with pytest.raises(Problem) as caught:
        ada.reading.refresh()
    assert caught.value.code == "busy"
    assert [one.id for one in ada.reading.read("")] == ["w1"]
    hub.start()


def test_a_later_writing_takes_the_place_of_the_earlier(ada):
    """The same handle again replaces."""
    for kilograms in ("72.50", "73.00"):
        ada.client.outbox.put([Entry(ada.account, VITALS, [weight(ada.client, 1, kilograms)], "Observation/w1")])
        ada.client.flush()
    ada.reading.refresh()
    (one,) = ada.reading.read("Observation")
    assert b"73.00" in one.body


# --- a relative


def test_a_relative_reads_what_was_granted_and_nothing_else(ada, ben):
    """By card, at the same hub: granted categories of her record; his own record stays apart."""
    write(ada.client, 1)
    write(ben.client, 2)
    ada.client.outbox.put([Entry(ada.account, ACTIVITY, [weight(ada.client, 3).replace(b"vital-signs", b"activity")])])
    ada.client.flush()
    give(ada, ben)
    assert ben.reads(of=ada.account) == ["w1"]
    assert ben.reads() == ["w2"]
    assert ben.reads("Observation?code=29463-7", of=ada.account) == ["w1"]


def test_what_a_relative_reads_stands_in_her_log(ada, ben):
    """His reads are reported like a gateway's: who, for what, how many."""
    write(ada.client, 1, 2)
    give(ada, ben)
    ben.reads("Observation", of=ada.account)
    ben.reading.inbox.report_reads()
    rows = [one for one in access_log.entries(ada.client) if one.action == "read"]
    assert [(row.actor, row.what, row.number, row.purpose) for row in rows] == [
        (ben.account, "Observation", 2, "TREAT")
    ]


def test_a_withdrawal_empties_the_relatives_store(ada, ben):
    """After a withdrawal seeds and resources are gone from his directory."""
    write(ada.client, 1)
    give(ada, ben)
    assert ben.reads(of=ada.account) == ["w1"]
    sharing.withdraw(ada.client, ben.account)
    assert ben.reads(of=ada.account) == []
    assert ben.reading.keystore.held(ada.account) == set()
    with ben.reading.store.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM resources").scalar() == 0


def test_another_purpose_shows_a_relative_nothing(ada, ben):
    """What was granted for treatment is not shown for research."""
    write(ada.client, 1)
    give(ada, ben)
    assert ben.reads(of=ada.account, purpose="HRESCH") == []


def test_a_stranger_has_nothing_to_read(ada, ben):
    """Without a grant the answer is a sentence."""
    with pytest.raises(Problem) as caught:
        ben.reads(of=ada.account)
    assert caught.value.code == "not-found"


# --- in a shell


def test_the_command_prints_ndjson_or_lines(ada):
    """`--json`: each resource as it was sealed, one a line; else a line for people."""
    write(ada.client, 1)
    done = obhut("patient", "read", "Observation?code=29463-7", "--account", str(ada.directory), "--json")
    assert done.stdout.encode() == weight(ada.client, 1) + b"\n", done.stderr
    assert json.loads(done.stdout)["subject"]["reference"] == f"Patient/{account(ada.account).local}"
    words = obhut("patient", "read", "--account", str(ada.directory))
    assert words.stdout.split("  ")[:4] == ["2026-10-02T08:00", "29463-7", "72.50 kg", "Observation/w1"]
