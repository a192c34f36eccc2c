"""A few processes of our own that compute beside this one.

A process reads (function, arguments) from its standard input and writes what comes of it. It ends when its input does,
so none outlives the program that started it, however that ends. What a process cannot answer, because it was killed or
the function raised, is computed by the caller's own, which then raises what there is to raise.
"""

import gc
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

MOST = 4
Answer = TypeVar("Answer")


class Pool:
    """Processes to ask, as many as there are processors, at most `MOST`. Use as a context manager."""

    def __init__(self) -> None:
        self._size = min(os.cpu_count() or 1, MOST)
        self._threads = ThreadPoolExecutor(self._size)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "connectors.wearables.pool"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(self._size)
        ]
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        for process in self._processes:
            self._idle.put(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.communicate()

    def map(self, function: Callable[..., Answer], calls: Iterable[tuple[Any, ...]]) -> Iterator[Answer]:
        """What `function`, found under its name in its module, gives for each call's arguments, in their order.

        Takes no more calls ahead than keep the processes busy.
        """
        waiting: deque[Future[Answer]] = deque()
        for call in calls:
            waiting.append(self._threads.submit(self._ask, function, call))
            if len(waiting) > self._size:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _ask(self, function: Callable[..., Answer], call: tuple[Any, ...]) -> Answer:
        process = self._idle.get()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((function, call), process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            answer: Answer = pickle.load(process.stdout)  # noqa: S301 - from a process of our own
        except (OSError, EOFError, pickle.UnpicklingError):
            return function(*call)
        finally:
            self._idle.put(process)
        return answer


def _serve() -> None:
    # Ctrl-C is for the program that asks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is made for a call holds no cycles: counting references frees it.
    gc.disable()
    while True:
        try:
            function, call = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
        except EOFError:
            return
        pickle.dump(function(*call), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
