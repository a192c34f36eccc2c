"""Random states, requests and resources: rich, and quick enough for a hundred thousand of them."""

from dataclasses import replace
from random import Random

from consent.dates import FOREVER, interval, period
from consent.floor import FLOOR, closing
from consent.items import item
from consent.mandates import KINDS, Mandate
from consent.policy import compile  # noqa: A004
from consent.standing import NORMAL, Standing
from consent.state import Request, State

PATIENT, SON, MOTHER, FATHER = "p@a.example", "son@a.example", "mother@a.example", "father@a.example"
ACTORS = ["dr-a", "dr-b", "praxis@a.example", "klinik@a.example", SON, MOTHER, FATHER, PATIENT]
PURPOSES = ["TREAT", "ETREAT", "BTG", "HRESCH", "PROJ1", "HMARKT", "FAMRQT"]
CLASSES = ["Observation", "vitals", "activity", "mental", "lab", "genetic", "dental"]
CODES = ["http://loinc.org|8867-4", "http://loinc.org|718-7", "I10"]
LABELS = ["N", "R", "V", "PSY", "ETH", "ETHUD", "HIV"]
DAYS = ["2024-05-30", "2024-05-31", "2024-06-01", "2024-06-02"]
MOMENTS = [interval(f"{day}T{hour}:00:00Z")[0] for day in DAYS for hour in ("00", "12", "22")]
SPANS = [{"start": a, "end": b} for a in DAYS for b in DAYS if a <= b] + [{"end": DAYS[2]}, {"start": DAYS[1]}, {}]
PERIODS = [period(span.get("start"), span.get("end")) for span in SPANS]
REFS = ["Observation/1", "Observation/2", "Observation/3", "Encounter/e1"]
ROLES = ["physician", "pharmacist", "payer", "clerk", "midwife"]
ACTIONS = [*["read"] * 6, "search", "create", "update", "delete", "export", "disclose", "delegate", "resign"]
DATA = [[meaning, ref] for meaning in ("instance", "related", "dependents") for ref in REFS] + [["authoredby", "dr-a"]]
LIMITS = {
    "actor": ACTORS, "purpose": PURPOSES, "class": CLASSES, "action": ["access", "collect", "disclose", "correct"],
    "role": ROLES, "securityLabel": LABELS, "code": CODES, "data": DATA,
}  # fmt: skip

LIMITED = dict.fromkeys(LIMITS, 0.08) | {"class": 0.2, "code": 0.15, "securityLabel": 0.15}
DENSE = dict.fromkeys(LIMITS, 0.01) | {"class": 0.4, "code": 0.3, "securityLabel": 0.3, "data": 0.1}
"""How often a rule has a limit: what tells resources apart more often than what does not fit the request."""


class Chance:
    """What a seed makes. Half of the seeds are dense: many consents that all bear on the request, and tell resources
    apart; the other half meets every rule.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.dense = seed % 2 == 0

    def some(self, values, most=2, least=0):
        """A few of the values, each once."""
        return self.random.sample(values, self.random.randint(least, min(most, len(values))))

    def rare(self, chance=0.15):
        """Whether something happens that happens seldom."""
        return self.random.random() < chance

    def rule(self, level=1):
        """A provision with up to three levels; most limits are left out, so that much matches."""
        random = self.random
        made = {
            name: self.some(values, least=1)
            for name, values in LIMITS.items()
            if self.rare((DENSE if self.dense else LIMITED)[name])
        }
        for element in ("period", "dataPeriod"):
            if self.rare(0.12) and not (self.dense and element == "period"):
                made[element] = random.choice(SPANS)
        if level < 3:
            made["provision"] = [self.rule(level + 1) for _ in range(random.choice((0, 0, 0, 1, 2)))]
        return made | {"type": random.choice(("permit", "deny"))}

    def policy(self, number):
        """A consent, often of a lineage that others share, sometimes given by a parent."""
        random = self.random
        form = {
            "id": f"c{number}" if random.random() < 0.9 else "c0",
            "status": random.choice([*["active"] * 6, "inactive", "proposed"]),
            "dateTime": random.choice(DAYS),
            "provision": self.rule(),
            "template": random.choice(["", "OPT-IN"]),
            "lineage": random.choice(["", "", "", "", "x", "y"]),
            "performer": random.choice([[], [], [], [PATIENT], [MOTHER], [FATHER]]),
        }
        if self.rare(0.1):
            form["legal"] = self.rare(0.5)
        return compile(form)

    def mandate(self, delegate):
        """A mandate, whole or in part."""
        random = self.random
        return Mandate(
            delegate,
            random.choice(PERIODS),
            self.rare(),
            frozenset(self.some(ACTIONS, 1)),
            frozenset(self.some(CLASSES, 1)),
            frozenset(self.some(PURPOSES, 1)),
            frozenset(self.some(CLASSES + REFS, 1)),
            random.choice(KINDS),
            frozenset(self.some(ACTIONS, 1) if self.rare() else ()),
        )

    def dense_policy(self, number):
        """A consent in force, mostly a permit with exceptions."""
        rule = self.rule() | ({"type": "permit"} if self.random.random() < 0.8 else {})
        form = {"id": f"c{number}", "status": "active", "dateTime": "2024-01-01", "provision": rule}
        return compile(form | ({"template": "OPT-IN"} if self.rare() else {}))

    def state(self):
        """All that a patient has said."""
        random = self.random
        if self.dense:
            hides = frozenset(self.some(CLASSES + LABELS + REFS, 1) if self.rare() else ())
            return State(tuple(self.dense_policy(number) for number in range(random.randint(2, 6))), hides=hides)
        return State(
            policies=tuple(self.policy(number) for number in range(random.randint(0, 7))),
            standing=tuple(
                Standing(actor, random.choice(PERIODS), NORMAL | set(self.some(["R"], 1)))
                for actor in self.some(ACTORS)
            ),
            blocks=frozenset(self.some(ACTORS, 1) if self.rare() else ()),
            hides=frozenset(self.some(CLASSES + LABELS + REFS, 1) if self.rare(0.3) else ()),
            mandates=tuple(
                self.mandate(delegate) for delegate in (SON, MOTHER, FATHER, MOTHER) if self.rare(0.3)
            ),
            no_emergency=self.rare(),
            implicit=random.choice(["deny", "permit", "permit-treat", "break-glass-only"]),
            legal=FLOOR if random.random() < 0.7 else closing({random.choice(ROLES): self.some(CLASSES)}),
            private=frozenset(self.some(CLASSES, 1) if self.rare() else ()),
            withheld=frozenset(self.some(REFS, 1) if self.rare() else ()),
            of_age=random.choice([FOREVER, FOREVER, *MOMENTS]),
            emergency_level=random.choice(["N", "R"]),
        )  # fmt: skip

    def request(self):
        """Who asks for what."""
        random = self.random
        at = random.choice(MOMENTS)
        if self.dense:
            action = random.choice(["read", "search"])
            return Request(PATIENT, frozenset({"dr-a"}), "TREAT", at, action, frozenset({"physician"}))
        if self.rare():  # an emergency with all that it takes
            return Request(PATIENT, frozenset({"dr-a"}), "BTG", at, "read", frozenset({"physician"}), "unconscious")
        return Request(
            PATIENT,
            frozenset(self.some(ACTORS[: -1 if random.random() < 0.9 else None], least=random.random() < 0.97)),
            random.choice([*PURPOSES, *["TREAT"] * 6, *["FUN"] * self.rare(0.2)]),
            at,
            random.choice(ACTIONS),
            frozenset(self.some(ROLES, 1)),
            random.choice(["", "unconscious"]),
            random.choice([None, at, at - 1_800_000_000, at - 3_600_000_000]),
            frozenset(self.some(["p2@b.example"], 1)),
        )

    def items(self):
        """A bundle of resources."""
        random = self.random
        return [
            item(
                random.choice(REFS), self.some(CLASSES, least=1), random.choice(["N", "N", "R", "V", None]),
                self.some(["PSY", "ETHUD", "HIV"], 1), labelled=not self.rare(0.1),
                codes=frozenset(self.some(CODES, 1)), clinical=random.choice([None, *PERIODS[:4]]),
                authors=frozenset(self.some(["dr-a", "dr-b"], 1)), related=frozenset(self.some(REFS, 1)),
                depends=frozenset(self.some(REFS, 1)),
            )
            for _ in range(random.randint(1, 8 if self.dense else 4))
        ]  # fmt: skip

    def refusal(self, state):
        """The state with one more refusal: a block, something hidden, or a consent that only denies."""
        kind = self.random.randrange(3)
        if kind == 0:
            return replace(state, blocks=state.blocks | {self.random.choice(ACTORS)})
        if kind == 1:
            return replace(state, hides=state.hides | {self.random.choice(CLASSES + LABELS + REFS)})
        rule = self.rule(level=3) | {"type": "deny"}
        added = compile({"id": "refusal", "status": "active", "provision": rule})
        return replace(state, policies=(*state.policies, added))
