"""A patient's document of 5 MB on its way to a practice: whatever is killed and whenever, it arrives whole and once."""

import base64
import json
import random
import sqlite3
import time

import pytest

from connectors.gateway.visibility import Scope
from connectors.patient import documents, sharing
from consent.categories import INDEX
from fhir_profiles.problems import Problem
from fhir_profiles.search import parse
from tests.journeys.conftest import killed, obhut

PDF = b"%PDF-1.7\n" + random.Random(3).randbytes(5 * 1024 * 1024)


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is killed is the client and the hub's process."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def patient(client):
    """An enrolled patient's client."""
    return client


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "Brief.pdf"
    path.write_bytes(PDF)
    return path


def held(practice):
    """The files that the practice's record shows, by its own clock: it is by that one that patients are confirmed."""
    page = practice.store.search(parse("DocumentReference", []), Scope(("TREAT",), int(time.time())), None)
    found = [json.loads(match.body)["content"][0]["attachment"]["data"] for match in page.matches]
    return [base64.b64decode(data) for data in found]


def kept(tmp_path):
    """How many envelopes and objects the hub has."""
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("envelopes", "objects")]


def test_a_document_is_added_granted_and_read(hub, practice, patient, file, tmp_path):
    """`obhut patient add` says what became of the file; the practice opens the same bytes, the patient too."""
    done = obhut("patient", "add", str(file), "--account", str(tmp_path / "patient"), "--json")
    assert done.returncode == 0, done.stderr
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told["type"], told["category"]) == ("DocumentReference", "documents")
    sharing.grant(patient, practice.account, [INDEX["documents"]])
    practice.inbox.catch_up()
    assert held(practice) == [PDF]
    own = obhut("patient", "read", "DocumentReference", "--account", str(tmp_path / "patient"), "--json")
    assert base64.b64decode(json.loads(own.stdout)["content"][0]["attachment"]["data"]) == PDF


def test_a_bad_file_is_told_in_a_sentence_and_nothing_is_sent(hub, patient, file, tmp_path):
    """The good one beside it is not added either."""
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    done = obhut("patient", "add", str(file), str(tmp_path / "a.zip"), "--account", str(tmp_path / "patient"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("obhut: ")
    assert "a.zip" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert kept(tmp_path) == [0, 0]


def test_a_document_whose_sending_is_killed_at_any_moment_arrives_once(hub, practice, patient, file, tmp_path):
    """kill -9 of the client, and of the hub, at random moments: one envelope, one object, the same bytes."""
    documents.add(patient, [file])
    words, chance = ("patient", "settle", "--account", str(tmp_path / "patient")), random.Random(11)
    for turn in range(8):
        killed(words, chance.uniform(0, 1.4))
        if turn % 3 == 2:
            hub.kill()
            hub.start()
    done = obhut(*words)
    assert done.returncode == 0, done.stderr
    assert kept(tmp_path) == [1, 1]
    sharing.grant(patient, practice.account, [INDEX["documents"]])
    practice.inbox.catch_up()
    assert held(practice) == [PDF]


def test_a_command_that_is_killed_and_said_again_adds_the_document_once(hub, practice, patient, file, tmp_path):
    """However far each try came, the practice sees one document."""
    words, chance = ("patient", "add", str(file), "--account", str(tmp_path / "patient")), random.Random(5)
    for _ in range(5):
        killed(words, chance.uniform(0, 1.4))
    assert obhut(*words).returncode == 0
    sharing.grant(patient, practice.account, [INDEX["documents"]])
    practice.inbox.catch_up()
    assert held(practice) == [PDF]


def test_who_may_not_put_an_object_hears_it_from_a_real_server(hub, practice, patient):
    """A refusal before the body was read is an answer, not a broken connection."""
    own = next(state for state in patient.record.sets.values() if patient.record.author(state.oth) == patient.account)
    with pytest.raises(Problem) as caught:
        practice.inbox.hub.put_object(next(iter(own.ids)), "A" * 22, lambda: Pieces(PDF))
    assert (caught.value.code, caught.value.extra["reason"]) == ("refused", "no-permit")


class Pieces:
    """A body of known length, read in pieces."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        yield self.data

    def read(self, size=65536):
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece
