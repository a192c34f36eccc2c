"""A desk acts for a patient without a device: a visit, a consent on paper, paper to take home; later a withdrawal.

Hub and commands are whole programs; the practice's inbox is driven by the test.
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from contextlib import closing

import pytest

from connectors.gateway import keystore
from connectors.hub_client import HubClient
from connectors.patient import desk as visits
from connectors.patient import enrolment, paper, renewal, sharing
from connectors.patient.client import Client
from connectors.patient.overview import overview
from consent import accounts
from consent import vault as vaults
from consent.categories import INDEX
from consent.fhir_consent import SCAN, agreement
from consent.keys import RecoveryCode
from consent.pending import pending_since
from consent.primitives import Rejected, b64
from fhir_profiles.problems import Problem
from tests.connectors.test_receipt_pdf import shown
from tests.journeys.conftest import command, obhut
from tests.journeys.sharing import found, write

BYTES = b"%PDF-1.7 signed by hand"


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the commands are the same."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def amt(tmp_path, hub):
    """The account of the organisation whose desk it is."""
    keys, _ = keystore.enrol(tmp_path / "amt", tmp_path / "amt-root", hub.url, "buergeramt", hub.admit("buergeramt"))
    return keys.keyring.account


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "signed.pdf"
    path.write_bytes(BYTES)
    return str(path)


class Visit:
    """The commands of one visit in its directory."""

    def __init__(self, directory, hub, amt):
        self.directory, self.hub, self.amt = directory, hub, amt

    def begin(self, *words, **more):
        return said(
            obhut("desk", "visit", str(self.directory), "--hub", self.hub.url, "--desk", self.amt, *words), **more
        )

    def patient(self, command, *words, **more):
        return said(obhut("patient", command, "--account", str(self.directory), *words), **more)

    def end(self, *words, **more):
        return said(obhut("desk", "end", str(self.directory), *words), **more)

    def paper(self, name):
        """The texts of the papers of one kind."""
        return [shown(path.read_bytes()) for path in sorted((self.directory / "papers").glob(f"{name}-*.pdf"))]


@pytest.fixture
def visit(tmp_path, hub, amt):
    """A directory for a visit, by its name."""
    return lambda name: Visit(tmp_path / name, hub, amt)


def said(done, fails=False):
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def code_on(text):
    """The recovery code that a sheet shows."""
    return re.search(r"Code: (\S+ \S+)", text).group(1)


def again(visit, account, code):
    """A later visit with the sheet: its code is typed in, and never an argument."""
    words = ("desk", "visit", str(visit.directory), "--hub", visit.hub.url, "--desk", visit.amt, "--name", account)
    done = subprocess.run(command(*words), input=f"{code}\n", capture_output=True, text=True, check=False)
    return said(done)


def test_two_visits_a_consent_on_paper_and_its_withdrawal(visit, practice, scan, tmp_path):
    """She leaves with paper only; what was at the desk is of no use later; by the sheet she takes it back."""
    first = visit("first")
    account = re.search(r"account +(\S+)", first.begin()).group(1)
    assert first.begin().split()[1] == account
    with closing(Client.open(first.directory)) as client:
        write(client, 1, 2)
    to = (practice.account, "--template", "practice-90-days", "--language", "de")
    assert "--paper" in first.patient("grant", *to, fails=True)
    first.patient("grant", *to, "--paper", scan)
    with closing(Client.open(first.directory)) as client:
        assert found(practice, client) == {"w1", "w2"}
    ((text,),) = practice.keys.db.execute("SELECT consent FROM agreements").fetchall()
    recorded = agreement(json.loads(text)).paper
    assert (recorded.desk, recorded.title) == (first.amt, "signed.pdf")
    assert recorded.scan == SCAN + b64(hashlib.sha256(BYTES).digest())
    assert base64.b64encode(BYTES).decode() not in bytes(text).decode()
    assert "signed.pdf" in first.patient("read", "DocumentReference", "--json")
    told = f"recorded at the desk of {first.amt}"
    for words in (("show",), ("who",)):
        assert told in first.patient(*words)

    # The papers; then the visit ends, and a thief has a copy of all that was there.
    assert "not printed" in first.end("--printed", fails=True)
    first.end(fails=True)  # nobody answers that they are in her hands
    (sheet,), (receipt,) = first.paper("sheet"), first.paper("receipt")
    assert account in sheet and practice.account in receipt and first.amt in receipt and recorded.scan in receipt
    shutil.copytree(first.directory, tmp_path / "stolen")
    assert "ended" in first.end("--printed")
    assert not first.directory.exists()
    assert "no visit" in first.end("--printed", fails=True)
    _opens_and_signs_nothing(tmp_path / "stolen")

    # Another visit, at another place: she takes it back, and the practice finds nothing.
    second = visit("second")
    assert "void" in again(second, account, code_on(sheet))
    with closing(Client.open(second.directory)) as client:
        assert found(practice, client) == {"w1", "w2"}
    second.patient("withdraw", "--to", practice.account)
    with closing(Client.open(second.directory)) as client:
        assert found(practice, client) == set()
    log = second.patient("log", "--all", "--language", "de")
    assert f"Ihre Seite, bei {first.amt}, hat {practice.account} eine Erlaubnis zum Lesen entzogen" in log
    assert f"Ihre Seite, bei {first.amt}, hat {practice.account} das Lesen erlaubt" in log
    assert f"auf Papier unterschrieben, aufgenommen bei {first.amt}" in log
    assert "whole" in second.patient("log", "--verify")
    second.end("--language", "de", fails=True)
    (fresh,), (receipt,) = second.paper("sheet"), second.paper("receipt")
    assert code_on(fresh) != code_on(sheet)
    assert "widerrufen am" in receipt and "auf Papier unterschrieben" in receipt
    second.end("--printed")
    assert not second.directory.exists()


def _opens_and_signs_nothing(directory):
    """With the directory of a visit that has ended: no door of the hub, no newer vault, no later signature."""
    with closing(Client.open(directory)) as client:
        with pytest.raises(Problem) as refused:
            client.sync()
        assert refused.value.code == "unauthenticated"
        code = RecoveryCode.parse(json.loads((directory / "visit.json").read_bytes())["code"])
        hub = HubClient(client.keyring.hub)
        token = hub.recover(client.account, code.fetch_token)  # as she herself may, by her sheet
        version, sealed, wraps = hub.vault(client.account, token)
        assert client.keyring.device not in wraps
        with pytest.raises(Rejected):
            vaults.unseal_root(sealed, client.account, client.vault_key)
        with pytest.raises(Rejected):
            vaults.unseal(sealed, client.account, version, client.root.key)
        state = accounts.replay(hub.chain("acct", client.account, token=token), client.account)
        with pytest.raises(Rejected):
            state.client(client.keyring.device)
        assert state.reading_key() not in client.vault.reading_keys


def test_what_a_power_cut_leaves_the_same_command_finishes(hub, amt, tmp_path, monkeypatch):
    """Before the hub took the removal, after it and before it was noted here, and in the middle of the wiping."""
    directory = tmp_path / "visit"
    client = visits.visit(directory, hub.url, amt)
    visits.papers(directory, client, "en")
    client.close()
    cut(monkeypatch, "connectors.hub_client.HubClient.post", lambda: visits.end(directory))
    cut(monkeypatch, "connectors.patient.client.Client._take", lambda: visits.end(directory))
    assert (directory / "visit.json").exists()
    cut(monkeypatch, "connectors.patient.desk.os.fsync", lambda: visits.end(directory))
    visits.end(directory)
    assert not directory.exists()


def test_the_sheets_code_is_kept_before_the_account_is_there(hub, amt, tmp_path, monkeypatch):
    """Cut off anywhere in a first visit, the next run has the same account and the same code."""
    directory = tmp_path / "visit"
    for place in (
        "connectors.patient.enrolment.write_private",
        "connectors.hub_client.HubClient.enrol",
        "connectors.patient.enrolment._permit_herself",
        "connectors.patient.client.Client.save_vault",
    ):
        cut(monkeypatch, place, lambda: visits.visit(directory, hub.url, amt))
        with pytest.raises(Problem):
            visits.end(directory)
    code = json.loads((directory / "visit.json").read_bytes())["code"]
    client = visits.visit(directory, hub.url, amt)
    client.close()
    with pytest.raises(Problem, match="another visit"):
        visits.visit(directory, hub.url, amt, account=client.account)
    with pytest.raises(Problem, match="something else"):
        visits.visit(tmp_path, hub.url, amt)
    with pytest.raises(Problem, match="the code of her sheet"):
        visits.visit(tmp_path / "new", hub.url, amt, account=client.account)
    with pytest.raises(Problem, match="no organisation"):
        visits.visit(tmp_path / "newer", hub.url, "nobody@hub-a.obhut.example")
    with closing(Client.open(tmp_path / "newer")) as newer, pytest.raises(Problem, match="an organisation's"):
        visits.visit(tmp_path / "newer", hub.url, newer.account)
    visits.visit(tmp_path / "newer", hub.url, amt).close()
    other, _ = enrolment.recover(tmp_path / "other", hub.url, client.account, RecoveryCode.parse(code))
    other.close()
    with closing(Client.open(directory)) as client:  # the sheet was used elsewhere: nothing is left to do here
        assert visits.has_left(client)
    visits.end(directory)
    assert not directory.exists()


def test_another_device_goes_on_with_the_new_key_of_the_vault(hub, amt, practice, scan, tmp_path):
    """She joined a device of her own in a visit: it opens the vault afterwards, and rotates what the desk had."""
    directory, words = tmp_path / "visit", "six words that are chosen well enough"
    client = visits.visit(directory, hub.url, amt)
    enrolment.set_passphrase(client, words)
    own = enrolment.join(tmp_path / "own", hub.url, client.account, words)
    client.sync()
    with pytest.raises(Problem, match="signs on paper"):
        give_vitals(client, practice)
    gid = give_vitals(own, practice)
    client.sync()
    with pytest.raises(Problem, match="signs on paper"):
        renewal.renew(client, gid, "2099-12-31")
    said(obhut("patient", "emergency", "on", practice.account, "--account", str(directory), "--paper", scan))
    made = visits.papers(directory, client, "en")
    assert [one.name.partition("-")[0] for one in made] == [
        "sheet",
        "receipt",
    ]
    assert {bool(one["emergency"]): one["desk"] for one in overview(client)["grants"]} == {True: amt, False: ""}
    client.close()
    visits.end(directory)
    own.sync()
    assert pending_since(own.record, own.now) is not None
    own.settle()
    assert pending_since(own.record, own.now) is None
    with pytest.raises(Problem, match="recorded at a desk"):
        paper.recorded(own, tmp_path / "scan.pdf")
    own.close()


def give_vitals(client, practice):
    return sharing.grant(client, practice.account, {INDEX["vitals"]}, end="2099-01-01")


class PowerCutError(Exception):
    """The power went."""


def cut(monkeypatch, place, begun):
    """Do what is begun, with the power going where it comes to this function."""

    def gone(*_, **__):
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(place, gone)
        with pytest.raises(PowerCutError):
            begun()
