"""What ends soon, and its renewal: the same grant, signed again for a time to come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.patient.sharing import check_paper, granted
from connectors.patient.side import Side
from consent import guardians, steps
from consent.dates import ZONE
from consent.fhir_consent import Agreement, Paper, agreement, build
from consent.primitives import random_bytes
from consent.relations import Grant
from consent.steps import consent_hash
from consent.template import template
from consent.vault import Terms
from consent.who import terms_of
from fhir_profiles import resources
from fhir_profiles.problems import Problem

NOTICE_SECONDS = 7 * 24 * 3600
"""So long before its end a patient is reminded of a grant."""


def ending(client: Side) -> list[tuple[str, Grant, Terms | None]]:
    """What is granted to read and ends within seven days, the next to end first."""
    soon = client.now + NOTICE_SECONDS
    return sorted((one for one in granted(client) if one[1].until <= soon), key=lambda one: one[1].until)


def standing(client: Side, wanted: Agreement) -> Grant | None:
    """The live grant by the same template, of the same categories for the same purposes: it is renewed, not doubled.

    None where a guardian acts: what she says again is her newest word.
    """
    if client.is_guardian:
        return None
    for counterpart, grant, _ in granted(client):
        terms = terms_of(client.vault, grant.rules)
        if counterpart != wanted.counterpart or terms is None or not wanted.policy:
            continue
        known = agreement(resources.parse(terms.consent))
        if replace(known, end=wanted.end, language=wanted.language, paper=wanted.paper) == wanted:
            return grant
    return None


def renew(
    client: Side, gid: str, end: str = "", language: str = "", paper: Paper | None = None
) -> tuple[str, Agreement]:
    """Sign a grant that is live once more, for as long as it was first made for, or until `end`, a FHIR date.

    Counterpart, categories, purposes and template stay, and what the grant covers; the `language` may be another, and
    `paper` tells whether this time it was signed on paper.
    Returns the counterpart, and what is agreed now. The elder terms are kept in the vault under the hash of their
    Consent, as proof of what was allowed until now. Raises `Problem`: `not-found`, `forbidden` for what a delegate
    granted, `value` for an end that is no later.
    """
    client.sync()
    check_paper(client, paper)
    client.settle()
    found = next(((oth, grant, terms) for oth, grant, terms in granted(client) if grant.gid == gid), None)
    if found is None:
        raise Problem("not-found", "there is no such grant now: `obhut patient show` lists what is granted")
    counterpart, known, _ = found
    if client.is_guardian or guardians.joint(client.record, counterpart, client.now)[0] == gid:
        raise Problem("forbidden", "what guardians granted is not renewed: let one who may say it grant it anew")
    terms = terms_of(client.vault, known.rules)
    if terms is None:
        detail = f"{known.rules.by[0]} granted this for you, and you do not hold its Consent: grant it anew instead"
        raise Problem("forbidden", detail)
    consent = resources.parse(terms.consent)
    before = agreement(consent)
    until_day = end or _end(before, consent["dateTime"], client.now)
    agreed = replace(before, end=until_day, language=language or before.language, paper=paper)
    _, until = agreed.seconds()
    if until <= known.until:
        raise Problem("value", "it runs as long as that already: choose a later end with --end")
    signed = build(agreed, consent["id"], datetime.fromtimestamp(client.now, UTC))
    fresh = replace(terms, until=until, consent=resources.dump(signed), salt=random_bytes(16))
    client.save_vault(client.vault.with_terms(consent_hash(terms), terms).with_terms(gid, fresh))
    cover = dict(known.cover)
    client.post([steps.grant(client.record, client.vault, gid, fresh, client.keyring.signer, client.now, cover)])
    client.settle()
    return counterpart, agreed


def _end(before: Agreement, signed: str, now: int) -> str:
    """The last day of a grant of the same length that is signed now."""
    if not before.end:
        raise Problem("value", "this grant has no end: there is nothing to renew")
    present = datetime.fromtimestamp(now, UTC)
    if before.policy:
        return template(before.policy).end(present)
    first = datetime.fromisoformat(signed).astimezone(ZONE).date()
    last = datetime.fromtimestamp(before.seconds()[1] - 1, UTC).astimezone(ZONE).date()
    return (present.astimezone(ZONE).date() + timedelta(days=(last - first).days)).isoformat()
