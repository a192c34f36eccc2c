"""The real thing: `obhut hub serve` as a process, its settings, its keys."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import requests
from click.testing import CliRunner

from connectors.hub_client import Credentials, HubClient
from consent import messages
from consent.keys import SigningKey
from consent.primitives import b64, unb64
from hub import keys
from hub.cli import hub
from hub.config import Config
from tests.consent import world
from tests.consent.world import DOMAIN
from tests.ports import free_port
from tests.serving import said

MAIN = "from fhir_profiles.command import main; main()"
IMPATIENT = "import hub.server; hub.server.STALLED_SECONDS = 1; " + MAIN
ADMIT = ("admit", "praxis", "--type", "practice", "--title", "Praxis")


@pytest.fixture
def served(request, tmp_path):
    """A hub process on a free port; it may be another program."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OBHUT_")} | {
        "OBHUT_HUB_BIND": f"127.0.0.1:{free_port()}", "OBHUT_HUB_DATA": str(tmp_path / "data"),
        "OBHUT_HUB_DOMAIN": DOMAIN,
    }  # fmt: skip
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", getattr(request, "param", MAIN), "hub", "serve"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        line = process.stdout.readline().decode()
        yield process, line.removeprefix("listening ").strip(), environment, tmp_path
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_hub_serves_waits_and_stops(served):
    """Prints where it listens, admits organisations, wakes a waiting feed across real sockets, ends at SIGTERM."""
    process, url, environment, directory = served
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert requests.get(f"{url}/readyz", timeout=60).text == "ready\n"
    said = requests.get(f"{url}/v1/hub", timeout=60).json()
    assert said["domain"] == DOMAIN
    seed = directory / "data" / keys.STAMP_KEY
    assert seed.stat().st_mode & 0o777 == 0o600
    code = _told(environment, *ADMIT)
    assert re.fullmatch(r"[a-z2-7]{32}\n", code)
    assert _told(environment, "key").strip() == said["key"]
    _enrol_and_wait(url, code.strip(), said)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "praxis@" not in (directory / "log").read_text()


def _told(environment, *words):
    command = [sys.executable, "-c", MAIN, "hub", *words]
    return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout


def _enrolled(url, code):
    """A practice, and its client."""
    now = int(time.time())
    practice, key = world.organisation("praxis", now), SigningKey.generate()
    client = HubClient(url, Credentials(practice.account, practice.device, key))
    frame = messages.register(practice.sign, acc=practice.account, dev=practice.device, token_key=key.public, at=now)
    client.enrol(practice.frames, frame, code)
    return practice, client


def _enrol_and_wait(url, code, said):
    practice, client = _enrolled(url, code)
    assert client.chain("acct", practice.account) == practice.frames
    cursor = client.feed()["next"]
    pages = []
    waiting = threading.Thread(target=lambda: pages.append(HubClient(url, client._credentials).feed(cursor, wait=25)))
    waiting.start()
    client.message(practice.account, b"sealed")
    waiting.join(20)
    (event,) = pages[0]["events"]
    assert (event["type"], unb64(event["frame"])) == ("message", b"sealed")
    assert b64(unb64(said["key"])) == said["key"]


def test_a_feed_that_waits_is_answered_when_the_hub_ends(served):
    """An empty page, from which it is gone on later; nobody has to find out that the connection is dead."""
    process, url, environment, _ = served
    _, client = _enrolled(url, _told(environment, *ADMIT).strip())
    cursor, pages = client.feed()["next"], []
    waiting = threading.Thread(target=lambda: pages.append(client.feed(cursor, wait=25)))
    waiting.start()
    while "obhut_hub_waiting 1" not in requests.get(f"{url}/metrics", timeout=60).text:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    waiting.join(60)
    assert [(page["events"], page["next"]) for page in pages] == [([], cursor)]
    assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OBHUT_HUB_DOMAIN", "Localhost"), ("OBHUT_HUB_BIND", "8101"), ("OBHUT_HUB_URL", "ftp://x"),
     ("OBHUT_HUB_WORKERS", "0"), ("OBHUT_HUB_THREADS", "x"), ("OBHUT_HUB_WAITERS", "64"), ("OBHUT_HUB_NONSENSE", "1"),
     ("OBHUT_HUB_DATABASE_FILE", "/nowhere/at/all")],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_ends_with_one_sentence(variable, value):
    """Unknown variables and values that do not fit are refused at the start."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\.\Z"):
        Config.from_env({variable: value})
    done = CliRunner().invoke(hub, ["key"], env={variable: value})
    assert done.exit_code == 1
    assert "Traceback" not in done.output


def test_a_secret_may_stand_in_a_file(tmp_path):
    """`…_FILE` names the file of a value."""
    (tmp_path / "url").write_text("postgresql://u:secret@db/obhut\n")
    config = Config.from_env({"OBHUT_HUB_DATABASE_FILE": str(tmp_path / "url"), "OBHUT_HUB_DOMAIN": "a.example"})
    assert config.database_url == "postgresql://u:secret@db/obhut"
    assert not config.migrates_itself


@pytest.mark.parametrize("words", [ADMIT, ("console",), ("reconcile",), ("backup", "b")], ids=lambda words: words[0])
def test_a_hub_that_is_not_there_is_not_made_by_looking_after_it(tmp_path, words):
    """In another directory than the hub's own its operator is told so, and no second hub comes to be."""
    data = tmp_path / "data"
    done = CliRunner().invoke(hub, words, env={"OBHUT_HUB_DATA": str(data)})
    assert done.exit_code == 1
    assert re.fullmatch(r"Error: There is no hub in [^\n]+OBHUT_HUB_DATA[^\n]+\.\n", done.output)
    assert not data.exists()


@pytest.mark.parametrize("arguments", [["p-" + "a" * 26], ["Praxis"], ["x"], ["praxis", "--type", "shop"]])
def test_only_organisations_are_admitted(tmp_path, arguments):
    """Names of people, names that are none, and unknown types are refused."""
    keys.load(tmp_path, keys.STAMP_KEY)
    given = ["admit", *arguments, *(["--type", "practice"] if len(arguments) == 1 else []), "--title", "T"]
    done = CliRunner().invoke(hub, given, env={"OBHUT_HUB_DATA": str(tmp_path)})
    assert done.exit_code == 1


def test_two_first_starts_agree_on_one_key(tmp_path):
    """Whoever comes second takes the key that is there."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.load(tmp_path, "k").public)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


HEAD = b"POST /v1/sign-in HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def test_a_body_that_is_no_http_is_refused(served):
    """A chunk without a length is the client's fault, not the hub's."""
    _, url, _, directory = served
    answer = said(url, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n{}\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"urn:obhut:problem:invalid" in answer
    assert '"fault"' not in (directory / "log").read_text()


@pytest.mark.parametrize("served", [IMPATIENT], indirect=True)
def test_who_stops_in_the_middle_of_a_request_holds_nothing_up(served):
    """In a head or in a body: the connection ends, after a while, and others are served."""
    _, url, _, directory = served
    assert said(url, HEAD) == b""
    assert said(url, HEAD + b"Content-Length: 9\r\n\r\n{").startswith(b"HTTP/1.1 503")
    assert requests.get(f"{url}/healthz", timeout=60).ok
    assert '"fault"' not in (directory / "log").read_text()
