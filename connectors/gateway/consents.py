"""The second of the two times consent is decided: on each opened resource, by the Consent that came with the grant."""

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


class Consents:
    """The Consents that patients signed for this organisation, kept by grant."""

    def __init__(self, keystore: Keystore) -> None:
        self._db = keystore.db
        self._me = keystore.keyring.account
        self._compiled: dict[tuple[str, str], Policy | None] = {}

    def keep(self, patient: str, gid: str, consent: bytes) -> None:
        """Keep the newest Consent of a grant."""
        self._db.execute("INSERT OR REPLACE INTO consents VALUES (?, ?, ?)", (patient, gid, consent))
        self._compiled.pop((patient, gid), None)

    def deciders(self, patient: str, grants: Iterable[Grant], now: int) -> list[Decider]:
        """One for each of the grants and purposes, at the Unix second `now`. No Consent, no decider."""
        made = []
        for grant in grants:
            found = self._policy(patient, grant.gid)
            if found is not None:
                for purpose in grant.purposes:
                    request = Request(patient, frozenset({self._me}), purpose, now * MICROSECONDS)
                    made.append(Decider(State((found,)), request))
        return made

    def _policy(self, patient: str, gid: str) -> Policy | None:
        if (patient, gid) not in self._compiled:
            query = "SELECT consent FROM consents WHERE patient = ? AND gid = ?"
            row = self._db.execute(query, (patient, gid)).fetchone()
            self._compiled[patient, gid] = compile_consent(bytes(row[0])) if row else None
        return self._compiled[patient, gid]


def compile_consent(consent: bytes) -> Policy | None:
    """The policy of a FHIR Consent; None where it is empty or cannot be understood: it then permits nothing."""
    try:
        return policy.compile(fhir_consent.read(resources.parse(consent))) if consent else None
    except Problem:
        return None


def permitted(resource: Mapping[str, Any], author: str, deciders: Iterable[Decider]) -> bool:
    """Whether any of the decisions permits the resource."""
    item = facts(resource, [author])
    return any(decider.verdict(item).permit for decider in deciders)
