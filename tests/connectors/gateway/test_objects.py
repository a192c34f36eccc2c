"""Objects over 1 MiB at the gateway: found like anything else, and nothing waits for one that cannot be had."""

import itertools

from connectors.gateway import inbox
from consent.envelope import DELETE
from consent.identifiers import new_id
from consent.objects import object_hash
from consent.primitives import b64
from consent.sealing import Author, Destination, object_key, seal_object, seal_reference
from fhir_profiles.problems import Problem
from tests.connectors.gateway.scene import VITALS, weight


def write_object(scene, *lines, **changes):
    """As `scene.write`, in an object; the hub gives it out while it is in `wire.objects`."""
    patient, me = scene.patient, scene.patient.me
    state, keys = patient.hub.record.sets[scene.own], patient.vault.sets[scene.own]
    index, plaintext = keys.index(VITALS), b"\n".join(lines)
    to = Destination(me.account, keys.ids[index], state.current, state.epoch(state.current).publics[index])
    by = Author(me.account, me.device, me.sign)
    last, prev = patient.hub.last(me.account, me.device, to.stream) or (0, "")
    bid = new_id()
    key = object_key(to, by, bid, last + 1)
    sealed = b"".join(seal_object([plaintext], len(plaintext), key))
    hash_ = object_hash([sealed], len(sealed))
    raw = seal_reference(
        key, len(plaintext), hash_, len(lines), to, by, bid=bid, seq=last + 1, prev=prev, at=patient.now, **changes
    )
    patient.hub.deposit(raw, patient.hub.record.account, patient.now)
    scene.wire.objects[bid] = sealed
    scene.wire.publish()
    return bid


def test_what_came_in_an_object_is_found_like_anything_else(scene):
    """Fetched, opened and shown, in order with what came in envelopes."""
    scene.grant()
    scene.write(weight(scene, 1))
    write_object(scene, weight(scene, 2), weight(scene, 3))
    scene.write(weight(scene, 4))
    scene.inbox.catch_up()
    assert scene.found() == {1, 2, 3, 4}
    assert scene.body(2) == weight(scene, 2)


def test_an_object_that_cannot_be_had_holds_nothing_back_and_is_asked_for_again(scene):
    """What is behind it is shown; it is asked for after growing pauses, and shown once it can be had."""
    scene.grant()
    bid = write_object(scene, weight(scene, 1))
    scene.write(weight(scene, 2))
    kept = scene.wire.objects.pop(bid)
    asked = []
    for _ in range(120):
        before = scene.wire.fetched
        scene.inbox.take_page()
        if scene.wire.fetched > before:
            asked.append(scene.now)
        scene.now += 1
    assert scene.found() == {2}
    assert [later - earlier for earlier, later in itertools.pairwise(asked)] == [5, 10, 20, 40]
    scene.wire.objects[bid] = kept
    scene.now += 80
    scene.inbox.catch_up()
    assert scene.found() == {1, 2}
    assert scene.keys.waiting() == []


def test_an_object_is_asked_for_again_after_a_restart(scene):
    """Whatever waited when the process died is tried at once."""
    scene.grant()
    bid = write_object(scene, weight(scene, 1))
    kept = scene.wire.objects.pop(bid)
    scene.inbox.catch_up()
    scene.wire.objects[bid] = kept
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == {1}


def test_a_hub_that_breaks_off_is_no_reason_to_stop(scene):
    """An object of which half came is not opened; the feed goes on."""
    scene.grant()
    bid = write_object(scene, weight(scene, 1))
    scene.wire.objects[bid] = Problem("busy", "the hub's answer broke off")
    scene.write(weight(scene, 2))
    scene.inbox.catch_up()
    assert scene.found() == {2}
    assert scene.keys.waiting() == [bid]


def test_an_object_that_does_not_hold_is_told_and_never_shown(scene, caplog):
    """Another object in its place, cut or altered: broken for ever, and nothing waits."""
    scene.grant()
    bids = [write_object(scene, weight(scene, number)) for number in (1, 2, 3)]
    objects = scene.wire.objects
    objects[bids[0]], objects[bids[1]] = objects[bids[1]], objects[bids[0]][:-1]
    objects[bids[2]] = objects[bids[2]][:-1] + bytes([objects[bids[2]][-1] ^ 1])
    scene.write(weight(scene, 4))
    scene.inbox.catch_up()
    assert scene.found() == {4}
    assert [record.reason for record in caplog.records if hasattr(record, "reason")] == ["hash", "size", "hash"]
    assert scene.keys.waiting() == []


def test_what_was_taken_back_while_its_object_was_awaited_is_never_shown(scene):
    """The deletion came first; the object can be had later."""
    scene.grant()
    handle = b64(bytes(16))
    bid = write_object(scene, weight(scene, 1), hd=handle)
    other = write_object(scene, weight(scene, 2), hd=b64(bytes(range(16))))
    kept = {name: scene.wire.objects.pop(name) for name in (bid, other)}
    scene.inbox.catch_up()
    scene.write(hd=handle, cty=DELETE)
    scene.inbox.catch_up()
    assert scene.keys.waiting() == [other]
    scene.wire.objects |= kept
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_an_object_in_the_place_of_an_earlier_envelope_replaces_it(scene):
    """The handle of its envelope counts."""
    scene.grant()
    handle = b64(bytes(16))
    scene.write(weight(scene, 1), hd=handle)
    write_object(scene, weight(scene, 2), hd=handle)
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_many_objects_of_one_page_are_not_held_at_once(scene, monkeypatch):
    """What was opened goes into the store before more is fetched than may be held."""
    scene.grant()
    monkeypatch.setattr(inbox, "KEPT_BYTES", 3000)
    note = [{"text": "x" * 2000}]
    for number in range(1, 7):
        write_object(scene, weight(scene, number, note=note))
    held, kept = [], scene.store.put_many

    def put_many(items, state):
        held.append(len(items))
        return kept(items, state)

    monkeypatch.setattr(scene.store, "put_many", put_many)
    scene.inbox.catch_up()
    assert scene.found() == {1, 2, 3, 4, 5, 6}
    assert max(held) == 2
