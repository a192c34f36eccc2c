"""The process beside the hub's workers that keeps up with its peers: for each, one thread reads what it has for us,
and one gives it what waits for it here.

One a hub, however many machines serve it. An error of one peer holds up no other; a peer that is down only delays.
"""

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from fhir_profiles import logs
from fhir_profiles.companion import Ended, beside
from fhir_profiles.problems import Problem
from hub.app import open_hub
from hub.config import Config
from hub.context import Hub
from hub.observability import say
from hub.peer_client import clients
from hub.peers import Peer
from hub.pulling import Pull
from hub.pushing import Push
from hub.replicas import Replicas
from hub.store import chains, directory
from hub.store import peers as store
from hub.store.feed import Notice, announce

LOCK = "relay.lock"
LOOK_SECONDS = 1.0
NOTICE_SECONDS = 0.2
"""So soon what comes to this hub's doors is seen here."""
WAIT_SECONDS = 10
ASK_SECONDS = 1.0
"""So far apart are questions that find nothing: a peer with no place left to wait answers at once."""
PAUSES = (0.5, 15.0)
"""Before the first try after a failure, and at most, in seconds."""
KEEP_UP_SECONDS = 60.0

Step = Callable[[], object]

log = logging.getLogger("obhut.hub")


@contextmanager
def relaying(config: Config) -> Iterator[None]:
    """Keep up with the peers while the block runs, where there are any."""
    if not config.peers:
        yield
        return
    with beside(lambda ended: _relay(config, ended), "relay", log):
        yield


def _relay(config: Config, ended: Ended) -> None:
    """Run until the server is gone, or a thread dies of what nobody foresaw: then the process is started anew."""
    logs.set_up(config.log)
    with (Path(config.data) / LOCK).open("ab") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        home = open_hub(config, time.time)
        with home.db.alone("relay") as still_alone:
            introduce(home)
            threads = [
                threading.Thread(target=_run, args=(step, peer, ended), daemon=True)
                for peer in home.peers.values()
                for step in (_pull(home, peer), _push(home, peer))
            ]
            threading.excepthook = _tell_failure
            for thread in threads:
                thread.start()
            while not ended() and still_alone() and all(thread.is_alive() for thread in threads):
                time.sleep(LOOK_SECONDS)


def _tell_failure(failed: threading.ExceptHookArgs) -> None:
    """Say of what a thread dies, and where: its message may hold names, so that is left out."""
    say(logging.CRITICAL, event="fault", error=failed.exc_type.__name__, where=logs.places(failed.exc_value))


def _pull(home: Hub, peer: Peer) -> Step:
    """One turn of the thread that reads from a peer."""
    pull = Pull(home, peer, Replicas(home, clients(home)), clients(home)(peer.domain))
    due = 0.0

    def step() -> None:
        nonlocal due
        if time.monotonic() >= due:
            pull.keep_up()
            due = time.monotonic() + KEEP_UP_SECONDS
        waits, asked = not pull.ahead, time.monotonic()
        if not pull.step(WAIT_SECONDS) and waits:
            time.sleep(max(0.0, asked + ASK_SECONDS - time.monotonic()))

    return step


def _push(home: Hub, peer: Peer) -> Step:
    """One turn of the thread that gives a peer what waits for it."""
    push = Push(home, peer, clients(home))
    due = 0.0

    def step() -> None:
        nonlocal due
        if not push.step():
            time.sleep(NOTICE_SECONDS)
        if time.monotonic() >= due:
            push.sweep()
            due = time.monotonic() + KEEP_UP_SECONDS

    return step


def _run(step: Step, peer: Peer, ended: Ended) -> None:
    """Take turns; after a failure that passes, again after a pause that grows."""
    pause = PAUSES[0]
    while not ended():
        try:
            step()
            pause = PAUSES[0]
        except Problem as problem:
            _wait(pause, code=problem.code, reason=problem.extra.get("reason", ""), peer=peer.domain)
        except DBAPIError as error:
            _wait(pause, error=type(error).__name__, where=logs.places(error), peer=peer.domain)
        else:
            continue
        pause = min(2 * pause, PAUSES[1])


def _wait(pause: float, **fields: object) -> None:
    say(logging.WARNING, event="a peer is tried again", **fields)
    time.sleep(pause)


def introduce(home: Hub) -> None:
    """Tell each peer that is seen for the first time of all organisations here; later ones are told as they come."""
    with home.db.read() as conn:
        new = [domain for domain in home.peers if not store.progress(conn, domain).introduced]
        organisations = directory.organisations_at(conn, home.config.domain) if new else []
    for acc in organisations:
        with home.db.write(acc) as tx:
            sizes = [len(frame) for frame in chains.chain_links(tx.conn, acc, "acct", "")]
            announce(tx, new, [Notice("acct", "", seq, seq, size) for seq, size in enumerate(sizes)])
    with home.db.write() as tx:
        for domain in new:
            store.put_introduced(tx, domain)
