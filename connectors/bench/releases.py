"""How long the hub takes to decide on one envelope at its release: `consent.grants.covers`, beside Cedar."""

import json
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from connectors.bench import cedar
from connectors.bench.figures import Figure, Wish
from consent import statements
from consent.grants import covers
from consent.identifiers import new_id, new_person
from consent.keys import SigningKey
from consent.primitives import b64, random_bytes
from consent.relations import MAX_GRANTS, Grant, RelationState

HUB, PRACTICE = "hub.obhut.example", "praxis@hub.obhut.example"
SETS, STREAMS, EPOCHS = 64, 32, 12
NOW = 1_795_000_000
DAY = 86_400
PURPOSES = (("TREAT",), ("HRESCH", "TREAT"), ("HPAYMT",), ("PROJ7",))
ASKED = ("TREAT", "ETREAT", "HRESCH", "PROJ7", "HMARKT")
QUESTIONS = 20_000

Question = tuple[str, int, int, str]
"""Set, index, epoch, purpose."""


def release(wish: Wish) -> Iterator[Figure]:
    """One practice with as many grants as a relation may hold, each over many sets: is this stream released now?"""
    relation, sets = _relation()
    chance = Random(7)  # noqa: S311 - what is measured should be the same each time
    asked = [
        (chance.choice(sets), chance.randrange(STREAMS), chance.randrange(1, EPOCHS), chance.choice(ASKED))
        for _ in range(QUESTIONS)
    ]
    answers = [covers(relation, *question, NOW) is not None for question in asked]
    about = (
        f"{MAX_GRANTS} grants over {SETS} sets, {sum(answers) * 100 // QUESTIONS} % released, "
        "99 of 100 decisions take no longer"
    )
    value = _p99(lambda question: covers(relation, *question, NOW), asked, wish.seconds)
    yield Figure("decide-release-p99", value, "ms", None, f"one processor, {about}")
    if not cedar.is_here():
        return
    oracle = _Oracle(relation)
    some = asked[:200]
    assert [oracle.releases(question) for question in some] == answers[: len(some)]
    value = _p99(oracle.releases, asked, wish.seconds)
    yield Figure(
        "decide-release-p99-cedar", value, "ms", None, "one processor, the same grants by Cedar, parsed before"
    )


def _p99(decide: Callable[[Question], object], asked: list[Question], seconds: float) -> float:
    """Milliseconds under which 99 of 100 decisions stay."""
    times: list[int] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for question in asked[: max(100, len(asked) // 100)]:
            start = time.process_time_ns()  # others may be at work
            decide(question)
            times.append(time.process_time_ns() - start)
        asked = asked[1:] + asked[:1]
    times.sort()
    return times[len(times) * 99 // 100] / 1e6


def _relation() -> tuple[RelationState, list[str]]:
    """A relation as the hub replays it, its newest statements signed by a key of its own."""
    acc, key, chance = str(new_person(HUB)), SigningKey.generate(), Random(3)  # noqa: S311 - as above
    sets = sorted(new_id() for _ in range(SETS))
    relation = RelationState(acc, PRACTICE)
    for number in range(MAX_GRANTS):
        cover = {name: (chance.randrange(1, EPOCHS), _mask(chance)) for name in sets}
        gid = new_id()
        body: dict[str, Any] = {
            "gid": gid, "consent": b64(random_bytes(32)), "purpose": sorted(PURPOSES[number % len(PURPOSES)]),
            "nb": NOW - DAY if number % 5 else NOW + DAY, "until": NOW + (number + 1) * DAY, "grow": 1, "em": [],
            "req": "", "rk": b64(random_bytes(32)), "key": b64(random_bytes(112)), "lst": b64(random_bytes(32)),
            "cover": [[name, *cover[name]] for name in sets], "has": [],
        }  # fmt: skip
        head = (number, b64(random_bytes(32)))
        frame = statements.sign(
            key, kind="rel", acc=acc, oth=PRACTICE, head=head, iat=NOW - DAY, typ="grant", by=("root",), body=body
        )
        relation.grants[gid] = Grant(gid, number, statements.parse(frame), cover, ())
    return relation, sets


def _mask(chance: Random) -> int:
    """One stream of each category, its own or its stand-in."""
    return sum(1 << index for index in chance.sample(range(STREAMS), STREAMS // 2))


class _Oracle:
    """The grants as Cedar's policies: a stream lies in what each grant covers of it."""

    def __init__(self, relation: RelationState) -> None:
        from cedarpy import Entities, PolicySet, is_authorized  # noqa: PLC0415 - only where it is measured

        self._ask = is_authorized
        grants = list(relation.grants.values())
        self._policies = PolicySet.from_str("\n".join(map(_policy, grants)))
        above: dict[tuple[str, int], list[dict[str, str]]] = {}
        for grant in grants:
            for name, (first, mask) in grant.cover.items():
                for index in range(STREAMS):
                    if mask >> index & 1:
                        above.setdefault((name, index), []).append({"type": "Cover", "id": f"{grant.gid} {first}"})
        entities = [
            {"uid": {"type": "Stream", "id": f"{name} {index}"}, "attrs": {}, "parents": covers_}
            for (name, index), covers_ in above.items()
        ]
        self._entities = Entities.from_json_str(json.dumps([*entities, *cedar.purposes()]))

    def releases(self, question: Question) -> bool:
        """Whether Cedar would release it now."""
        name, index, epoch, purpose = question
        context = {"epoch": epoch, "now": NOW, "purpose": {"__entity": {"type": "Purpose", "id": purpose}}}
        request = {
            "principal": 'Account::"practice"', "action": 'Action::"release"', "resource": f'Stream::"{name} {index}"',
            "context": context,
        }  # fmt: skip
        return bool(self._ask(request, self._policies, self._entities).allowed)


def _policy(grant: Grant) -> str:
    firsts = sorted({first for first, _ in grant.cover.values()})
    covered = " || ".join(f'(context.epoch >= {one} && resource in Cover::"{grant.gid} {one}")' for one in firsts)
    purposes = ", ".join(f'Purpose::"{purpose}"' for purpose in grant.purposes)
    return (
        f"permit (principal, action, resource) when {{ context.now >= {grant.rules.body['nb']} && "
        f"context.now < {grant.until} && context.purpose in [{purposes}] && ({covered}) }};"
    )
