"""The process beside the FHIR server that follows the feed: started with it, ended with it, started anew if it dies."""

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

RESTART_SECONDS = 1.0

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
            logging.shutdown()
            os._exit(status)
    return pid


def _keep(config: Config, parent: int) -> None:
    """Run the follower; start it anew when it died; end with the parent."""
    me = os.getpid()
    while os.getppid() == parent:
        follower = _start(lambda: _follow(config, me))
        signal.signal(signal.SIGTERM, partial(_end, follower))
        _, status = os.waitpid(follower, 0)
        if status:
            log.error("the follower ended and is started anew", extra={"status": status})
        time.sleep(RESTART_SECONDS)


def _end(follower: int, *_: object) -> None:
    os.kill(follower, signal.SIGTERM)
    os._exit(0)


def _follow(config: Config, parent: int) -> None:
    inbox = Inbox(Keystore(Path(config.keystore)), Store(Database(config.database, 2)), config.hub_url)
    inbox.run(lambda: os.getppid() != parent)
