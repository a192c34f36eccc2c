"""What is hidden, in each grant: which grants are still to be signed again so that they hide it, and no more.

Pure, as `consent.owed`, and asked when nothing else is owed: the vault says what is hidden, and the terms that a grant
names say what it hides already (PROTOCOL.md 4.4). So any client finishes what another one, or it itself before a crash,
left half done, also for a grant by a delegate who did not know yet.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from consent import steps
from consent.accounts import by_device
from consent.fhir_consent import Agreement, build, consent_id, last_moment
from consent.grants import Record
from consent.primitives import random_bytes
from consent.relations import Grant
from consent.steps import Signer, Written
from consent.vault import Terms, Vault
from consent.who import terms_of
from fhir_profiles import resources


def amend(record: Record, vault: Vault, signer: Signer, now: int) -> Vault | Written | None:
    """What to write next: the vault with fresh terms, or an amended grant by terms that the vault holds; or nothing."""
    restated = vault
    for oth, known in _readable(record, vault, now):
        terms = _terms(record, vault, oth, known)
        if terms is None or terms.hides == vault.hides_from(oth):
            continue
        wanted, kept = replace(terms, hides=vault.hides_from(oth)), vault.terms.get(known.gid)
        if kept is not None and replace(kept, salt=wanted.salt) == wanted:
            return steps.grant(record, vault, known.gid, kept, signer, now, dict(known.cover))
        if terms.salt:  # elder terms stay in the vault under the hash of their Consent: proof of what was allowed
            restated = restated.with_terms(steps.consent_hash(terms), terms)
        restated = restated.with_terms(known.gid, replace(wanted, salt=random_bytes(16)))
    return None if restated is vault else restated


def unreached(record: Record, vault: Vault, now: int) -> list[str]:
    """The ids of grants that cannot be made to hide what is: a delegate made them under rules not known here."""
    found = ((oth, known) for oth, known in _readable(record, vault, now) if vault.hides_from(oth))
    return [known.gid for oth, known in found if _terms(record, vault, oth, known) is None]


def assumed(record: Record, vault: Vault, now: int) -> list[str]:
    """The ids of grants of delegates that `amend` takes to have the rules by which the delegate reads."""
    terms = {known.gid: _terms(record, vault, oth, known) for oth, known in _readable(record, vault, now)}
    found = {gid: one for gid, one in terms.items() if one is not None and not one.salt}
    return [gid for gid, one in found.items() if one.hides != vault.hides_from(one.oth)]


def _readable(record: Record, vault: Vault, now: int) -> Iterator[tuple[str, Grant]]:
    """Counterpart and grant of all by which somebody reads; in an emergency what she chose for one counts instead."""
    for relation, known in record.live_grants(now):
        terms = vault.terms.get(known.gid)
        if not known.emergency and (terms is None or terms.consent):
            yield relation.oth, known


def _terms(record: Record, vault: Vault, oth: str, known: Grant) -> Terms | None:
    """The terms by which a grant was made; those of a delegate's grant from the chain, of a salt that is not known.

    Its rules are those the delegate reads by itself (PROTOCOL.md 5.12); None where it reads by several.
    """
    terms = terms_of(vault, known.rules)
    by = by_device(known.rules.by)[0]
    if terms is not None or by == record.account.acc:
        return terms
    own = [agreed.rules for agreed in vault.terms.values() if agreed.oth == by and agreed.consent]
    if not own or any(rules != own[0] for rules in own):
        return None
    body, categories = known.rules.body, steps.granted(vault, known)
    start = datetime.fromtimestamp(body["nb"], UTC).isoformat() if body["nb"] else ""
    agreed = Agreement(record.account.acc, oth, categories, known.purposes, start, last_moment(known.until))
    consent = build(agreed, consent_id(known.gid), datetime.fromtimestamp(known.rules.iat, UTC))
    whole = all(first == 1 for first, _ in known.cover.values())
    return Terms(
        oth, categories, whole, known.grows, known.purposes, body["nb"], known.until, resources.dump(consent),
        b"", own[0], body["req"],
    )  # fmt: skip
