"""Reading a peer's feeds: what it gives is verified and kept, and only then the cursors move.

A crash between the two reads the same page again, which changes nothing. What a signed note confirms counts from the
moment of asking, by this hub's clock (PROTOCOL.md 5.8).
"""

from collections.abc import Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from consent import declarations, heads
from consent.identifiers import new_id
from consent.primitives import unb64
from consent.statements import parse_permit
from hub import copies, uncovered
from hub.context import Hub
from hub.copies import Given
from hub.declarations import Opened
from hub.peer_client import PeerClient
from hub.peer_feed import ENVELOPES, STATEMENTS, URGENT
from hub.peers import Peer
from hub.release import Cursor
from hub.replicas import Link, Replicas, read_link, understood
from hub.store import peers as store
from hub.store.feed import DECLARE
from hub.store.peers import FEEDS

PATH = "/v1/peer/feed"
AHEAD_SECONDS = 20
"""An answer that has lain here for longer confirms too little by now, and is asked for anew."""


@dataclass(frozen=True)
class Page:
    """A page as a peer answered it, read strictly. `cur`: its last statement for this hub, by its signed note."""

    kind: str
    links: list[Link]
    opened: list[Opened]
    given: list[Given]
    permits: Mapping[str, bytes]
    cursors: Mapping[str, str]
    cur: int


@dataclass(frozen=True)
class _Question:
    """What a peer was asked: behind which cursors, when (Unix seconds), with which nonce."""

    cursors: Mapping[str, str]
    at: int
    nonce: str
    answer: "Future[dict[str, Any]]"


@dataclass
class Pull:
    """What one thread does to stay up to date with one peer. `feed` is a client of its own for the peer's feed.

    While a page is verified, the next one is on its way already.
    """

    hub: Hub
    peer: Peer
    replicas: Replicas
    feed: PeerClient
    _looked: bool = False
    _ahead: _Question | None = None
    _line: Executor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def ahead(self) -> bool:
        """Whether the next page was asked for together with the last one, and so is not waited for."""
        return self._ahead is not None

    def step(self, wait: int) -> bool:
        """Take in the next page, which is waited for at most `wait` seconds; whether there was anything.

        Raises `Problem(busy)` where the peer cannot be reached or is not understood.
        """
        domain = self.peer.domain
        question, self._ahead = self._ahead, None
        if question is None or self.hub.now() - question.at > AHEAD_SECONDS:
            question = self._ask(self._cursors(), wait)
        answer = question.answer.result()
        page = understood(lambda: self._read(answer, question.nonce))
        following = self._ask(page.cursors, 0) if page.kind else None
        self.replicas.take(page.links, domain)
        for opened in page.opened:
            self.replicas.take_declaration(opened, domain)
        # There is no statement behind the cursor that can be read yet, and none that was committed and cannot.
        if not page.links and page.cur <= Cursor.parse(page.cursors[STATEMENTS]).tx:
            with self.hub.db.write() as tx:
                store.put_confirmed(tx, domain, question.at)
        copies.take(self.hub, self.replicas, page.given, page.permits, domain)
        if page.cursors != question.cursors:
            with self.hub.db.write() as tx:
                store.put_cursors(tx, domain, page.cursors)
        self._ahead = following  # after a failure on the way this page is asked for anew, and the next one behind it
        return bool(page.kind)

    def _cursors(self) -> Mapping[str, str]:
        with self.hub.db.read() as conn:
            return store.progress(conn, self.peer.domain).cursors

    def _ask(self, cursors: Mapping[str, str], wait: int) -> _Question:
        at, nonce = self.hub.now(), new_id()
        body = {**cursors, "nonce": nonce, "wait": wait}
        return _Question(cursors, at, nonce, self._line.submit(self.feed.post, PATH, body))

    def _read(self, answer: Mapping[str, Any], nonce: str) -> Page:
        note = heads.parse_note(unb64(answer["note"]))
        note.verify(self.peer.key, hub=self.peer.domain, to=self.hub.config.domain, nonce=nonce)
        kind, events = str(answer["kind"]), list(answer["events"])
        if kind not in ("", *FEEDS):
            raise ValueError
        return Page(
            kind,
            [read_link(one) for one in events if not _opens(one)] if kind in (URGENT, STATEMENTS) else [],
            [_read_opened(one) for one in events if _opens(one)] if kind == STATEMENTS else [],
            [copies.read(event) for event in events] if kind == ENVELOPES else [],
            {str(name): parse_permit(unb64(frame)).frame.raw for name, frame in dict(answer["permits"]).items()},
            {name: str(Cursor.parse(answer[name])) if answer[name] else "" for name in FEEDS},
            note.cur,
        )

    def keep_up(self) -> None:
        """What is due each minute: chains in doubt are asked for anew, and copies that nothing covers any more go."""
        self.replicas.recheck(self.peer.domain)
        with self.hub.db.read() as conn:
            confirmed = store.progress(conn, self.peer.domain).confirmed
        at = min(confirmed, self.hub.now())
        if not self._looked:
            uncovered.look_through(self.hub, self.peer.domain, at)
            self._looked = True
        uncovered.sweep(self.hub, self.peer.domain, at)


def _opens(event: Mapping[str, Any]) -> bool:
    """Whether this is a declared emergency, among statements."""
    return event.get("type") == DECLARE


def _read_opened(event: Mapping[str, Any]) -> Opened:
    return Opened(declarations.read(unb64(event["frame"])), int(event["at"]), int(event["until"]))
