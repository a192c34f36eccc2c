"""The outbox: acknowledged is durable, a crash repeats bytes, a sequence never forks."""

import contextlib
import itertools
import os
import sqlite3
import tracemalloc
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import sent
from connectors.entries import MAX_PLAINTEXT, Entry
from connectors.hub_client import Deposited
from connectors.local_database import open_database, transaction
from connectors.outbox import MAX_RESEALS, SCHEMA, Outbox
from consent import frames as frames_
from consent import opening
from consent.envelope import OBJECT, parse, parse_stamp
from consent.keys import SigningKey
from consent.objects import MAX_OBJECT, sealed_size
from consent.primitives import Rejected, broken
from consent.sealing import Author, Destination
from fhir_profiles.problems import Problem
from tests.consent import world
from tests.consent.readers import plain_check

VITALS, ACTIVITY = 1, 2


class Crash(Exception):  # noqa: N818 - what happens, not what went wrong
    """The process dies here."""


class Wire:
    """The world's hub as the outbox sees it over HTTP: batches in, an answer for each; may die before or after."""

    def __init__(self, patient: world.Client) -> None:
        self.patient = patient
        self.die_before = self.die_after = False
        self.passes_on = self.offered = 0
        self.refuses = {}
        self.objects, self.puts = {}, []

    def deposit(self, frames):
        """The next `passes_on` offers are only passed on; streams in `refuses` are refused for that reason."""
        if self.die_before:
            raise Crash
        results = []
        for raw in frames:
            envelope = parse(raw)
            self.offered += 1
            if self.passes_on:
                self.passes_on -= 1
                results.append(Deposited(envelope.bid, 202, "forwarded"))
                continue
            if envelope.str in self.refuses:
                results.append(Deposited(envelope.bid, 403, self.refuses[envelope.str]))
                continue
            if envelope.cty == OBJECT and envelope.bid not in self.objects:
                results.append(Deposited(envelope.bid, 409, "object"))
                continue
            try:
                stamp = self.patient.hub.deposit(raw, self.patient.hub.record.account, self.patient.now)
                results.append(Deposited(envelope.bid, 201, "", stamp))
            except Rejected as refused:
                last = self.patient.hub.last(envelope.aut, envelope.dev, envelope.str) or (0, "")
                gap = last if refused.reason == "gap" else None
                results.append(Deposited(envelope.bid, 409, refused.reason, last=gap))
        if self.die_after:
            raise Crash
        return results

    def put_object(self, stream, bid, body):
        """Keeps it; `die_before` and `die_after` count here, too."""
        self.puts.append(bid)
        if self.die_before:
            raise Crash
        if stream in self.refuses:
            raise Problem("refused", "no", reason=self.refuses[stream])
        data = b"".join(body())
        assert len(data) == len(body())
        assert self.objects.setdefault(bid, data) == data
        if self.die_after:
            raise Crash


class Desk:
    """A patient's device with an outbox on disk, opened anew at will."""

    def __init__(self, path):
        self.patient = world.client()
        self.set = self.patient.permit(self.patient.me)
        self.wire = Wire(self.patient)
        self.path = path
        self.seen = None
        self.open()

    def open(self):
        me = self.patient.me
        self.db = open_database(self.path, SCHEMA)
        self.outbox = Outbox(
            self.db, Author(me.account, me.device, me.sign), bytes(32), self.destination, self.refresh,
            lambda: self.patient.now, self.hub_key,
        )  # fmt: skip

    def hub_key(self, domain):
        """Of the one hub that it knows."""
        if domain != self.patient.me.account.partition("@")[2]:
            raise broken("stamp")
        return self.patient.hub.key.public

    def refresh(self, _):
        self.seen = None

    def destination(self, patient, category):
        """By the epoch this device knows, which may be an old one."""
        state = self.patient.hub.record.sets[self.set]
        self.seen = self.seen or state.current
        keys = self.patient.vault.sets[self.set]
        index = keys.index(category)
        return Destination(patient, keys.ids[index], self.seen, state.epoch(self.seen).publics[index])

    def put(self, *numbers, mark=""):
        self.outbox.put([Entry(self.patient.me.account, VITALS, [line(self.patient, n)]) for n in numbers], mark)

    def opened(self):
        """The envelopes in the order of their sequence, opened as the patient's own client would."""
        me, hub = self.patient.me, self.patient.hub
        keys = self.patient.vault
        reader = opening.Reader(
            me.account,
            hub.key.public,
            {**hub.record.accounts, me.account: hub.record.account},
            hub.record.sets,
            None,
            True,
            lambda s, e, i: keys.master(s, e, hub.record.sets[s].epoch(e).digest).seed(i),
            lambda *_: None,
            lambda s, i: keys.sets[s].order[i][0],
            plain_check,
            object=lambda envelope: self.wire.objects[envelope.bid],
        )
        permit = world.permit_of(hub, self.set)
        frames = sorted(hub.envelopes.values(), key=lambda pair: (pair[0].str, pair[0].seq))
        for stream in {frame.str for frame, _ in frames}:
            numbers = [frame.seq for frame, _ in frames if frame.str == stream]
            assert numbers == list(range(1, len(numbers) + 1))
        return [opening.open_envelope(frame.raw, stamp, permit, reader, self.patient.now) for frame, stamp in frames]

    def arrived(self):
        """The numbers in the order of their envelopes' sequence."""
        return [resource["id"] for one in self.opened() for _, resource in one.resources]


def line(patient, number, category="vitals"):
    name = patient.me.account.partition("@")[0]
    coding = f'{{"system":"https://fhir.obhut.org/CodeSystem/category","code":"{category}"}}'
    return (
        f'{{"resourceType":"Observation","id":"{number}","subject":{{"reference":"Patient/{name}"}},'
        f'"category":[{{"coding":[{coding}]}}]}}'
    ).encode()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "outbox.db")


def test_what_is_put_arrives_once_and_in_order(desk):
    """Everything put arrives at the hub, in order, and the outbox is empty afterwards."""
    desk.put(*range(250))
    assert desk.outbox.send(desk.wire) == 250
    assert desk.arrived() == [str(n) for n in range(250)]
    assert desk.outbox.waiting == 0


def test_plaintext_is_gone_after_the_acknowledgement(desk):
    """No row is left behind an acknowledged envelope."""
    desk.put(1)
    desk.outbox.send(desk.wire)
    assert desk.db.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


@pytest.mark.parametrize("moment", ["die_before", "die_after"])
def test_a_crash_around_the_deposit_sends_the_same_bytes_again(desk, moment):
    """Dying before or after the hub's commit loses nothing and doubles nothing."""
    desk.put(1, 2, 3)
    setattr(desk.wire, moment, True)
    with pytest.raises(Crash):
        desk.outbox.send(desk.wire)
    frames = desk.db.execute("SELECT frame FROM outbox ORDER BY seq").fetchall()
    desk.db.close()
    desk.open()
    assert desk.db.execute("SELECT frame FROM outbox ORDER BY seq").fetchall() == frames
    setattr(desk.wire, moment, False)
    desk.put(4)
    desk.outbox.send(desk.wire)
    assert desk.arrived() == ["1", "2", "3", "4"]


def test_an_ended_epoch_seals_anew_under_the_same_sequence(desk):
    """After a rotation the hub refuses the old epoch, and the outbox seals again without a gap."""
    other = world.organisation("praxis-a")
    grant = desk.patient.grant(other, [VITALS])
    desk.put(1)
    desk.outbox.send(desk.wire)
    desk.patient.withdraw(other, grant)
    desk.put(2, 3)
    assert desk.seen == 1
    assert desk.outbox.send(desk.wire) == 2
    assert desk.seen == desk.patient.hub.record.sets[desk.set].current == 2
    assert desk.arrived() == ["1", "2", "3"]


def test_a_hub_that_refuses_for_good_keeps_the_entry(desk):
    """A refusal that sealing anew cannot mend is told with its reason, and nothing is forgotten."""
    desk.put(1)
    desk.wire.deposit = lambda frames: [Deposited(parse(f).bid, 403, "no-permit") for f in frames]
    with pytest.raises(Problem) as caught:
        desk.outbox.send(desk.wire)
    assert caught.value.extra["reason"] == "no-permit"
    assert desk.outbox.waiting == 1


@pytest.mark.parametrize("lines", [[], [b""], [b'{"a":\n1}'], [b"x" * (MAX_OBJECT + 1)]])
def test_what_could_never_be_sealed_is_refused_at_the_door(desk, lines):
    """Nothing gets in that would keep back everything behind it."""
    with pytest.raises(Problem):
        desk.outbox.put([Entry(desk.patient.me.account, VITALS, lines)])
    assert desk.outbox.waiting == 0


@pytest.mark.parametrize("entry", [{"lines": [b"{}"], "handle": "Observation/1"}, {"lines": []}])
def test_a_deletion_has_a_handle_and_no_lines(desk, entry):
    """Whatever else calls itself one is refused at the door."""
    with pytest.raises(Problem):
        desk.outbox.put([Entry(desk.patient.me.account, VITALS, deletes=True, **entry)])
    assert desk.outbox.waiting == 0


def test_a_deletion_takes_back_what_its_handle_names(desk):
    """It arrives as an envelope that deletes, under the handle of what was written before, behind it."""
    desk.outbox.put([Entry(desk.patient.me.account, VITALS, [line(desk.patient, 1)], "Observation/1")])
    desk.outbox.put([Entry(desk.patient.me.account, VITALS, [], "Observation/1", deletes=True)])
    assert desk.outbox.send(desk.wire) == 2
    written, taken_back = desk.opened()
    assert taken_back.deletes
    assert written.envelope.hd == taken_back.envelope.hd != ""


def test_what_was_put_under_a_mark_is_not_put_again(desk):
    """Who feeds the outbox from another database can repeat after a crash, even after all has arrived."""
    desk.put(1, mark="row-1")
    desk.put(1, mark="row-1")
    desk.outbox.send(desk.wire)
    desk.db.close()
    desk.open()
    desk.put(1, mark="row-1")
    desk.put(2, mark="row-2")
    desk.outbox.send(desk.wire)
    assert desk.arrived() == ["1", "2"]


def test_a_mark_counts_only_together_with_its_entries(desk):
    """Where the caller's transaction is undone, what was marked in it can be put."""
    with contextlib.suppress(Crash), transaction(desk.db):
        desk.put(1, mark="row-1")
        raise Crash
    desk.put(1, mark="row-1")
    assert desk.outbox.waiting == 1


# --- passed on to the patient's home hub --------------------------------------------------------------------------


def test_what_is_passed_on_stays_until_the_home_hub_has_stamped_it(desk):
    """202 is no acknowledgement: the entry waits, and the same bytes get the stamp later."""
    desk.put(1)
    desk.wire.passes_on = 1
    assert desk.outbox.send(desk.wire) == 0
    assert desk.outbox.waiting == 1
    frame = desk.db.execute("SELECT frame FROM outbox").fetchone()[0]
    desk.patient.now += 3
    assert desk.outbox.send(desk.wire) == 1
    assert [opened.envelope.raw for opened in desk.opened()] == [frame]
    assert desk.outbox.waiting == 0


def test_a_hub_that_passes_on_is_asked_again_after_growing_pauses(desk):
    """2, 4, 8 … 60 seconds, however often `send` is called, across a restart too."""
    desk.put(1)
    desk.wire.passes_on = 100
    start, offers = desk.patient.now, []
    for second in range(250):
        desk.patient.now = start + second + 0.5
        before = desk.wire.offered
        desk.outbox.send(desk.wire)
        if desk.wire.offered > before:
            offers.append(second)
        if second == 20:
            desk.db.close()
            desk.open()
    pauses = [later - earlier for earlier, later in itertools.pairwise(offers)]
    assert pauses == [3, 5, 9, 17, 33, 61, 61]


def test_a_clock_set_back_does_not_make_the_outbox_wait(desk):
    """An offer that lies in the future was made by another clock."""
    desk.put(1)
    desk.wire.passes_on = 1
    desk.outbox.send(desk.wire)
    desk.patient.now -= 100
    assert desk.outbox.send(desk.wire) == 1


def test_what_is_passed_on_holds_nothing_back(desk):
    """Other streams go, and later entries of the same stream too."""
    account = desk.patient.me.account
    desk.put(1)
    desk.wire.passes_on = 1
    desk.outbox.send(desk.wire)
    desk.outbox.put([Entry(account, ACTIVITY, [line(desk.patient, 2, "activity")])])
    assert desk.outbox.send(desk.wire) == 1
    desk.wire.passes_on = 1
    desk.put(3)
    assert desk.outbox.send(desk.wire) == 0
    assert desk.wire.offered == 3
    desk.patient.now += 5
    assert desk.outbox.send(desk.wire) == 2
    assert sorted(desk.arrived()) == ["1", "2", "3"]


def test_a_refusal_that_comes_late_seals_what_follows_anew_too(desk):
    """The home hub's stale-epoch arrives after later entries were passed on: all of them arrive, once, in order."""
    desk.put(1)
    desk.outbox.send(desk.wire)
    desk.patient.grant(world.organisation("praxis-a"), [VITALS], whole=False)
    desk.put(2)
    desk.wire.passes_on = 1
    desk.outbox.send(desk.wire)
    desk.put(3)
    desk.wire.passes_on = 1
    desk.outbox.send(desk.wire)
    desk.patient.now += 5
    assert desk.outbox.send(desk.wire) == 2
    assert desk.arrived() == ["1", "2", "3"]


def test_an_outcome_that_comes_before_that_of_the_envelope_before_waits_for_it(desk):
    """A gap behind an envelope that is still on its way is no loss: both arrive."""
    desk.put(1)
    desk.wire.passes_on = 1
    desk.outbox.send(desk.wire)
    desk.put(2)
    assert desk.outbox.send(desk.wire) == 0
    desk.patient.now += 3
    desk.outbox.send(desk.wire)
    desk.patient.now += 3
    desk.outbox.send(desk.wire)
    assert desk.arrived() == ["1", "2"]
    assert desk.outbox.waiting == 0


# --- what does not count as acknowledged --------------------------------------------------------------------------


def test_a_refusal_holds_back_its_own_stream_only(desk):
    """One patient's withdrawn permit does not stop what is written elsewhere; it is told when that has gone."""
    account = desk.patient.me.account
    desk.put(*range(250, 500))
    desk.outbox.put([Entry(account, ACTIVITY, [line(desk.patient, 3, "activity")])])
    desk.wire.refuses = {desk.destination(account, VITALS).stream: "no-permit"}
    with pytest.raises(Problem) as caught:
        desk.outbox.send(desk.wire)
    assert caught.value.extra["reason"] == "no-permit"
    assert desk.arrived() == ["3"]
    assert desk.outbox.waiting == 250
    desk.wire.refuses = {}
    assert desk.outbox.send(desk.wire) == 250


def test_entries_that_have_nowhere_to_go_hold_back_no_others(desk):
    """A category of a patient that this device may not write now waits; the others go."""
    account = desk.patient.me.account
    known = desk.outbox._destination

    def nowhere(patient, category):
        if category == VITALS:
            raise Problem("forbidden", "no permit for this")
        return known(patient, category)

    desk.outbox._destination = nowhere
    desk.put(*range(150))
    desk.outbox.put([Entry(account, ACTIVITY, [line(desk.patient, 200, "activity")])])
    with pytest.raises(Problem, match="no permit for this"):
        desk.outbox.send(desk.wire)
    assert desk.arrived() == ["200"]
    desk.outbox._destination = known
    assert desk.outbox.send(desk.wire) == 150


def test_the_largest_entries_fit(desk):
    """What just goes into an envelope has no object, a byte more has one, and the largest of all can be sealed."""
    for size, objects in ((MAX_PLAINTEXT, 0), (MAX_PLAINTEXT + 1, 1), (MAX_OBJECT, 2)):
        desk.outbox.put([Entry(desk.patient.me.account, VITALS, [b"x" * size])])
        assert desk.outbox.send(desk.wire) == 1
        assert len(desk.wire.objects) == objects


# --- objects ------------------------------------------------------------------------------------------------------


def large(desk, number):
    """An entry of 1.5 MB."""
    body = line(desk.patient, number)
    return Entry(desk.patient.me.account, VITALS, [body[:-1] + b',"note":[{"text":"' + b"x" * 1_500_000 + b'"}]}'])


def test_a_large_entry_travels_as_an_object_in_order_with_the_others(desk):
    """Small, large, small of one stream: all arrive, verbatim, and nothing stays behind."""
    desk.put(1)
    desk.outbox.put([large(desk, 2)])
    desk.put(3)
    assert desk.outbox.send(desk.wire) == 3
    assert desk.arrived() == ["1", "2", "3"]
    assert [raw for one in desk.opened() for raw, _ in one.resources][1] == large(desk, 2).lines[0]
    left = [
        desk.db.execute(f"SELECT count(*) FROM {t}").fetchone()[0]
        for t in ("outbox", "outbox_large", "outbox_objects", "outbox_forwarded")
    ]  # fmt: skip
    assert left == [0, 0, 0, 0]


@pytest.mark.parametrize("moment", ["die_before", "die_after"])
@pytest.mark.parametrize("call", ["put_object", "deposit"])
def test_a_crash_around_an_object_sends_the_same_bytes_again(desk, moment, call):
    """Dying before or after the object, before or after the deposit: one object, one envelope, the first bytes."""
    desk.outbox.put([large(desk, 1)])
    original = getattr(desk.wire, call)

    def dies(*arguments):
        setattr(desk.wire, moment, True)
        return original(*arguments)

    setattr(desk.wire, call, dies)
    with pytest.raises(Crash):
        desk.outbox.send(desk.wire)
    setattr(desk.wire, call, original)
    setattr(desk.wire, moment, False)
    query = "SELECT frame, sealed FROM outbox JOIN outbox_objects USING (id)"
    before = desk.db.execute(query).fetchall()
    desk.db.close()
    desk.open()
    assert desk.db.execute(query).fetchall() == before
    desk.outbox.send(desk.wire)
    assert desk.arrived() == ["1"]
    assert list(desk.wire.objects.values()) == [before[0][1]]


def test_an_object_is_sealed_anew_with_its_envelope(desk):
    """After a rotation both have a new id, and what is read is what was written."""
    desk.put(1)
    desk.outbox.send(desk.wire)
    desk.patient.grant(world.organisation("praxis-a"), [VITALS], whole=False)
    desk.outbox.put([large(desk, 2)])
    assert desk.outbox.send(desk.wire) == 1
    assert len(desk.wire.objects) == 2, "one for the old epoch, which the hub will sweep, and the one that counts"
    assert desk.arrived() == ["1", "2"]


def test_an_object_that_the_hub_has_lost_is_sent_again(desk):
    """409 `object` means: put it once more."""
    desk.outbox.put([large(desk, 1)])
    put = desk.wire.put_object

    def lost(*arguments):
        put(*arguments)
        desk.wire.objects.clear()
        desk.wire.put_object = put

    desk.wire.put_object = lost
    assert desk.outbox.send(desk.wire) == 1
    assert desk.arrived() == ["1"]


def test_an_object_that_the_hub_refuses_holds_its_stream_only(desk):
    """The reason is told, the others go, and nothing is forgotten."""
    account = desk.patient.me.account
    desk.outbox.put([large(desk, 1), Entry(account, ACTIVITY, [line(desk.patient, 2, "activity")])])
    stream, deposit = desk.destination(account, VITALS).stream, desk.wire.deposit
    desk.wire.refuses = {stream: "limits"}

    def accepting(frames):
        desk.wire.refuses = {}
        results = deposit(frames)
        desk.wire.refuses = {stream: "limits"}
        return results

    desk.wire.deposit = accepting
    with pytest.raises(Problem) as caught:
        desk.outbox.send(desk.wire)
    assert caught.value.extra["reason"] == "limits"
    assert desk.arrived() == ["2"]
    assert desk.outbox.waiting == 1


def test_an_envelope_that_was_taken_is_acknowledged_though_its_object_is_refused_now(desk):
    """The answer was lost and the permit ended since: the deposit's word counts, not that of the object's door."""
    desk.outbox.put([large(desk, 1)])
    desk.wire.die_after = True
    put = desk.wire.put_object
    desk.wire.put_object = partial(quiet, put)
    with pytest.raises(Crash):
        desk.outbox.send(desk.wire)
    desk.wire.die_after = False
    desk.db.close()
    desk.open()

    def refused(*_):
        raise Problem("refused", "no", reason="no-permit")

    desk.wire.put_object = refused
    assert desk.outbox.send(desk.wire) == 1
    assert desk.outbox.waiting == 0


def quiet(call, *arguments):
    with contextlib.suppress(Crash):
        call(*arguments)


def test_a_stream_that_is_refused_again_and_again_holds_back_no_other(desk):
    """A hub that loses an object each time is given up after some tries; what is behind it elsewhere has gone."""
    account, put = desk.patient.me.account, desk.wire.put_object

    def lost(*arguments):
        put(*arguments)
        desk.wire.objects.clear()

    desk.wire.put_object = lost
    desk.outbox.put([large(desk, 1)])
    desk.outbox.put(Entry(account, ACTIVITY, [line(desk.patient, n, "activity")]) for n in range(2, 1500))
    with pytest.raises(Problem) as caught:
        desk.outbox.send(desk.wire)
    assert caught.value.extra["reason"] == "object"
    assert len(desk.wire.puts) == MAX_RESEALS + 1
    assert desk.outbox.waiting == 1


def test_what_is_passed_on_puts_its_object_once(desk):
    """While the home hub is awaited the object is not sent again with each offer."""
    desk.outbox.put([large(desk, 1)])
    desk.wire.passes_on = 3
    for _ in range(6):
        desk.outbox.send(desk.wire)
        desk.patient.now += 10
    assert desk.outbox.waiting == 0
    assert len(desk.wire.puts) == 1


def test_a_large_entry_is_sealed_and_sent_in_bounded_memory(desk):
    """48 MB go through with less than 12 MB beside what the caller held."""
    desk.outbox.put([Entry(desk.patient.me.account, VITALS, [b"x" * 48_000_000])])
    sizes = []

    def put(stream, bid, body):
        sizes.append(sum(len(piece) for piece in body()))
        desk.wire.objects[bid] = b""

    desk.wire.put_object = put
    tracemalloc.start()
    try:
        desk.outbox.send(desk.wire)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes == [sealed_size(48_000_000)]
    assert peak < 12_000_000


def test_an_acknowledgement_without_the_hubs_stamp_does_not_count(desk):
    """Whoever answers in the hub's place makes nobody forget anything."""
    desk.put(1)
    desk.wire.deposit = lambda frames: [Deposited(parse(f).bid, 201, "", b"") for f in frames]
    with pytest.raises(Problem) as caught:
        desk.outbox.send(desk.wire)
    assert caught.value.extra["reason"] == "stamp"
    assert desk.outbox.waiting == 1


def test_the_stamp_must_be_that_of_the_patients_home_hub(desk):
    """Another hub's stamp, and be its key known, acknowledges nothing."""
    desk.put(1)
    elsewhere, deposit = SigningKey.generate(), desk.wire.deposit

    def stamped(frames):
        found = []
        for result in deposit(frames):
            header = parse_stamp(result.stamp).frame.header
            foreign = frames_.sign(header | {"hub": "b.example"}, "obhut-stamp", desk.patient.hub.key)
            found.append(replace(result, stamp=foreign))
        return found

    for key in (elsewhere.public, desk.patient.hub.key.public):
        desk.outbox._hub_key = lambda _, key=key: key
        desk.wire.deposit = stamped
        with pytest.raises(Problem) as caught:
            desk.outbox.send(desk.wire)
        assert caught.value.extra["reason"] == "stamp"
        assert desk.outbox.waiting == 1


def test_a_device_restored_from_a_copy_goes_on_behind_what_the_hub_has(desk):
    """Envelopes that the device forgot are at the hub; what comes follows them, and nothing stops for good."""
    desk.put(1)
    desk.outbox.send(desk.wire)
    copy = desk.path.with_name("copy.db")
    with contextlib.closing(sqlite3.connect(copy)) as target:
        desk.db.backup(target)
    desk.put(2, 3)
    desk.outbox.send(desk.wire)
    desk.path = copy
    desk.open()
    desk.put(4, 5)
    assert desk.outbox.send(desk.wire) == 2
    assert desk.arrived() == ["1", "2", "3", "4", "5"]


def test_a_hub_that_lost_what_it_acknowledged_is_found_out(desk):
    """The device does not write a second sequence beside the one that readers have seen."""
    desk.put(1, 2)
    desk.outbox.send(desk.wire)
    desk.patient.hub.envelopes.popitem()
    desk.db.execute("DELETE FROM outbox_sent")
    desk.put(3)
    with pytest.raises(Problem) as caught:
        desk.outbox.send(desk.wire)
    assert caught.value.extra["reason"] == "gap"
    assert desk.outbox.waiting == 1


def lose(desk, number):
    """The hub comes back from a backup in which its last envelopes are not."""
    return [desk.patient.hub.envelopes.popitem()[1][0].raw for _ in range(number)][::-1]


def test_a_hub_that_lost_what_it_acknowledged_is_offered_it_again(desk):
    """The same bytes at the same places, then what is new: nothing is lost, doubled or forked; and so once more."""
    desk.put(*range(5))
    desk.outbox.send(desk.wire)
    for number in (5, 6):
        lost = lose(desk, 3)
        desk.put(number)
        assert desk.outbox.send(desk.wire) == 4
        there = [frame.raw for frame, _ in desk.patient.hub.envelopes.values()]
        assert there[-4:-1] == lost
        assert desk.arrived() == [str(n) for n in range(number + 1)]
        assert desk.outbox.waiting == 0


def test_what_was_lost_and_is_of_an_epoch_that_is_over_is_found_out(desk):
    """It cannot be sealed anew at a place that readers may have seen: the stream is held, and nothing is forgotten."""
    desk.put(1, 2)
    desk.outbox.send(desk.wire)
    lose(desk, 1)
    other = world.organisation("praxis-a")
    desk.patient.withdraw(other, desk.patient.grant(other, [VITALS]))
    desk.put(3)
    for _ in range(2):
        with pytest.raises(Problem) as caught:
            desk.outbox.send(desk.wire)
        assert caught.value.extra["reason"] == "gap"
    assert desk.arrived() == ["1"]


def test_what_was_sent_is_kept_for_a_while_and_a_size(desk, monkeypatch):
    """Old frames go, and the oldest where there are too many; plaintext is in none of them."""
    monkeypatch.setattr(sent, "KEPT_BYTES", 2500)
    desk.put(*range(20))
    desk.outbox.send(desk.wire)
    kept = desk.db.execute("SELECT sum(length(frame)), max(seq) FROM outbox_sent").fetchone()
    assert 0 < kept[0] <= 2500 + 1000, "the size, and less than one frame more"
    assert kept[1] == 20
    desk.patient.now += sent.KEPT_SECONDS + 1
    desk.put(20)
    desk.outbox.send(desk.wire)
    assert desk.db.execute("SELECT seq FROM outbox_sent").fetchall() == [(21,)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_two_processes_at_one_outbox_do_not_undo_each_other(desk, moment):
    """While one hears that its epoch is over, the other has sealed anew, or is done: no fork, no second copy."""
    desk.put(1)
    desk.outbox.send(desk.wire)
    desk.patient.grant(world.organisation("praxis-a"), [VITALS], whole=False)
    desk.put(2, 3)
    other = Desk.__new__(Desk)
    other.__dict__ |= desk.__dict__ | {"seen": None}
    other.open()
    refresh = desk.refresh

    def meanwhile(patient):
        if moment == "after":
            other.outbox.send(desk.wire)
        else:
            desk.wire.die_before = True
            with contextlib.suppress(Crash):
                other.outbox.send(desk.wire)
            desk.wire.die_before = False
        refresh(patient)

    deposit = desk.wire.deposit

    def first(frames):
        desk.wire.deposit = deposit
        results = deposit(frames)
        meanwhile(desk.patient.me.account)
        return results

    desk.wire.deposit = first
    desk.outbox.send(desk.wire)
    assert desk.arrived() == ["1", "2", "3"]
    desk.put(4)
    desk.outbox.send(desk.wire)
    assert desk.arrived() == ["1", "2", "3", "4"]


@settings(max_examples=2000 if os.environ.get("OBHUT_SOAK") else 25)
@given(
    plan=st.lists(
        st.one_of(st.integers(1, 5), st.sampled_from(["die_before", "die_after", "reopen", "rotate"])), max_size=12
    )
)
def test_whatever_happens_everything_put_arrives_once(tmp_path_factory, plan):
    """Puts, crashes before and after commits, restarts and rotations in any order: nothing lost, doubled or forked."""
    desk = Desk(tmp_path_factory.mktemp("desk") / "outbox.db")
    count = 0
    for event in plan:
        if isinstance(event, int):
            desk.put(*range(count, count + event))
            count += event
        elif event == "reopen":
            desk.db.close()
            desk.open()
        elif event == "rotate":
            patient = desk.patient
            patient.grant(world.organisation(f"praxis-{count}-x"), [VITALS], whole=False)
        else:
            setattr(desk.wire, event, True)
            with contextlib.suppress(Crash):
                desk.outbox.send(desk.wire)
            setattr(desk.wire, event, False)
    desk.outbox.send(desk.wire)
    assert desk.arrived() == [str(n) for n in range(count)]


def test_what_was_taken_back_is_never_sent_and_what_follows_goes_on(desk):
    """Entries of one patient, sealed or not, large too, are gone; the next one follows what the hub has."""
    me = desk.patient.me.account
    desk.put(1)
    desk.outbox.send(desk.wire)
    desk.outbox.put([Entry(me, VITALS, [line(desk.patient, 2)], "Observation/2"), large(desk, 3)])
    desk.wire.die_before = True
    with pytest.raises(Crash):
        desk.outbox.send(desk.wire)
    desk.wire.die_before = False
    assert desk.outbox.handles(me) == ["Observation/2", ""]
    desk.outbox.take_back("somebody-else")
    assert desk.outbox.waiting == 2
    desk.outbox.take_back(me)
    assert (desk.outbox.waiting, desk.outbox.handles(me)) == (0, [])
    for table in ("outbox_large", "outbox_objects"):
        assert desk.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    desk.put(4)
    assert desk.outbox.send(desk.wire) == 1
    assert len(desk.opened()) == 2
