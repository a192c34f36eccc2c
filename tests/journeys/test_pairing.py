"""A further device by another one, over a real hub; and a hub in between that swaps what the two tell each other."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.hub_client import HubClient
from connectors.keyring import Keyring
from connectors.local_database import set_state
from connectors.patient import enrolment, pairing
from connectors.patient.account_writer import AccountWriter
from connectors.patient.client import Client
from consent import messages
from consent import pairing as words
from consent import vault as vaults
from consent.accounts import AccountState
from consent.identifiers import Card
from consent.identifiers import account as parse_account
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.pairing import Invitation, Reply, digits
from consent.primitives import Rejected, b64, random_bytes, unb64
from consent.vault import RootCompartment, Vault
from fhir_profiles.problems import Problem
from tests.journeys.conftest import command


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the hub's side is tried on both elsewhere."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def patient(client):
    """An enrolled patient, who knows herself."""
    return client


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look again at once."""
    monkeypatch.setattr(pairing, "AGAIN_SECONDS", 0.05)


@pytest.fixture
def aside():
    """Somewhere to wait while this goes on."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


def met(client, new, aside, shown=""):
    """The two have told each other all: offer, reveal, reply; what either of them raises is raised here."""
    hearing = aside.submit(pairing.hear_reply, new)
    offer = pairing.answer(client, shown or str(new.invitation))
    return offer, pairing.hear_reveal(client, offer), hearing.result()


def test_a_device_is_added_and_acts(patient, hub, tmp_path, aside):
    """Both show the same digits; then the new one opens the vault, writes, and may add another itself."""
    new = pairing.newcomer(hub.url, "Küche")
    offer, reveal, reply = met(patient, new, aside)
    assert reveal.label == "Küche"
    assert digits(offer.invitation, offer.reply, reveal) == digits(new.invitation, reply, new.reveal)
    pairing.admit(patient, offer, reveal)
    second = pairing.move_in(new, reply, tmp_path / "second", hub.url)
    assert second.settle() == 0
    assert second.root.root.public == patient.root.root.public
    third = pairing.newcomer(hub.url)
    offer, reveal, reply = met(second, third, aside)
    pairing.admit(second, offer, reveal)
    pairing.move_in(third, reply, tmp_path / "third", hub.url).close()
    patient.sync()
    assert len([one for one in patient.record.account.devices.values() if one.until is None]) == 3
    second.close()


def test_a_device_that_was_declined_finds_out(patient, hub, tmp_path, aside):
    """Nothing was added, nothing is kept in its directory."""
    new = pairing.newcomer(hub.url)
    offer, _, reply = met(patient, new, aside)
    pairing.decline(patient, offer)
    with pytest.raises(Problem, match="did not add"):
        pairing.move_in(new, reply, tmp_path / "second", hub.url)
    assert not (tmp_path / "second").exists()
    assert len(patient.record.account.devices) == 1


def organisation(hub, directory, name):
    """An organisation whose people have clients: an account with a vault, and no sets."""
    admission, said = hub.admit(name), HubClient(hub.url).hub()
    keys = Keyring.generate(f"{name}@{said['domain']}", hub.url, unb64(said["key"], 32))
    root, reading, vault_key = SigningKey.generate(), BoxKey.generate(), random_bytes(32)
    keys.save(directory)
    client = Client(directory, keys)
    writer = AccountWriter(keys.account, AccountState(keys.account), said["now"])
    recovery = b64(RecoveryCode.generate().signing_key.public)
    writer.add(root, ("root",), "create", {"root": b64(root.public), "recovery": recovery, "class": "org"})
    writer.add_device(root, keys, "client")
    writer.add(root, ("root",), "reading", {"key": b64(reading.public), "bad": 0})
    frames = [one.frame for one in writer.written]
    said = {"acc": keys.account, "dev": keys.device, "token_key": keys.token.public, "at": said["now"]}
    client.hub.enrol(frames, messages.register(keys.sign, **said), admission)
    client.chains.take("acct", keys.account, "", frames)
    set_state(client.db, "vault_key", vault_key)
    wrap = vaults.wrap_for_box(vault_key, keys.account, keys.device, keys.box.public)
    own = RootCompartment.new(root, keys.handle_key)
    client.lock_vault(own, Vault({b64(reading.public): reading}), {keys.device: wrap})
    return client


def test_a_further_member_of_an_organisation(hub, tmp_path, aside):
    """An account of the class `org` with a vault takes a further client as a person's does."""
    member = organisation(hub, tmp_path / "first", "praxis-mit-menschen")
    new = pairing.newcomer(hub.url)
    offer, reveal, reply = met(member, new, aside)
    pairing.admit(member, offer, reveal)
    colleague = pairing.move_in(new, reply, tmp_path / "colleague", hub.url)
    assert colleague.record.account.cls == "org"
    assert colleague.vault.reading_keys.keys() == member.vault.reading_keys.keys()
    colleague.close()
    member.close()


def program(*words_):
    """`obhut patient` as a process that is spoken to."""
    return subprocess.Popen(
        command("patient", *words_), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_both_sides_by_command(patient, hub, tmp_path):
    """`pair` prints what `add-device` is given; both print the same digits and ask, and no account is overwritten."""
    directory = str(tmp_path / "second")
    new = program("pair", "--account", directory, "--hub", hub.url)
    shown = next(line for line in new.stdout if line.startswith("OBHUT-DEVICE:")).strip()
    old = program("add-device", "--account", str(tmp_path / "patient"), shown)
    said = [one.communicate("y\n")[0] for one in (old, new)]
    assert (old.returncode, new.returncode) == (0, 0), said
    digits_ = [re.search(r"(\d{3} ){3}\d{3}", text)[0] for text in said]
    assert digits_[0] == digits_[1]
    second = Client.open(Path(directory))
    second.sync()
    assert second.account == patient.account
    second.close()
    again = program("pair", "--account", directory, "--hub", hub.url)
    assert "already" in again.communicate()[0]


def test_no_on_the_old_device_adds_nothing(patient, hub, tmp_path):
    """Both commands end with a sentence and exit code 2."""
    new = program("pair", "--account", str(tmp_path / "second"), "--hub", hub.url)
    shown = next(line for line in new.stdout if line.startswith("OBHUT-DEVICE:")).strip()
    old = program("add-device", "--account", str(tmp_path / "patient"), shown)
    said = [one.communicate(typed)[0] for one, typed in ((old, "n\n"), (new, "y\n"))]
    assert (old.returncode, new.returncode) == (2, 2), said
    assert not (tmp_path / "second").exists()


# --- a hub in between ---------------------------------------------------------------------------------------------


class Swapping:
    """A hub that holds both conversations itself: it has keys of its own, and gives these in the place of others'."""

    def __init__(self):
        self.sign, self.box, self.reveal = SigningKey.generate(), BoxKey.generate(), words.new_reveal("d" + "e" * 16)

    def swap_reply(self, monkeypatch, invitation):
        """The new device is told of the hub's keys; what it reveals, the hub can read and hand on."""
        honest, put = HubClient.pairing, HubClient.put_reveal
        self.told = None

        def pairing_(client, place):
            reply, reveal = honest(client, place)
            if reply is not None and client._credentials is None:
                card = Card(parse_account("p-" + "b" * 25 + "a@hub-a.obhut.example"), "b" * 31 + "a")
                self.told = self.told or Reply.of(card, self.sign.public, self.box.public)
                reply = self.told.seal(invitation)
            return reply, reveal

        def put_reveal(client, place, sealed):
            opened = words.open_reveal(sealed, self.box, invitation)
            put(client, place, opened.seal(self.honest_reply))

        monkeypatch.setattr(HubClient, "pairing", pairing_)
        monkeypatch.setattr(HubClient, "put_reveal", put_reveal)


def test_a_hub_that_swaps_the_reply_is_noticed_by_the_digits(patient, hub, tmp_path, aside, monkeypatch):
    """It knows the invitation and hands on all that is sealed: the digits differ, and the new device stays nobody's."""
    new, thief = pairing.newcomer(hub.url), Swapping()
    thief.swap_reply(monkeypatch, new.invitation)
    offer = pairing.answer(patient, str(new.invitation))
    thief.honest_reply = offer.reply
    reply = pairing.hear_reply(new)
    reveal = pairing.hear_reveal(patient, offer)
    assert reply.box == thief.box.public
    assert digits(new.invitation, reply, new.reveal) != digits(offer.invitation, offer.reply, reveal)
    pairing.admit(patient, offer, reveal)  # even if she says yes on the old one: the new one does not find the thief
    with pytest.raises((Problem, Rejected)):
        pairing.move_in(new, reply, tmp_path / "second", hub.url)


def test_another_invitation_on_the_way_is_noticed_by_the_digits(patient, hub, aside):
    """Who swaps the text that is pasted is bound by it: revealing anything else, or another's, does not hold."""
    new, thief = pairing.newcomer(hub.url), Swapping()
    shown = words.invite(new.invitation.domain, thief.sign, thief.box, thief.reveal)
    offer = pairing.answer(patient, str(shown))
    for other in (new.reveal, replace(thief.reveal, nonce=bytes(32))):
        with pytest.raises(Rejected, match="commitment"):
            words.open_reveal(other.seal(offer.reply), patient.keyring.box, shown)
    patient.hub.put_reveal(shown.place, thief.reveal.seal(offer.reply))
    reveal = pairing.hear_reveal(patient, offer)
    own = Reply.of(offer.reply.card, offer.reply.sign, offer.reply.box)  # for the new device; bound before it reveals
    assert digits(shown, offer.reply, reveal) != digits(new.invitation, own, new.reveal)


def test_another_that_replies_first(patient, hub, aside, tmp_path):
    """Who has seen the QR code and is quicker: the account's device hears `conflict`, and the digits are not hers."""
    stranger, _ = enrolment.enrol(tmp_path / "stranger", hub.url)
    new = pairing.newcomer(hub.url)
    pairing.answer(stranger, str(new.invitation))
    with pytest.raises(Problem, match="conflict"):
        pairing.answer(patient, str(new.invitation))
    stranger.close()


def test_an_invitation_of_another_hub_is_refused(patient, hub):
    """Nothing is sent then."""
    shown = pairing.newcomer(hub.url).invitation
    other = Invitation("hub-z.obhut.example", shown.sign, shown.box, shown.commitment)
    with pytest.raises(Problem, match="another hub"):
        pairing.answer(patient, str(other))
