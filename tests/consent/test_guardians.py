"""Guardians who disagree: what is granted is what the decision on the same records says."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from consent import finer_rules, guardians
from consent.categories import NAMES
from consent.decide import decide
from consent.facts import facts
from consent.fhir_consent import last_moment
from consent.items import item
from consent.mandates import Mandate
from consent.policy import compile  # noqa: A004
from consent.purposes import within
from consent.state import Request, State
from consent.vault import Terms, Word
from tests.consent import world
from tests.consent.world import DAY, START

CHILD, MOTHER, FATHER, HOUSE = "p-c@a.example", "p-m@a.example", "p-f@a.example", "praxis@a.example"
MICRO = 1_000_000
PURPOSES = ["TREAT", "ETREAT", "HRESCH"]


@dataclass(frozen=True)
class Spoken:
    """What somebody decides at a moment: categories, purposes, days from `START` until when; or a refusal."""

    at: int
    by: str
    grants: tuple[frozenset[int], tuple[str, ...], int] | None

    @property
    def terms(self) -> Terms | None:
        if self.grants is None:
            return None
        categories, purposes, days = self.grants
        return Terms(HOUSE, categories, True, True, purposes, 0, START + days * DAY, b"", b"")

    def policy(self, number):
        form = {
            "id": str(number), "lineage": "one", "status": "active" if self.grants else "inactive", "patient": CHILD,
            "dateTime": datetime.fromtimestamp(self.at, UTC).isoformat(), "performer": [self.by],
        }  # fmt: skip
        if self.grants:
            categories, purposes, days = self.grants
            form["provision"] = {
                "type": "permit", "actor": [HOUSE], "class": [NAMES[c] for c in categories], "purpose": list(purposes),
                "period": {"end": last_moment(START + days * DAY)},
            }  # fmt: skip
        return compile(form)


GRANTS = st.none() | st.tuples(
    st.frozensets(st.integers(0, 3), min_size=1),
    st.lists(st.sampled_from(PURPOSES), min_size=1, max_size=2, unique=True).map(tuple),
    st.integers(1, 30),
)
STORY = st.lists(st.tuples(st.integers(1, 3), st.sampled_from([MOTHER, FATHER, CHILD]), GRANTS), max_size=6)
ENDS = st.tuples(st.integers(2, 40), st.booleans())
ALL = (frozenset([0, 1]), ("TREAT",), 30)


@given(STORY, ENDS, ENDS, st.integers(0, 10))
@example([(1, MOTHER, ALL), (1, FATHER, None)], (40, False), (40, False), 0)
@example([(1, MOTHER, ALL), (1, FATHER, None)], (40, False), (40, True), 0)
@example([(1, FATHER, None), (1, MOTHER, ALL)], (3, False), (3, False), 5)
@example([(1, CHILD, ALL), (1, MOTHER, (frozenset([1, 2]), ("TREAT",), 9))], (40, False), (40, False), 0)
def test_what_is_granted_is_what_the_decision_says(story, mother, father, later):
    """Whoever spoke, in any order, whosever mandate has ended: the joint terms permit what `decide` permits."""
    ends = {MOTHER: mother, FATHER: father}
    mandates = {
        name: Mandate(name, ((START - DAY) * MICRO, (START + days * DAY) * MICRO), revoked, kind="guardian")
        for name, (days, revoked) in ends.items()
    }
    now, said = START, list[Spoken]()
    words, own = dict[str, Word](), None
    for days, by, grants in story:
        now += days * DAY
        one = Spoken(now, by, grants)
        if by == CHILD:
            words, own = {}, one.terms
        elif mandates[by].held(now * MICRO):
            words[by] = Word(now, one.terms)
        else:
            continue
        said.append(one)
    now += later * DAY + 1
    live = {name for name, mandate in mandates.items() if mandate.live(now * MICRO)}
    found = guardians.together(guardians.counted(words, live).values(), now) if words else own
    state = State(tuple(one.policy(number) for number, one in enumerate(said)), mandates=tuple(mandates.values()))
    for purpose in PURPOSES:
        request = Request(CHILD, frozenset({HOUSE}), purpose, now * MICRO)
        for category in range(4):
            held = found is not None and category in found.categories and within(purpose, found.purposes)
            verdict = decide(state, request, [item("Observation/1", [NAMES[category]])])
            assert bool(verdict.kept) is (held and found.nb <= now < found.until)


def test_the_browser_names_what_guardians_granted_alike(twin):
    """The id of their grant for a counterpart, before there is one, while it is live, and the next after its end."""
    home, house = world.client(), world.organisation("praxis")
    home.meet(house)
    ids = list[str]()
    for _ in range(3):
        gid, known = guardians.joint(home.hub.record, house.account, home.now)
        assert known is None and twin.make("joint", acc=home.me.account, oth=house.account, ended=ids) == gid
        home.grant(house, [1], gid=gid)
        assert guardians.joint(home.hub.record, house.account, home.now)[0] == gid
        home.withdraw(house, gid)
        ids.append(gid)
    assert len(set(ids)) == 3


DATED = [facts({"resourceType": "Condition", "id": "x", "recordedDate": day}) for day in ("2026-01-05", "2026-02-05")]
DATED += [facts({"resourceType": "Observation", "id": "y"}), facts({"resourceType": "Device", "id": "d"})]
RULES = st.sampled_from([
    None, finer_rules.since(date(2026, 1, 1)), finer_rules.since(date(2026, 2, 1)),
    finer_rules.hiding(None, ["Condition/x"]),
])  # fmt: skip


@given(RULES, RULES)
def test_rules_of_both_permit_what_each_permits(one, other):
    """Entry by entry, whichever stands first."""

    def permits(rules, entry):
        return rules is None or finer_rules.decider(finer_rules.read(rules)).verdict(entry).permit

    for entry in DATED:
        expected = permits(one, entry) and permits(other, entry)
        assert permits(finer_rules.both(one, other), entry) is expected
