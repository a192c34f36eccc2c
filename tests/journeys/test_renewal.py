"""An organisation's keys change: a new reading key, another device in the gateway's place, wherever it is cut off."""

import shutil

import pytest

from connectors.gateway import access, renewal
from connectors.gateway.access import Reader
from connectors.gateway.asked import asked
from connectors.gateway.enrolment import send_request
from connectors.gateway.keystore import Keystore
from connectors.hub_client import HubClient
from connectors.keyring import FILE
from connectors.patient import access_log, enrolment, sharing
from consent.owed import owed
from fhir_profiles.problems import Problem
from tests.journeys.conftest import obhut
from tests.journeys.test_sharing import VITALS, found, write


class Cut(Exception):  # noqa: N818 - what happens, not what went wrong
    """The power fails here."""


@pytest.fixture
def places(practice):
    """The gateway's keystore and where the root key is."""
    return practice.directory / "keys", practice.directory / "root"


def reopen(practice):
    practice.keys = Keystore.open(practice.directory / "keys")
    practice.open()


def rotate(practice, *more):
    keys, root = practice.directory / "keys", practice.directory / "root"
    done = obhut("gateway", "rotate-key", "--keystore", str(keys), "--root", str(root), *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[2]


def current(client, practice):
    """The epochs of her sets that the practice's grants cover."""
    relation = client.record.relations[practice.account]
    covered = {set_id for grant in relation.live(client.now) for set_id in grant.cover}
    return {set_id: client.record.sets[set_id].current for set_id in covered}


def test_a_rotated_reading_key_opens_what_is_handed_out_from_then_on_and_what_was_before(client, practice):
    """A gateway that runs meanwhile takes the new key in; a later grant and a rotation are sealed to it."""
    gid_of = lambda: {grant.gid for _, grant, _ in sharing.granted(client)}  # noqa: E731 - a name for what it is
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    assert found(practice, client) == {"w1"}
    before = gid_of()
    key = rotate(practice)
    client.sync()
    assert client.chains.accounts[practice.account].reading_key() == key
    sharing.grant(client, practice.account, {VITALS}, purposes=("HRESCH",))
    (new,) = gid_of() - before
    bundles = client.record.relations[practice.account].grants[new].bundles
    assert {bundle.link.body["rk"] for bundle in bundles} == {key}
    write(client, 2)
    assert found(practice, client) == {"w1", "w2"}
    practice.inbox.catch_up()
    assert practice.keys.opened(client.account) >= {bundle.hash for bundle in bundles}


def test_a_bad_key_makes_the_patients_client_rotate(client, practice):
    """What was handed out to the compromised key is replaced: new epochs, sealed to the new key."""
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    assert found(practice, client) == {"w1"}
    epochs = current(client, practice)
    key = rotate(practice, "--bad")
    client.sync()
    client.settle()
    assert owed(client.record, client.vault, client.now) is None
    assert all(current(client, practice)[set_id] > epoch for set_id, epoch in epochs.items())
    bundles = [b for g in client.record.relations[practice.account].live(client.now) for b in g.bundles]
    assert bundles[-1].link.body["rk"] == key
    write(client, 2)
    assert found(practice, client) == {"w1", "w2"}


@pytest.mark.parametrize("cut", ["_post", "after"])
def test_a_rotation_that_was_cut_off_goes_on_with_the_same_key(client, practice, places, monkeypatch, cut):
    """Before the statement or after it: the same command states that key, once."""
    honest = renewal._post

    def post(*given):
        if cut == "after":
            honest(*given)
        raise Cut

    monkeypatch.setattr(renewal, "_post", post)
    with pytest.raises(Cut):
        renewal.rotate_key(*places, bad=False)
    monkeypatch.setattr(renewal, "_post", honest)
    kept = list(Keystore.open(places[0]).reading_keys)
    assert renewal.rotate_key(*places, bad=False) == kept[-1]
    assert list(Keystore.open(places[0]).reading_keys) == kept
    stated = client.chains.account(practice.account)
    assert [key for _, key in stated.reading_keys] == kept


def test_a_warning_is_stated_though_the_key_was_begun_without(client, practice, places, monkeypatch):
    """Cut off after the statement, and run again with --bad: all earlier keys count as compromised."""
    honest = renewal._post
    monkeypatch.setattr(renewal, "_post", lambda *given: (honest(*given), (_ for _ in ()).throw(Cut))[1].__next__())
    with pytest.raises(Cut):
        renewal.rotate_key(*places, bad=False)
    monkeypatch.setattr(renewal, "_post", honest)
    renewal.rotate_key(*places, bad=True)
    account = client.chains.account(practice.account)
    assert account.bad_keys == {key for _, key in account.reading_keys[:-1]}
    assert len(account.reading_keys) == 3


def test_another_houses_root_key_changes_nothing(practices, places):
    """The keystore is not touched."""
    other = practices("praxis-b")
    before = {path.name: path.read_bytes() for path in places[0].glob("*.json")}
    with pytest.raises(Problem) as refused:
        renewal.rotate_key(places[0], other.directory / "root", bad=False)
    assert refused.value.code == "conflict"
    assert {path.name: path.read_bytes() for path in places[0].glob("*.json")} == before


def test_a_replaced_gateway_reads_on_and_the_old_one_can_do_nothing(client, practice, places, tmp_path):
    """By the command; the old keys, copied before, open no door at the hub any more."""
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    assert found(practice, client) == {"w1"}
    old = practice.keys.keyring
    stolen = HubClient(old.hub, old.credentials)
    assert stolen.feed()["events"]
    done = obhut("gateway", "replace-device", "--keystore", str(places[0]), "--root", str(places[1]))
    assert done.returncode == 0, done.stderr
    for door in (
        stolen.feed,
        lambda: HubClient(old.hub, old.credentials).feed(),
        lambda: stolen.deposit([b"x"]),
        lambda: stolen.report_reads([]),
        lambda: stolen.heads("A" * 22, []),
    ):
        with pytest.raises(Problem) as refused:
            door()
        assert refused.value.code == "unauthenticated"
    reopen(practice)
    assert practice.keys.keyring.device != old.device
    client.sync()
    write(client, 2)
    assert found(practice, client) == {"w1", "w2"}
    sharing.grant(client, practice.account, {VITALS}, purposes=("HRESCH",))
    practice.inbox.catch_up()
    assert not (places[0] / renewal.REPLACEMENT).exists()


@pytest.mark.parametrize("step", ["_post", "posted", "register", "save", "saved"])
def test_a_replacement_that_was_cut_off_goes_on(practice, places, monkeypatch, step):
    """Wherever it stops: the same command ends with the same new device, which the hub lets in."""
    post, register, save = renewal._post, HubClient.register, renewal.Keyring.save

    def cut_post(*given):
        if step == "posted":
            post(*given)
        raise Cut

    def cut_register(self, frame):
        if step == "register":
            register(self, frame)
        raise Cut

    def cut_save(self, directory):
        if directory == places[0] and step == "save":
            raise Cut
        save(self, directory)

    if step in ("_post", "posted"):
        monkeypatch.setattr(renewal, "_post", cut_post)
    elif step == "register":
        monkeypatch.setattr(HubClient, "register", cut_register)
    elif step == "save":
        monkeypatch.setattr(renewal.Keyring, "save", cut_save)
    else:
        monkeypatch.setattr(shutil, "rmtree", lambda *_: (_ for _ in ()).throw(Cut))
    with pytest.raises(Cut):
        renewal.replace_device(*places, bad=False)
    begun = renewal.Keyring.load(places[0] / renewal.REPLACEMENT).device
    monkeypatch.undo()
    assert renewal.replace_device(*places, bad=False)[1] == begun
    reopen(practice)
    assert practice.keys.keyring.device == begun
    practice.inbox.take_page()
    devices = practice.inbox.chains.account(practice.account).devices.values()
    assert [device.name for device in devices if device.until is None] == [begun]
    assert (places[0] / FILE).stat().st_mode & 0o777 == 0o600


def test_reads_that_a_replaced_gateway_told_stay_readable_and_those_it_had_not_told_are_told(client, practice, places):
    """The report that came before, and one that was sealed and not sent."""
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    found(practice, client)

    def note(number):
        reader = Reader("Dr. Ada Beispiel", "practitioner", "TREAT")
        access.report(practice.store.database, reader, "Observation", {client.account: number})

    note(1)
    practice.inbox.report_reads()
    note(2)
    honest = practice.inbox.hub.report_reads
    practice.inbox.hub.report_reads = lambda _: (_ for _ in ()).throw(Problem("busy", "the hub is away"))
    with pytest.raises(Problem):
        practice.inbox.report_reads()
    practice.inbox.hub.report_reads = honest
    renewal.replace_device(*places, bad=False)
    reopen(practice)
    practice.inbox.report_reads()
    client.sync()
    told = [entry for entry in access_log.entries(client) if entry.action.startswith("read")]
    assert [(entry.action, entry.number) for entry in told] == [("read", 1), ("read", 2)]


def test_the_practice_sees_what_it_asked_and_the_answers(client, practice, places):
    """Waiting, granted, ended, refused: by the command, in words and as JSON; after 90 days unanswered, lapsed."""

    def listed():
        done = obhut("gateway", "requests", "--keystore", str(places[0]))
        assert done.returncode == 0, done.stderr
        return [line.split("  ")[2] for line in done.stdout.splitlines()]

    for purpose in ("TREAT", "HRESCH"):
        send_request(practice.keys, enrolment.card(client), frozenset({VITALS}), (purpose,), "")
    assert listed() == ["waits", "waits"]
    assert {one.answer for one in asked(practice.keys, client.now + 91 * 86_400)} == {"lapsed"}
    client.sync()
    by_purpose = {request.asks.purposes: request for request in sharing.requests(client)}
    sharing.grant(client, practice.account, {VITALS}, request=by_purpose["TREAT",])
    sharing.refuse(client, by_purpose["HRESCH",])
    practice.inbox.catch_up()
    assert sorted(listed()) == ["granted", "refused"]
    sharing.withdraw(client, practice.account)
    practice.inbox.catch_up()
    assert sorted(listed()) == ["ended", "refused"]
    done = obhut("gateway", "requests", "--keystore", str(places[0]), "--json")
    assert '"categories": ["vitals"], "purposes": ["TREAT"]' in done.stdout
