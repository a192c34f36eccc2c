"""The process beside the FHIR server that follows the feed."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.gateway.asking import Asker
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.declaring import Declaring
from connectors.gateway.inbox import Inbox
from connectors.gateway.keystore import Keystore
from connectors.gateway.outgoing import Sender
from connectors.gateway.store import Store
from connectors.keyring import Keyring
from fhir_profiles.companion import Ended, beside

LOCK = "follower.lock"

log = logging.getLogger("obhut.gateway")


@contextmanager
def following(config: Config) -> Iterator[None]:
    """Follow the feed while the block runs."""
    with beside(lambda ended: _follow(config, ended), "follower", log):
        yield


def _follow(config: Config, ended: Ended) -> None:
    """Follow the feed, as the only one: two would not know of each other what they have taken in."""
    directory = Path(config.keystore)
    with (directory / LOCK).open("ab") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        keystore = Keystore.open(directory)
        inbox = Inbox(keystore, Store(Database(config.database, 2)), config.hub_url)
        device = keystore.keyring.device
        sender, asker = Sender(inbox), Asker(inbox)

        def send() -> None:
            sender.send()
            asker.turn()

        # Where another device has taken its place the follower ends, and is started anew with that one's keys.
        inbox.run(lambda: ended() or Keyring.load(directory).device != device, send, Declaring(inbox).send)
