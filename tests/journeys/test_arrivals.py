"""How an account begins, or comes to another device, over a real hub: whatever a power cut leaves can be finished."""

import json

import pytest

from connectors.gateway import keystore
from connectors.hub_client import HubClient
from connectors.keyring import FILE, Keyring
from connectors.patient import enrolment
from fhir_profiles.problems import Problem

PASSPHRASE = "wolke anker tulpe besen kiesel laterne"


class Crash(Exception):  # noqa: N818 - what happens, not what went wrong
    """The process dies here."""


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is tried is the device's side."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def patient(tmp_path, hub):
    """An enrolled patient and the code of her sheet."""
    client, code = enrolment.enrol(tmp_path / "patient", hub.url)
    yield client, code
    client.close()


def dies(monkeypatch, name, after):
    """The process dies before, or after, the hub hears a call; once."""
    call = getattr(HubClient, name)

    def once(self, *args, **kwargs):
        monkeypatch.setattr(HubClient, name, call)
        if after:
            call(self, *args, **kwargs)
        raise Crash

    monkeypatch.setattr(HubClient, name, once)


def devices(client):
    return [device.name for device in client.record.account.devices.values() if device.until is None]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_recovery_that_was_cut_off_is_finished_by_the_old_code(patient, hub, tmp_path, monkeypatch, after):
    """The new sheet was kept before the hub heard of it: the second try shows it, and it recovers the account again."""
    lost, code = patient
    dies(monkeypatch, "post", after)
    with pytest.raises(Crash):
        enrolment.recover(tmp_path / "fresh", hub.url, lost.account, code)
    fresh, sheet = enrolment.recover(tmp_path / "fresh", hub.url, lost.account, code)
    assert devices(fresh) == [fresh.keyring.device]
    assert not (tmp_path / "fresh" / "arrival.json").exists()
    again, _ = enrolment.recover(tmp_path / "again", hub.url, lost.account, sheet)
    assert devices(again) == [again.keyring.device]


def test_a_joining_that_was_cut_off_leaves_no_second_device(patient, hub, tmp_path, monkeypatch):
    """After the hub has certified the device, the second try goes on with it."""
    client, _ = patient
    enrolment.set_passphrase(client, PASSPHRASE)
    dies(monkeypatch, "post", after=True)
    with pytest.raises(Crash):
        enrolment.join(tmp_path / "second", hub.url, client.account, PASSPHRASE)
    second = enrolment.join(tmp_path / "second", hub.url, client.account, PASSPHRASE)
    assert sorted(devices(second)) == sorted([client.keyring.device, second.keyring.device])
    assert second.settle() == 0


def test_an_arrival_that_the_hub_refused_begins_anew(patient, hub, tmp_path, monkeypatch):
    """Where another device wrote in between, what was kept is given up, and the next try works."""
    client, _ = patient
    enrolment.set_passphrase(client, PASSPHRASE)
    dies(monkeypatch, "post", after=False)
    with pytest.raises(Crash):
        enrolment.join(tmp_path / "second", hub.url, client.account, PASSPHRASE)
    client.sync()
    client.save_vault(client.vault)
    with pytest.raises(Problem):
        enrolment.join(tmp_path / "second", hub.url, client.account, PASSPHRASE)
    second = enrolment.join(tmp_path / "second", hub.url, client.account, PASSPHRASE)
    assert sorted(devices(second)) == sorted([client.keyring.device, second.keyring.device])


def test_the_keys_of_another_account_are_never_overwritten(patient, hub, tmp_path):
    """A wrong directory costs nobody an account."""
    client, code = patient
    enrolment.enrol(tmp_path / "other", hub.url)[0].close()
    before = (tmp_path / "other" / FILE).read_bytes()
    with pytest.raises(Problem) as caught:
        enrolment.recover(tmp_path / "other", hub.url, client.account, code)
    assert caught.value.code == "conflict"
    assert (tmp_path / "other" / FILE).read_bytes() == before


def age(path, seconds=7200):
    """Make a kept enrolment look as if it had been begun that long ago."""
    kept = json.loads(path.read_bytes())
    path.write_text(json.dumps(kept | {"now": kept["now"] - seconds}))


def test_an_enrolment_goes_on_after_hours(hub, tmp_path, monkeypatch):
    """What was signed and never came to the hub is signed again by the present time."""
    dies(monkeypatch, "enrol", after=False)
    with pytest.raises(Crash):
        enrolment.enrol(tmp_path / "patient", hub.url)
    age(tmp_path / "patient" / "enrolment.json")
    account = json.loads((tmp_path / "patient" / FILE).read_bytes())["account"]
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    assert client.account == account
    client.close()


def test_an_organisations_enrolment_goes_on_after_hours(hub, tmp_path, monkeypatch):
    """So too where the operator's code came late."""
    code = hub.admit("praxis-a")
    words = (tmp_path / "keys", tmp_path / "root", hub.url, "praxis-a")
    dies(monkeypatch, "enrol", after=False)
    with pytest.raises(Crash):
        keystore.enrol(*words, code)
    age(tmp_path / "root" / keystore.ROOT)
    store, sheet = keystore.enrol(*words, code)
    again, same = keystore.enrol(*words, code)
    assert store.keyring.account == again.keyring.account
    assert str(sheet) == str(same)


def test_an_enrolment_that_was_cut_off_between_its_files_begins_anew(hub, tmp_path, monkeypatch):
    """Keys that were never used are no reason to ask for another directory."""
    save = Keyring.save

    def dies(*_):
        monkeypatch.setattr(Keyring, "save", save)
        raise Crash

    monkeypatch.setattr(Keyring, "save", dies)
    with pytest.raises(Crash):
        enrolment.enrol(tmp_path / "patient", hub.url)
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    assert devices(client) == [client.keyring.device]
    client.close()
