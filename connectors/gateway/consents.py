"""What the Consent that came with a grant says: the categories that may be shown, and finer rules for each resource."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.gateway.keystore import Keystore
from consent import finer_rules
from consent.decide import Decider
from consent.facts import facts
from consent.fhir_consent import agreement
from consent.primitives import Rejected
from consent.readers import NOBODY, Readers, of_grant
from consent.relations import Grant
from fhir_profiles import resources
from fhir_profiles.problems import Problem

NOTHING = b""
"""A Consent that permits nothing: also one that cannot be kept to."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be shown under a grant: of these categories what the finer rules permit, or all where there are none.

    `readers`: whom they permit it. `name`: by which it is known whether what was decided was decided by these rules.
    """

    categories: frozenset[int]
    rules: Decider | None = None
    name: str = ""
    readers: Readers = NOBODY

    def permit(self, resource: Mapping[str, Any], author: str) -> bool:
        """What the finer rules say of a resource; none is permitted whose facts cannot be told."""
        try:
            return self.rules is None or self.rules.verdict(facts(resource, [author])).permit
        except Problem:
            return False


_NOTHING = Terms(frozenset())


class Consents:
    """The Consents that patients signed for this organisation, by the hash that grants name them by."""

    def __init__(self, keystore: Keystore) -> None:
        self._db = keystore.db
        self._me = keystore.keyring.account
        self._read: dict[tuple[str, str], Terms] = {}

    def keep(self, patient: str, hash_: str, consent: bytes, rules: Any) -> None:
        """Keep a Consent, and the finer rules that came with it."""
        finer = b"" if rules is None else json.dumps(rules).encode()
        self._db.execute("INSERT OR REPLACE INTO agreements VALUES (?, ?, ?)", (patient, hash_, consent))
        self._db.execute("INSERT OR REPLACE INTO finer_rules VALUES (?, ?, ?)", (patient, hash_, finer))
        self._read.pop((patient, hash_), None)

    def holds(self, patient: str, grant: Grant) -> bool:
        """Whether the Consent that a grant names now is here."""
        return self.text(patient, grant) is not None

    def text(self, patient: str, grant: Grant) -> bytes | None:
        """The Consent that a grant names now, empty for a grant without one; None where it is not here."""
        return self._kept("SELECT consent FROM agreements WHERE patient = ? AND hash = ?", patient, hash_of(grant))

    def rules(self, patient: str, grant: Grant) -> str:
        """The finer rules that came with the Consent that a grant names now, as JSON; empty where none did."""
        found = self._kept("SELECT rules FROM finer_rules WHERE patient = ? AND hash = ?", patient, hash_of(grant))
        return (found or b"").decode()

    def terms(self, patient: str, grant: Grant) -> Terms:
        """What may be shown under a grant now: nothing while its Consent is not here or cannot be understood."""
        name = (patient, hash_of(grant))
        if name not in self._read:
            text = self.text(patient, grant)
            if text is None:
                return _NOTHING
            self._read[name] = self._terms(patient, text, self.rules(patient, grant))
        return self._read[name]

    def permitting(
        self, patient: str, grants: Iterable[Grant], resource: Mapping[str, Any], author: str
    ) -> frozenset[str]:
        """Those of the grants that have finer rules and permit a resource by them."""
        ruled = ((grant.gid, self.terms(patient, grant)) for grant in grants)
        return frozenset(gid for gid, terms in ruled if terms.rules is not None and terms.permit(resource, author))

    def _terms(self, patient: str, consent: bytes, rules: str) -> Terms:
        try:
            if consent == NOTHING:
                return _NOTHING
            resource = resources.parse(consent)
            resources.check(resource)
            agreed = agreement(resource)
            if (agreed.patient, agreed.counterpart) != (patient, self._me):
                return _NOTHING
            if not rules:
                return Terms(agreed.categories)
            finer = json.loads(rules)
            name = hashlib.sha256(json.dumps([rules, *sorted(agreed.purposes)]).encode()).hexdigest()
            readers = finer_rules.readers_of(finer) or of_grant(agreed.purposes)
            return Terms(agreed.categories, finer_rules.decider(finer_rules.read(finer)), name, readers)
        except (Problem, Rejected):
            return _NOTHING

    def _kept(self, query: str, patient: str, hash_: str) -> bytes | None:
        row = self._db.execute(query, (patient, hash_)).fetchone()
        return None if row is None else bytes(row[0])


def hash_of(grant: Grant) -> str:
    """By which a grant names its Consent now."""
    return str(grant.rules.body["consent"])
