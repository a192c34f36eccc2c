"""Requests that the house's software wrote as FHIR are sent, and their Consents tell what came of them.

Beside the inbox, like what is on its way out. A crash between sending and noting it asks the patient once more.
"""

import logging
from collections.abc import Iterator

from connectors.gateway import proposals
from connectors.gateway.asked import CHANGED, ENDED, GRANTED, LAPSED, REFUSED, WAITS, Asked, answers
from connectors.gateway.enrolment import send_request
from connectors.gateway.inbox import Inbox
from connectors.gateway.records import Stored
from connectors.gateway.writing import Writing
from consent.fhir_consent import proposed
from consent.primitives import Rejected
from fhir_profiles import resources, search
from fhir_profiles.problems import Problem

STATUS = {
    WAITS: "proposed", GRANTED: "active", CHANGED: "active", REFUSED: "rejected", LAPSED: "inactive", ENDED: "inactive",
}  # fmt: skip
"""The status of a Consent by the answer to it; `https://hl7.org/fhir/R4/valueset-consent-state-codes.html`."""
VOID = "entered-in-error"
"""The status of one that could not be sent: there is no such account, or its keys are not those of the card."""
LOOK_SECONDS = 60
"""So often it is looked what became of requests, where nothing has come: an end by time announces itself to nobody."""

log = logging.getLogger("obhut.gateway")


class Asker:
    """Sends what was asked, and writes the answers down; uses the inbox's chains and connection."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._db = inbox.keystore.db
        self._looked: tuple[int, int, int] | None = None

    def turn(self) -> int:
        """Send what is new, and note answers; returns how many Consents changed. Raises `Problem` without the hub."""
        sent = sum(self._ask(one) for one in list(self._proposed()) if not self._was_sent(one))
        return sent + self._look()

    def _proposed(self) -> Iterator[Stored]:
        query = search.parse("Consent", [("status", proposals.PROPOSED), ("_count", str(search.MAX_COUNT))])
        after: tuple[object, ...] | None = ()
        while after is not None:
            page = self._inbox.store.search(query, after=after or None)
            for one in page.matches:
                if not one.owner and proposals.is_proposal(resources.parse(one.body)):
                    yield one
            after = page.after

    def _was_sent(self, one: Stored) -> bool:
        row = self._db.execute("SELECT version FROM proposals WHERE id = ?", (one.id,)).fetchone()
        return row is not None and row[0] == one.version

    def _ask(self, one: Stored) -> bool:
        """Send one. What can never be sent is told by its status."""
        try:
            card, wanted = proposals.read(resources.parse(one.body), self._inbox.me)
            request = send_request(
                self._inbox.keystore, card, wanted.categories, wanted.purposes, wanted.end, wanted.policy
            )
        except (Problem, Rejected) as failed:
            if isinstance(failed, Problem) and failed.code in ("busy", "too-many", "internal", "unauthenticated"):
                raise
            reason = failed.code if isinstance(failed, Problem) else failed.reason
            log.warning("a request cannot be sent", extra={"reason": reason, "kind": "request"})
            return self._rewrite(one.id, VOID, None)
        row = (one.id, one.version, request, WAITS)
        self._db.execute("INSERT OR REPLACE INTO proposals VALUES (?, ?, ?, ?)", row)
        return False

    def _look(self) -> int:
        """Write down what has become of requests, if anything can have."""
        open_ = self._db.execute("SELECT request, id, answer FROM proposals WHERE answer NOT IN (?, ?, ?)", _FINAL)
        waiting = {request: (id_, answer) for request, id_, answer in open_.fetchall()}
        if not waiting or self._looked == (now := self._moment()):
            return 0
        found = answers(self._inbox.keystore, self._inbox.hub, self._inbox.chains, int(self._inbox.clock()))
        told = [one for one in found if one.request in waiting and one.answer != waiting[one.request][1]]
        changed = sum(self._tell(waiting[one.request][0], one) for one in told)
        self._looked = now
        return changed

    def _tell(self, id_: str, one: Asked) -> bool:
        changed = self._rewrite(id_, STATUS[one.answer], one)
        self._db.execute("UPDATE proposals SET answer = ? WHERE id = ?", (one.answer, id_))
        return changed

    def _moment(self) -> tuple[int, int, int]:
        """What the answers hang on: messages, statements, and now and then the time."""
        row = self._db.execute("SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM chains)").fetchone()
        return row[0], row[1], int(self._inbox.clock()) // LOOK_SECONDS

    def _rewrite(self, id_: str, status: str, one: Asked | None) -> bool:
        """The Consent with its new status; granted, with what was granted. False where that changes nothing."""
        store = self._inbox.store
        with store.change() as change:
            change.alone([f"Consent/{id_}"])
            before = change.find_own("Consent", id_, "")
            if before is None or before.deleted:
                return False
            resource = resources.parse(before.body)
            given = proposed(one.given, id_, before.modified) if one is not None and one.given else {}
            fresh = resource | {"status": status} | {name: given[name] for name in _GIVEN if name in given}
            if fresh == resource:
                return False
            Writing(store, change, "", None, None).put(fresh, None)
        return True


_FINAL = (REFUSED, LAPSED, ENDED)
_GIVEN = ("provision", "policy")
