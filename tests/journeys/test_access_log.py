"""The access log lived through: a read told in words, checked, objected to; and tampering noticed."""

import json
import re
import time
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, text

from connectors.patient import access_log, log_proof, sharing
from consent import log as logs
from consent.identifiers import account
from fhir_profiles import resources
from tests.journeys.conftest import obhut, serving
from tests.journeys.sharing import VITALS, write

PATIENCE_SECONDS = 60


def until(holds):
    """Wait for what a program does by itself."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@pytest.fixture
def patient(client):
    """Her client; its directory is `tmp_path / "patient"`."""
    return client


@pytest.fixture
def log(tmp_path):
    """`obhut patient log` of her account."""
    return lambda *words: obhut("patient", "log", "--account", str(tmp_path / "patient"), *words)


def change(hub, statement, **values):
    """Write directly into the hub's database, as somebody would who wants to hide something."""
    engine = create_engine(hub.database)
    with engine.begin() as conn:
        assert conn.execute(text(statement), values).rowcount > 0
    engine.dispose()


def token(practice, *words):
    """Headers of somebody in the house."""
    done = obhut("gateway", "token", "create", "--database", practice.database, *words)
    assert done.returncode == 0, done.stderr
    return {"Authorization": f"Bearer {done.stdout.split()[-1]}"}


def read_through(practice, patient):
    """A doctor finds her two weights at the real gateway, which reports it; the audit of the house tells it, too."""
    practice.close()
    doctor = token(practice, "--person", "Dr. Ada", "--role", "physician", "--purpose", "TREAT")
    auditor = token(practice, "--person", "Ina Prüf", "--purpose", "HOPERAT", "--audit")
    local = account(patient.account).local
    with serving(practice) as (url, _):
        search = f"{url}/Observation?patient={local}"
        until(lambda: len(requests.get(search, headers=doctor, timeout=60).json().get("entry", [])) == 2)
        until(lambda: any(entry.person and entry.number == 2 for entry in access_log.entries(patient)))
        asked = f"{url}/AuditEvent?patient={local}&_count=100"
        events = requests.get(asked, headers=auditor, timeout=60).json()["entry"]
        assert {"AuthZ-Consent", "search"} == {each["resource"]["subtype"][0]["code"] for each in events}
        assert requests.get(asked, headers=doctor, timeout=60).status_code == 403
    practice.open()


def in_words(log):
    """The read and the release, in both languages; and each entry as a valid AuditEvent."""
    said, german = log().stdout, log("--language", "de").stdout
    assert re.search(
        r"Dr\. Ada \(physician\), praxis-a \(praxis-a@[^)]+\) looked at 2 measured values or findings;"
        r" for your treatment; by your consent of \d+ \w+ 20\d\d; by a person\.",
        said,
    ), said
    assert re.search(
        r"was given 2 sealed packets: vital signs .*; for your treatment; by your consent of .*program", said
    )
    assert re.search(
        r"hat 2 Messwerte oder Befunde angesehen; für Ihre Behandlung; aufgrund Ihrer Einwilligung", german
    )
    bundle = json.loads(log("--fhir", "--all").stdout)
    for entry in bundle["entry"]:
        resources.check(entry["resource"])
    assert {"AuthZ-Consent", "read", "create"} <= {e["resource"]["subtype"][0]["code"] for e in bundle["entry"]}


def is_whole(hub, log, file):
    """By the device, by the hub's operator, and offline from a file."""
    whole = log("--verify")
    assert (whole.returncode, whole.stdout.splitlines()[0][:17]) == (0, "The log is whole:"), whole.stderr
    reconciled = obhut("hub", "reconcile", **hub.environment)
    assert (reconciled.returncode, reconciled.stdout) == (0, "The access logs tell all that happened.\n")
    assert log("--export", str(file)).returncode == 0
    offline = obhut("patient", "log", "--verify", str(file))
    assert (offline.returncode, "the log is whole" in offline.stdout.lower()) == (0, True), offline.stdout


def object_to(entry, practice, log, directory):
    """She says that it was not right; the house answers; both stand in her log."""
    words = ("--account", str(directory), str(entry.seq), "--text", "I was not there that day.")
    objected = obhut("patient", "object", *words)
    assert objected.returncode == 0, objected.stderr
    practice.inbox.catch_up()
    keys = ("--keystore", str(practice.directory / "keys"))
    (got,) = [json.loads(one) for one in obhut("gateway", "objections", *keys, "--json").stdout.splitlines()]
    assert (got["seq"], got["person"], got["text"]) == (entry.seq, "Dr. Ada", "I was not there that day.")
    answered = obhut("gateway", "answer", *keys, got["id"], "--text", "A slip: we have noted it.")
    assert answered.returncode == 0, answered.stderr
    said = log("--all").stdout
    assert "you objected: I was not there that day; answer: A slip: we have noted it." in said
    assert f"You objected to entry {entry.seq} and told" in said


def tamper(hub, log, name):
    """An entry that is changed or missing is named, to her and to the operator."""
    entry = f"entry {name['seq']}"
    change(hub, "UPDATE log SET purpose = 'HRESCH' WHERE acc = :acc AND seq = :seq", **name)
    for found in (log("--verify"), obhut("hub", "reconcile", **hub.environment)):
        assert found.returncode != 0
        assert entry in found.stdout
    change(hub, "DELETE FROM log WHERE acc = :acc AND seq = :seq", **name)
    found = log("--verify")
    assert (found.returncode, "NOT WHOLE" in found.stdout) == (1, True)
    assert f"{entry} is missing" in found.stdout
    assert "VOLLSTÄNDIG" in log("--verify", "--language", "de").stdout
    found = obhut("hub", "reconcile", **hub.environment)
    assert (found.returncode, name["acc"] in found.stdout) == (1, True)


def test_what_a_doctor_reads_stands_in_the_log_in_words_and_cannot_be_taken_back(hub, practice, patient, log, tmp_path):
    """Grant, a read through the real gateway, its line, the check, an objection; then a row is changed, and gone."""
    write(patient, 1, 2)
    sharing.grant(patient, practice.account, {VITALS})
    read_through(practice, patient)
    in_words(log)
    is_whole(hub, log, tmp_path / "before.json")
    entry = next(one for one in access_log.entries(patient) if one.person)
    object_to(entry, practice, log, tmp_path / "patient")
    is_whole(hub, log, tmp_path / "after.json")
    tamper(hub, log, {"acc": patient.account, "seq": entry.seq})
    assert obhut("patient", "log", "--verify", str(tmp_path / "before.json")).returncode == 0  # as it was


def test_a_hub_that_forgot_entries_is_noticed_by_the_head_that_the_device_keeps(hub, patient, practice, log):
    """The whole tail is gone and all counters say so, as after a restore: only who remembers the head can tell."""
    sharing.grant(patient, practice.account, {VITALS})
    assert log("--verify").returncode == 0
    last = len(access_log.fetch(patient)[0])
    kept = last - 3
    hash_ = access_log.fetch(patient)[0][kept - 1].hash
    name = {"acc": patient.account}
    change(hub, "DELETE FROM log WHERE acc = :acc AND seq > :seq", seq=kept, **name)
    change(hub, "UPDATE accounts SET log_seq = :seq, log_hash = :hash WHERE acc = :acc", seq=kept, hash=hash_, **name)
    found = log("--verify")
    assert found.returncode == 1
    assert f"entries {kept + 1} to {last}, which the hub had signed, are gone" in found.stdout
    assert "restore of the hub from a backup" in found.stdout
    assert "the log says nothing of your statement" in found.stdout
    assert "are gone" in log().stderr  # and whoever only looks is told
    assert log("--verify").returncode == 1  # it is not forgotten
    log("--verify", "--accept-loss")
    again = log("--verify", "--json")
    assert json.loads(again.stdout)["faults"] == []
    gaps = obhut("hub", "reconcile", **hub.environment)
    assert (gaps.returncode, "nothing is said of the statement" in gaps.stdout) == (1, True)


def test_an_exported_log_that_was_changed_does_not_hold(patient, practice, log, tmp_path):
    """Each entry's words, and the heads: whatever is changed in the file is told; another hub's key fits nothing."""
    sharing.grant(patient, practice.account, {VITALS})
    path = tmp_path / "log.json"
    log("--export", str(path))
    kept = json.loads(path.read_text())
    assert log_proof.check_file(path, patient.keyring.hub_key).whole
    for entry in kept["entries"][::3]:
        for member, value in (("actor", practice.account + "x"), ("at", entry["at"] + 1), ("detail", {"typ": "x"})):
            changed = [one | ({member: value} if one["seq"] == entry["seq"] else {}) for one in kept["entries"]]
            path.write_text(json.dumps(kept | {"entries": changed}))
            faults = log_proof.check_file(path).faults
            assert logs.Fault(entry["seq"], entry["seq"], "altered") in faults
    path.write_text(json.dumps(kept | {"entries": kept["entries"][:-1]}))
    assert [fault.kind for fault in log_proof.check_file(path).faults] == ["shortened"]
    path.write_text(json.dumps(kept | {"hub_key": kept["hub_key"][::-1]}))
    assert obhut("patient", "log", "--verify", str(path)).returncode == 2
    Path(path).write_text("{}")
    refused = obhut("patient", "log", "--verify", str(path))
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)


def test_the_basis_is_what_was_in_force_at_that_moment(patient, practice):
    """Not before the grant, not for another purpose or category, not after its end."""

    def basis(at, purpose="TREAT", categories=()):
        entry = access_log.Entry(1, at, practice.account, "release", purpose, categories=categories)
        return [one["grant"] for one in access_log.basis(patient, entry)]

    def told(typ):
        links = patient.record.relations[practice.account].links
        return next(link.iat for link in links if link.typ == typ)

    gid = sharing.grant(patient, practice.account, {VITALS})
    begun = told("grant")
    assert basis(begun) == basis(begun, "ETREAT") == basis(begun, categories=["vitals"]) == [gid]
    assert basis(begun, "HRESCH") == basis(begun, categories=["lab"]) == basis(begun - 1) == []
    sharing.withdraw(patient, practice.account)
    assert basis(told("end")) == []
