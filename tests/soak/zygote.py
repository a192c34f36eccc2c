"""Starts programs of the project quickly: everything is imported once, and each start is a fork that runs the command.

Run as a program it reads lines of JSON (`words`, `environment`, `log`) and answers each with a pid. Each program leads
a process group of its own, so that `kill -9` of the group ends it with all its workers.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Zygote:
    """The process that forks. Safe to use from many threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def start(self, words: list[str], environment: dict[str, str], log: Path) -> int:
        """Run `obhut WORDS`, or a module of the tests named by its first word; its pid."""
        with self._turn:
            request = {"words": words, "environment": environment, "log": str(log)}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)


def _serve() -> None:
    import connectors.gateway.app  # noqa: PLC0415 - imported here, before the forks
    import connectors.gateway.schema  # noqa: PLC0415
    import connectors.gateway.server  # noqa: PLC0415
    import connectors.patient.client  # noqa: PLC0415
    import connectors.wearables.cli  # noqa: F401, PLC0415
    import fhir_profiles.command  # noqa: F401, PLC0415
    import hub.app  # noqa: PLC0415
    import hub.server  # noqa: F401, PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ends is gone at once
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(request)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become(request: dict) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.environ.update(request["environment"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    status = 1
    try:
        status = _run(request["words"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run(words: list[str]) -> int:
    if words[0].startswith("tests."):
        import importlib  # noqa: PLC0415

        importlib.import_module(words[0]).main(words[1:])
        return 0
    from fhir_profiles.command import main  # noqa: PLC0415

    try:
        main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


if __name__ == "__main__":
    _serve()
