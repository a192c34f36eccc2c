"""Vectors of `owed`: whole stories, step after step, with every state on the way."""

from dataclasses import replace
from typing import Any

from consent import owed, steps
from tests.consent.delegation import appoint
from tests.consent.verdicts import step_value
from tests.consent.world import DAY, START, Client, client, organisation, person
from tests.vectors.joint import branch
from tests.vectors.making import Source
from tests.vectors.records import Records


class Owing:
    """Makes the file `owed`."""

    def __init__(self) -> None:
        self.file = Records()

    def add(self, name: str, home: Client) -> owed.Step | None:
        """One vector: the next step in this state."""
        step = owed.owed(home.hub.record, home.vault, home.now)
        self.file.add(
            name, record=self.file.record(home.hub.record), vault=self.file.vault(home.vault), now=home.now,
            step=step_value(step),
        )  # fmt: skip
        return step

    def run(self, name: str, home: Client, kinds: list[type], whole: bool = False) -> None:
        """Every step until nothing is owed; `kinds`: what the steps must be, repetitions left out.

        Written down are all steps if `whole`, else those before the first epoch starts: the rest is long and alike.
        """
        seen: list[type] = []
        count, write = 0, True
        while True:
            step = self.add(f"{name} {count}", home) if write else owed.owed(home.hub.record, home.vault, home.now)
            if step is None:
                break
            if not seen or seen[-1] is not type(step):
                seen.append(type(step))
            home.do(step)
            count += 1
            write = whole or not isinstance(step, owed.StartEpoch)
        if seen != kinds:
            raise ValueError(f"{name}: {[kind.__name__ for kind in seen]}")


ROTATION = [owed.Prepare, owed.HandOut, owed.StartEpoch, owed.Drop]


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `owed`."""
    made = Owing()
    home = client()
    house, doctor, other = organisation("klinik"), organisation("praxis"), organisation("labor")
    made.add("nothing", home)
    gid = home.grant(house, [1, 8])
    own = home.permit(doctor)
    made.add("nothing after grant and permit", home)
    _sets(made, home)
    _rotations(made, home, house, gid)
    _losses(made, home)
    _interrupted(made, home, house, gid)
    _bounds(made, home, house, gid, doctor)
    late = branch(home)
    late.grant(other, [3], until=START + DAY)
    late.now = START + DAY
    made.run("a grant expired", late, ROTATION)
    ended = branch(home)
    ended.post(steps.unpermit(ended.hub.record, doctor.account, own, ended.me.signer, ended.now))
    made.run("a permit ended", ended, [owed.CloseSet])
    return made.file.made


def _sets(made: Owing, home: Client) -> None:
    more = branch(home)
    more.save(steps.new_sets(more.vault, 2))
    made.run("new sets", more, [owed.Begin, owed.Extend, owed.Drop])
    future = branch(home)
    third = organisation("augen")
    future.grant(third, [1], whole=False)
    future.save(steps.new_sets(future.vault, 1))
    made.run("new set, a grant from now on", future, [owed.Begin, owed.Extend, owed.Drop])
    bare = replace(more, vault=more.vault.without_candidates(more.vault.candidates))
    bare = replace(bare, hub=home.hub)
    made.add("a new set without a candidate", bare)
    seen = branch(home)
    second = home.me.other_device()
    seen.post(seen.account("device", second.device_body("client")))
    seen.save(steps.new_sets(seen.vault, 1))
    seen.post(seen.account("undevice", {"dev": second.device}))
    made.run("a client removed that knew a new set", seen, [
        owed.Prepare, owed.Begin, owed.Prepare, owed.Extend, owed.HandOut, owed.StartEpoch, owed.Drop
    ])  # fmt: skip


def _rotations(made: Owing, home: Client, house: Any, gid: str) -> None:
    gone = branch(home)
    gone.withdraw(house, gid, settle=False)
    made.run("withdrawn", gone, ROTATION, whole=True)
    less = branch(home)
    terms = replace(less.vault.terms[gid], categories=frozenset([1]))
    less.save(less.vault.with_terms(gid, terms))
    less.post(steps.grant(less.hub.record, less.vault, gid, terms, less.me.signer, less.now))
    made.run("narrowed", less, ROTATION)
    wider = branch(home)
    terms = replace(terms, categories=frozenset([1, 8, 9]))
    wider.save(wider.vault.with_terms(gid, terms))
    wider.post(steps.grant(wider.hub.record, wider.vault, gid, terms, wider.me.signer, wider.now))
    made.run("widened: the stand-ins were handed out and are covered no more", wider, ROTATION)
    bad = branch(home)
    robbed = replace(house, frames=list(house.frames), reading=dict(house.reading))
    robbed.rotate(START, bad=1)
    bad.hub.know(robbed)
    made.run("reading key bad", bad, ROTATION)
    fine = branch(home)
    routine = replace(house, frames=list(house.frames), reading=dict(house.reading))
    routine.rotate(START)
    fine.hub.know(routine)
    made.run("reading key changed", fine, [])


def _losses(made: Owing, home: Client) -> None:
    second = home.me.other_device()
    stolen = branch(home)
    stolen.post(stolen.account("device", second.device_body("client")))
    stolen.post(stolen.account("undevice", {"dev": second.device}))
    made.run("a client removed", stolen, ROTATION)
    wearable = branch(home)
    wearable.post(wearable.account("device", second.device_body("writer")))
    wearable.post(wearable.account("undevice", {"dev": second.device}))
    made.run("a writer removed", wearable, [])
    for scope, end, kinds in (
        ("full", False, ROTATION),
        ("manage", False, []),
        ("full", True, ROTATION),
        ("manage", True, []),
    ):
        family = branch(home)
        relative = person()
        appoint(family, relative, scope, START + DAY)
        if end:
            family.now = START + DAY
        else:
            family.post(family.account("undelegate", {"to": relative.account}))
        made.run(f"a delegate {scope} {'expired' if end else 'removed'}", family, kinds)
    _delegates_losses(made, home)
    past = branch(home)
    relative = person()
    appoint(past, relative, "full", START + DAY)
    past.post(past.account("undelegate", {"to": relative.account}))
    past.settle()
    past.now = START + DAY
    made.add("a delegate full removed, later the end it would have had", past)
    relative = person()
    family = branch(home)
    appoint(family, relative, "full", START + DAY)
    relative.add("device", relative.other_device().device_body("client"), START + 1)
    relative.add("undevice", {"dev": relative.device}, START + 1)
    family.hub.know(relative)
    family.now = START + 2
    made.run("a full delegate lost a client", family, ROTATION)


def _delegates_losses(made: Owing, home: Client) -> None:
    """What a full delegate lost that the patient's seeds were not part of."""
    before = branch(home)
    relative = person()
    relative.add("device", relative.other_device().device_body("client"), START + 1)
    relative.add("undevice", {"dev": relative.device}, START + 1)
    before.now = START + 5
    appoint(before, relative, "full", START + DAY)
    made.run("a full delegate lost a client before it was one", before, [])
    after = branch(home)
    relative, friend = person(), person()
    appoint(after, relative, "full", START + DAY)
    body = {"to": friend.account, "fp": friend.state.fingerprint, "scope": "full", "nb": 0, "until": START + DAY}
    relative.add("delegate", body, START + 1)
    relative.add("undelegate", {"to": friend.account}, START + 2)
    after.hub.know(relative)
    after.now = START + 5
    made.run("a full delegate parted with its own delegate", after, [])


def _bounds(made: Owing, home: Client, house: Any, gid: str, doctor: Any) -> None:
    """Sets that are closed, foreign, or the counterpart's own; grants that cover nothing yet."""
    shut = branch(home)
    spare = shut.spare()
    shut.post(steps.close_set(shut.hub.record, spare, shut.me.signer, shut.now))
    shut.withdraw(house, gid, settle=False)
    made.run("withdrawn, one set closed", shut, ROTATION)
    third = organisation("augen")
    shut.grant(third, [1], whole=False)
    made.add("a closed set is not added to a grant from now on", shut)
    foreign = branch(home)
    known = dict(foreign.vault.sets)
    gone = next(iter(known))
    del known[gone]
    foreign.withdraw(house, gid, settle=False)
    made.add("a set of which the vault has no key", replace(foreign, vault=replace(foreign.vault, sets=known)))
    own = branch(home)
    own.grant(doctor, [1])
    made.add("an author's own set is not added to its growing grant", own)
    more = branch(home)
    more.save(steps.new_sets(more.vault, 1))
    more.do(made.add("one set to begin", more))
    made.add("a growing grant, no terms", replace(more, vault=replace(more.vault, terms={})))
    none = branch(home)
    none.meet(third)
    terms = replace(none.vault.terms[gid], oth=third.account)
    new = "B" * 21 + "Q"
    none.save(none.vault.with_terms(new, terms))
    none.post(steps.grant(none.hub.record, none.vault, new, terms, none.me.signer, none.now, {}))
    made.add("a growing grant that covers nothing, told by its terms", none)
    made.add("a growing grant that covers nothing, and no terms", replace(none, vault=replace(none.vault, terms={})))


def _interrupted(made: Owing, home: Client, house: Any, gid: str) -> None:
    """Candidates half handed out when something else happens."""
    half = branch(home)
    half.save(steps.prepare(half.hub.record, half.vault, sorted(half.hub.record.sets), half.now))
    for count in range(2):
        half.do(made.add(f"candidates {count}", half))
    gone = branch(half)
    gone.withdraw(house, gid, settle=False)
    made.run("withdrawn after the candidates were handed out", gone, ROTATION)
    used = branch(half)
    used.do(made.add("candidates 2", used))
    stale = replace(used, vault=half.vault)
    made.add("an epoch has started by another client", stale)
    shut = branch(half)
    set_id = sorted(shut.vault.candidates)[0]
    shut.post(steps.close_set(shut.hub.record, set_id, shut.me.signer, shut.now))
    made.add("a set with a candidate was closed", shut)
    third = organisation("augen")
    wide = branch(half)
    wide.meet(third)
    terms = replace(wide.vault.terms[gid], oth=third.account)
    new = "A" * 21 + "Q"
    wide.save(wide.vault.with_terms(new, terms))
    wide.post(steps.grant(wide.hub.record, wide.vault, new, terms, wide.me.signer, wide.now))
    made.run("a grant slipped in before the epochs start", wide, [owed.HandOut, owed.StartEpoch, owed.Drop])
