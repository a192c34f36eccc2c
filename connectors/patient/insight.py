"""Who can see what in her record, and what would change: `consent.who` and `consent.preview` over what is held here."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from connectors.patient.reading import Reading
from connectors.patient.sharing import is_to_read
from connectors.patient.side import Side
from consent import preview, who
from consent.decide import Decider
from consent.facts import facts
from consent.fhir_consent import agreement
from consent.finer_rules import decider, read
from consent.preview import Entry, Preview
from consent.template import template
from consent.who import Access, Stretch
from fhir_profiles import resources
from fhir_profiles.problems import Problem

if TYPE_CHECKING:
    from connectors.gateway.records import Stored


def asked(client: Side, at: int | None = None) -> list[Access]:
    """Who could see what at a Unix second, told from the chains held here; None: now, by the hub's clock."""
    now = max(client.now, who.latest(client.record))
    return who.who(client.record, client.vault, now if at is None else at)


def if_granted(
    reading: Reading, counterpart: str, categories: Collection[int], whole: bool, rules: Mapping[str, Any] | None = None
) -> Preview:
    """What the counterpart would see, entry by entry, if these categories were granted, under finer `rules` if any."""
    live = _live(reading.client, counterpart)
    new = None if rules is None else decider(read(rules))
    return preview.granting(_entries(reading, counterpart, live, new), live, counterpart, categories, whole)


def if_withdrawn(reading: Reading, counterpart: str, gid: str = "") -> Preview:
    """What the counterpart would no longer see if one grant were ended, or all. Raises `Problem(not-found)`."""
    client = reading.client
    live = _live(client, counterpart)
    readable = [one.gid for one in live if is_to_read(client.vault.terms.get(one.gid)) and not one.own]
    gids = [one for one in readable if not gid or one == gid]
    if not gids:
        raise Problem("not-found", "there is no such grant: `obhut patient show` lists what is granted")
    return preview.withdrawing(_entries(reading, counterpart, live), live, counterpart, gids, _effect(client, gids))


def _live(client: Side, counterpart: str) -> list[Stretch]:
    relation, now = client.record.relations.get(counterpart), max(client.now, who.latest(client.record))
    found = who.stretches(client.record, relation) if relation else []
    return [one for one in found if one.holds(now)]


def _effect(client: Side, gids: Collection[str]) -> str:
    """What the counterpart does with what it has: as the templates say, and where there was none, it deletes."""
    for gid in gids:
        terms = client.vault.terms.get(gid)
        if terms is not None and terms.consent and (policy := agreement(resources.parse(terms.consent)).policy):
            return template(policy).withdrawn
    return "delete"


def _entries(
    reading: Reading, counterpart: str, live: Collection[Stretch], new: Decider | None = None
) -> Iterator[Entry]:
    """All of the record; of each resource it is said which live grants' finer rules leave it out; or `new` ones do."""
    record, vault = reading.client.record, reading.client.vault
    hides = vault.hides_from(counterpart)
    terms = {one.gid: who.terms_of(vault, one.rules) for one in live}
    ruled = {gid: decider(read(one.finer)) for gid, one in terms.items() if one is not None and one.finer is not None}
    places = {stream: (set_id, index) for set_id, state in record.sets.items() for stream, index in state.ids.items()}
    for one in reading.everything():
        set_id, index = places[one.stream]
        withheld = frozenset(gid for gid, rules in ruled.items() if not _permits(rules, one))
        hidden = f"{one.type}/{one.id}" in hides or (new is not None and not _permits(new, one))
        yield Entry(one.type, reading.category_of(one), set_id, index, one.epoch, one.author, withheld, hidden)


def _permits(rules: Decider, one: "Stored") -> bool:
    """What a counterpart's gateway would say of a resource; none is permitted whose facts cannot be told."""
    try:
        resource = resources.parse(one.body, max_bytes=len(one.body))
        return rules.verdict(facts(resource, [one.author])).permit
    except Problem:
        return False
