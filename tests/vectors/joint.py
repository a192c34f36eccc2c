"""Vectors of the joint rules: a record, a statement, what the home hub says."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

from consent import identifiers, owed, steps
from consent.keys import SigningKey
from consent.primitives import random_bytes
from consent.sets import Master, SetKey
from consent.steps import Written
from consent.streams import range_digest
from consent.vault import Terms
from tests.consent.delegation import appoint, pass_on
from tests.consent.world import DAY, START, Client, Identity, client, organisation, person
from tests.vectors.chains import OTHER_HASH, OTHER_ID, Header, body, header, put, resigned
from tests.vectors.making import OK, Source, broken
from tests.vectors.records import Records

SCOPE = broken("scope")
Changes = Callable[[Header], object]


class Joint:
    """A patient with two clients; a hospital reads, a practice reads and writes."""

    def __init__(self) -> None:
        self.file = Records()
        self.home = client()
        self.second = self.home.me.other_device()
        self.home.post(self.home.account("device", self.second.device_body("client")))
        self.house, self.doctor = organisation("klinik"), organisation("praxis")
        self.gid = self.home.grant(self.house, [1, 8])
        self.own = self.home.permit(self.doctor)

    def says(self, name: str, home: Client, written: Written, expect: Any = OK, now: int | None = None) -> None:
        """One vector."""
        blob = {} if written.blob is None else {"blob": self.file.pool(written.blob)}
        self.file.add(
            name, expect, record=self.file.record(home.hub.record), statement=self.file.pool(written.frame), **blob,
            now=home.now if now is None else now,
        )  # fmt: skip

    def altered(self, written: Written, change: Changes, key: SigningKey | None = None) -> Written:
        """The statement, changed and signed anew."""
        return replace(written, frame=resigned(written.frame, key or self.home.me.sign, change))

    # --- the signer and the clock ---------------------------------------------------------------------------------

    def signers(self) -> None:
        home = branch(self.home)
        close = steps.close_set(home.hub.record, home.spare(), home.me.signer, START)
        for name, now, expect in (
            ("600 s ahead", START - 600, OK), ("601 s ahead", START - 601, broken("clock")),
            ("600 s behind", START + 600, OK), ("601 s behind", START + 601, broken("clock")),
        ):  # fmt: skip
            self.says(f"clock: the signer is {name}", home, close, expect, now)
        reading = home.account("reading", {"key": OTHER_HASH, "bad": 0})
        self.says("clock: an account statement too", home, reading, broken("clock"), START + 601)
        self.says("account: a new reading key", home, reading)
        by_second = steps.close_set(home.hub.record, home.spare(), self.second.signer, START)
        gone = branch(home)
        gone.post(gone.account("undevice", {"dev": self.second.device}))
        self.says("signer: a client", home, by_second)
        self.says("signer: a client that was removed meanwhile", gone, by_second, broken("signer-gone"))
        self.says("two faults: clock before signer", gone, by_second, broken("clock"), START + 700)
        stranger = client()
        foreign = steps.close_set(stranger.hub.record, next(iter(stranger.vault.sets)), stranger.me.signer, START)
        of_stranger = branch(home)
        of_stranger.hub.know(replace(stranger.me, frames=stranger.hub.record.account.frames))
        start = replace(foreign, frame=stranger.hub.record.sets[next(iter(stranger.vault.sets))].frames[0])
        self.says("a stream chain of another patient", of_stranger, start, broken("chain"))
        closed = branch(home)
        closed.post(closed.account("close", {}))
        self.says("account closed", closed, close, broken("closed"))
        relative = person()
        appoint(home, relative, "full", START + DAY)
        by_relative = steps.close_set(home.hub.record, home.spare(), relative.signer, START)
        self.says("signer: a delegate", home, by_relative)
        left = branch(home)
        left.post(left.account("undelegate", {"to": relative.account}))
        self.says("signer: a delegate removed meanwhile", left, by_relative, broken("signer-gone"))
        lost = branch(home)
        relative.add("undevice", {"dev": relative.device}, START)
        lost.hub.know(relative)
        self.says("signer: a delegate's device removed meanwhile", lost, by_relative, broken("signer-gone"))
        late = self.altered(by_relative, put(iat=START + DAY - 1), relative.sign)
        self.says("signer: a delegate by whose clock it is not over", home, late, broken("signer-gone"), START + DAY)

    # --- bundles --------------------------------------------------------------------------------------------------

    def bundles(self) -> None:
        home, record = self.home, self.home.hub.record
        gid = identifiers.new_id()
        terms = replace(home.vault.terms[self.gid], salt=random_bytes(16))
        good = steps.grant(record, home.vault, gid, terms, home.me.signer, START)
        rows = header(good.frame)["body"]["has"]
        cover = header(good.frame)["body"]["cover"]
        self.says("grant", home, good)
        self.says("grant: no bundle", home, replace(good, blob=None), broken("blob"))
        self.says("grant: another bundle", home, replace(good, blob=b"other"), broken("blob"))
        end = steps.end(record, self.house.account, self.gid, home.me.signer, START)
        self.says("end", home, end)
        self.says("end: with a bundle", home, replace(end, blob=b""), broken("blob"))
        vault = home.vault_written(home.vault)
        self.says("vault", home, vault)
        self.says("vault: without its ciphertext", home, replace(vault, blob=None), broken("blob"))
        self.says("vault: another ciphertext", home, replace(vault, blob=b"other"), broken("blob"))
        wrong = [[*rows[0][:4], OTHER_ID], *rows[1:]]
        self.says("has: a wrong digest", home, self.altered(good, body(has=wrong)), broken("has"))
        two = [[*rows[0][:2], 2, *rows[0][3:]], *rows[1:]]
        self.says("has: one epoch more than started", home, self.altered(good, body(has=two)), broken("has"))
        after = [*rows, [rows[0][0], 3, 3, *rows[0][3:]]]
        self.says("has: the epoch after the next", home, self.altered(good, body(has=after)), broken("has"))
        coming = [*rows, [rows[0][0], 2, 2, rows[0][3], range_digest([bytes(16)])]]
        self.says("has: the next epoch", home, self.altered(good, body(has=coming)))
        unknown = sorted([*cover, [OTHER_ID, 1, cover[0][2]]])
        self.says("cover: an unknown set", home, self.altered(good, body(cover=unknown)), broken("has"))
        strange = sorted([*rows, [OTHER_ID, 1, 1, cover[0][2], OTHER_ID]])
        self.says("has: an unknown set", home, self.altered(good, body(cover=unknown, has=strange)), broken("has"))
        wider = replace(home.vault.terms[self.gid], categories=frozenset([1, 8, 9]))
        wider_ = steps.grant(record, home.vault, self.gid, wider, home.me.signer, START)
        self.says("grant: widened", home, wider_)
        self.says("grant: widened, no new seeds", home, self.altered(wider_, body(has=[])), broken("owed-keys"))
        self.says("grant: seeds of one set left out", home, self.altered(good, body(has=rows[1:])), broken("owed-keys"))
        self.says("grant: no seeds", home, self.altered(good, body(has=[])), broken("owed-keys"))
        later = [[row[0], 2, row[2]] for row in cover]
        self.says("grant: of epochs to come only", home, self.altered(good, body(cover=later, has=[])))
        twin = branch(home)
        twin.turn()
        half = steps.grant(twin.hub.record, twin.vault, gid, terms, twin.me.signer, START)
        part = [[*row[:2], 1, row[3], first_digest(twin, row[0])] for row in header(half.frame)["body"]["has"]]
        self.says("grant: after a rotation", twin, half)
        self.says("grant: seeds of the first epoch only", twin, self.altered(half, body(has=part)), broken("owed-keys"))
        twin.turn()
        third = steps.grant(twin.hub.record, twin.vault, gid, terms, twin.me.signer, START)
        rows = header(third.frame)["body"]["has"]
        part = [[*row[:2], 2, row[3], range_digest(twin.hub.record.sets[row[0]].digests(1, 2))] for row in rows]
        self.says("grant: seeds of two of three epochs", twin, self.altered(third, body(has=part)), broken("owed-keys"))
        whole = {row[0]: range_digest(twin.hub.record.sets[row[0]].digests(3, 3)) for row in part}
        split = [
            part_ for row in part for part_ in (row, [row[0], 3, 3, row[3], whole[row[0]]])
        ]  # fmt: skip
        self.says("grant: seeds of three epochs in two rows", twin, self.altered(third, body(has=split)))
        self.stale_keys(good)

    def stale_keys(self, good: Written) -> None:
        newer = branch(self.home)
        house = replace(self.house, frames=list(self.house.frames), reading=dict(self.house.reading))
        house.rotate(START)
        newer.hub.know(house)
        self.says("stale reading key", newer, good, broken("stale-key"))
        self.says("two faults: stale key before bundle", newer, replace(good, blob=None), broken("stale-key"))

    # --- permits --------------------------------------------------------------------------------------------------

    def permits(self) -> None:
        home, me = branch(self.home), self.home.me
        other = organisation("labor")
        home.meet(other)
        record = home.hub.record
        spare = home.spare()
        good = steps.permit(record, other.account, spare, me.signer, START)
        self.says("permit: the author reads nothing of its own set", home, good, broken("owed-own"))
        ready = branch(home)
        own_grant(ready, other, spare)
        again = steps.permit(ready.hub.record, other.account, spare, me.signer, START)
        self.says("permit", ready, again)
        unknown = steps.permit(ready.hub.record, other.account, OTHER_ID, me.signer, START)
        self.says("permit: a set unknown here", ready, unknown, broken("unknown"))
        shut = branch(ready)
        shut.post(steps.close_set(shut.hub.record, spare, me.signer, START))
        self.says("permit: a closed set", shut, again, broken("closed"))
        taken = steps.permit(record, other.account, self.own, me.signer, START)
        self.says("permit: the set of another author", home, taken, broken("set-taken"))
        ended = branch(home)
        ended.post(steps.unpermit(ended.hub.record, self.doctor.account, self.own, me.signer, START))
        self.says("permit: the set another author had", ended, taken, broken("set-taken"))
        fresh = branch(home)
        fresh.save(steps.new_sets(fresh.vault, 1))
        new = next(s for s in fresh.vault.sets if s not in fresh.hub.record.sets)
        fresh.post(steps.begin(fresh.hub.record, fresh.vault, new, me.signer, START))
        own_grant(fresh, other, new)
        uncovered = steps.permit(fresh.hub.record, other.account, new, me.signer, START)
        self.says("permit: a growing grant does not cover it", fresh, uncovered, broken("owed-cover"))
        self.says(
            "permit: that grant is over",
            fresh,
            self.altered(uncovered, put(iat=START + 90 * DAY)),
            OK,
            START + 90 * DAY,
        )
        house = branch(fresh)
        own_grant(house, self.house, new)
        uncovered = steps.permit(house.hub.record, self.house.account, new, me.signer, START)
        self.says("permit: only the author's own growing grant does not cover it", house, uncovered)
        alone = branch(home)
        alone.post(steps.open_relation(record, me.account, "card", me.signer, START))
        mine = steps.permit(alone.hub.record, me.account, spare, me.signer, START)
        self.says("permit: the patient herself needs no grant", alone, mine)

    # --- sets and epochs ------------------------------------------------------------------------------------------

    def epochs(self) -> None:
        home, me = self.home, self.home.me
        set_id = self.own
        bare = branch(home)
        bare.save(steps.prepare(bare.hub.record, bare.vault, [set_id], START))
        early = steps.start_epoch(bare.hub.record, bare.vault, set_id, me.signer, START)
        self.says("epoch: nobody was given the seeds", bare, early, broken("owed-keys"))
        step = owed.owed(bare.hub.record, bare.vault, START)
        bare.do(step)
        half = steps.start_epoch(bare.hub.record, bare.vault, set_id, me.signer, START)
        self.says("epoch: one of two was given the seeds", bare, half, broken("owed-keys"))
        bare.do(owed.owed(bare.hub.record, bare.vault, START))
        good = steps.start_epoch(bare.hub.record, bare.vault, set_id, me.signer, START)
        self.says("epoch", bare, good)
        routine = steps.start_epoch(bare.hub.record, bare.vault, set_id, me.signer, START, 3600)
        self.says("epoch: with grace", bare, routine)
        late = branch(bare)
        late.post(steps.end(late.hub.record, self.house.account, self.gid, me.signer, START))
        self.says("epoch: somebody who was given the seeds is withdrawn", late, good, broken("tainted"))
        fresh = branch(late)
        fresh.save(steps.prepare(fresh.hub.record, fresh.vault, [set_id], START))
        while isinstance(step := owed.owed(fresh.hub.record, fresh.vault, START), (owed.HandOut, owed.Prepare)):
            fresh.do(step)
        clean = steps.start_epoch(fresh.hub.record, fresh.vault, set_id, me.signer, START)
        self.says("epoch: after a withdrawal", fresh, clean)
        graceful = steps.start_epoch(fresh.hub.record, fresh.vault, set_id, me.signer, START, 1)
        self.says("epoch: after a withdrawal, with grace", fresh, graceful, broken("grace"))
        self.later(bare, good)
        self.lost(bare, good)
        twin = branch(home)
        taken = next(iter(home.vault.sets))
        twin.vault = twin.vault.with_set(OTHER_ID, home.vault.sets[taken], Master(random_bytes(32)))
        copied = steps.begin(twin.hub.record, twin.vault, OTHER_ID, me.signer, START)
        self.says("start: stream ids of another set", home, copied, broken("ids"))
        twin.vault = twin.vault.with_set(OTHER_ID, SetKey(random_bytes(32)), Master(random_bytes(32)))
        self.says("start", home, steps.begin(twin.hub.record, twin.vault, OTHER_ID, me.signer, START))

    def later(self, ready: Client, good: Written) -> None:
        """A grant of later epochs need not be handed this one."""
        home = branch(ready)
        third = organisation("augen")
        home.meet(third)
        gid = identifiers.new_id()
        terms = replace(home.vault.terms[self.gid], oth=third.account, grow=False)
        written = steps.grant(home.hub.record, home.vault, gid, terms, home.me.signer, START)
        cover = header(written.frame)["body"]["cover"]
        for first, expect in ((3, OK), (2, broken("owed-keys"))):
            twin = branch(home)
            rows = [[row[0], first, row[2]] for row in cover]
            twin.post(self.altered(written, body(cover=rows, has=[])))
            self.says(f"epoch 2: another grant begins with epoch {first}", twin, good, expect)

    def lost(self, ready: Client, good: Written) -> None:
        """Seeds that somebody may have seen who must not."""
        bad = branch(ready)
        house = replace(self.house, frames=list(self.house.frames), reading=dict(self.house.reading))
        house.rotate(START, bad=1)
        bad.hub.know(house)
        self.says("epoch: handed to a reading key that is bad now", bad, good, broken("tainted"))
        new = replace(self.house, frames=list(self.house.frames), reading=dict(self.house.reading))
        new.rotate(START)
        routine = branch(ready)
        routine.hub.know(new)
        self.says("epoch: handed to a reading key that is old now", routine, good)
        stolen = branch(ready)
        stolen.post(stolen.account("undevice", {"dev": self.second.device}))
        self.says("epoch: made before a client was removed", stolen, good, broken("tainted"))
        after = steps.start_epoch(stolen.hub.record, stolen.vault, self.own, stolen.me.signer, START)
        self.says("epoch: signed after a client was removed", stolen, after)
        family = branch(ready)
        relative = person()
        appoint(family, relative, "full", START + DAY)
        early = steps.start_epoch(family.hub.record, family.vault, self.own, family.me.signer, START)
        self.says("epoch: while a full delegate is one", family, early)
        left = branch(family)
        left.post(left.account("undelegate", {"to": relative.account}))
        self.says("epoch: made before a full delegate was removed", left, early, broken("tainted"))
        relative.add("device", relative.other_device().device_body("client"), START + 1)
        relative.add("undevice", {"dev": relative.device}, START + 1)
        robbed = branch(family)
        robbed.hub.know(relative)
        self.says("epoch: made before a full delegate lost a client", robbed, early, broken("tainted"), START + 1)
        over = self.altered(early, put(iat=START + DAY - 1))
        self.says("epoch: made before a full delegate's end", family, over, broken("tainted"), START + DAY)
        over = self.altered(early, put(iat=START + DAY))
        self.says("epoch: made at a full delegate's end", family, over, OK, START + DAY)

    # --- a delegate who manages -----------------------------------------------------------------------------------

    def scope(self) -> None:
        home = branch(self.home)
        relative, doctor = person(), organisation("augen")
        appoint(home, relative, "manage", START + 400 * DAY)
        home.hub.know(relative)
        home.meet(relative)
        terms = replace(home.vault.terms[self.gid], oth=relative.account, whole=False, until=START + 50 * DAY)
        home.turn()
        gid = identifiers.new_id()
        home.save(home.vault.with_terms(gid, terms))
        home.post(steps.grant(home.hub.record, home.vault, gid, terms, home.me.signer, START))
        home.meet(doctor)
        good = pass_on(home, relative, gid, doctor)
        cover = header(good.frame)["body"]["cover"]

        def says(name: str, change: Changes, expect: Any = SCOPE) -> None:
            self.says(f"delegate: {name}", home, self.altered(good, change, relative.sign), expect)

        says("what it holds", put(), OK)
        says("less than it holds", body(cover=cover[1:], has=header(good.frame)["body"]["has"][1:]), OK)
        says("longer", body(until=START + 50 * DAY + 1))
        says("an epoch before", body(cover=[[row[0], 1, row[2]] for row in cover], has=whole_rows(home, cover)))
        says("growing, as its own does", body(grow=1), OK)
        mask = cover[0][2]
        other = mask ^ (mask & -mask) | (mask ^ 0xFFFFFFFF) & -(mask ^ 0xFFFFFFFF)
        rows = [[*header(good.frame)["body"]["has"][0][:3], other, header(good.frame)["body"]["has"][0][4]]]
        says("another stream", body(cover=[[*cover[0][:2], other]], has=rows))
        stranger = branch(home)
        other = person()
        appoint(stranger, other, "manage", START + 400 * DAY)
        cite = {n: list(p) for n, p in steps.cite(stranger.hub.record, other.account, doctor.account).items()}
        by_other = self.altered(good, put(by=list(other.signer.by), cite=cite), other.sign)
        self.says("delegate: holds nothing", stranger, by_other, broken("scope"))
        still = branch(home)
        fixed = steps.grant(still.hub.record, still.vault, gid, replace(terms, grow=False), still.me.signer, START)
        still.post(fixed)
        self.says("delegate: what it holds, and does not grow", still, good)
        growing = self.altered(good, body(grow=1), relative.sign)
        self.says("delegate: growing, as its own does not", still, growing, broken("scope"))
        own = branch(home)
        own.post(steps.end(own.hub.record, relative.account, gid, home.me.signer, START))
        self.says("delegate: its own grant has ended", own, good, broken("scope"))
        foreign = steps.end(home.hub.record, self.house.account, self.gid, relative.signer, START)
        self.says("delegate: ends a grant it did not make", home, foreign)
        self.stand_ins(branch(home), relative, terms, good)

    def stand_ins(self, home: Client, relative: Identity, terms: Terms, good: Written) -> None:
        """It withholds what it may read itself by the stand-ins of another grant of its own."""
        none = replace(terms, categories=frozenset(), until=START + 40 * DAY)
        gid = identifiers.new_id()
        home.save(home.vault.with_terms(gid, none))
        home.post(steps.grant(home.hub.record, home.vault, gid, none, home.me.signer, START))
        fewer = frozenset({min(terms.categories)})
        masks = {set_id: home.vault.sets[set_id].mask(fewer) for set_id in home.vault.sets}
        cover = [[*row[:2], masks[row[0]]] for row in header(good.frame)["body"]["cover"]]
        has = [[*row[:3], masks[row[0]], row[4]] for row in header(good.frame)["body"]["has"]]

        def says(name: str, until: int, expect: Any = OK) -> None:
            change = body(cover=cover, has=has, until=until)
            self.says(f"delegate: {name}", home, self.altered(good, change, relative.sign), expect)

        says("withholds by the stand-ins of another own grant", START + 40 * DAY)
        says("withholds for longer than it holds the stand-ins", START + 40 * DAY + 1, SCOPE)
        home.post(steps.end(home.hub.record, relative.account, gid, home.me.signer, START))
        says("withholds by stand-ins that it has no more", START + 40 * DAY, SCOPE)


def branch(home: Client) -> Client:
    """The same world from here on, without changing this one."""
    hub = copy(home.hub)
    hub.blobs, hub.envelopes, hub.order = dict(hub.blobs), dict(hub.envelopes), list(hub.order)
    return replace(home, hub=hub)


def own_grant(home: Client, author: Identity, set_id: str) -> None:
    """The author's grant of a set, as it is made before the permit."""
    terms = replace(next(iter(home.vault.terms.values())), oth=author.account, grow=False, until=START + 900 * DAY)
    record = home.hub.record
    home.post(steps.own_grant(record, home.vault, identifiers.new_id(), set_id, terms, home.me.signer, home.now))


def first_digest(home: Client, set_id: str) -> str:
    """`dg` of a set's first epoch."""
    return range_digest(home.hub.record.sets[set_id].digests(1, 1))


def whole_rows(home: Client, cover: list[list[Any]]) -> list[list[Any]]:
    """`has` rows of all epochs."""
    sets = home.hub.record.sets
    return [[s, 1, sets[s].current, mask, range_digest(sets[s].digests(1, sets[s].current))] for s, _, mask in cover]


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `joint-rules`."""
    made = Joint()
    made.signers()
    made.bundles()
    made.permits()
    made.epochs()
    made.scope()
    return made.file.made
