"""Declarations on their way: each is signed by the gateway, taken to the hub, and what it opens is taken in.

Where the patient has opened nothing to this house, or the house does not know her, one is sent all the same: it looks
like the others from outside, takes as long, and opens nothing.
"""

import json
import logging

from connectors.gateway import emergency
from connectors.gateway.emergency import ANSWERED, UNREACHABLE, Emergency
from connectors.gateway.inbox import Inbox
from connectors.gateway.linking import links
from consent import declarations, identifiers
from consent.identifiers import new_id, new_person
from consent.primitives import Rejected
from fhir_profiles.problems import Problem

log = logging.getLogger("obhut.gateway")


class Declaring:
    """Takes what people of the house declare to the hub, for the inbox that follows its feed."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._database = inbox.store.database

    def send(self) -> None:
        """Send all that waits; each is answered before what it opened is taken in."""
        for one in emergency.waiting(self._database, int(self._inbox.clock())):
            patient = self._account(one.name)
            gid = self._grant(patient, one.role)
            try:
                until = self._declare(one, patient, gid)
            except (Problem, Rejected) as failed:
                reason = failed.code if isinstance(failed, Problem) else failed.reason
                log.warning("an emergency could not be declared", extra={"reason": reason})
                emergency.answer(self._database, one.rnd, UNREACHABLE)
                continue
            emergency.answer(self._database, one.rnd, ANSWERED, patient if until else "", gid if until else "", until)
            if until:
                self._inbox.take_opened(patient)

    def _account(self, name: str) -> str:
        """Whom the house means by a Patient's id; of whom it knows nothing, somebody whom nobody knows."""
        with self._database.read() as connection:
            linked = {link.local: link.patient for link in links(connection)}
        known = {acc.partition("@")[0]: acc for acc in self._inbox.patients}
        found = linked.get(name) or known.get(name)
        return found or str(new_person(identifiers.account(self._inbox.me).domain))

    def _grant(self, patient: str, role: str) -> str:
        """The grant for emergencies that a role may declare; a number that names none where there is none."""
        relation = self._inbox.chains.relations.get((patient, self._inbox.me))
        live = relation.live(int(self._inbox.clock())) if relation else []
        fitting = [grant for grant in live if role in grant.emergency[1:]]
        return max(fitting, key=lambda grant: grant.began).gid if fitting else new_id()

    def _declare(self, one: Emergency, patient: str, gid: str) -> int:
        """Declare at the hub; until when it opens, 0 where it opens nothing. Raises `Problem`, `Rejected`."""
        keys, hub = self._inbox.keystore.keyring, self._inbox.hub
        account = self._inbox.chains.accounts.get(patient)
        reading_key = account.reading_key() if account else next(iter(self._inbox.keystore.reading_keys))
        reason = json.dumps({"code": one.code, "text": one.text}, ensure_ascii=False)
        frame = declarations.write(
            keys.sign, acc=patient, sender=keys.account, gid=gid, person=one.person, role=one.role, reason=reason,
            rnd=one.rnd, at=int(hub.time), reading_key=reading_key,
        )  # fmt: skip
        try:
            return hub.declare(frame)
        except Problem as problem:
            if problem.code != "not-found":
                raise
            return 0
