"""Starts programs of the project quickly: everything is imported once, and each start is a fork that runs the command.

Run as a program it reads lines of JSON and answers each with a pid. Each program leads a process group of its own, so
that `kill -9` of the group ends it with all its workers.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

ROOT = Path(__file__).resolve().parents[1]
POLL_SECONDS = 0.005
SET_CHILD_SUBREAPER = 36
"""https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html"""


@dataclass
class Started:
    """A program that was started."""

    pid: int
    _status: Path

    def poll(self) -> int | None:
        """Its exit code, -9 where it was killed; None while it runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return int(self._status.read_text()) if self._status.exists() else -signal.SIGKILL
        return None

    def wait(self, timeout: float = 60) -> int:
        """Its exit code, when it has ended. Raises `TimeoutExpired`."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9 of it and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Zygote:
    """The process that forks, by the ends of its pipes. Safe to use from many threads."""

    def __init__(self, asks: IO[str], answers: IO[str], end: Callable[[], object]) -> None:
        self._asks, self._answers, self._end = asks, answers, end
        self._turn = threading.Lock()
        self._directory = tempfile.TemporaryDirectory(prefix="obhut-zygote-")
        self._count = 0

    @classmethod
    def started(cls) -> Self:
        """Another program, which imports everything first."""
        words, pipe = [sys.executable, "-m", "tests.zygote"], subprocess.PIPE
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        assert process.stdin is not None
        assert process.stdout is not None
        return cls(process.stdin, process.stdout, process.wait)

    @classmethod
    def forked(cls) -> Self:
        """A fork of this process, which was forked itself by one that had imported everything."""
        (to_read, asks), (answers, to_write) = os.pipe(), os.pipe()
        if (pid := os.fork()) == 0:
            os.close(asks)
            os.close(answers)
            with os.fdopen(to_read) as asked, os.fdopen(to_write, "w") as answered:
                _fork_for(asked, answered)
            os._exit(0)
        os.close(to_read)
        os.close(to_write)
        return cls(os.fdopen(asks, "w"), os.fdopen(answers), lambda: os.waitpid(pid, 0))

    def start(
        self, words: Sequence[str], environment: Mapping[str, str], out: Path, err: Path | None = None
    ) -> Started:  # fmt: skip
        """Run `obhut WORDS`, or a module of the tests named by its first word, with more in the environment.

        What it says is added to the file `out`, and to `err`, where that is another one.
        """
        with self._turn:
            self._count += 1
            status = Path(self._directory.name) / str(self._count)
            request = {
                "words": list(words), "environment": os.environ | dict(environment), "cwd": str(Path.cwd()),
                "out": str(out), "err": str(err or out), "status": str(status),
            }  # fmt: skip
            self._asks.write(json.dumps(request) + "\n")
            self._asks.flush()
            return Started(int(self._answers.readline()), status)

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        with tempfile.TemporaryDirectory(prefix="obhut-run-") as directory:
            out, err = Path(directory) / "out", Path(directory) / "err"
            code = self.start(words, environment, out, err).wait(600)
            return subprocess.CompletedProcess(list(words), code, out.read_text(), err.read_text())

    def close(self) -> None:
        """End it; what it started goes on."""
        self._asks.close()
        self._answers.close()
        self._end()
        self._directory.cleanup()


@cache
def zygote() -> Zygote:
    """The one of this process."""
    made = Zygote.started()
    atexit.register(made.close)
    return made


def _serve() -> None:

    import connectors.gateway.app  # noqa: PLC0415
    import connectors.gateway.cli  # noqa: PLC0415
    import connectors.gateway.fhir_api  # noqa: PLC0415
    import connectors.gateway.follower  # noqa: PLC0415
    import connectors.gateway.schema  # noqa: PLC0415
    import connectors.gateway.server  # noqa: PLC0415
    import connectors.patient.cli  # noqa: PLC0415
    import connectors.wearables.cli  # noqa: PLC0415
    import fhir_profiles.command  # noqa: F401, PLC0415
    import hub.app  # noqa: PLC0415
    import hub.cli  # noqa: PLC0415
    import hub.server  # noqa: F401, PLC0415
    from tests import compiled  # noqa: PLC0415

    connectors.gateway.fhir_api.prepare()
    compiled.once()
    _live_once()
    gc.freeze()  # what is shared with the forks is not touched by their collectors
    _fork_for(sys.stdin, sys.stdout)


def _fork_for(asked: IO[str], answered: IO[str]) -> None:
    """Fork for each line, until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ends is gone at once
    if sys.platform == "linux":  # and so are the workers of who was killed, whom the system may take long to bury
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    for line in asked:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(request)
        answered.write(f"{pid}\n")
        answered.flush()


def _live_once() -> None:
    """Somebody comes to a hub, writes, grants and is read: what that compiles no fork has to compile again."""
    from tests.hub import people  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="obhut-zygote-hub-") as directory:
        url = f"sqlite:///{directory}/hub.sqlite"
        people.upgrade(url)
        moment = time.time()  # it stands still, as for whoever compares what the hub stamps with what it should
        town = people.build(url, Path(directory), lambda: moment)
        patient, practice = town.patient(), town.organisation("praxis")
        patient.write(patient.me, patient.permit(patient.me))
        patient.withdraw(practice, patient.grant(practice, {people.VITALS}))
        town.envelopes(practice)
        town.hub.db.close()


def _become(request: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    tempfile.tempdir = None  # it may be another one there
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    status = 1
    try:
        status = _run(request["words"])
    finally:
        if (failure := sys.exception()) is not None:
            sys.excepthook(type(failure), failure, failure.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
        Path(request["status"]).write_text(str(status))
        os._exit(status)


def _run(words: list[str]) -> int:
    from fhir_profiles.command import main  # noqa: PLC0415

    try:
        if words[0].startswith("tests."):
            importlib.import_module(words[0]).main(words[1:])
        else:
            main(words, prog_name="obhut")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


if __name__ == "__main__":
    _serve()
