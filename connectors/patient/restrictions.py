"""What she withholds: single entries hidden from all who read, Consents with rules of their own (PROTOCOL.md 4.4)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connectors.patient import sharing
from connectors.patient.client import Client
from consent import finer_rules, steps
from consent.accounts import by_device
from consent.fhir_consent import Agreement, build
from consent.primitives import random_bytes
from consent.projection import project
from consent.relations import Grant
from consent.vault import Terms
from fhir_profiles import resources
from fhir_profiles.problems import Problem


def sign(
    client: Client,
    consents: Sequence[Mapping[str, Any]],
    counterpart: str,
    *,
    whole: bool = True,
    fingerprint: str = "",
) -> list[str]:
    """Grant a counterpart what FHIR Consents of hers permit it, rule by rule. Returns the grants' ids.

    Raises `Problem(unprocessable)` for what no grant can keep to; nothing has happened then.
    """
    client.sync()
    found = project(consents, counterpart, client.now)
    if any(one.agreed.patient != client.account for one in found):
        raise Problem("unprocessable", "This Consent is about somebody else.", expression="Consent.patient")
    return [
        sharing.put(client, one.agreed, whole=whole, rules=one.rules, fingerprint=fingerprint) for one in found
    ]  # fmt: skip


def hide(client: Client, references: Collection[str]) -> list[str]:
    """Hide resources, by `Type/id`, from all who read by a grant, now and later; not in an emergency.

    Returns the grants that could not be changed: a delegate made them under rules that are not known here.
    """
    client.sync()
    return _set(client, {*client.vault.hides, *references})


def show(client: Client, references: Collection[str]) -> list[str]:
    """Let what was hidden be seen again by who may read its category. Returns, raises as `hide`; `not-found`."""
    client.sync()
    if unknown := sorted(set(references) - set(client.vault.hides)):
        raise Problem("not-found", f"{unknown[0]} is not hidden: `obhut patient show` lists what is")
    return _set(client, set(client.vault.hides) - set(references))


def _set(client: Client, hides: Iterable[str]) -> list[str]:
    client.save_vault(client.vault.with_hides(hides))
    return settle(client)


def settle(client: Client) -> list[str]:
    """Amend each grant by which somebody reads so that it hides what is hidden, and no more. Returns as `hide`.

    After a crash anywhere it goes on where it was: the vault says what is hidden, the chain what is said already.
    """
    left = []
    for counterpart, known, _ in sharing.granted(client):
        if known.emergency:
            continue  # in an emergency what she chose for one counts, whatever she hides otherwise
        terms = _terms(client, counterpart, known)
        if terms is None:
            left.append(known.gid)
            continue
        rules = finer_rules.hiding(terms.rules, client.vault.hides)
        if rules != terms.rules:
            # The elder terms stay in the vault under the hash of their Consent, as proof of what was allowed until now.
            kept = client.vault.with_terms(steps.consent_hash(terms), terms)
            terms = replace(terms, rules=rules, salt=random_bytes(16))
            client.save_vault(kept.with_terms(known.gid, terms))
        if steps.consent_hash(terms) != known.rules.body["consent"]:
            cover, signer = dict(known.cover), client.keyring.signer
            client.post([steps.grant(client.record, client.vault, known.gid, terms, signer, client.now, cover)])
    client.settle()
    return left


def _terms(client: Client, counterpart: str, known: Grant) -> Terms | None:
    """The terms of a grant; those of a delegate's from the chain, and its rules are those the delegate has itself."""
    by = by_device(known.rules.by)[0]
    terms = client.vault.terms.get(known.gid)
    if by == client.account or (terms and steps.consent_hash(terms) == known.rules.body["consent"]):
        return terms
    own = [agreed for agreed in client.vault.terms.values() if agreed.oth == by and agreed.consent]
    base = [finer_rules.hiding(agreed.rules, ()) for agreed in own]
    if not base or any(rules != base[0] for rules in base):
        return None
    body = known.rules.body
    start = datetime.fromtimestamp(body["nb"], UTC).isoformat() if body["nb"] else ""
    categories = steps.granted(client.vault, known)
    agreed = Agreement(client.account, counterpart, categories, known.purposes, start, sharing.last_moment(known.until))
    consent = build(agreed, sharing.consent_id(known.gid), datetime.fromtimestamp(client.now, UTC))
    whole = all(first == 1 for first, _ in known.cover.values())
    return Terms(
        counterpart, categories, whole, known.grows, known.purposes, body["nb"], known.until, resources.dump(consent),
        random_bytes(16), base[0], body["req"],
    )  # fmt: skip
