"""`obhut patient` in a shell: what it prints, and how it says no."""

import json

import pytest

from tests.connectors.wearables.exports import document, steps, zipped
from tests.journeys.conftest import obhut


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the commands are the same."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def enrolled(hub, tmp_path):
    """An account made by the command, as it was printed."""
    directory = str(tmp_path / "account")
    done = obhut("patient", "enrol", "--account", directory, "--hub", hub.url, "--json")
    assert done.returncode == 0, done.stderr
    return directory, json.loads(done.stdout)


def fails(*words):
    """The one sentence with which a command ends, and its exit code 2."""
    done = obhut("patient", *words)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    assert done.stderr.startswith("obhut: ")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_the_sheet_is_printed_once_and_the_account_ever_after(enrolled):
    """`enrol` prints the recovery code; `show` and `card` do not."""
    directory, told = enrolled
    shown = obhut("patient", "show", "--account", directory, "--json")
    assert json.loads(shown.stdout) == {
        "account": told["account"], "card": told["card"], "grants": [], "reads": [], "delegates": [], "acts_for": [],
        "writers": [], "hidden": [], "hidden_from": {}, "notices": [], "held_back": [],
        "rotation_pending_since": None,
    }  # fmt: skip
    assert obhut("patient", "card", "--account", directory).stdout.strip() == told["card"]
    assert told["recovery"] not in shown.stdout


def test_a_second_enrolment_in_the_same_directory_is_refused(enrolled, hub):
    """An account is never overwritten."""
    directory, _ = enrolled
    assert "already" in fails("enrol", "--account", directory, "--hub", hub.url)


def test_errors_name_the_cause_and_the_remedy(enrolled, hub, tmp_path):
    """Unknown category, request and account, a card that is none, a mistyped code: a sentence each."""
    directory, told = enrolled
    account = ("--account", directory)
    assert "choose of person" in fails("grant", *account, "--to", "x@hub.example.org", "--categories", "vitls")
    assert "obhut patient requests" in fails("grant", *account, "--request", "x", "--categories", "vitals")
    nobody = f"praxis-x@{told['account'].split('@')[1]}"
    for words in (("--categories", "vitals"), ()):
        said = fails("grant", nobody, *words, *account)
        assert nobody in said
        assert "obhut patient directory" in said
    assert "obhut patient show" in fails("withdraw", *account, "--to", "praxis-x@hub.example.org")
    assert "enrol one first" in fails("show", "--account", str(tmp_path / "nobody"))
    code = told["recovery"][:-1] + ("A" if told["recovery"][-1] != "A" else "B")
    recover = ("recover", "--account", str(tmp_path / "new"), "--hub", hub.url, "--name", told["account"], "--code")
    assert "14 groups" in fails(*recover, code)
    assert "neither a card" in fails(*recover[:6], "nobody", "--code", told["recovery"])


def test_an_address_that_is_no_url_is_said_to_be_none(hub, tmp_path):
    """Without its scheme it is not tried and said to be out of reach."""
    done = obhut("patient", "enrol", "--account", str(tmp_path / "new"), "--hub", hub.url.removeprefix("http://"))
    assert done.returncode == 2
    assert "https:// or http://" in done.stderr


def test_a_device_that_was_shut_out_is_told_so(hub, tmp_path):
    """After a recovery elsewhere; not that it should sign in, which it cannot."""
    lost = str(tmp_path / "lost")
    told = json.loads(obhut("patient", "enrol", "--account", lost, "--hub", hub.url, "--json").stdout)
    words = ("--hub", hub.url, "--name", told["account"], "--code", told["recovery"])
    assert obhut("patient", "recover", "--account", str(tmp_path / "new"), *words).returncode == 0
    said = fails("show", "--account", lost)
    assert "this device" in said
    assert "in another directory" in said
    export = zipped(tmp_path / "export.zip", document(steps(10, "08:00:00", "08:10:00")))
    done = obhut("wearable", "import", str(export), "--account", lost)
    assert done.returncode == 2
    assert "this device" in done.stderr
    assert "Run the same command again" not in done.stderr


def test_an_unreachable_hub_is_said_and_nothing_is_lost(enrolled, hub):
    """Without the hub a command says so; afterwards it works again."""
    directory, _ = enrolled
    hub.kill()
    assert "cannot be reached" in fails("show", "--account", directory)
    hub.start()
    assert obhut("patient", "settle", "--account", directory).returncode == 0


def test_keys_are_readable_by_their_owner_only(enrolled, tmp_path):
    """Files with secrets have the mode 0600."""
    directory = tmp_path / "account"
    assert {
        path.name: oct(path.stat().st_mode & 0o777)
        for path in directory.iterdir()
        if path.name in ("keys.json", "client.db")
    } == {"keys.json": "0o600", "client.db": "0o600"}
    assert not (directory / "enrolment.json").exists()
