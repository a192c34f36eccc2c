"""Whom a patient lets act for her: delegates, representatives, guardians (PROTOCOL.md 2.2, 2.6, 5.12).

A delegate of the scope `manage` sees whom she granted what, ends grants, and hands on what it may read itself. So that
it can also withhold, it is given a grant of all stand-ins, under which there is nothing to read. One of the scope
`full` is given the key of the vault's key compartment, and reads by a grant that runs as long as the mandate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from connectors.patient import sharing
from connectors.patient.account_writer import AccountWriter
from connectors.patient.client import Client
from connectors.patient.sharing import is_stand_ins, meet
from connectors.patient.side import Side
from consent import identifiers, steps
from consent.accounts import Delegate
from consent.fhir_consent import Agreement, last_moment
from consent.grants import Record
from consent.identifiers import Card, new_id
from consent.lockout import FULL, PURPOSES, came_with
from consent.mandates import AGE_SWITCH, MOST_CHOSEN, Kind, Mandate, may_choose, of_age
from consent.primitives import random_bytes
from consent.relations import NO_END, Grant
from consent.steps import EVERYTHING
from consent.vault import Named, Terms
from fhir_profiles.problems import Problem

MANAGE = "manage"
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Appointment:
    """Who is to act for the patient, in what, and until which Unix second. `private`: categories kept from it."""

    card: Card
    until: int
    scope: str = MANAGE
    kind: Kind = "chosen"
    private: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """The account."""
        return str(self.card.account)

    @property
    def reads(self) -> frozenset[int]:
        """What it is granted with the mandate; nothing where that is left to grants of their own."""
        return EVERYTHING - self.private if self.scope == FULL or self.private else frozenset()


def last_second(patient: str, end: str) -> int:
    """Until when somebody is named who is named until `end` (FHIR date or dateTime). Unix second."""
    return Agreement(patient, patient, frozenset(), (), end=end).seconds()[1]


def age_switch(born: date, years: int = AGE_SWITCH) -> int:
    """The Unix second at which a child born then speaks for herself."""
    return of_age(born, years) // _MICROSECONDS


def appoint(client: Client, wanted: Appointment) -> None:
    """Let a person act for the patient. Running it again finishes what was begun; another scope takes the place of one.

    Order: the kind of mandate into the vault, the statement, the relation, then what belongs to the scope: stand-ins,
    or the key; and last the grant to read. Raises `Problem`.
    """
    client.sync()
    client.settle()
    _check(client, wanted)
    state = client.chains.account(wanted.name, wanted.card.fingerprint)
    present = _present(client.record, wanted.name)
    if present is not None and _replaces(client, present, wanted):
        dismiss(client, wanted.name)
        present = None
    if present is None:
        if wanted.kind == "chosen" and not may_choose(_mandates(client), client.now, MOST_CHOSEN):
            raise Problem("conflict", f"{MOST_CHOSEN} delegates act for you already: end one first")
        client.save_vault(client.vault.with_mandate(wanted.name, Named(wanted.kind, wanted.private)))
        body = {"to": wanted.name, "fp": state.fingerprint, "scope": wanted.scope, "nb": 0, "until": wanted.until}
        by_root(client, "delegate", body)
    meet(client, wanted.name, fingerprint=wanted.card.fingerprint)
    client.settle()
    if wanted.scope == FULL:
        if wanted.name not in client.root.shared:
            client.hand_key(wanted.name)
    elif not _stand_ins(client, wanted.name):
        _grant_stand_ins(client, wanted)
    if wanted.reads and not came_with(client.record, client.vault, wanted.name, client.now):
        end = last_moment(wanted.until)
        agreed = Agreement(client.account, wanted.name, wanted.reads, PURPOSES, end=end)
        sharing.put(client, agreed, whole=True)
    client.settle()


def _check(client: Client, wanted: Appointment) -> None:
    if wanted.until <= client.now or wanted.until >= NO_END:
        raise Problem("value", "say until when, by a date to come: a delegate is named for a time")
    if wanted.scope != FULL:
        return
    if wanted.card.account.domain != identifiers.account(client.account).domain:
        detail = "a delegate of scope full needs an account at your own hub: the vault is not carried to another hub"
        raise Problem("invalid", detail)
    if wanted.private:
        detail = "a delegate of scope full holds all keys, so nothing stays private from it: choose --scope manage"
        raise Problem("invalid", f"{detail}, and it reads all categories but those")


def _replaces(client: Client, present: Delegate, wanted: Appointment) -> bool:
    """Whether another scope or other private categories take the place of those that hold. Raises `Problem`."""
    named = client.vault.mandates.get(wanted.name, Named("chosen"))
    if present.scope != wanted.scope or named.private != wanted.private:
        return True
    if present.end != wanted.until or named.kind != wanted.kind:
        raise Problem("conflict", f"{wanted.name} is a delegate already: obhut patient undelegate first")
    return False


def _grant_stand_ins(client: Client, wanted: Appointment) -> None:
    terms = Terms(
        wanted.name, frozenset(), whole=True, grow=True, purposes=("PATRQT",), nb=0, until=wanted.until, consent=b"",
        salt=random_bytes(16),
    )  # fmt: skip
    gid = new_id()
    client.save_vault(client.vault.with_terms(gid, terms))
    client.post([steps.grant(client.record, client.vault, gid, terms, client.keyring.signer, client.now)])


def dismiss(client: Client, name: str) -> None:
    """A delegate no more. Its stand-ins and the grant that came with the mandate are withdrawn, the key of the vault is
    another from then on, and what it may have seen is rotated. What it granted stays.
    """
    client.sync()
    present, stand_ins = _present(client.record, name), _stand_ins(client, name)
    to_read = came_with(client.record, client.vault, name, client.now)
    if present is None and not (stand_ins or to_read or name in client.root.shared):
        raise Problem("not-found", f"{name} is no delegate: `obhut patient show` lists them")
    if present is not None:
        by_root(client, "undelegate", {"to": name})
    for grant in (*stand_ins, *to_read):
        client.post([steps.end(client.record, name, grant.gid, client.keyring.signer, client.now)])
    client.settle()


def delegates(record: Record) -> list[Delegate]:
    """The delegates that are named now, those whose time has passed too."""
    return [one for one in record.account.delegates if one.until is None]


def live_guardians(side: Side) -> list[str]:
    """The accounts of the guardians who may act now."""
    named = side.vault.mandates
    live = (one.to for one in delegates(side.record) if one.live(side.record.account.last, side.now))
    return sorted(name for name in live if name in named and named[name].kind == "guardian")


def _present(record: Record, name: str) -> Delegate | None:
    return next((one for one in delegates(record) if one.to == name), None)


def _mandates(client: Client) -> list[Mandate]:
    """The mandates of all delegates, their periods in Unix seconds."""
    named: Mapping[str, Named] = client.vault.mandates
    return [
        Mandate(one.to, (one.nb, one.end), kind="chosen" if one.to not in named else named[one.to].kind)
        for one in delegates(client.record)
    ]


def _stand_ins(client: Client, name: str) -> list[Grant]:
    """The live grants of stand-ins to a delegate."""
    return [grant for grant in _live(client, name) if is_stand_ins(client.vault.terms.get(grant.gid))]


def _live(side: Side, name: str) -> list[Grant]:
    relation = side.record.relations.get(name)
    return relation.live(side.now) if relation else []


def by_root(client: Client, typ: str, body: dict[str, object]) -> None:
    """Send a statement of her account chain that her root key signs."""
    writer = AccountWriter(client.account, client.record.account, client.now)
    writer.add(client.root.root, ("root",), typ, body)
    client.post(writer.written)
