"""Giving a peer what accounts here have for accounts there, in order, until it has answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from consent.envelope import OBJECT, parse
from fhir_profiles.problems import Problem
from hub.context import Hub
from hub.deposit import MAX_BYTES, MAX_FRAMES
from hub.peer_client import PeerClient, unreachable
from hub.peers import Peer
from hub.replicas import understood
from hub.store import forwards, objects
from hub.store.forwards import ENTRY, ENVELOPE, MESSAGE, Forward

DAY_SECONDS = 24 * 3600
_DOORS = {ENVELOPE: "/v1/peer/envelopes", MESSAGE: "/v1/peer/messages", ENTRY: "/v1/peer/entries"}


@dataclass
class Push:
    """What one thread does to let one peer have what waits for it. `clients` gives the peer's client."""

    hub: Hub
    peer: Peer
    clients: Callable[[str], PeerClient]

    def step(self) -> bool:
        """Give the next batch, all of one kind; whether there was any. Raises `Problem(busy)`."""
        with self.hub.db.read() as conn:
            rows = forwards.waiting(conn, self.peer.domain, MAX_FRAMES, MAX_BYTES - 4 * MAX_FRAMES)
        if not rows:
            return False
        self._give_objects(rows)
        answer = self._give(rows[0].kind, rows)
        results = understood(lambda: [_result(value) for value in answer["results"]])
        if len(results) != len(rows):
            raise unreachable()
        with self.hub.db.write() as tx:
            for row, result in zip(rows, results, strict=True):
                if row.kind == ENVELOPE:
                    forwards.answer(tx, row.id, orjson.dumps(result).decode())
            forwards.forget(tx, [row.id for row in rows if row.kind != ENVELOPE])
        return True

    def _give_objects(self, rows: Sequence[Forward]) -> None:
        """Objects go before the envelopes that name them. One that is refused is told with its envelope."""
        for row in rows:
            if row.kind != ENVELOPE or (e := parse(row.body)).cty != OBJECT:
                continue
            with self.hub.db.read() as conn:
                body = b"".join(objects.whole(conn, row.acc, e.bid))
            if not body:
                continue
            try:
                self.clients(self.peer.domain).put_bytes(f"/v1/peer/objects/{e.aut}/{e.dev}/{e.str}/{e.bid}", body)
            except Problem as problem:
                if problem.code == "busy":
                    raise

    def _give(self, kind: str, rows: Sequence[Forward]) -> dict[str, Any]:
        client = self.clients(self.peer.domain)
        if kind == ENVELOPE:
            frames = (len(row.body).to_bytes(4, "little") + row.body for row in rows)
            return client.post_bytes(_DOORS[kind], b"".join(frames))
        return client.post(_DOORS[kind], {"items": [{"ref": row.ref, **orjson.loads(row.body)} for row in rows]})

    def sweep(self) -> None:
        """Forget answers of which the author was told a day ago."""
        with self.hub.db.write() as tx:
            forwards.sweep(tx, self.hub.now() - DAY_SECONDS)


def _result(value: Any) -> dict[str, Any]:
    """What became of one thing: a status, and what goes with it; its name is known here."""
    result = {str(name): member for name, member in dict(value).items() if name != "bid"}
    return {**result, "status": int(result["status"])}
