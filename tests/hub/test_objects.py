"""Objects: kept before their envelope, released by its rule, gone with it or without it."""

import pytest

from consent import sealing, steps
from consent.objects import MAX_SEALED_OBJECT, object_hash, sealed_size
from consent.primitives import b64, random_bytes
from hub import objects
from hub.models import object_parts
from hub.objects import KEEP_SECONDS
from hub.store.objects import PART_BYTES
from tests.hub.people import ACTIVITY, LINE, VITALS, problem


@pytest.fixture
def desk(town):
    """A patient who may write her own set, and that set."""
    patient = town.patient()
    return patient, patient.permit(patient.me)


class Big:
    """An object and the envelope that names it, as an author would send them next."""

    def __init__(self, patient, author, set_id, plaintext=LINE * 60_000, category=VITALS):
        to = sealing.Destination(patient.me.account, patient.stream(set_id, category), 1, self._key(patient, set_id))
        by = sealing.Author(author.account, author.device, author.sign)
        seq, prev = patient.hub.last(author.account, author.device, to.stream) or (0, "")
        self.stream, self.bid, self.acc = to.stream, b64(random_bytes(16)), patient.me.account
        key = sealing.object_key(to, by, self.bid, seq + 1)
        self.sealed = b"".join(sealing.seal_object([plaintext], len(plaintext), key))
        hash_ = object_hash([self.sealed], len(self.sealed))
        place = {"bid": self.bid, "seq": seq + 1, "prev": prev, "at": patient.now}
        self.frame = sealing.seal_reference(key, len(plaintext), hash_, 1, to, by, **place)

    @staticmethod
    def _key(patient, set_id):
        state = patient.hub.record.sets[set_id]
        return state.epoch(state.current).publics[0]

    def put(self, town, who, **other):
        """Send the object; `other`: what of it is different."""
        put = {"stream": self.stream, "bid": self.bid, "data": self.sealed, "type": "application/octet-stream"} | other
        path = f"/v1/objects/{put['stream']}/{put['bid']}"
        return town.call("PUT", path, who, data=put["data"], content_type=put["type"])

    def get(self, town, who, **other):
        """Fetch the object."""
        got = {"acc": self.acc, "stream": self.stream, "bid": self.bid} | other
        query = {"purpose": other["purpose"]} if "purpose" in other else {}
        return town.get(f"/v1/objects/{got['acc']}/{got['stream']}/{got['bid']}", who, **query)


def result_of(answer):
    (result,) = answer.json["results"]
    return result["status"], result.get("reason", "")


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


def test_the_hub_tells_how_large_an_object_may_be(town):
    """Beside the other limits."""
    assert town.get("/v1/hub").json["limits"]["object_bytes"] == MAX_SEALED_OBJECT == sealed_size(64 * 1024 * 1024 - 1)
