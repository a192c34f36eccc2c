"""Giving a peer what accounts here have for accounts there, in order, until it has answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from consent import envelope as envelopes
from consent.envelope import OBJECT
from hub import peer_objects
from hub.context import Hub
from hub.deposit import MAX_BYTES, MAX_FRAMES
from hub.peer_client import PeerClient, unreachable
from hub.peers import Peer
from hub.replicas import understood
from hub.store import forwards
from hub.store.forwards import ENTRY, ENVELOPE, MESSAGE, Forward

DAY_SECONDS = 24 * 3600
_DOORS = {ENVELOPE: "/v1/peer/envelopes", MESSAGE: "/v1/peer/messages", ENTRY: "/v1/peer/entries"}


@dataclass
class Push:
    """What one thread does to let one peer have what waits for it. `clients` gives the peer's client."""

    hub: Hub
    peer: Peer
    clients: Callable[[str], PeerClient]
    _given: set[str] = field(default_factory=set)
    """Whose objects the peer has, as far as this thread knows."""

    def step(self) -> bool:
        """Give the next batch, all of one kind; whether there was any. Raises `Problem(busy)`."""
        with self.hub.db.read() as conn:
            rows = forwards.waiting(conn, self.peer.domain, MAX_FRAMES, MAX_BYTES - 4 * MAX_FRAMES)
        if not rows:
            return False
        client = self.clients(self.peer.domain)
        results = self._give_envelopes(client, rows) if rows[0].kind == ENVELOPE else _give(client, rows)
        with self.hub.db.write() as tx:
            for row, result in zip(rows, results, strict=True):
                if row.kind == ENVELOPE:
                    forwards.answer(tx, row.id, orjson.dumps(result).decode())
            forwards.forget(tx, [row.id for row in rows if row.kind != ENVELOPE])
        self._given -= {row.ref for row in rows}
        return True

    def _give_envelopes(self, client: PeerClient, rows: Sequence[Forward]) -> list[dict[str, Any]]:
        """Each object goes ahead of its envelope; what the other hub has lost since is given once more."""
        refused = self._give_objects(client, rows)
        results = _give(client, rows)
        lost = {row.ref for row, result in zip(rows, results, strict=True) if result.get("reason") == "object"}
        if lost - refused.keys():
            self._given -= lost
            refused = self._give_objects(client, rows)
            results = _give(client, rows)  # those behind a lost one in its stream were refused with it
        for row, result in zip(rows, results, strict=True):
            if result.get("reason") == "object":
                result["reason"] = refused.get(row.ref, "object")
        return results

    def _give_objects(self, client: PeerClient, rows: Sequence[Forward]) -> dict[str, str]:
        """Give the objects of these envelopes; which ones the other hub refuses, and why."""
        refused: dict[str, str] = {}
        for row in rows:
            e = envelopes.parse(row.body)
            if e.cty != OBJECT or e.bid in self._given:
                continue
            if reason := peer_objects.give(self.hub, client, row.acc, e):
                refused[e.bid] = reason
            else:
                self._given.add(e.bid)
        return refused

    def sweep(self) -> None:
        """Forget answers of which the author was told a day ago."""
        with self.hub.db.write() as tx:
            forwards.sweep(tx, self.hub.now() - DAY_SECONDS)


def _give(client: PeerClient, rows: Sequence[Forward]) -> list[dict[str, Any]]:
    """Give a batch of one kind; what became of each. Raises `Problem(busy)`."""
    kind = rows[0].kind
    if kind == ENVELOPE:
        frames = (len(row.body).to_bytes(4, "little") + row.body for row in rows)
        answer = client.post_bytes(_DOORS[kind], b"".join(frames))
    else:
        answer = client.post(_DOORS[kind], {"items": [{"ref": row.ref, **orjson.loads(row.body)} for row in rows]})
    results = understood(lambda: [_result(value) for value in answer["results"]])
    if len(results) != len(rows):
        raise unreachable()
    return results


def _result(value: Any) -> dict[str, Any]:
    """What became of one thing: a status, and what goes with it; its name is known here."""
    result = {str(name): member for name, member in dict(value).items() if name != "bid"}
    status = int(result["status"])
    if not 100 <= status <= 599:
        raise ValueError
    return {**result, "status": status}
