"""Who can see what, asked and answered in the shapes of AuthZEN's Authorization API 1.0.

Subjects are accounts, resources the categories of one patient's record, the one action is `read`. A request that names
subject and resource is an evaluation; without the subject's id it searches subjects, without the resource's id
resources. `context.purpose` is a purpose of use, TREAT unless stated; `context.time` an instant, else the present;
`subject.properties.role` the role of who reads there, else of anybody.
https://openid.net/specs/authorization-api-1_0.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from consent import purposes, told
from consent.categories import INDEX, NAMES
from consent.dates import interval
from consent.who import Access, allowed
from fhir_profiles.problems import Problem

SUBJECT, RESOURCE, ACTION = "account", "category", "read"

Ask = Callable[[int | None], list[Access]]
"""What `consent.who.who` answers for a Unix second, or for the present."""


def answer(request: Any, ask: Ask) -> dict[str, Any]:
    """Evaluate or search. Raises `Problem(invalid)` for what is no such request, `value` for a time or purpose."""
    subject, resource = _entity(request, "subject", SUBJECT), _entity(request, "resource", RESOURCE)
    if _part(request, "action").get("name") != ACTION:
        raise _wrong("action", f"the one action is {ACTION}")
    if resource and resource not in INDEX:
        raise _wrong("resource", f"a category is one of {', '.join(NAMES)}")
    context = _part(request, "context")
    purpose = context.get("purpose", "TREAT")
    if not isinstance(purpose, str) or not purposes.known(purpose):
        raise _wrong("context", "the purpose is a purpose of use, such as TREAT")
    role = _part(_part(request, "subject"), "properties").get("role")
    if role is not None and not isinstance(role, str):
        raise _wrong("subject", "the role is a text")
    found = ask(_second(context.get("time")))
    if subject and resource:
        return _evaluation(found, subject, INDEX[resource], purpose, role)
    if not (subject or resource):
        raise _wrong("subject", "name a subject, a resource, or both")
    if resource:
        names = sorted({one.counterpart for one in found})
        results = [name for name in names if allowed(found, name, INDEX[resource], purpose, role)]
        return {"results": [{"type": SUBJECT, "id": name} for name in results]}
    results = [name for name in NAMES if allowed(found, subject, INDEX[name], purpose, role)]
    return {"results": [{"type": RESOURCE, "id": name} for name in results]}


def _evaluation(found: list[Access], subject: str, category: int, purpose: str, role: str | None) -> dict[str, Any]:
    access = allowed(found, subject, category, purpose, role)
    of_it = [one for one in found if (one.counterpart, one.category) == (subject, category)]
    reasons = {
        language: " ".join(told.lines([access] if access else of_it, language)) or told.nothing(subject, language)
        for language in ("en", "de")
    }
    context: dict[str, Any] = {"reason_user": reasons}
    if access:
        context |= {"grant": access.gid, "consent": access.consent, "since": access.since, "until": access.until}
        context |= {"finer": access.finer}  # it may be not all of the category
    return {"decision": access is not None, "context": context}


def _part(request: Any, name: str) -> Mapping[str, Any]:
    part = request.get(name, {}) if isinstance(request, Mapping) else None
    if not isinstance(part, Mapping):
        raise _wrong(name, "an object is expected here")
    return part


def _entity(request: Any, name: str, type_: str) -> str:
    """The id of subject or resource; empty where it is to be searched."""
    part = _part(request, name)
    id_ = part.get("id", "")
    if part.get("type") != type_ or not isinstance(id_, str):
        raise _wrong(name, f"its type is {type_}, its id a text")
    return id_


def _second(time: Any) -> int | None:
    if time is None:
        return None
    if not isinstance(time, str):
        raise _wrong("context", "a time is an instant, such as 2027-03-31T12:00:00Z")
    return interval(time)[0] // 1_000_000


def _wrong(place: str, remedy: str) -> Problem:
    return Problem("invalid", f"{place}: {remedy}", expression=place)
