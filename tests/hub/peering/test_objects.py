"""Objects between hubs: ahead of their envelope one way, when a reader asks the other way; whole, and once."""

import re
import threading

import pytest

from consent import envelope, steps
from consent.primitives import b64, random_bytes
from fhir_profiles.problems import Problem
from hub import objects as routes
from hub import peer_client, peer_objects
from hub.models import object_parts, objects
from hub.objects import KEEP_SECONDS
from hub.peer_models import fetches
from hub.pushing import Push
from hub.store import objects as store
from hub.store.objects import PART_BYTES
from tests.hub.large import Big, result_of
from tests.hub.people import problem


@pytest.fixture(autouse=True)
def over_the_line(request, monkeypatch):
    """What a hub asks its peer while somebody waits goes over the line that can be cut, too."""
    name = "both_hubs" if "both_hubs" in request.fixturenames else "hubs"
    monkeypatch.setattr(peer_client, "clients", request.getfixturevalue(name).line.client)


@pytest.fixture
def short_parts(monkeypatch):
    """Objects of these tests travel in several requests."""
    monkeypatch.setattr(peer_objects, "STRETCH_PARTS", 8)
    monkeypatch.setattr(peer_objects, "STRETCH_BYTES", 8 * PART_BYTES)


def kept(town):
    """Ids of the objects at a hub; nothing else is there of any."""
    with town.hub.db.read() as conn:
        whole = set(conn.execute(objects.select().with_only_columns(objects.c.bid)).scalars())
        parts = set(conn.execute(object_parts.select().with_only_columns(object_parts.c.bid)).scalars())
        assert conn.execute(fetches.select()).all() == []
    assert whole == parts
    return whole


def transfers(line, method):
    """From which byte on objects were given or asked for, request after request."""
    found = [one for one in line.asked if one.startswith(f"{method} /v1/peer/objects/")]
    return [int(re.search(r"from=([0-9]+)", one)[1]) for one in found]


def written(hubs):
    """A large document that a hospital of B wrote for a patient of A: kept at B."""
    patient, hospital, theirs = hubs.author()
    big = Big(patient, hospital, theirs)
    assert big.put(hubs.b, hospital).status_code == 201
    assert result_of(hubs.b.deposit(hospital, big.frame)) == (202, "forwarded")
    return patient, hospital, big


def shared(hubs):
    """A large document of a patient of A, granted to a hospital of B, which has heard of it."""
    patient, hospital, mine, gid = hubs.shared()
    big = Big(patient, patient.me, mine)
    big.put(hubs.a, patient.me)
    assert result_of(hubs.a.deposit(patient.me, big.frame)) == (201, "")
    hubs.read()
    return patient, hospital, big, gid


def releases(hubs, patient, hospital):
    hubs.push(hubs.b)
    entries = hubs.a.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    return [e for e in entries if (e["actor"], e["action"]) == (hospital.account, "release")]


# --- writing ------------------------------------------------------------------------------------------------------


def test_an_object_goes_ahead_of_its_envelope_to_the_patients_hub(both_hubs, short_parts):
    """In parts, byte for byte; the patient has it at home, the author finds its own at its hub without asking."""
    patient, hospital, big = written(both_hubs)
    both_hubs.push(both_hubs.b)
    assert result_of(both_hubs.b.deposit(hospital, big.frame)) == (201, "")
    assert transfers(both_hubs.line, "PUT") == list(range(0, len(big.sealed), 8 * PART_BYTES))
    assert big.get(both_hubs.a, patient.me).data == big.sealed
    both_hubs.read()
    assert big.get(both_hubs.b, hospital).data == big.sealed
    assert transfers(both_hubs.line, "GET") == []
    assert kept(both_hubs.a) == kept(both_hubs.b) == {big.bid}


def test_an_envelope_for_another_hub_waits_for_its_object_too(hubs):
    """409 `object` at the author's hub, which passes on no envelope whose object it does not hold."""
    patient, hospital, theirs = hubs.author()
    big = Big(patient, hospital, theirs)
    assert result_of(hubs.b.deposit(hospital, big.frame)) == (409, "object")
    big.put(hubs.b, hospital)
    assert result_of(hubs.b.deposit(hospital, big.frame)) == (202, "forwarded")


def test_only_an_author_with_a_live_permit_puts_objects_for_another_hub(hubs):
    """As at home; a patient whose hub is no peer is unknown; other bytes under the id are a conflict."""
    patient, hospital, theirs = hubs.author()
    other = hubs.b.organisation("praxis-b")
    big = Big(patient, hospital, theirs)
    assert problem(big.put(hubs.b, other))["reason"] == "no-permit"
    assert big.put(hubs.b, hospital).status_code == 201
    assert problem(big.put(hubs.b, hospital, data=big.sealed[:-1]))["reason"] == "conflict"
    hubs.b.hub.peers.clear()
    assert problem(Big(patient, hospital, theirs).put(hubs.b, hospital))["reason"] == "unknown"


def test_a_patients_hub_that_is_down_delays_objects_and_loses_none(both_hubs, clock):
    """However long: the object stays as long as its envelope waits."""
    patient, _, big = written(both_hubs)
    both_hubs.line.cut = True
    with pytest.raises(Problem, match="busy"):
        both_hubs.push(both_hubs.b)
    clock.advance(KEEP_SECONDS + 1)
    assert routes.sweep(both_hubs.b.hub) == 0
    both_hubs.line.cut = False
    both_hubs.push(both_hubs.b)
    assert big.get(both_hubs.a, patient.me).data == big.sealed


def test_an_object_that_broke_off_on_its_way_goes_on_where_it_stopped(both_hubs, short_parts):
    """The line breaks after two parts, and who sent them is dead: the next one sends what is missing."""
    patient, _, big = written(both_hubs)
    both_hubs.line.left = 2
    with pytest.raises(Problem, match="busy"):
        both_hubs.push(both_hubs.b)
    assert big.get(both_hubs.a, patient.me).status_code == 404
    both_hubs.line.left = None
    both_hubs.line.asked.clear()
    both_hubs.push(both_hubs.b)
    step = 8 * PART_BYTES
    assert transfers(both_hubs.line, "PUT") == [0, *range(2 * step, len(big.sealed), step)]
    assert big.get(both_hubs.a, patient.me).data == big.sealed


def test_an_object_that_the_patients_hub_has_lost_is_given_again(both_hubs):
    """Before its envelope and what follows in the stream is stamped; nobody else notices."""
    patient, hospital, big = written(both_hubs)
    last = patient.hub.last
    patient.hub.last = lambda *place: (1, envelope.parse(big.frame).hash) if place[-1] == big.stream else last(*place)
    (behind,) = patient.seal(hospital, _set_of(patient, big), 1)
    assert result_of(both_hubs.b.deposit(hospital, behind)) == (202, "forwarded")
    (peer,) = both_hubs.b.hub.peers.values()
    Push(both_hubs.b.hub, peer, both_hubs.line.client(both_hubs.b.hub), {big.bid}).step()
    assert result_of(both_hubs.b.deposit(hospital, big.frame)) == (201, "")
    assert result_of(both_hubs.b.deposit(hospital, behind)) == (201, "")
    assert big.get(both_hubs.a, patient.me).data == big.sealed


def test_an_object_that_both_hubs_have_lost_is_asked_of_its_author(hubs):
    """409 `object`; put and offered again, it goes its way."""
    patient, hospital, big = written(hubs)
    with hubs.b.hub.db.write(patient.me.account) as tx:
        store.remove(tx, [big.bid])
    hubs.push(hubs.b)
    assert result_of(hubs.b.deposit(hospital, big.frame)) == (409, "object")
    assert big.put(hubs.b, hospital).status_code == 201
    assert result_of(hubs.b.deposit(hospital, big.frame)) == (202, "forwarded")
    hubs.push(hubs.b)
    assert result_of(hubs.b.deposit(hospital, big.frame)) == (201, "")


def test_the_door_for_objects_takes_what_the_author_might_bring_and_nothing_else(hubs, short_parts):
    """Another's name, no permit, a part that fits nowhere, another hash, other bytes under the id: nothing changes."""
    patient, hospital, theirs = hubs.author()
    other = hubs.b.organisation("praxis-b")
    hubs.read()
    big = Big(patient, hospital, theirs)
    client = hubs.line.client(hubs.b.hub)(hubs.a.domain)

    def put(data=big.sealed, at=0, hash_=big.hash, author=hospital):
        path = f"/v1/peer/objects/{author.account}/{author.device}/{big.stream}/{big.bid}"
        return client.put_bytes(f"{path}?size={len(big.sealed)}&hash={hash_}&from={at}", data)

    def refusal(**changed):
        before = {name: rows for name, rows in hubs.a.dump().items() if name != "nonces"}
        with pytest.raises(Problem) as refused:
            put(**changed)
        assert {name: rows for name, rows in hubs.a.dump().items() if name != "nonces"} == before
        return refused.value.extra.get("reason", refused.value.code)

    assert refusal(author=patient.me) == "not-found"
    assert refusal(author=other) == "no-permit"
    assert refusal(data=big.sealed[:-1]) == "invalid"
    assert refusal(at=1, data=big.sealed[1:]) == "invalid"
    assert refusal(hash_=b64(random_bytes(32))) == "hash"
    assert put(at=PART_BYTES, data=big.sealed[PART_BYTES : 2 * PART_BYTES]) == {"come": 0}
    assert put(data=big.sealed[:PART_BYTES]) == {"come": PART_BYTES}
    assert refusal(hash_=b64(random_bytes(32))) == "conflict"
    assert put(at=PART_BYTES, data=big.sealed[PART_BYTES:]) == {"come": len(big.sealed)}
    assert put(data=big.sealed[:PART_BYTES]) == {"come": len(big.sealed)}
    assert refusal(hash_=b64(random_bytes(32))) == "conflict"


# --- reading ------------------------------------------------------------------------------------------------------


def test_a_reader_of_another_hub_has_the_object_by_its_own(both_hubs, short_parts):
    """Fetched from the patient's hub in parts when first asked for, kept as a copy; one line in her log."""
    patient, hospital, big, _ = shared(both_hubs)
    assert kept(both_hubs.b) == set()
    for _ in range(2):
        answer = big.get(both_hubs.b, hospital, purpose="TREAT")
        assert (answer.status_code, answer.data == big.sealed) == (200, True)
    assert transfers(both_hubs.line, "GET") == list(range(0, len(big.sealed), 8 * PART_BYTES))
    assert kept(both_hubs.b) == {big.bid}
    (entry,) = releases(both_hubs, patient, hospital)
    assert (entry["purpose"], entry["detail"]["stream"]) == ("TREAT", big.stream)


def test_two_readers_at_once_fetch_an_object_once(both_hubs, short_parts):
    """The second waits for what the first brings."""
    _, hospital, big, _ = shared(both_hubs)
    both_hubs.b.token(hospital)
    answers = []
    readers = [threading.Thread(target=lambda: answers.append(big.get(both_hubs.b, hospital).data)) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert answers == [big.sealed] * 2
    assert transfers(both_hubs.line, "GET") == list(range(0, len(big.sealed), 8 * PART_BYTES))


def test_while_the_patients_hub_is_down_an_object_is_never_said_not_to_be(both_hubs, short_parts):
    """503 with Retry-After; what has come is not asked for again; broken off twice, it is logged once."""
    patient, hospital, big, _ = shared(both_hubs)
    for left in (2, 0):
        both_hubs.line.left = left
        answer = big.get(both_hubs.b, hospital)
        assert (answer.status_code, problem(answer)["type"]) == (503, "urn:obhut:problem:busy")
        assert int(answer.headers["Retry-After"]) > 0
    both_hubs.line.left = None
    assert big.get(both_hubs.b, hospital).data == big.sealed
    assert transfers(both_hubs.line, "GET") == list(range(0, len(big.sealed), 8 * PART_BYTES))
    assert len(releases(both_hubs, patient, hospital)) == 1


def test_what_was_not_confirmed_lately_is_not_released_though_it_is_here(hubs, clock):
    """As for envelopes: 503 `stale` after a minute of silence, released again afterwards."""
    _, hospital, big, _ = shared(hubs)
    assert big.get(hubs.b, hospital).data == big.sealed
    clock.advance(61)
    answer = big.get(hubs.b, hospital)
    assert (answer.status_code, problem(answer)["type"]) == (503, "urn:obhut:problem:stale")
    hubs.read(hubs.b)
    assert big.get(hubs.b, hospital).data == big.sealed


def test_who_is_not_granted_the_envelope_gets_no_object(hubs):
    """Somebody else, another purpose, another stream: one 404, and nothing is fetched for them."""
    _, hospital, big, _ = shared(hubs)
    other = hubs.b.organisation("praxis-b")
    refused = [big.get(hubs.b, other), big.get(hubs.b, hospital, purpose="HMARKT")]
    refused += [big.get(hubs.b, hospital, bid="A" * 22), big.get(hubs.b, hospital, stream="A" * 22)]
    assert {answer.status_code for answer in refused} == {404}
    assert len({answer.data for answer in refused}) == 1
    assert transfers(hubs.line, "GET") == []


def test_a_withdrawal_that_the_other_hub_has_not_heard_of_counts_already(hubs, short_parts):
    """The patient's hub gives that hub nothing more: 404, also half way."""
    patient, hospital, big, gid = shared(hubs)
    hubs.line.left = 1
    assert big.get(hubs.b, hospital).status_code == 503
    hubs.line.left = None
    patient.withdraw(hospital, gid)
    assert big.get(hubs.b, hospital).status_code == 404
    assert releases(hubs, patient, hospital) == []


def test_copies_of_objects_go_with_their_envelopes(both_hubs):
    """After a withdrawal nothing of it is at the other hub, and at home it stays."""
    patient, hospital, big, gid = shared(both_hubs)
    big.get(both_hubs.b, hospital)
    patient.withdraw(hospital, gid)
    both_hubs.read()
    assert kept(both_hubs.b) == set()
    assert big.get(both_hubs.b, hospital).status_code == 404
    assert big.get(both_hubs.a, patient.me).data == big.sealed


def test_copies_of_objects_go_when_the_patient_closes_her_account(hubs):
    """At both hubs, whole ones and what has come of one."""
    patient, hospital, big, _ = shared(hubs)
    big.get(hubs.b, hospital)
    patient.post(patient.account("close", {}))
    hubs.read()
    assert kept(hubs.a) == kept(hubs.b) == set()
    assert big.get(hubs.b, hospital).status_code == 404


def test_an_object_of_an_author_who_is_shut_out_goes_with_or_without_its_envelope(both_hubs):
    """What was stamped and what never was: the author's hub keeps neither, once its grant is over."""
    patient, hospital, big = written(both_hubs)
    both_hubs.push(both_hubs.b)
    both_hubs.read()
    loose = Big(patient, hospital, _set_of(patient, big))
    loose.put(both_hubs.b, hospital)
    assert kept(both_hubs.b) == {big.bid, loose.bid}
    relation = patient.hub.record.relations[hospital.account]
    for gid in list(relation.grants):
        patient.post(steps.end(patient.hub.record, hospital.account, gid, patient.me.signer, patient.now))
    both_hubs.read()
    assert kept(both_hubs.b) == set()
    assert kept(both_hubs.a) == {big.bid}


def test_a_worker_that_dies_while_it_fetches_holds_up_the_others_for_a_minute(hubs, clock, monkeypatch):
    """Meanwhile 503 and no second fetch; then another one goes on."""
    patient, hospital, big, _ = shared(hubs)
    monkeypatch.setattr(peer_objects, "PATIENCE_SECONDS", 0)
    with hubs.b.hub.db.write(patient.me.account) as tx:
        assert store.claim(tx, big.bid, hubs.b.now, hubs.b.now + peer_objects.CLAIM_SECONDS)
    assert big.get(hubs.b, hospital).status_code == 503
    assert transfers(hubs.line, "GET") == []
    monkeypatch.undo()
    clock.advance(peer_objects.CLAIM_SECONDS)
    hubs.read(hubs.b)
    assert big.get(hubs.b, hospital).data == big.sealed
    assert kept(hubs.b) == {big.bid}


def _set_of(patient, big):
    return next(name for name, state in patient.hub.record.sets.items() if big.stream in state.ids)
