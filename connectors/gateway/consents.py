"""What the Consent that came with a grant says of each opened resource; by the grant itself the hub has decided."""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.gateway.keystore import Keystore
from consent import fhir_consent, policy
from consent.decide import Decider, Request, State
from consent.facts import facts
from consent.policy import Policy
from consent.relations import Grant
from fhir_profiles import resources
from fhir_profiles.problems import Problem

MICROSECONDS = 1_000_000
NOTHING = b""
"""A Consent that permits nothing: also one whose rules cannot be kept to."""


class Consents:
    """The Consents that patients signed for this organisation, by the hash that grants name them by."""

    def __init__(self, keystore: Keystore) -> None:
        self._db = keystore.db
        self._me = keystore.keyring.account
        self._compiled: dict[tuple[str, str], Policy | None] = {}

    def keep(self, patient: str, hash_: str, consent: bytes) -> None:
        """Keep a Consent."""
        self._db.execute("INSERT OR REPLACE INTO agreements VALUES (?, ?, ?)", (patient, hash_, consent))

    def holds(self, patient: str, grant: Grant) -> bool:
        """Whether the Consent that a grant names now is here."""
        return self.text(patient, grant) is not None

    def text(self, patient: str, grant: Grant) -> bytes | None:
        """The Consent that a grant names now, empty for a grant without one; None where it is not here."""
        return self._text(patient, grant.rules.body["consent"])

    def _text(self, patient: str, hash_: str) -> bytes | None:
        query = "SELECT consent FROM agreements WHERE patient = ? AND hash = ?"
        row = self._db.execute(query, (patient, hash_)).fetchone()
        return None if row is None else bytes(row[0])

    def deciders(self, patient: str, grants: Iterable[Grant], now: int) -> list[Decider]:
        """One for each of the grants and purposes, at the Unix second `now`. No Consent, no decider."""
        made = []
        for grant in grants:
            found = self._policy(patient, grant.rules.body["consent"])
            if found is not None:
                for purpose in grant.purposes:
                    request = Request(patient, frozenset({self._me}), purpose, now * MICROSECONDS)
                    made.append(Decider(State((found,)), request))
        return made

    def _policy(self, patient: str, hash_: str) -> Policy | None:
        if (patient, hash_) not in self._compiled:
            text = self._text(patient, hash_)
            if text is None:
                return None
            self._compiled[patient, hash_] = compile_consent(text)
        return self._compiled[patient, hash_]


def compile_consent(consent: bytes) -> Policy | None:
    """The policy of a FHIR Consent; None where it is empty or cannot be understood: it then permits nothing."""
    try:
        if not consent:
            return None
        resource = resources.parse(consent)
        resources.check(resource)
        return policy.compile(fhir_consent.read(resource))
    except Problem:
        return None


def permitted(resource: Mapping[str, Any], author: str, deciders: Iterable[Decider]) -> bool:
    """Whether any of the decisions permits the resource; none does where its facts cannot be told."""
    try:
        item = facts(resource, [author])
    except Problem:
        return False
    return any(decider.verdict(item).permit for decider in deciders)
