"""A process beside a server: started with it, ended with it however that ends, started anew if it dies."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from fhir_profiles.logs import places

RESTART_SECONDS = 1.0

Ended = Callable[[], bool]
"""Whether the server is gone, so that the work has to end."""


@contextmanager
def beside(work: Callable[[Ended], None], name: str, log: logging.Logger) -> Iterator[None]:
    """Do some work in a process of its own while the block runs. `name`: what log lines call it."""
    parent = os.getpid()
    keeper = _start(lambda: _keep(work, name, log, parent), name, log)
    try:
        yield
    finally:
        if os.getpid() == parent:  # not in a worker that was forked from here
            os.kill(keeper, signal.SIGTERM)


def _start(work: Callable[[], None], name: str, log: logging.Logger) -> int:
    """Fork a process for some work; its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = 1
        try:
            work()
            status = 0
        finally:
            _tell_failure(sys.exception(), name, log)
            logging.shutdown()
            os._exit(status)
    return pid


def _tell_failure(failure: BaseException | None, name: str, log: logging.Logger) -> None:
    """Say of what the process dies, and where: its message may hold content, so that is left out."""
    if failure is not None:
        log.critical(f"the {name} fails", extra={"error": type(failure).__name__, "where": places(failure)})  # noqa: G004


def _keep(work: Callable[[Ended], None], name: str, log: logging.Logger, parent: int) -> None:
    """Keep the work going; start it anew when it died; end it when the parent is gone, however that ended."""
    me = os.getpid()
    companion = 0
    while os.getppid() == parent:
        if not companion:
            companion = _start(lambda: work(lambda: os.getppid() != me), name, log)
            signal.signal(signal.SIGTERM, partial(_end, companion))
        ended, status = os.waitpid(companion, os.WNOHANG)
        if ended:
            companion = 0
            log.error(f"the {name} ended and is started anew", extra={"status": status})  # noqa: G004
        time.sleep(RESTART_SECONDS)
    if companion:
        os.kill(companion, signal.SIGTERM)


def _end(companion: int, *_: object) -> None:
    os.kill(companion, signal.SIGTERM)
    os._exit(0)
