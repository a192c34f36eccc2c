"""The access log in plain words, German and English: who, when, what, why, on which basis, by a person or a program."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from connectors.patient.access_log import HEALTH_LINK, Entry
from connectors.patient.log_proof import Proof
from consent import words
from consent.categories import INDEX
from consent.log import Fault
from consent.statements import Statement
from consent.words import DE, EN

LANGUAGES = (EN, DE)
Said = Mapping[str, str]
"""The same in each language."""
NUMBER = 6
"""So many signs of a health link's name tell it from others."""
PACKETS = ("release", "deposit")
"""What counts sealed packets."""

_FILE: Mapping[str, Mapping[str, Said]] = json.loads((files("connectors.patient") / "log_words.json").read_bytes())
TYPES, STATEMENTS, ACTIONS, FAULTS = (_FILE[group] for group in ("types", "statements", "actions", "faults"))


def line(entry: Entry, account: str, language: str = "en") -> str:
    """An entry as one line: its number, the local time, and sentences."""
    said = _said(entry, account, language)
    named = entry.actor != account and said.startswith(who(entry, account, language))
    begins = said if named else said[0].upper() + said[1:]
    parts = [begins, *_why(entry, account, language)]
    return f"{entry.seq:>5}  {moment(entry.at)}  {'; '.join(parts)}."


def moment(seconds: int) -> str:
    """Local time, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _part(name: str, language: str, **values: str) -> str:
    return _FILE["parts"][name][language].format(**values)


def _reported(name: str, language: str, **values: object) -> str:
    return _FILE["report"][name][language].format(**values)


def _said(entry: Entry, account: str, language: str) -> str:
    detail = entry.detail
    other = _FILE["parts"]["other"]
    said = STATEMENTS.get(str(detail.get("typ"))) if entry.action == "statement" else ACTIONS.get(_kind(entry))
    return (said or other)[language].format(
        who=who(entry, account, language), oth=detail.get("oth", ""), count=detail.get("count", ""),
        deletes=detail.get("deletes", ""), of=_of(entry, language), what=what(entry, language), kept=entry.kept,
        reason=detail.get("reason", ""), entry=detail.get("entry", ""), to=detail.get("to", ""),
        last=detail.get("last", ""), action=entry.action, recipient=entry.person, left=detail.get("left", ""),
        link=str(detail.get("link", ""))[:NUMBER], until=_moment_of(detail),
    )  # fmt: skip


def _moment_of(detail: Mapping[str, Any]) -> str:
    until = detail.get("until")
    return moment(until) if isinstance(until, int) else ""


def _kind(entry: Entry) -> str:
    if entry.action == HEALTH_LINK:
        closed = entry.detail.get("what") == "wrong" and not entry.detail.get("left")
        return f"{HEALTH_LINK}-{'closed' if closed else entry.detail.get('what')}"
    if entry.action == "read" and (entry.kept or not entry.number):
        return "kept" if entry.kept else "nothing"
    if entry.action == "refusal" and entry.detail.get("what") == "emergency":
        return "refused-emergency"
    if entry.action == "refusal" and (entry.detail.get("reason") != "consent" or entry.detail.get("what") == "deposit"):
        return "refused-deposit"
    if entry.action == "deposit" and entry.detail.get("deletes"):
        return "deletion"
    return f"{entry.action}-one" if entry.action in PACKETS and entry.detail.get("count") == 1 else entry.action


def who(entry: Entry, account: str, language: str) -> str:
    """The person and the organisation, by its name in the directory where it has one."""
    if entry.actor == account:
        return _part("at-a-desk" if entry.desk else "you", language, desk=entry.desk)
    house = f"{entry.name} ({entry.actor})" if entry.name else entry.actor
    role = _FILE["roles"][entry.role][language] if entry.role in _FILE["roles"] else entry.role
    person = f"{entry.person} ({role})" if entry.person and role else entry.person
    return f"{person}, {house}" if person else house


def what(entry: Entry, language: str) -> str:
    """How many resources of which type."""
    names = _FILE["types-one"] if entry.number == 1 else TYPES
    name = names[entry.what][language] if entry.what in names else entry.what
    return f"{entry.number or ''} {name}".strip() if entry.what else ""


def _of(entry: Entry, language: str) -> str:
    return f": {words.categories([INDEX[name] for name in entry.categories], language)}" if entry.categories else ""


def _why(entry: Entry, account: str, language: str) -> list[str]:
    """Purpose, basis, and whether a person looked; what was said against it."""
    found = []
    if entry.purpose:
        purposes = words.purposes(entry.purpose.split(","), language)
        found.append(_part("purpose", language, purpose=purposes))
    if entry.action in ("release", "read") and entry.actor != account:
        found.append(basis(entry, account, language))
        found.append(_part("automated" if entry.automated else "in-person", language))
    elif entry.action in ("statement", "vault", "log") and entry.actor != account:
        found.append(_part("for-you", language))
    if entry.objection:
        found.append(_part("objected", language, text=entry.objection.rstrip(".")))
    if entry.answer:
        found.append(_part("answered", language, text=entry.answer.rstrip(".")))
    elif entry.objection:
        found.append(_part("not-answered", language))
    return found


def basis(entry: Entry, account: str, language: str) -> str:
    """On what it rested."""
    if not entry.basis:
        return _part("no-consent", language)
    newest = entry.basis[0]
    rest = "emergency" if newest["emergency"] else "consent" if newest["by"] == account else "delegated"
    name = "own" if newest["own"] else rest
    said = _part(name, language, day=words.day(newest["at"], language), by=newest["by"])
    return f"{said}, {words.on_paper(newest['desk'], language)}" if newest.get("desk") else said


# --- whether it is whole ------------------------------------------------------------------------------------------


def report(proof: Proof, language: str = "en") -> list[str]:
    """What a check has found, in sentences."""
    found = proof.entries
    first, last = (moment(found[0].at), moment(found[-1].at)) if found else ("", "")
    span = {"count": len(found), "first": first, "last": last}
    broken = f"{_reported('broken', language).upper()} {_reported('span', language, **span)}"
    said = [_reported("whole", language, **span) if proof.whole else broken]
    said += [f"  {_fault(fault, language)}" for fault in proof.faults]
    said += [f"  {_untold(link, language)}" for link in proof.untold]
    if not proof.untold:
        said.append(_reported("compared", language, count=proof.compared))
    if found and found[0].seq > 1 and not any(fault.first == 1 for fault in proof.faults):
        said.append(_reported("begins", language, seq=found[0].seq))
    return said if proof.known_key else [*said, _reported("unknown-key", language)]


def _fault(fault: Fault, language: str) -> str:
    one = fault.kind == "missing" and fault.first == fault.last
    said = _FILE["report"]["missing-one"] if one else FAULTS[fault.kind]
    return said[language].format(first=fault.first, last=fault.last)


def _untold(link: Statement, language: str) -> str:
    by = link.by[0] if link.by[0] not in (link.acc, "root") else ""
    said = STATEMENTS.get(link.typ, _FILE["parts"]["other"])[language]
    what = said.format(who=by or _part("you", language), oth=link.oth, action=link.typ)
    return _reported("untold", language, when=moment(link.iat), what=what)
