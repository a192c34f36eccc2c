"""`obhut gateway serve`: the real program, its words, its end, and what survives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from click.testing import CliRunner

from connectors.gateway import schema
from connectors.gateway.access import reader_of
from connectors.gateway.cli import gateway
from connectors.gateway.database import Database
from tests.connectors.gateway.conftest import FHIR_JSON, observation
from tests.serving import said

MAIN = "from connectors.gateway.cli import gateway; gateway(prog_name='obhut gateway')"
IMPATIENT = "from connectors.gateway import server; server.STALLED_SECONDS = 1; " + MAIN
HEADERS = {"Content-Type": FHIR_JSON, "Prefer": "return=minimal"}


@contextmanager
def serving(*options: str, main: str = MAIN) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The base URL of a standalone gateway that has said that it listens; `main` may be another program."""
    command = [sys.executable, "-c", main, "serve", "--standalone", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            word, url = process.stdout.readline().split()
            assert word == "listening"
            yield url, process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_it_listens_when_it_says_so_and_ends_when_told():
    """An empty record on a loopback address; SIGTERM ends it with exit code 0."""
    with serving() as (url, process):
        assert url.startswith("http://127.0.0.1:")
        assert requests.get(url.removesuffix("/fhir") + "/readyz", timeout=10).status_code == 200
        assert requests.get(f"{url}/Patient", timeout=10).json()["total"] == 0
        process.terminate()
        assert process.wait(20) == 0


def test_what_was_acknowledged_is_there_after_a_kill(database_url):
    """Writers in all processes, kill -9 among them, a new start: every acknowledged resource is read and found."""
    with serving("--database", database_url) as (url, process), ThreadPoolExecutor(8) as threads:
        places = threads.map(lambda _: created(url), range(400))
        known = [next(places) for _ in range(100)]
        os.killpg(process.pid, signal.SIGKILL)
        known += [place for place in places if place is not None]
    with serving("--database", database_url) as (url, _):
        found = requests.get(f"{url}/Observation?code=8867-4&_count=1000", timeout=30).json()
        there = {entry["resource"]["id"] for entry in found["entry"]}
        assert {place.rpartition("/")[2] for place in known} <= there
        assert requests.get(f"{url}/Observation/{known[0].rpartition('/')[2]}", timeout=10).status_code == 200


def created(url: str) -> str | None:
    """Where a new Observation is, if that was acknowledged."""
    try:
        answer = requests.post(f"{url}/Observation", json=observation(), headers=HEADERS, timeout=60)
    except requests.ConnectionError:
        return None
    assert answer.status_code == 201
    return answer.headers["Location"]


@pytest.mark.parametrize(
    ("options", "environment", "sentence"),
    [
        (["--host", "0.0.0.0"], {}, "loopback address only"),
        ([], {"OBHUT_GATEWAY_HUB_URL": "http://localhost:8101"}, "serves without a hub"),
        ([], {"OBHUT_GATEWAY_KEYSTORE": "keys"}, "holds no keys"),
        (["--auth", "--host", "0.0.0.0"], {}, "loopback address only"),
        (["--database", "mysql://x/y"], {}, "SQLite or PostgreSQL"),
        (["--database", "sqlite:////does/not/exist/x.db"], {}, "cannot be opened"),
    ],
)
def test_standalone_refuses_with_one_sentence(options, environment, sentence):
    """What would open it to others, or is meant for the other mode, ends it at once."""
    done = CliRunner().invoke(gateway, ["serve", "--standalone", *options], env=environment)
    assert done.exit_code == 2
    assert sentence in done.output
    assert "Traceback" not in done.output


def test_a_database_that_is_not_there_ends_the_start():
    """One sentence, no traceback."""
    done = CliRunner().invoke(gateway, ["serve", "--standalone", "--database", "postgresql://127.0.0.1:1/none"])
    assert (done.exit_code, done.output.strip()) == (1, "Error: The database cannot be reached; try again soon.")


def test_a_database_file_is_nobody_elses(tmp_path):
    """Plaintext rests in it: only the gateway's own user may read it."""
    database = Database(f"sqlite:///{tmp_path}/g.db")
    schema.upgrade(database)
    database.close()
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {"0o600"}


def test_a_token_is_made_for_a_person(database_url):
    """`token create` prints it once; `token revoke` takes it away."""
    run = CliRunner().invoke
    person = ["--person", "Dr. Ada Beispiel", "--database", database_url]
    token = run(gateway, ["token", "create", "--purpose", "TREAT", *person]).output.strip()
    database = Database(database_url)
    reader = reader_of(database, token)
    assert reader is not None
    assert (reader.person, reader.role, reader.purpose) == ("Dr. Ada Beispiel", "practitioner", "TREAT")
    assert run(gateway, ["token", "revoke", *person]).output.strip() == "1"
    assert reader_of(database, token) is None
    database.close()


@pytest.mark.parametrize(("options", "writes"), [([], False), (["--write"], True)])
def test_a_token_writes_only_where_it_was_made_for_that(tmp_path, options, writes):
    """Reading is the default; `--write` is said for each token."""
    url = f"sqlite:///{tmp_path}/g.db"
    common = ["--person", "Nurse Ada", "--purpose", "TREAT", "--database", url]
    token = CliRunner().invoke(gateway, ["token", "create", *common, *options]).output.strip()
    database = Database(url)
    assert reader_of(database, token).writes is writes
    database.close()


def test_a_token_needs_a_purpose_that_exists(tmp_path):
    """Purposes are those of v3-ActReason."""
    options = ["--person", "x", "--purpose", "CURIOSITY", "--database", f"sqlite:///{tmp_path}/g.db"]
    done = CliRunner().invoke(gateway, ["token", "create", *options])
    assert (done.exit_code, "purpose of use" in done.output) == (2, True)


def test_a_body_that_is_no_http_or_stops_coming_is_refused():
    """A chunk without a length; a body of which the rest never comes, and a head: nobody waits for these for ever."""
    head = b"POST /fhir/Patient HTTP/1.1\r\nHost: a\r\nContent-Type: application/fhir+json\r\n"
    chunk, part = b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", b"Content-Length: 9\r\n\r\n{"
    with serving("--workers", "1", main=IMPATIENT) as (url, _):
        for rest, status in ((chunk, b"400"), (part, b"503")):
            answer = said(url, head + rest)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"OperationOutcome" in answer
        assert said(url, head) == b""
        assert requests.get(f"{url}/Patient", timeout=10).json()["total"] == 0
