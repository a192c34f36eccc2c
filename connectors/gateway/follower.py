"""The process beside the FHIR server that follows the feed: started with it, ended with it, started anew if it dies."""

import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.inbox import Inbox
from connectors.gateway.keystore import Keystore
from connectors.gateway.store import Store
from fhir_profiles.logs import places

RESTART_SECONDS = 1.0
LOCK = "follower.lock"

log = logging.getLogger("obhut.gateway")


@contextmanager
def following(config: Config) -> Iterator[None]:
    """Follow the feed while the block runs."""
    parent = os.getpid()
    keeper = _start(lambda: _keep(config, parent))
    try:
        yield
    finally:
        if os.getpid() == parent:  # not in a worker that was forked from here
            os.kill(keeper, signal.SIGTERM)


def _start(work: Callable[[], None]) -> int:
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
            _tell_failure(sys.exception())
            logging.shutdown()
            os._exit(status)
    return pid


def _tell_failure(failure: BaseException | None) -> None:
    """Say of what the process dies, and where: its message may hold content, so that is left out."""
    if failure is not None:
        log.critical("the follower fails", extra={"error": type(failure).__name__, "where": places(failure)})


def _keep(config: Config, parent: int) -> None:
    """Run the follower; start it anew when it died; end it when the parent is gone, however that ended."""
    me = os.getpid()
    follower = 0
    while os.getppid() == parent:
        if not follower:
            follower = _start(lambda: _follow(config, me))
            signal.signal(signal.SIGTERM, partial(_end, follower))
        ended, status = os.waitpid(follower, os.WNOHANG)
        if ended:
            follower = 0
            log.error("the follower ended and is started anew", extra={"status": status})
        time.sleep(RESTART_SECONDS)
    if follower:
        os.kill(follower, signal.SIGTERM)


def _end(follower: int, *_: object) -> None:
    os.kill(follower, signal.SIGTERM)
    os._exit(0)


def _follow(config: Config, parent: int) -> None:
    """Follow the feed, as the only one: two would not know of each other what they have taken in."""
    directory = Path(config.keystore)
    with (directory / LOCK).open("ab") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        inbox = Inbox(Keystore.open(directory), Store(Database(config.database, 2)), config.hub_url)
        inbox.run(lambda: os.getppid() != parent)
