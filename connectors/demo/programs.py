"""Programs of Obhut, each in its own process, as the story starts and ends them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

RUN_SECONDS = 600
START_SECONDS = 180
STOP_SECONDS = 15
TERMINATED = 128 + signal.SIGTERM
"""The exit code of a program that was ended by SIGTERM, as shells tell it."""

T = TypeVar("T")


class Failed(Exception):  # noqa: N818 - a step of the story that came out wrong
    """A step came out wrong; the text says what was noticed."""


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Within, SIGTERM ends this process by an exception as Ctrl-C does: what it has started and made goes with it."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass
class Programs:
    """Starts programs of Obhut and ends what it started, and nothing else.

    `directory`: where their logs go. `patience`: how long something that should come is waited for, in seconds.
    """

    directory: Path
    patience: float = 60.0
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command to its end; its output. Raises `Failed` with its words."""
        done = self.attempt(*words, environment=environment)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[0]
            raise Failed(f"obhut {' '.join(words[:2])}: {said.removeprefix('obhut: ')}")
        return done.stdout

    def attempt(self, *words: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, which may be a refusal."""
        return subprocess.run(
            _command(words), capture_output=True, text=True, env=_environment(environment), check=False,
            timeout=RUN_SECONDS,
        )  # fmt: skip

    def serve(self, name: str, *words: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a server and wait until it says `listening`. `name`: of its log in the directory, without `.log`."""
        log = self.directory / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        start = log.stat().st_size if log.exists() else 0
        self.running[name] = process = self._start(words, environment, log)
        until = time.monotonic() + START_SECONDS
        while b"listening" not in log.read_bytes()[start:]:
            if process.poll() is not None or time.monotonic() > until:
                raise Failed(f"{name} does not start; its log: {log}")
            time.sleep(0.05)

    def _start(
        self, words: Sequence[str], environment: Mapping[str, str] | None, log: Path
    ) -> "subprocess.Popen[str]":  # fmt: skip
        with log.open("a") as file:
            return subprocess.Popen(
                _command(words), stdout=file, stderr=subprocess.STDOUT, text=True, env=_environment(environment)
            )

    def until(self, look: Callable[[], T], good: Callable[[T], bool], otherwise: Callable[[T], str]) -> T:
        """Look until it is good. Raises `Failed` with what was seen last when patience ends."""
        end = time.monotonic() + self.patience
        while not good(value := look()):
            if time.monotonic() > end:
                raise Failed(otherwise(value))
            time.sleep(0.2)
        return value

    def end(self, name: str) -> None:
        """End one server, gently and then firmly."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        _wait(process)

    def stop(self) -> None:
        """End all servers, gently and then firmly."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            _wait(process)
        self.running.clear()


def _wait(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "fhir_profiles.command", *words]


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OBHUT_")}
    return kept | dict(more or {})
