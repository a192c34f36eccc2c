"""`decide`: the second of the two times consent is decided, on opened resources at the gateway."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle

import orjson

from connectors.bench.figures import Figure, Wish, best
from connectors.bench.gateway import observation
from connectors.gateway.consents import Terms
from consent import fhir_consent, policy
from consent.categories import INDEX
from consent.decide import Decider
from consent.fhir_consent import Agreement
from consent.state import Request, State

PATIENT, PRACTICE = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub.obhut.example", "praxis@hub.obhut.example"
MICROSECONDS = 1_000_000
RESOURCES = 1000


def decide(wish: Wish) -> Iterator[Figure]:
    """A Consent of three categories, compiled once, asked for one Observation after the other."""
    signed = datetime(2026, 11, 25, tzinfo=UTC)
    terms = Agreement(PATIENT, PRACTICE, frozenset(INDEX[name] for name in ("vitals", "activity", "lab")), ("TREAT",))
    compiled = policy.compile(fhir_consent.read(fhir_consent.build(terms, "consent-1", signed)))
    at = int(signed.timestamp() + 60) * MICROSECONDS
    request = Request(PATIENT, frozenset({PRACTICE}), "TREAT", at)
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
    yield Figure("decide", value, "decisions/s", limit, about)
