"""What may go wrong on purpose (`--break`), so that it is seen that the story would notice."""

import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import NamedTuple

from connectors.demo.story import Story

IMPATIENCE_SECONDS = 15.0
"""So long is waited for what will not come."""


class Break(NamedTuple):
    """Something done in place of a step, or before it: `done` gives the step's words, or None to let the step run."""

    step: str
    done: Callable[[Story], str | None]


def _skip_withdrawal(_: Story) -> str:
    """She says that she withdrew, and nothing is sent."""
    return "withdrawn (left out)"


def _swap_key(story: Story) -> None:
    """The hub signs with another key than the one that everybody has pinned."""
    story.hub_a.end()
    shutil.copy(story.hub_b.directory / "hub.key", story.hub_a.directory / "hub.key")
    story.hub_a.start()


def _drop_envelope(story: Story) -> None:
    """The hub loses one envelope: the one with the most blood pressures cannot be told, so a stream's first."""
    with closing(sqlite3.connect(story.hub_a.directory / "hub.sqlite", timeout=30)) as db, db:
        db.execute("DELETE FROM envelopes WHERE pos = 1")


def _widen_grant(story: Story) -> None:
    """The client grants more than she said."""
    story.granted += ",traces"


def _stop_hub_b(story: Story) -> None:
    """The other town's hub is down."""
    story.hub_b.end()


BREAKS: Mapping[str, Break] = {
    "skip-withdrawal": Break("withdraw", _skip_withdrawal),
    "swap-key": Break("import", _swap_key),
    "drop-envelope": Break("ask", _drop_envelope),
    "widen-grant": Break("grant", _widen_grant),
    "stop-hub-b": Break("hospital", _stop_hub_b),
}
