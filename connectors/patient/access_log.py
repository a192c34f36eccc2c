"""The patient's access log: the hub's entries, and what recipients' gateways report, opened and explained for her."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.patient import objecting
from connectors.patient.side import Side
from consent import declarations, log
from consent.categories import INDEX, NAMES
from consent.messages import MAX_AGE_SECONDS, unseal
from consent.primitives import Rejected, unb64
from consent.purposes import within
from consent.sets import IN_USE
from consent.who import categories, desk_of, stretches
from fhir_profiles.problems import Problem

EMERGENCY = "emergency"
"""The action of an entry that says: an emergency was declared."""
HEALTH_LINK = "health-link"
"""The action of an entry about a SMART Health Link; `detail.what` tells what happened to it."""


@dataclass(frozen=True)
class Entry:
    """One line of the log. `person`, `role`, `what` and `number` are told by the recipient's gateway, sealed to her.

    So is `kept`: why the recipient took it over into its own record. At a health link `person` is who somebody without
    an account says to be. `name`: of an organisation in the directory.
    `categories`: of the streams it is about. `basis`: her consents that were in force, newest first: the `grant`, since
    when (`at`), who signed it (`by`), whether it is for emergencies, or for its own writing only (`own`).
    `automated`: a program did it, no person. `objection` and `answer`: what she said against it, and what came back.
    """

    seq: int
    at: int
    actor: str
    action: str
    purpose: str
    person: str = ""
    what: str = ""
    number: int = 0
    kept: str = ""
    role: str = ""
    name: str = ""
    device: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    categories: Sequence[str] = ()
    basis: Sequence[Mapping[str, Any]] = ()
    automated: bool = False
    objection: str = ""
    answer: str = ""
    desk: str = ""


def entries(client: Side, after: int = 0) -> list[Entry]:
    """All entries behind one, oldest first."""
    return explained(client, fetch(client, after)[0])


def fetch(client: Side, after: int = 0) -> tuple[list[log.Entry], bytes]:
    """All entries behind one as the hub gives them out, and the head that it signs. Raises `Problem`."""
    found: list[log.Entry] = []
    while True:
        page, head = client.hub.log(client.account, found[-1].seq if found else after)
        if not page:
            return found, head
        try:
            found.extend(as_given(client.account, row) for row in page)
        except (KeyError, TypeError, ValueError, Rejected):
            raise Problem("busy", "the hub answered with something else than an access log") from None


def as_given(account: str, row: Mapping[str, Any]) -> log.Entry:
    """An entry from its JSON. Raises `KeyError`, `TypeError`, `ValueError` or `Rejected` for what is none."""
    sealed = unb64(row["sealed"]) if row.get("sealed") else b""
    return log.Entry(
        account, int(row["seq"]), int(row["at"]), str(row["actor"]), str(row.get("device", "")), str(row["action"]),
        str(row.get("purpose", "")), dict(row.get("detail", {})), sealed, str(row.get("hash", "")),
    )  # fmt: skip


def explained(client: Side, found: Sequence[log.Entry]) -> list[Entry]:
    """The entries opened, with all that her own chains and her vault tell of them."""
    streams, names, said = _streams(client), dict[str, str](), objecting.said(client)
    return [_explain(client, _opened(client, entry), streams, names, said) for entry in found]


def _explain(
    client: Side, entry: Entry, streams: Mapping[str, str], names: dict[str, str],
    said: Mapping[int, tuple[str, str, str]],
) -> Entry:  # fmt: skip
    if entry.actor not in names:
        names[entry.actor] = _name(client, entry.actor)
    category = streams.get(str(entry.detail.get("stream", "")), "")
    actor, objection, answer = said.get(entry.seq, ("", "", ""))
    if actor != entry.actor:
        objection, answer = "", ""
    desk = client.vault.desks.get(entry.device, "") if entry.actor == client.account else ""
    entry = replace(entry, name=names[entry.actor], categories=(category,) if category else (), desk=desk)
    return replace(entry, basis=basis(client, entry), automated=not entry.person, objection=objection, answer=answer)


def _streams(client: Side) -> dict[str, str]:
    """The categories of all streams that are in use."""
    return {
        key.ids[index]: NAMES[category]
        for key in client.vault.sets.values()
        for index, (category, lane) in enumerate(key.order)
        if lane == IN_USE
    }


def _name(client: Side, actor: str) -> str:
    """What the directory calls an organisation; "" for others."""
    if actor == client.account or "@" not in actor or actor.startswith("p-"):
        return ""
    try:
        return next((str(one["name"]) for one in client.hub.directory(actor) if one["account"] == actor), "")
    except (Problem, KeyError):
        return ""  # who it was is said by the account as well


def basis(client: Side, entry: Entry) -> list[dict[str, Any]]:
    """The grants by which somebody was given, or read, something at that moment, as her relation chains say it."""
    relation = client.chains.relations.get((client.account, entry.actor))
    if entry.action not in ("release", "read", "emergency") or relation is None:
        return []
    asked = [purpose for purpose in entry.purpose.split(",") if purpose]
    held = [
        stretch
        for stretch in stretches(client.record, relation)
        if stretch.holds(entry.at)
        and any(within(purpose, stretch.purposes) for purpose in asked)
        and _opens(categories(stretch, client.vault.sets), entry)
    ]
    told = [
        {
            "grant": one.gid, "at": one.rules.iat, "by": one.rules.by[0], "emergency": one.emergency, "own": one.own,
            "desk": desk_of(client.vault, one.rules),
        }
        for one in held
    ]  # fmt: skip
    return sorted(told, key=lambda one: (one["own"], -one["at"]))


def _opens(granted: frozenset[int], entry: Entry) -> bool:
    """Whether a grant opened what the entry is about, where that is known. A delegate's stand-ins open nothing."""
    return bool(granted) and all(INDEX[name] in granted for name in entry.categories)


# --- what is sealed -----------------------------------------------------------------------------------------------


def _opened(client: Side, given: log.Entry) -> Entry:
    entry = Entry(
        given.seq, given.at, given.actor, given.action, given.purpose, device=given.device, detail=given.detail
    )
    if entry.action == EMERGENCY:
        return _declared(client, entry)
    if entry.action == HEALTH_LINK:
        return replace(entry, person=_outsider(entry.detail))
    if not given.sealed:
        return entry
    try:
        message = unseal(given.sealed, client.vault.reading_keys)
        # By the time at which it came: a report stays readable when it is old, and when its device was replaced since.
        message.verify(client.chains.account_with(entry.actor, message.dev), client.account, entry.at, came=entry.at)
        if message.typ == "read":
            return _told(entry, json.loads(message.content))
    except (Rejected, ValueError, KeyError, TypeError, RecursionError):
        pass  # a recipient's gateway may write what it likes: it is shown as unreadable
    except Problem as problem:
        if problem.code != "not-found":
            raise
    return replace(entry, action="read-unreadable")


def _declared(client: Side, entry: Entry) -> Entry:
    """The entry of a declared emergency with the person who declared it, where the house sealed one to her."""
    try:
        word = declarations.read(unb64(entry.detail["frame"]))
        word.verify(client.chains.account(entry.actor), entry.at, came=entry.at)
        person, _ = word.tell(client.vault.reading_keys)
    except (Rejected, KeyError, TypeError):
        return entry
    return replace(entry, person=person, role=word.role) if person.isprintable() else entry


def _outsider(detail: Mapping[str, Any]) -> str:
    """Who opened a link or tried to, by that one's own word; empty where it is none of these."""
    try:
        name = unb64(detail.get("recipient", "")).decode()
    except (Rejected, UnicodeDecodeError):
        return ""
    return name if name.isprintable() else ""


def _told(entry: Entry, told: Mapping[str, Any]) -> Entry:
    """The entry with what the gateway told. Raises `ValueError` for what cannot stand in a line of the log."""
    words = {name: told[name] for name in ("purpose", "person", "what")}
    words |= {name: told.get(name, "") for name in ("kept", "role")}
    if not all(isinstance(text, str) and text.isprintable() for text in words.values()):
        raise ValueError("no text of one line")
    at, number = told["at"], told["number"]
    if type(at) is not int or type(number) is not int or abs(entry.at - at) > MAX_AGE_SECONDS:
        raise ValueError("no time or number")
    return replace(entry, at=at, number=number, **words)
