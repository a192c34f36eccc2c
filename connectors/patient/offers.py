"""What is about to be granted or taken back: put together, and told in words or as JSON before anything is signed."""

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from connectors.patient import insight, renewal
from connectors.patient.client import Client
from connectors.patient.reading import Reading
from connectors.patient.sharing import Request
from connectors.patient.side import Side
from consent import finer_rules, floor, preview, standing, words
from consent import template as templates
from consent.categories import NAMES
from consent.dates import ZONE, interval
from consent.fhir_consent import Agreement, Paper
from consent.relations import Grant
from consent.template import Template
from fhir_profiles.problems import Problem


@dataclass(frozen=True)
class Offer:
    """What is about to be granted. `policy`: the template by its URI, empty without one; `whole`: the past, too.

    `rules`: finer rules under which it is.
    """

    to: str
    categories: frozenset[int]
    purposes: tuple[str, ...]
    end: str
    policy: str
    whole: bool
    rules: Mapping[str, Any] | None = None

    def agreement(self, patient: str, language: str) -> Agreement:
        """As it would be signed."""
        language = language if self.policy else ""
        return Agreement(
            patient, self.to, self.categories, self.purposes, end=self.end, policy=self.policy, language=language
        )


def offered(
    to: str, template_name: str, request: Request | None, categories: Collection[int], purposes: tuple[str, ...],
    end: str, now: int, whole: bool,
) -> Offer:  # fmt: skip
    """What she says herself, a template by its name too; else what was asked for. Raises `Problem`."""
    template = templates.template(template_name) if template_name else _asked_by(request, whole)
    if template and template.whole != whole:
        raise Problem("invalid", "the text of this template is about what is there already, too: leave one out")
    asks = request.asks if request and not template_name else None
    basis = asks or template or _NOTHING
    chosen = frozenset(categories) or basis.categories
    if not chosen:
        raise Problem("invalid", "say what: --categories, --template or --request")
    until = end or (asks.end if asks else "")
    if template and not until:
        until = template.end(datetime.fromtimestamp(now, UTC))
    levels = template.confidentiality if template else frozenset()
    rules = finer_rules.up_to(levels) if levels else None
    return Offer(to, chosen, purposes or basis.purposes, until, template.uri if template else "", whole, rules)


def at_one_tap(to: str, type_: str, end: str, now: int, confidential: bool) -> Offer:
    """Standing access, by the kind of house that the directory says it is: `consent.standing`.

    `end`: the day that she chooses, if any, at most a year away. `confidential`: what is marked so is added, but for
    what is very confidential; the template's text says otherwise, so that the offer is without it. Raises `Problem`.
    """
    roles, issued = floor.roles(type_, ""), datetime.fromtimestamp(now, UTC)
    if type_ not in standing.TYPES:
        raise Problem("invalid", "this house has no standing access; say what: --categories, --template or --request")
    template = templates.template(standing.TEMPLATES[standing.usual_days(roles)])
    days = (_day(interval(end)[1]) - issued.astimezone(ZONE).date()).days + 1 if end else None
    found = standing.issue(to, roles, issued, days)
    if found is None:
        raise Problem("value", "this grant would have ended already: choose a later end")
    levels = template.confidentiality | ({"R"} if confidential else frozenset())
    policy = "" if confidential else template.uri
    last, rules = _day(found.period[1]).isoformat(), finer_rules.up_to(levels)
    return Offer(to, template.categories, template.purposes, last, policy, True, rules)


def _day(end: int) -> date:
    """The day in which the last second before a moment in microseconds lies."""
    return datetime.fromtimestamp(end // 1_000_000 - 1, UTC).astimezone(ZONE).date()


_NOTHING = Agreement("", "", frozenset(), ("TREAT",))


def _asked_by(request: Request | None, whole: bool) -> Template | None:
    """The template by which somebody asked, where it is known here and its text is about that (`whole`)."""
    try:
        found = templates.template(request.asks.policy) if request and request.asks.policy else None
    except Problem:
        return None
    return found if found and found.whole == whole else None


def asked(request: Request, language: str) -> list[str]:
    """A request in plain words: the sentence of its rule, and by which template it was made."""
    asks, found = request.asks, _asked_by(request, whole=True)
    rule = words.rule(request.sender, asks.categories, asks.purposes, asks.seconds()[1], language)
    return [rule, *([f"{found.title[language]}: obhut patient templates {found.id}"] if found else [])]


def renewed(client: Side, known: Grant, offer: Offer, language: str, paper: Paper | None = None) -> str:
    """Renew the grant that stands, unless it runs as long already. What was done, in one word."""
    if offer.agreement(client.account, language).seconds()[1] <= known.until:
        return "kept"
    renewal.renew(client, known.gid, offer.end, language, paper)
    return "renewed"


def foreseen(directory: Path, client: Client, offer: Offer, language: str, as_json: bool) -> str:
    """What a grant would open. Nothing is signed."""
    until = offer.agreement(client.account, language).seconds()[1]
    with closing(Reading(directory, client)) as reading:
        reading.refresh()
        found = insight.if_granted(reading, offer.to, offer.categories, offer.whole, offer.rules)
    if as_json:
        names = [NAMES[c] for c in sorted(offer.categories)]
        rule = {"categories": names, "purposes": offer.purposes, "end": offer.end, "policy": offer.policy}
        return json.dumps(found.plain() | {"rule": rule})
    rule_ = words.rule(offer.to, offer.categories, offer.purposes, until, language)
    return "\n".join([rule_, *preview.lines(found, language)])


def foreseen_withdrawal(directory: Path, counterpart: str, gid: str, language: str, as_json: bool) -> str:
    """What a withdrawal would take, and what becomes of what is there. Nothing is ended."""
    with closing(Client.open(directory)) as client, closing(Reading(directory, client)) as reading:
        reading.refresh()
        found = insight.if_withdrawn(reading, counterpart, gid)
    return json.dumps(found.plain()) if as_json else "\n".join(preview.lines(found, language))
