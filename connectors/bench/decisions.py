"""`decide`: consent decided on opened resources at the gateway, and at the hub's release; beside Cedar's figures."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from random import Random

import orjson

from connectors.bench import cedar
from connectors.bench.figures import Figure, Wish, best
from connectors.bench.gateway import observation
from connectors.bench.releases import release
from connectors.gateway.consents import Terms
from consent import fhir_consent, policy
from consent.categories import INDEX, NAMES
from consent.dates import interval
from consent.decide import Decider
from consent.fhir_consent import Agreement
from consent.items import Item, item
from consent.state import Request, State

PATIENT, PRACTICE = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub.obhut.example", "praxis@hub.obhut.example"
MICROSECONDS = 1_000_000
RESOURCES = 1000
CONSENTS = 10
SIGNED = datetime(2026, 11, 25, tzinfo=UTC)
AT = int(SIGNED.timestamp() + 60) * MICROSECONDS


def decide(wish: Wish) -> Iterator[Figure]:
    """One Consent asked as the gateway does; ten consents for one resource and for a thousand; a hub's release."""
    yield _gateway(wish)
    yield from _ten_consents(wish)
    yield from release(wish)


def _gateway(wish: Wish) -> Figure:
    """A Consent of three categories, compiled once, asked for one Observation after the other."""
    terms = Agreement(PATIENT, PRACTICE, frozenset(INDEX[name] for name in ("vitals", "activity", "lab")), ("TREAT",))
    compiled = policy.compile(fhir_consent.read(fhir_consent.build(terms, "consent-1", SIGNED)))
    request = Request(PATIENT, frozenset({PRACTICE}), "TREAT", AT)
    rules = Terms(terms.categories, Decider(State((compiled,)), request))
    bodies = [orjson.dumps(observation(number)) for number in range(RESOURCES)]
    parsed = [orjson.loads(body) for body in bodies]
    assert rules.permit(parsed[0], PATIENT)
    waiting, reading = cycle(parsed), cycle(bodies)
    limit = best(lambda: orjson.loads(next(reading)), wish.seconds)
    value = best(lambda: rules.permit(next(waiting), PATIENT), wish.seconds)
    about = (
        f"one processor, one Consent, reading the same resources from JSON as the limit, best of 3, {wish.seconds:g} s"
    )
    return Figure("decide", value, "decisions/s", limit, about)


def _ten_consents(wish: Wish) -> Iterator[Figure]:
    """Ten consents of three rules each: by actor, purpose, category, label, code and date; refusals among them."""
    state, items = State(tuple(map(_consent, range(CONSENTS)))), _items()
    request = Request(PATIENT, frozenset({PRACTICE, "dr-a"}), "TREAT", AT, roles=frozenset({"physician"}))
    decider = Decider(state, request)
    kept = [decider.verdict(one).permit for one in items]
    kinds = len({(one.classes, one.labels) for one in items})
    one = _once(lambda: [decider.decide(one) for one in items], wish.seconds) / RESOURCES
    many = _once(lambda: _filter(state, request, items), wish.seconds)
    about = f"one processor, {CONSENTS} consents of 3 rules, {sum(kept)} of {RESOURCES} resources of {kinds} kinds kept"
    yield Figure("decide-one", one * 1e6, "µs", None, f"{about}, request specialised, nothing remembered of its kind")
    yield Figure("decide-filter", many * 1e3, "ms", None, f"{about}, request specialised anew for the {RESOURCES}")
    if not cedar.is_here():
        return
    asking = cedar.Cedar(state, items, ["physician"]).asking(request)
    assert asking.all() == kept
    numbers = cycle(range(RESOURCES))
    one, many = _once(lambda: asking.one(next(numbers)), wish.seconds), _once(asking.all, wish.seconds)
    about = "one processor, the same decisions by Cedar, policies and entities parsed before"
    yield Figure("decide-one-cedar", one * 1e6, "µs", None, about)
    yield Figure("decide-filter-cedar", many * 1e3, "ms", None, f"{about}, in one batch")


def _filter(state: State, request: Request, items: Sequence[Item]) -> list[Item]:
    decider = Decider(state, request)
    return [one for one in items if decider.verdict(one).permit]


def _once(measure: Callable[[], object], seconds: float) -> float:
    """Seconds that one run takes."""
    return 1 / best(measure, seconds)


def _consent(number: int) -> policy.Policy:
    mine, categories = {"actor": [PRACTICE]}, list(NAMES[1:12])
    some = [categories[(number + step) % len(categories)] for step in range(4)]
    trees = (
        {"type": "permit", **mine, "purpose": ["TREAT"], "class": some, "provision": [
            {"type": "deny", "securityLabel": ["PSY"]}, {"type": "deny", "class": ["genetic"]}]},
        {"type": "permit", **mine, "securityLabel": ["N"], "provision": [
            {"type": "deny", "code": [f"http://loinc.org|{number}"]}, {"type": "deny", "purpose": ["HMARKT"]}]},
        {"type": "deny", "class": ["mental"], "provision": [
            {"type": "permit", **mine, "provision": [{"type": "deny", "securityLabel": ["ETH"]}]}]},
        {"type": "permit", "purpose": ["TREAT"], "class": some[:1], "provision": [
            {"type": "deny", "actor": ["other@hub.obhut.example"]},
            {"type": "deny", "dataPeriod": {"start": "2010", "end": "2012"}}]},
    )  # fmt: skip
    form = {"id": f"c{number}", "status": "active", "dateTime": "2026-01-01", "provision": trees[number % len(trees)]}
    return policy.compile(form)


def _items() -> list[Item]:
    chance = Random(7)  # noqa: S311 - what is measured should be the same each time
    names = [*NAMES[1:11], "mental"]
    return [
        item(
            f"Observation/{number}", ["Observation", chance.choice(names)], chance.choice("NNNR"),
            chance.choice(((), (), ("PSY",))), codes=frozenset({f"http://loinc.org|{chance.randrange(40)}"}),
            clinical=interval(f"20{chance.randrange(10, 26)}-06-01"),
        )
        for number in range(RESOURCES)
    ]  # fmt: skip
