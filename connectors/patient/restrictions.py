"""What she withholds: single entries hidden from all who read, Consents with rules of their own (PROTOCOL.md 4.4)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.patient import sharing
from connectors.patient.client import Client
from consent import hidden
from consent.accounts import by_device
from consent.fhir_consent import check_written
from consent.projection import Projection, project_plain
from consent.relations import MAX_GRANTS
from fhir_profiles.problems import Problem


def sign(
    client: Client,
    consents: Sequence[Mapping[str, Any]],
    counterpart: str,
    *,
    whole: bool = True,
    fingerprint: str = "",
) -> tuple[list[str], list[str]]:
    """Grant a counterpart what FHIR Consents of hers permit it, rule by rule, and nothing else that she granted before.

    Returns the ids of the grants made and of those ended: first the new ones are made, so that what both allow is seen
    all the time, and after a crash the same call finishes. What a delegate granted stays, as do grants for emergencies.
    Raises `Problem(unprocessable)` for what no grant can keep to, and where there is neither anything to grant nor to
    end; `Problem(value)` for a time that is no time; nothing has happened then.
    """
    client.sync()
    found = _projected(client, consents, counterpart)
    earlier = [
        known.gid
        for oth, known, _ in sharing.granted(client)
        if oth == counterpart and not known.emergency and by_device(known.rules.by)[0] == client.account
    ]
    if not (found or earlier):
        detail = "Nothing is permitted to this party from now on, and nothing was before."
        raise Problem("unprocessable", detail, expression="Consent.provision")
    _check(client, found, counterpart)
    made = [
        sharing.put(client, one.agreed, whole=whole, rules=one.rules, fingerprint=fingerprint) for one in found
    ]  # fmt: skip
    sharing.end(client, counterpart, earlier)
    return made, earlier


def _projected(client: Client, consents: Sequence[Mapping[str, Any]], counterpart: str) -> list[Projection]:
    forms = [check_written(consent) for consent in consents]
    if any(form["patient"] != client.account for form in forms):
        raise Problem("unprocessable", "This Consent is about somebody else.", expression="Consent.patient")
    return project_plain(forms, counterpart, client.now)


def _check(client: Client, found: Sequence[Projection], counterpart: str) -> None:
    """All of it, before any of it is granted."""
    for one in found:
        sharing.check(client, one.agreed)
    relation = client.record.relations.get(counterpart)
    live = len(relation.live(client.now)) if relation else 0
    if live + len(found) > MAX_GRANTS:
        detail = f"This is {len(found)} grants beside {live}, and {MAX_GRANTS} are the most: withdraw those first."
        raise Problem("unprocessable", detail, expression="Consent.provision")


@dataclass(frozen=True)
class Settled:
    """How many steps were taken, and what became of grants that a delegate made (`consent.hidden`): ids of those that
    could not be changed, and of those that now have the rules by which the delegate reads.
    """

    steps: int
    unreached: list[str]
    assumed: list[str]


def hide(client: Client, references: Collection[str]) -> Settled:
    """Hide resources, by `Type/id`, from all who read by a grant, now and later; not in an emergency."""
    client.sync()
    return _set(client, add=references)


def show(client: Client, references: Collection[str]) -> Settled:
    """Let what was hidden be seen again by who may read its category. Raises `Problem(not-found)`."""
    client.sync()
    if unknown := sorted(set(references) - set(client.vault.hides)):
        raise Problem("not-found", f"{unknown[0]} is not hidden: `obhut patient show` lists what is")
    return _set(client, drop=references)


def _set(client: Client, add: Collection[str] = (), drop: Collection[str] = ()) -> Settled:
    def save() -> None:
        vault = client.vault
        client.save_vault(vault.with_hides({*vault.hides, *add} - set(drop)))

    client.anew(save)
    return settle(client)


def settle(client: Client) -> Settled:
    """Do all that is owed, and tell what became of grants of delegates; nothing where nothing is hidden."""
    assumed = hidden.assumed(client.record, client.vault, client.now)
    count = client.settle()
    left = hidden.unreached(client.record, client.vault, client.now) if client.vault.hides else []
    return Settled(count, left, assumed)
