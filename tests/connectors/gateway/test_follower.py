"""The follower beside the FHIR server: one at a time, and none without a server."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 30

SERVER = """
import os, sys, time
from pathlib import Path
from connectors.gateway import follower
from fhir_profiles import logs

def work(config, parent):
    Path(sys.argv[1]).write_text(str(os.getpid()))
    if len(sys.argv) > 2:
        raise ValueError("resource with secret content")
    time.sleep(600)

logs.set_up("INFO")
follower._follow = work
with follower.following(None):
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition):
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_follower_ends_with_the_server_however_that_ends(tmp_path, how):
    """A killed server leaves no follower behind, which would follow the feed beside the next one."""
    note = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", SERVER, str(note)], start_new_session=True) as server:
        follower = int(until(lambda: note.exists() and note.read_text()))
        server.send_signal(how)
    until(lambda: not alive(follower))


def test_a_follower_that_dies_is_started_anew_and_says_where_not_what(tmp_path):
    """The operator learns of what it died and where; the message, which may hold content, is not told."""
    note, errors = tmp_path / "pid", tmp_path / "errors"
    with errors.open("wb") as stderr:
        words = [sys.executable, "-c", SERVER, str(note), "fail"]
        with subprocess.Popen(words, start_new_session=True, stderr=stderr) as server:
            first = until(lambda: note.exists() and note.read_text())
            until(lambda: note.read_text() not in ("", first))
            server.kill()
    told = Path(errors).read_text()
    assert '"error": "ValueError"' in told
    assert "secret" not in told
