"""Objects: kept before their envelope, released by its rule, gone with it or without it."""

import pytest

from consent import steps
from consent.objects import MAX_SEALED_OBJECT, sealed_size
from hub import objects
from hub.models import object_parts
from hub.objects import KEEP_SECONDS
from hub.store import envelopes
from hub.store.objects import PART_BYTES
from tests.hub.large import Big, result_of
from tests.hub.people import ACTIVITY, TRACES, VITALS, problem


@pytest.fixture
def desk(town):
    """A patient who may write her own set, and that set."""
    patient = town.patient()
    return patient, patient.permit(patient.me)


def test_an_object_is_kept_and_given_back_whole(towns):
    """Several parts, byte for byte, to the patient, after its envelope."""
    patient = towns.patient()
    big = Big(patient, patient.me, patient.permit(patient.me))
    assert len(big.sealed) > PART_BYTES
    assert big.put(towns, patient.me).status_code == 201
    assert result_of(towns.deposit(patient.me, big.frame)) == (201, "")
    answer = big.get(towns, patient.me)
    assert (answer.status_code, answer.content_type) == (200, "application/octet-stream")
    assert int(answer.headers["Content-Length"]) == len(big.sealed)
    assert answer.data == big.sealed


def test_an_envelope_waits_for_its_object(towns):
    """409 `object` until it is there, and then the same frame is taken."""
    patient = towns.patient()
    big = Big(patient, patient.me, patient.permit(patient.me))
    assert result_of(towns.deposit(patient.me, big.frame)) == (409, "object")
    big.put(towns, patient.me)
    assert result_of(towns.deposit(patient.me, big.frame)) == (201, "")
    assert result_of(towns.deposit(patient.me, big.frame)) == (200, "")


def test_an_object_of_another_stream_is_not_the_one_that_is_named(town, desk):
    """What lies under the id but was put for another stream does not count."""
    patient, mine = desk
    big = Big(patient, patient.me, mine)
    assert big.put(town, patient.me, stream=patient.stream(mine, ACTIVITY)).status_code == 201
    assert result_of(town.deposit(patient.me, big.frame)) == (409, "object")


def test_the_same_bytes_again_are_answered_as_the_first_time(towns):
    """After a lost answer the author sends again; other bytes under the id are a conflict. Nothing changes."""
    patient = towns.patient()
    big = Big(patient, patient.me, patient.permit(patient.me))
    big.put(towns, patient.me)
    before = towns.dump()
    assert big.put(towns, patient.me).status_code == 200
    for data in (big.sealed[:-1], big.sealed + b"\0", big.sealed[:-1] + bytes([big.sealed[-1] ^ 1]), b""):
        answer = big.put(towns, patient.me, data=data)
        assert (answer.status_code, problem(answer)["reason"]) == (409, "conflict")
    assert towns.dump() == before


def test_only_an_author_with_a_live_permit_puts_objects(town):
    """A stranger, an author whose permit was withdrawn, an unknown stream: refused with the word of a deposit."""
    patient, author, other = town.patient(), town.organisation("praxis"), town.organisation("klinik")
    their = patient.permit(author)
    big = Big(patient, author, their)
    assert (big.put(town, other).status_code, problem(big.put(town, other))["reason"]) == (403, "no-permit")
    assert big.put(town, author).status_code == 201
    patient.post(steps.unpermit(patient.hub.record, author.account, their, patient.me.signer, town.now))
    late = Big(patient, author, their)
    assert (late.put(town, author).status_code, problem(late.put(town, author))["reason"]) == (403, "no-permit")
    unknown = late.put(town, author, stream="A" * 22)
    assert (unknown.status_code, problem(unknown)["reason"]) == (404, "unknown")


def test_an_object_that_is_too_large_or_badly_named_is_not_kept(town, desk):
    """A byte more than the protocol allows, another media type, an id that is none: nothing changes."""
    patient, mine = desk
    big = Big(patient, patient.me, mine)
    before = town.dump()
    assert big.put(town, patient.me, data=bytes(MAX_SEALED_OBJECT + 1)).status_code == 413
    assert big.put(town, patient.me, type="text/plain").status_code == 415
    assert big.put(town, patient.me, bid="short").status_code == 400
    assert big.put(town, patient.me, bid="!" * 22).status_code in (400, 404)
    assert town.dump() == before


def test_an_object_is_released_by_the_rule_of_its_envelope(towns):
    """To a counterpart whose grant covers it, for its purpose, as long as the grant lives; to nobody else."""
    patient, reader, other = towns.patient(), towns.organisation("praxis"), towns.organisation("klinik")
    mine = patient.permit(patient.me)
    grant = patient.grant(reader, [VITALS])
    patient.grant(other, [ACTIVITY])
    big = Big(patient, patient.me, mine)
    big.put(towns, patient.me)
    assert big.get(towns, patient.me).status_code == 404, "its envelope has not come"
    towns.deposit(patient.me, big.frame)
    assert big.get(towns, reader).data == big.sealed
    assert big.get(towns, reader, purpose="TREAT").data == big.sealed
    refused = [big.get(towns, reader, purpose="HMARKT"), big.get(towns, other), big.get(towns, reader, bid="A" * 22)]
    refused += [big.get(towns, reader, stream=patient.stream(mine, ACTIVITY))]
    patient.withdraw(reader, grant)
    refused += [big.get(towns, reader)]
    assert {answer.status_code for answer in refused} == {404}
    assert len({answer.data for answer in refused}) == 1, "unknown and forbidden are one answer"


def test_giving_an_object_out_is_in_the_patients_log(town):
    """As the release of its envelope: who, for what, which stream and position."""
    patient, reader = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.grant(reader, [VITALS])
    big = Big(patient, patient.me, mine)
    big.put(town, patient.me)
    town.deposit(patient.me, big.frame)
    before = town.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    big.get(town, reader)
    (entry,) = town.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"][len(before) :]
    assert (entry["actor"], entry["action"], entry["purpose"]) == (reader.account, "release", "TREAT")
    assert entry["detail"] == {"set": mine, "stream": big.stream, "count": 1, "from": 1, "to": 1}


def test_objects_whose_envelope_never_comes_are_swept(towns, clock):
    """After seven days, whole; one that an envelope names stays."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    named, loose = Big(patient, patient.me, mine), Big(patient, patient.me, mine)
    named.put(towns, patient.me)
    loose.put(towns, patient.me)
    towns.deposit(patient.me, named.frame)
    clock.advance(KEEP_SECONDS)
    assert objects.sweep(towns.hub) == 0
    clock.advance(1)
    assert objects.sweep(towns.hub) == 1
    assert {row[1] for row in towns.dump()["objects"]} == {named.bid}
    with towns.hub.db.read() as conn:
        assert set(conn.execute(object_parts.select().with_only_columns(object_parts.c.bid)).scalars()) == {named.bid}


def test_the_next_object_of_a_patient_sweeps_what_lies_loose(town, desk, clock):
    """A hub that is never started anew does not fill up either."""
    patient, mine = desk
    loose, later = Big(patient, patient.me, mine), Big(patient, patient.me, mine)
    loose.put(town, patient.me)
    clock.advance(KEEP_SECONDS + 1)
    later.put(town, patient.me)
    assert {row[1] for row in town.dump()["objects"]} == {later.bid}


def test_an_object_goes_whenever_its_envelope_goes(towns):
    """At a position, before an epoch, or with the whole stream; what belongs to others stays."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    one, two, three = (Big(patient, patient.me, mine, category=category) for category in (VITALS, ACTIVITY, TRACES))
    for big in (one, two, three):
        big.put(towns, patient.me)
        assert result_of(towns.deposit(patient.me, big.frame)) == (201, "")
    for drop, left in (
        (lambda tx: envelopes.drop(tx, one.stream, 1), {one.bid, two.bid, three.bid}),
        (lambda tx: envelopes.drop_at(tx, one.stream, 1), {two.bid, three.bid}),
        (lambda tx: envelopes.drop(tx, two.stream, 2), {three.bid}),
        (lambda tx: envelopes.drop(tx, three.stream, None), set()),
    ):
        with towns.hub.db.write(patient.me.account) as tx:
            drop(tx)
        assert {row[1] for row in towns.dump()["objects"]} == left
        assert {row[1] for row in towns.dump()["object_parts"]} == left


def test_the_hub_tells_how_large_an_object_may_be(town):
    """Beside the other limits."""
    assert town.get("/v1/hub").json["limits"]["object_bytes"] == MAX_SEALED_OBJECT == sealed_size(64 * 1024 * 1024 - 1)
