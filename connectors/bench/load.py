"""The load generator: a few processes, a thread a connection, raw sockets kept alive, requests made beforehand.

It costs about a twentieth of a millisecond a request, so that the server and not this is what is measured.
"""

import socket
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import TypeVar
from urllib.parse import urlsplit

from connectors.demo.programs import Failed

Source = Callable[[int], Iterator[bytes]]
"""The requests of one connection, by its number. Called before the clock runs: what it makes at once costs nothing."""

T = TypeVar("T")

PROCESSES = 2
WARM_UP, WARM_SECONDS = 0.1, 1.0
"""A part of the time, at most so many seconds, goes by before anything counts."""
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Load:
    """What came of it: seconds that the counted answers took in all, and each one's latency in seconds, sorted."""

    seconds: float
    latencies: Sequence[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """The latency, in milliseconds, under which this part of the answers stayed."""
        return self.latencies[min(len(self.latencies) - 1, int(part * len(self.latencies)))] * 1000


def joined(loads: Sequence[Load]) -> Load:
    """Several measurements as one."""
    return Load(sum(load.seconds for load in loads), sorted(one for load in loads for one in load.latencies))


def request(method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """The bytes of an HTTP/1.1 request."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = {"Host": parts.netloc, **(headers or {})}
    if body or method == "POST":
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body


def drive(url: str, source: Source, connections: int, seconds: float) -> Load:
    """Ask for so many seconds over so many connections, or until the sources have nothing more.

    Every answer must be of the 200s. Raises `Failed`.
    """
    processes = min(PROCESSES, connections)
    ready = get_context("fork").Barrier(processes)
    found = together(
        lambda n: _process(url, source, range(n, connections, processes), seconds, ready), processes
    )  # fmt: skip
    wrong = sum((errors for _, _, errors in found), Counter[str]())
    if wrong:
        raise Failed(f"{urlsplit(url).path} was not answered as it should be: {dict(wrong.most_common(3))}")
    latencies = sorted(one for _, made, _ in found for one in made)
    if not latencies:
        raise Failed("nothing was measured: give it more --seconds")
    return Load(max(end for end, _, _ in found), latencies)


def together(work: Callable[[int], T], processes: int = PROCESSES) -> list[T]:
    """Do the work in so many processes, each told its number; what came of it. Raises `Failed`."""
    fork = get_context("fork")
    started, ends = [], []
    for number in range(processes):
        end, inner = fork.Pipe(duplex=False)
        process = fork.Process(target=lambda n=number, inner=inner: inner.send(work(n)))
        process.start()
        inner.close()  # so that the end is noticed when the process is gone
        started.append(process)
        ends.append(end)
    try:
        return [end.recv() for end in ends]
    except EOFError:
        raise Failed("a process of the bench ended early") from None
    finally:
        for process in started:
            process.join()


def _process(
    url: str, source: Source, numbers: Sequence[int], seconds: float, ready: Barrier
) -> tuple[float, "array[float]", Counter[str]]:
    """One process of the generator: seconds until the last answer, latencies, errors."""
    runs = [_Connection(url, source(number)) for number in numbers]
    ready.wait(PATIENCE_SECONDS)
    begin = time.perf_counter() + min(seconds * WARM_UP, WARM_SECONDS)
    threads = [threading.Thread(target=run.ask, args=(begin, begin + seconds)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = sum((run.errors for run in runs), Counter[str]())
    latencies = array("d", (one for run in runs for one in run.latencies))
    return max(run.last for run in runs) - begin, latencies, errors


class _Connection:
    """One connection that is kept, and what was measured over it."""

    def __init__(self, url: str, requests: Iterator[bytes]) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self.latencies = array("d")
        self.errors: Counter[str] = Counter()
        self.last = 0.0

    def ask(self, begin: float, end: float) -> None:
        """One request after the other; counted from `begin` on, ended at `end`."""
        try:
            for asked in self._requests:
                sent = time.perf_counter()
                if sent >= end:
                    break
                status = self._exchange(asked)
                self.last = time.perf_counter()
                if not 200 <= status < 300:
                    self.errors[f"status {status}"] += 1
                    break
                if sent >= begin:
                    self.latencies.append(self.last - sent)
        except (OSError, ValueError) as error:
            self.errors[type(error).__name__] += 1
        finally:
            self._socket.close()

    def _exchange(self, asked: bytes) -> int:
        """Send a request and read the whole answer; its status."""
        self._socket.sendall(asked)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        at = head.find(b"content-length:")
        missing = (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0) - (len(answer) - end - 4)
        while missing > 0:
            missing -= len(self._more())
        return int(head[9:12])

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError
        return data
