"""What she withholds: single entries hidden from all who read, Consents with rules of their own (PROTOCOL.md 4.4)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.patient import sharing
from connectors.patient.side import Side
from consent import hidden
from consent.accounts import by_device
from consent.actors import at_every_level
from consent.fhir_consent import check_written
from consent.projection import Projection, project_plain, refused_plain
from consent.relations import MAX_GRANTS, Grant
from consent.steps import granted
from fhir_profiles.problems import Problem


@dataclass(frozen=True)
class Signed:
    """What came of Consents: ids of the grants `made` and `ended`; `reached`: what was ended at parts of the
    counterpart, account and id, because what is refused to a whole is refused to its parts."""

    made: list[str]
    ended: list[str]
    reached: list[tuple[str, str]]


def sign(
    client: Side,
    consents: Sequence[Mapping[str, Any]],
    counterpart: str,
    *,
    whole: bool = True,
    fingerprint: str = "",
) -> Signed:
    """Grant a counterpart what FHIR Consents of hers permit it, rule by rule, and nothing else that she granted before.

    First the new grants are made, so that what both allow is seen all the time, and after a crash the same call
    finishes. What a delegate granted stays, as do grants for emergencies. What the Consents say of that which the
    counterpart is a part of, they say of it; and a refusal ends what it touches at the counterpart's parts.
    Raises `Problem(unprocessable)` for what no grant can keep to, and where there is neither anything to grant nor to
    end; `Problem(value)` for a time that is no time; nothing has happened then.
    """
    client.sync()
    if client.is_guardian:
        raise Problem("forbidden", "a guardian grants by categories: rules of her own are the patient's to sign")
    forms = _forms(client, consents)
    roles = sharing.roles_of(client, counterpart)
    found = project_plain(forms, counterpart, client.now, wholes(client, counterpart), roles)
    earlier = [known.gid for oth, known in _own(client) if oth == counterpart]
    reached = list(_reached(client, forms, counterpart))
    if not (found or earlier or reached):
        detail = "Nothing is permitted to this party from now on, and nothing was before."
        raise Problem("unprocessable", detail, expression="Consent.provision")
    _check(client, found, counterpart)
    made = [
        sharing.put(client, one.agreed, whole=whole, rules=one.rules, fingerprint=fingerprint) for one in found
    ]  # fmt: skip
    sharing.clear_words(client, counterpart)
    sharing.end(client, counterpart, earlier)
    for part, gid in reached:
        sharing.end(client, part, [gid])
    return Signed(made, earlier, reached)


def _forms(client: Side, consents: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    forms = [check_written(consent) for consent in consents]
    if any(form["patient"] != client.account for form in forms):
        raise Problem("unprocessable", "This Consent is about somebody else.", expression="Consent.patient")
    return forms


def _own(client: Side) -> list[tuple[str, Grant]]:
    """What she granted herself, or who acts for her now, not for emergencies: counterpart and grant."""
    own = {client.account, client.keyring.account}
    return [
        (oth, known)
        for oth, known, _ in sharing.granted(client)
        if not known.emergency and by_device(known.rules.by)[0] in own
    ]


def _reached(client: Side, forms: Sequence[Mapping[str, Any]], whole: str) -> Iterator[tuple[str, str]]:
    """The grants of parts of a counterpart that a refusal touches."""
    levels: dict[str, frozenset[str]] = {}
    for oth, known in _own(client):
        if oth == whole:
            continue
        if oth not in levels:
            levels[oth] = wholes(client, oth)
        if whole in levels[oth]:
            refused = refused_plain(forms, oth, known.purposes, client.now, levels[oth])
            if refused & granted(client.vault, known):
                yield oth, known.gid


def wholes(client: Side, organisation: str) -> frozenset[str]:
    """What an organisation is a part of, at every level, as the directory says. Raises `Problem(busy)`."""
    part_of: dict[str, list[str]] = {}
    waiting = [organisation]
    while waiting:
        one = waiting.pop()
        if one not in part_of:
            entries = [each for each in client.hub.directory(one) if each["account"] == one]
            part_of[one] = [str(each["part_of"]) for each in entries if each.get("part_of")]
            waiting += part_of[one]
    return at_every_level([organisation], part_of) - {organisation}


def _check(client: Side, found: Sequence[Projection], counterpart: str) -> None:
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


def hide(client: Side, references: Collection[str], counterpart: str = "") -> Settled:
    """Hide resources, by `Type/id`, from all who read by a grant, or from one; now and later, not in an emergency."""
    client.sync()
    return _set(client, counterpart, add=references)


def show(client: Side, references: Collection[str], counterpart: str = "") -> Settled:
    """Let what was hidden, from all or from one, be seen again by who may read its category.

    Raises `Problem(not-found)` for what is not hidden in that way.
    """
    client.sync()
    if unknown := sorted(set(references) - set(_hidden(client, counterpart))):
        raise Problem("not-found", f"{unknown[0]} is not hidden: `obhut patient show` lists what is")
    return _set(client, counterpart, drop=references)


def _hidden(client: Side, counterpart: str) -> Collection[str]:
    return client.vault.hidden_from.get(counterpart, ()) if counterpart else client.vault.hides


def _set(client: Side, counterpart: str, add: Collection[str] = (), drop: Collection[str] = ()) -> Settled:
    def save() -> None:
        hidden = {*_hidden(client, counterpart), *add} - set(drop)
        client.save_vault(client.vault.with_hides(hidden, counterpart))

    client.anew(save)
    return settle(client)


def settle(client: Side) -> Settled:
    """Do all that is owed, and tell what became of grants of delegates; nothing where nothing is hidden."""
    assumed = hidden.assumed(client.record, client.vault, client.now)
    count = client.settle()
    return Settled(count, hidden.unreached(client.record, client.vault, client.now), assumed)
