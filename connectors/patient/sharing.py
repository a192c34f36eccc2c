"""Sharing: who asks, what she grants, what she takes back (PROTOCOL.md 5.3 to 5.5 and 5.10)."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.patient.side import Received, Side
from consent import finer_rules, floor, guardians, identifiers, messages, steps
from consent.categories import NAMES
from consent.dates import ZONE
from consent.fhir_consent import Agreement, Paper, agreement, build, consent_id
from consent.grants import Record
from consent.identifiers import new_id
from consent.primitives import random_bytes
from consent.relations import Grant
from consent.vault import Terms
from fhir_profiles import resources
from fhir_profiles.problems import Problem

ONLY_AT_A_DESK = "a consent on paper is recorded at a desk: obhut desk visit"


@dataclass(frozen=True)
class Request:
    """What a counterpart proposes: its Consent of status `proposed`, read."""

    received: Received
    asks: Agreement

    @property
    def id(self) -> str:
        """By which it is answered."""
        return self.received.id

    @property
    def sender(self) -> str:
        """The account that asks."""
        return self.received.sender.acc


def requests(client: Side) -> list[Request]:
    """Open requests. What is not a request of this shape, for this patient, by its sender, is passed over."""
    found = []
    for received in client.received("request"):
        try:
            consent = resources.parse(received.message.content)
            resources.check(consent)
            asks = agreement(consent)
        except Problem:
            continue
        if asks.patient == client.account and asks.counterpart == received.sender.acc:
            found.append(Request(received, asks))
    return found


def grant(
    client: Side,
    counterpart: str,
    categories: Collection[int],
    *,
    purposes: tuple[str, ...] = ("TREAT",),
    end: str = "",
    whole: bool = True,
    request: Request | None = None,
    fingerprint: str = "",
    policy: str = "",
    language: str = "",
    emergency: tuple[int | str, ...] = (),
    paper: Paper | None = None,
    rules: Mapping[str, Any] | None = None,
) -> str:
    """Allow a counterpart these categories, from the beginning (`whole`) or from today on. Returns the grant's id.

    `end`: FHIR date or dateTime, or empty. `policy`, `language`: the template by its URI, and in which language its
    text was shown. `emergency`: as `em` of a grant, if it is for emergencies. `paper`: where it was signed on paper, at
    a desk. `rules`: finer rules (`consent.finer_rules`). The order makes a crash harmless: relation, rotation where
    only the future is granted, terms into the vault, and then the grant, which the hub takes only complete.
    """
    client.sync()
    agreed = Agreement(
        client.account, counterpart, frozenset(categories), purposes, end=end, policy=policy, language=language,
        paper=paper,
    )  # fmt: skip
    return put(
        client, agreed, whole=whole, rules=rules, request=request, fingerprint=fingerprint, emergency=emergency
    )  # fmt: skip


def check(client: Side, agreed: Agreement) -> None:
    """Raise the `Problem` for which no grant can be made of an agreement."""
    check_paper(client, agreed.paper)
    named = client.vault.mandates.get(agreed.counterpart)
    if named is not None and (kept := named.private & agreed.categories) and _is_delegate(client, agreed.counterpart):
        names = ", ".join(NAMES[c] for c in sorted(kept))
        raise Problem("forbidden", f"{names}: kept private from this delegate, by obhut patient delegate --private")
    nb, until = agreed.seconds()
    if until <= max(nb, client.now):
        raise Problem("value", "this grant would have ended already: choose a later end")
    check_law(client, agreed)
    build(agreed, consent_id(new_id()), datetime.fromtimestamp(client.now, UTC))


def check_law(client: Side, agreed: Agreement) -> None:
    """Raise `Problem(forbidden)` for what no consent opens to a house (`consent.floor`): no key is given to it."""
    roles = roles_of(client, agreed.counterpart)
    if closed := floor.categories_closed(roles, "read") & agreed.categories:
        names = ", ".join(NAMES[c] for c in sorted(closed))
        raise Problem("forbidden", f"by law a house of this kind may not read, whoever consents: {names}")


def roles_of(client: Side, counterpart: str) -> frozenset[str]:
    """The roles in which all act at a house, by the directory (`consent.floor`); none for a person."""
    is_person = identifiers.account(counterpart).is_person
    return frozenset() if is_person else floor.roles(type_of(client, counterpart), "")


def _is_delegate(client: Side, name: str) -> bool:
    account = client.record.account
    return any(one.to == name and one.live(account.last, client.now) for one in account.delegates)


def put(
    client: Side, agreed: Agreement, *, whole: bool, rules: Mapping[str, Any] | None = None,
    request: Request | None = None, fingerprint: str = "", emergency: tuple[int | str, ...] = (),
) -> str:  # fmt: skip
    """The grant of an agreement under finer rules: its id. What she hides is hidden besides, but in an emergency.

    By a guardian: of what all guardians grant this counterpart together. By anybody else: words of guardians count no
    more for it.
    """
    check(client, agreed)
    if not whole:
        rules = finer_rules.since(datetime.fromtimestamp(client.now, ZONE).date(), rules)
    asked = request.received.sender.fingerprint if request else ""
    meet(client, agreed.counterpart, fingerprint=fingerprint or asked, request=request is not None)
    client.settle()
    if not whole:
        _rotate_all(client)
    gid, (nb, until) = new_id(), agreed.seconds()
    consent = build(agreed, consent_id(gid), datetime.fromtimestamp(client.now, UTC))
    terms = Terms(
        agreed.counterpart, agreed.categories, whole, True, tuple(sorted(agreed.purposes)), nb, until,
        resources.dump(consent), random_bytes(16), rules, request.received.message.hash if request else "", emergency,
        () if emergency else client.vault.hides_from(agreed.counterpart),
    )  # fmt: skip
    if client.save_word(agreed.counterpart, terms):
        client.settle()
        gid, _ = guardians.joint(client.record, agreed.counterpart, client.now)
    else:
        spoken = client.vault.with_words(agreed.counterpart, {})
        client.save_vault(spoken.with_terms(gid, terms))
        client.post([steps.grant(client.record, client.vault, gid, terms, client.keyring.signer, client.now)])
        client.settle()
    if request:
        client.answered(request.id)
    return gid


def meet(client: Side, counterpart: str, *, fingerprint: str = "", request: bool = False) -> None:
    """Fetch the counterpart's whole account chain, and open the relation with it if it is new.

    `fingerprint`: from its card or, with `request`, from what it sent; without one the hub's directory vouches. Raises
    `Problem(not-found)` where there is no such account, or it is not that of the card.
    """
    try:
        state = client.chains.account(counterpart, fingerprint)
    except Problem as problem:
        if problem.code != "not-found":
            raise
        raise unknown(counterpart) from None
    # Its reading key may be a new one; and what was known of it must still be there.
    client.chains.recheck("acct", counterpart, fingerprint=state.fingerprint)
    if counterpart not in client.record.relations:
        met = "request" if request else "card" if fingerprint else "directory"
        client.post([steps.open_relation(client.record, state.acc, met, client.keyring.signer, client.now)])


def unknown(counterpart: str) -> Problem:
    """The refusal of whom the hub does not know."""
    remedy = "obhut patient directory lists whom it vouches for; others give you their card"
    return Problem("not-found", f"your hub knows no {counterpart}: {remedy}")


def type_of(client: Side, counterpart: str) -> str:
    """What the directory says a counterpart is; empty for one that is not in it."""
    return next((str(one["type"]) for one in client.hub.directory(counterpart) if one["account"] == counterpart), "")


def visited(client: Side) -> str:
    """The desk at which this device is for a visit, by its account; empty for a device of her own."""
    return client.vault.desks.get(client.keyring.device, "")


def check_paper(client: Side, paper: Paper | None) -> None:
    """At a desk only what was signed on paper is granted, and nowhere else is paper recorded. Raises `Problem`."""
    desk = visited(client)
    if desk and paper is None:
        raise Problem("invalid", "at a desk she signs on paper first: obhut patient grant … --paper SCAN.pdf")
    if paper is not None and (not desk or paper.desk != desk):
        raise Problem("invalid", ONLY_AT_A_DESK)


def is_own(terms: Terms | None) -> bool:
    """Whether these are the terms of an author's grant of its own set: no Consent belongs to it (`permits`)."""
    return terms is not None and not terms.consent and bool(terms.categories)


def is_stand_ins(terms: Terms | None) -> bool:
    """Whether these are the terms of a delegate's stand-ins, under which there is nothing to read (`delegation`)."""
    return terms is not None and not terms.categories


def is_to_read(terms: Terms | None) -> bool:
    """Whether the counterpart reads by a grant of these terms; None for one that a delegate made."""
    return terms is None or bool(terms.consent)


def _rotate_all(client: Side) -> None:
    """A new epoch everywhere, so that what is granted next opens nothing of the past."""
    record = client.record
    fresh = [s for s, state in record.sets.items() if not state.closed]
    client.save_vault(steps.prepare(record, client.vault, fresh, client.now))
    client.settle()


def refuse(client: Side, request: Request) -> None:
    """Say no: a message to the sender; no trace in any chain. For another nothing is sent: only she signs that."""
    if client.keyring.account != client.account:
        client.save_word(request.sender, None)
        client.settle()
        client.answered(request.id)
        return
    key, keys = request.received.sender.reading_key(), client.keyring
    content = json.dumps({"request": request.received.message.hash}).encode()
    frame = messages.write(
        keys.sign, typ="refusal", sender=client.account, dev=keys.device, to=request.sender, at=client.now,
        content=content,
    )  # fmt: skip
    client.hub.message(request.sender, messages.seal(frame, key))
    client.answered(request.id)


def withdraw(client: Side, counterpart: str, gid: str = "") -> int:
    """Take back one grant, or all by which this counterpart reads; then rotate. Returns how many ended.

    What it may write is another thing: `permits.unpermit`.
    """
    client.sync()
    relation, terms = client.record.relations.get(counterpart), client.vault.terms
    readable = [g.gid for g in relation.live(client.now) if is_to_read(terms.get(g.gid))] if relation else []
    live = [one for one in readable if not gid or one == gid]
    if not live:
        raise Problem("not-found", "there is no such grant: `obhut patient show` lists what is granted")
    _take_word_back(client, counterpart, gid)
    end(client, counterpart, live)
    return len(live)


def _take_word_back(client: Side, counterpart: str, gid: str) -> None:
    """A guardian's refusal is her word; anybody else's withdrawal ends what guardians said of this counterpart."""
    if gid not in ("", guardians.joint(client.record, counterpart, client.now)[0]):
        return
    if not client.save_word(counterpart, None):
        clear_words(client, counterpart)


def clear_words(client: Side, counterpart: str) -> None:
    """What guardians said of a counterpart counts no more: who speaks now speaks instead of them."""
    if counterpart in client.vault.words:
        client.save_vault(client.vault.with_words(counterpart, {}))


def end(client: Side, counterpart: str, gids: Collection[str]) -> None:
    """End these grants; then rotate."""
    for gid in gids:
        client.post([steps.end(client.record, counterpart, gid, client.keyring.signer, client.now)])
    client.settle()


def granted(client: Side) -> list[tuple[str, Grant, Terms | None]]:
    """What is granted to read now: counterpart, grant, and the terms as agreed."""
    record: Record = client.record
    terms = client.vault.terms
    found = [(relation.oth, g, terms.get(g.gid)) for relation, g in record.live_grants(client.now)]
    return [one for one in found if is_to_read(one[2])]
