"""Declarations: their form, who may sign one, and that each opens one grant of one patient to one house or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import declarations, frames, steps
from consent.declarations import CLOCK_SECONDS, MAX_TEXT
from consent.identifiers import new_id
from consent.keys import BoxKey, SigningKey
from consent.owed import Prepare, owed, owed_after
from consent.primitives import Rejected
from tests.consent import world
from tests.consent.world import DAY, START

ROLES = ("nurse-ed", "physician")
SPAN = 1800


@pytest.fixture(scope="module")
def scene():
    """A patient, an emergency department that may declare, and grants of other kinds."""
    return Scene()


class Scene:
    """`gids`: what the patient granted, by what is peculiar about it."""

    def __init__(self):
        self.home = world.client()
        self.er, self.ward = world.organisation("er"), world.organisation("station")
        self.stranger = world.person().account
        self.home.permit(self.home.me)
        self.gids = {
            "good": self.grant(self.er), "ordinary": self.home.grant(self.er, [1]),
            "of another house": self.grant(self.ward), "ended": self.grant(self.er),
            "later": self.grant(self.er, nb=START + DAY),
        }  # fmt: skip
        self.home.post(steps.end(self.record, self.er.account, self.gids["ended"], self.home.me.signer, self.home.now))

    def grant(self, to, **more):
        return self.home.grant(to, [1], purposes=("BTG",), emergency=(SPAN, *ROLES), **more)

    @property
    def record(self):
        return self.home.hub.record

    def relation(self, house):
        return self.record.relations[house.account]

    def declare(self, **more):
        """A declaration's frame; by default one that opens `good`."""
        key = more.pop("key", self.er.sign)
        said = {
            "acc": self.home.me.account, "sender": self.er.account, "gid": self.gids["good"], "person": "Dr. Eva Not",
            "role": "physician", "reason": "bewusstlos", "rnd": new_id(), "at": START,
            "reading_key": self.home.me.state.reading_key(),
        }  # fmt: skip
        return declarations.write(key, **{**said, **more})


def reason(call, *args, **more):
    with pytest.raises(Rejected) as caught:
        call(*args, **more)
    return caught.value.reason


def test_a_declaration_opens_the_grant_that_it_names(scene):
    """Read, verified by the house's chain, and looked up in the relation; who and why only the patient reads."""
    word = declarations.read(scene.declare())
    word.verify(scene.er.state, START)
    assert word.opens(scene.relation(scene.er), START).gid == scene.gids["good"]
    assert word.tell({"x": BoxKey.generate(), **scene.home.me.reading}) == ("Dr. Eva Not", "bewusstlos")
    assert reason(word.tell, {"x": BoxKey.generate()}) == "key"
    assert b"Eva" not in word.frame.raw and b"bewusstlos" not in word.frame.raw


@pytest.mark.parametrize("kind", ["of another house", "ordinary", "ended", "later", "unknown"])
def test_no_other_grant_is_opened(scene, kind):
    """Another house's, an ordinary one, one that ended, one to come, none at all: each by its reason."""
    expected = {"of another house": "unknown", "ordinary": "emergency", "later": "time"}
    word = declarations.read(scene.declare(gid=scene.gids.get(kind) or new_id()))
    assert reason(word.opens, scene.relation(scene.er), START) == expected.get(kind, kind)


def test_another_patient_house_or_role_is_not_opened(scene):
    """The relation must be that of the two that are named; the role one of those that she named."""
    relation = scene.relation(scene.er)
    other = declarations.read(scene.declare(acc=world.person().account))
    assert reason(other.opens, relation, START) == "unknown"
    borrowed = declarations.read(scene.declare(sender=scene.ward.account, key=scene.ward.sign))
    assert reason(borrowed.opens, relation, START) == "unknown"
    assert reason(borrowed.opens, scene.relation(scene.ward), START) == "unknown"
    assert reason(declarations.read(scene.declare(role="paramedic")).opens, relation, START) == "role"


def test_only_a_present_gateway_of_the_house_signs(scene):
    """Not another house's key, not a stranger's, not a device of another role, not one that was removed."""
    word = declarations.read(scene.declare())
    assert reason(word.verify, scene.ward.state, START) == "signer"
    assert (
        reason(declarations.read(scene.declare(key=SigningKey.generate())).verify, scene.er.state, START) == "signature"
    )
    house = world.organisation("haus")
    desk = house.other_device()
    house.add("device", desk.device_body("service"), START)
    said = {"sender": house.account, "gid": new_id()}
    by_desk = declarations.read(scene.declare(key=desk.sign, **said))
    assert reason(by_desk.verify, house.state, START) == "signature"
    by_gateway = declarations.read(scene.declare(key=house.sign, **said))
    by_gateway.verify(house.state, START)
    house.add("undevice", {"dev": house.device}, START + 10)
    assert reason(by_gateway.verify, house.state, START + 10) == "signer"
    by_gateway.verify(house.state, START, came=START)
    assert reason(by_gateway.verify, house.state, START, came=START + 11) == "signer"


def test_a_declaration_is_of_its_time(scene):
    """Ten minutes on either side of the hub's clock; and not behind the end of the grant."""
    word = declarations.read(scene.declare())
    for now in (START - CLOCK_SECONDS, START + CLOCK_SECONDS):
        word.verify(scene.er.state, now)
    for now in (START - CLOCK_SECONDS - 1, START + CLOCK_SECONDS + 1):
        assert reason(word.verify, scene.er.state, now) == "clock"
    until = scene.relation(scene.er).grants[scene.gids["good"]].until
    assert reason(word.opens, scene.relation(scene.er), until) == "ended"


@pytest.mark.parametrize("name", list(declarations.DECLARE))
def test_every_field_is_needed_and_of_its_shape(scene, name):
    """Each left out, each of another shape, one more: `fields`."""
    header = dict(frames.parse(scene.declare()).header)
    wrong = {"v": 2, "typ": "request", "person": "=", "reason": "=", "role": 1, "at": "now"}.get(name, "x")
    for changed in (
        {key: value for key, value in header.items() if key != name}, header | {name: wrong}, header | {"more": 1},
    ):  # fmt: skip
        assert reason(declarations.read, frames.sign(changed, "obhut-declare", scene.er.sign)) == "fields"


def test_a_text_too_long_is_not_signed(scene):
    """Two thousand bytes, and no more."""
    scene.declare(person="ä" * (MAX_TEXT // 2))
    assert reason(scene.declare, reason="x" * (MAX_TEXT + 1)) == "limits"


@given(st.data())
def test_a_declaration_opens_at_most_what_it_names(scene, data):
    """Whatever patient, house, grant and role are put together, only the one that fits in all four opens."""
    people = {"hers": scene.home.me.account, "another's": scene.stranger}
    houses = {"er": scene.er, "ward": scene.ward}
    whose, whom = data.draw(st.sampled_from(sorted(people))), data.draw(st.sampled_from(sorted(houses)))
    kind, role = data.draw(st.sampled_from(sorted(scene.gids))), data.draw(st.sampled_from([*ROLES, "paramedic", ""]))
    house = houses[whom]
    word = declarations.read(
        scene.declare(acc=people[whose], sender=house.account, key=house.sign, gid=scene.gids[kind], role=role)
    )
    fits = whose == "hers" and role in ROLES and (whom, kind) in {("er", "good"), ("ward", "of another house")}
    opened = []
    for relation in scene.record.relations.values():
        try:
            opened.append(word.opens(relation, START).gid)
        except Rejected:
            continue
    assert opened == ([scene.gids[kind]] if fits else [])


@pytest.mark.parametrize("place", range(0, 700, 23))
def test_no_byte_can_be_altered(scene, place):
    """Header or signature: what was altered does not read, or does not verify."""
    raw = bytearray(scene.declare())
    raw[place % len(raw)] ^= 1
    with pytest.raises(Rejected):
        declarations.read(bytes(raw)).verify(scene.er.state, START)


def test_keys_from_before_the_end_are_replaced_once(scene):
    """Every open set of which the house was handed keys: then nothing more, for what came later the hub keeps."""
    home = scene.home
    ended = [(scene.er.account, scene.gids["good"], START + SPAN), ("nobody@x.example.org", new_id(), START + SPAN)]
    home.now = START + SPAN + 60
    step = owed_after(home.hub.record, home.vault, ended)
    assert isinstance(step, Prepare)
    assert set(step.sets) == {s for s, state in home.hub.record.sets.items() if not state.closed}
    before = {s: home.hub.record.sets[s].current for s in step.sets}
    home.do(step)
    assert owed_after(home.hub.record, home.vault, ended) is None
    while step := owed(home.hub.record, home.vault, home.now):
        home.do(step)
    assert {s: home.hub.record.sets[s].current for s in before} == {s: epoch + 1 for s, epoch in before.items()}
    assert owed_after(home.hub.record, home.vault, ended) is None
    assert owed_after(home.hub.record, home.vault, []) is None
