"""What accounts of one hub have for those of another: kept, given in order, answered; nothing lost, nothing twice."""

import pytest

from consent import envelope as envelopes
from consent import statements, steps
from consent.primitives import b64, unb64
from fhir_profiles.problems import Problem
from hub.peer_client import clients
from hub.pushing import Push
from hub.reconcile import reconcile
from hub.store import audit, forwards
from tests.consent import world
from tests.hub.people import LINE, VITALS, problem

RELEASED = {"set": "s", "stream": "s", "count": 1, "from": 1, "to": 1}


def results(answer):
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json["results"]


def test_a_hospital_writes_for_a_patient_of_another_hub(both_hubs):
    """202, then the home hub's stamp; the patient has it, and the hospital finds its own in its feed."""
    patient, hospital, theirs = both_hubs.author()
    frame = patient.sealed(hospital, theirs, VITALS, [LINE])
    (first,) = results(both_hubs.b.deposit(hospital, frame))
    bid = envelopes.parse(frame).bid
    assert first == {"bid": bid, "status": 202, "reason": "forwarded"}
    (again,) = results(both_hubs.b.deposit(hospital, frame))
    assert again == first
    assert both_hubs.push(both_hubs.b) == 1
    (told,) = results(both_hubs.b.deposit(hospital, frame))
    assert told["status"] == 201
    stamp = envelopes.parse_stamp(unb64(told["stamp"]))
    stamp.verify(both_hubs.a.hub.key.public, envelopes.parse(frame))
    assert both_hubs.a.envelopes(patient.me) == [bid]
    both_hubs.read(both_hubs.b)
    assert both_hubs.b.envelopes(hospital) == [bid]
    (known,) = results(both_hubs.b.deposit(hospital, frame))
    assert (known["status"], known["stamp"]) == (200, told["stamp"])


def test_a_hub_that_is_down_delays_and_loses_nothing(both_hubs):
    """Envelopes wait in their order; when the network is back each is stamped once, whatever was tried meanwhile."""
    patient, hospital, theirs = both_hubs.author()
    both_hubs.line.cut = True
    frames = patient.seal(hospital, theirs, 5)
    for frame in frames:
        assert results(both_hubs.b.deposit(hospital, frame))[0]["status"] == 202
    with pytest.raises(Problem, match="busy"):
        both_hubs.push(both_hubs.b)
    both_hubs.line.cut = False
    assert both_hubs.push(both_hubs.b) == 1
    assert both_hubs.push(both_hubs.b) == 0
    assert both_hubs.a.envelopes(patient.me) == [envelopes.parse(frame).bid for frame in frames]
    assert [r["status"] for r in results(both_hubs.b.deposit(hospital, *frames))] == [201] * 5


def test_an_answer_that_was_lost_is_asked_for_again(hubs, monkeypatch):
    """The home hub knows the bytes: 200 with the stamp it gave."""
    patient, hospital, theirs = hubs.author()
    frame = patient.sealed(hospital, theirs, VITALS, [LINE])
    hubs.b.deposit(hospital, frame)
    with monkeypatch.context() as patch:
        patch.setattr(forwards, "answer", lambda *_: (_ for _ in ()).throw(Problem("busy", "crash")))
        with pytest.raises(Problem):
            hubs.push(hubs.b)
    hubs.push(hubs.b)
    (told,) = results(hubs.b.deposit(hospital, frame))
    assert told["status"] == 200
    assert hubs.a.envelopes(patient.me) == [envelopes.parse(frame).bid]


def test_a_late_envelope_comes_back_with_the_new_links(hubs):
    """The patient rotated meanwhile: 409 from her hub, with what the outbox needs to seal anew."""
    patient, hospital, theirs = hubs.author()
    frame = patient.sealed(hospital, theirs, VITALS, [LINE])
    assert results(hubs.b.deposit(hospital, frame))[0]["status"] == 202
    patient.turn()
    hubs.push(hubs.b)
    (told,) = results(hubs.b.deposit(hospital, frame))
    assert (told["status"], told["reason"]) == (409, "stale-epoch")
    assert unb64(told["links"][-1]) == patient.hub.record.sets[theirs].frames[-1]
    hubs.read(hubs.b)
    (refused,) = results(hubs.b.deposit(hospital, patient.sealed(hospital, theirs, VITALS, [LINE], epoch=1)))
    assert (refused["status"], refused["reason"]) == (409, "stale-epoch")
    anew = patient.sealed(hospital, theirs, VITALS, [LINE])
    assert results(hubs.b.deposit(hospital, anew))[0]["status"] == 202


def test_what_cannot_be_meant_is_refused_at_once(hubs):
    """Another's name, no permit, a changed signature, other bytes under a known id."""
    patient, hospital, theirs = hubs.author()
    other = hubs.b.organisation("praxis-b")
    frame = patient.sealed(hospital, theirs, VITALS, [LINE])
    changed = frame[:-1] + bytes([frame[-1] ^ 1])
    assert results(hubs.b.deposit(other, frame))[0]["status"] == 404
    assert results(hubs.b.deposit(hospital, changed))[0]["reason"] == "signature"
    hubs.b.deposit(hospital, frame)
    assert results(hubs.b.deposit(hospital, changed))[0]["reason"] == "conflict"
    patient.post(_unpermit(patient, hospital, theirs))
    hubs.read(hubs.b)
    late = patient.seal(hospital, theirs, 1)[0]
    assert results(hubs.b.deposit(hospital, late))[0]["reason"] == "no-permit"


def _unpermit(patient, hospital, set_id):
    relation = patient.hub.record.relations[hospital.account]
    frame = statements.sign(
        patient.me.sign, kind="rel", acc=patient.me.account, oth=hospital.account, head=relation.head,
        iat=patient.now, typ="unpermit", by=patient.me.signer.by,
        cite={patient.me.account: patient.hub.record.account.head}, body={"set": set_id},
    )  # fmt: skip
    return world.Written(frame)


def test_a_hub_speaks_for_its_own_accounts_only(hubs):
    """What it brings in another's name is 404 or forbidden; what it may bring counts as from the account itself."""
    patient, hospital, mine, _ = hubs.shared()
    client = hubs.line.client(hubs.b.hub)("hub-a.example.org")
    frame = patient.seal(patient.me, mine, 1)[0]
    said = client.post_bytes("/v1/peer/envelopes", len(frame).to_bytes(4, "little") + frame)
    assert said["results"] == [{"bid": "", "status": 404, "reason": "unknown"}]
    end = b64(patient.hub.record.relations[hospital.account].frames[-1])
    with pytest.raises(Problem, match="forbidden"):
        client.post("/v1/peer/statements", {"statements": [{"frame": end}]})
    item = {"ref": "r", "from": patient.me.account, "device": "d", "to": patient.me.account, "frame": "AAAA", "fp": ""}
    assert client.post("/v1/peer/messages", {"items": [item]})["results"] == [{"status": 404}]
    entry = {
        "ref": "r", "acc": patient.me.account, "at": 1, "actor": patient.me.account, "device": "d", "action": "read",
        "purpose": "", "detail": {"at": 1},
    }  # fmt: skip
    assert client.post("/v1/peer/entries", {"items": [entry]})["results"] == [{"status": 404}]


def test_messages_go_both_ways_and_once(both_hubs):
    """By card to the patient, by directory to the hospital; a stranger's card is asked for at her hub."""
    a, b = both_hubs.a, both_hubs.b
    hospital = b.organisation("klinik")
    both_hubs.read()
    person = a.person()
    body = {"to": person.account, "frame": b64(b"sealed request"), "fp": person.state.fingerprint}
    assert b.post("/v1/messages", body | {"fp": "a" * 32}, hospital).status_code == 404
    for _ in range(2):
        assert b.post("/v1/messages", body, hospital).status_code == 202
        both_hubs.push(b)
    events = [event for event in a.feed(person) if event["type"] == "message"]
    assert [(event["from"], unb64(event["frame"])) for event in events] == [(hospital.account, b"sealed request")]
    answer = {"to": hospital.account, "frame": b64(b"no")}
    assert a.post("/v1/messages", answer, person).status_code == 202
    both_hubs.push(a)
    (event,) = [event for event in b.feed(hospital) if event["type"] == "message"]
    assert (event["from"], unb64(event["frame"])) == (person.account, b"no")
    chain = b.get(f"/v1/chains/acct/{person.account}", hospital, fp=person.state.fingerprint)
    assert [unb64(frame) for frame in chain.json["frames"]] == person.frames


def test_the_patients_log_tells_what_the_other_hub_released_and_what_was_read(both_hubs):
    """Each release once, by account, device and purpose; a read report once however often it is sent."""
    patient, hospital, mine, _ = both_hubs.shared()
    patient.write(patient.me, mine)
    both_hubs.read()
    both_hubs.b.envelopes(hospital, purpose="TREAT")
    report = {"acc": patient.me.account, "at": 7, "purpose": "TREAT", "sealed": b64(b"who and what")}
    for _ in range(2):
        answer = both_hubs.b.post("/v1/reads", {"reports": [report]}, hospital)
        assert answer.json["results"] == [{"status": 202}]
        both_hubs.push(both_hubs.b)
    entries = both_hubs.a.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    found = [entry for entry in entries if entry["actor"] == hospital.account]
    assert [(e["action"], e["purpose"], e["device"]) for e in found] == [
        ("release", "TREAT", hospital.device), ("read", "TREAT", hospital.device)
    ]  # fmt: skip
    assert found[0]["detail"]["stream"] == patient.stream(mine)
    assert unb64(found[1]["sealed"]) == b"who and what"


def test_an_objection_goes_to_a_house_of_another_hub(hubs):
    """Kept for its hub, delivered there, and an entry of her log."""
    patient, hospital, mine, _ = hubs.shared()
    patient.write(patient.me, mine)
    hubs.read()
    hubs.b.envelopes(hospital, purpose="TREAT")
    hubs.push(hubs.b)
    log = f"/v1/log/{patient.me.account}"
    seq = next(e["seq"] for e in hubs.a.get(log, patient.me).json["entries"] if e["action"] == "release")
    assert hubs.a.post("/v1/objections", {"entry": seq, "frame": b64(b"no")}, patient.me).status_code == 202
    hubs.push(hubs.a)
    assert [unb64(e["frame"]) for e in hubs.b.feed(hospital) if e["type"] == "message"] == [b"no"]
    last = hubs.a.get(log, patient.me).json["entries"][-1]
    assert (last["action"], last["detail"]["entry"], last["detail"]["to"]) == ("objection", seq, hospital.account)


def test_what_another_hub_tells_late_or_in_another_spelling(hubs):
    """It counts as a month old at most, so that it is kept for its time; what has no canonical spelling is refused."""
    patient, hospital, _, _ = hubs.shared()
    entry = {
        "ref": "late", "acc": patient.me.account, "at": 2, "actor": hospital.account, "device": "", "action": "read",
        "purpose": "", "detail": {"at": 2},
    }  # fmt: skip
    items = [entry, entry | {"ref": "odd", "device": '"'}, entry | {"ref": "text", "purpose": '"'}]
    client = hubs.line.client(hubs.b.hub)(hubs.a.domain)
    answers = [client.post("/v1/peer/entries", {"items": [item]})["results"][0]["status"] for item in items]
    assert answers == [202, 400, 400]
    (told,) = [
        e for e in hubs.a.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"] if e["action"] == "read"
    ]
    assert told["at"] == hubs.a.now - audit.LATE_DAYS * 24 * 3600


@pytest.mark.parametrize(
    ("action", "detail"),
    [
        *(("release", RELEASED | {"count": count}) for count in (["x"], "7", 0, 1001, 2**53 - 1, True, None)),
        ("release", RELEASED | {"from": "1"}),
        ("release", RELEASED | {"more": 1}),
        ("release", {"count": 1}),
        ("release", [1]),
        ("refusal", {"what": "stream", "name": "s", "reason": 1}),
        ("refusal", {}),
        ("read", {"at": "1"}),
        ("deposit", {"set": "s", "stream": "s", "count": 1}),
        ("swept", {"released": 7}),
    ],
)
def test_what_an_entry_of_another_hub_may_say_is_closed(hubs, action, detail):
    """Anything but an action's own members, as they are written here, is refused: neither kept nor counted."""
    patient, hospital, _, _ = hubs.shared()
    before = log_end(hubs.a, patient)
    assert report(hubs, patient, hospital, action, detail) == 400
    assert log_end(hubs.a, patient) == before
    assert list(reconcile(hubs.a.hub.db)) == []


def test_what_a_hub_releases_at_most_at_once_is_counted(hubs):
    """A whole page, by its entry."""
    patient, hospital, _, _ = hubs.shared()
    assert report(hubs, patient, hospital, "release", RELEASED | {"count": 1000}) == 202
    assert log_end(hubs.a, patient)[2] == 1000
    assert list(reconcile(hubs.a.hub.db)) == []


def report(hubs, patient, hospital, action, detail):
    """The status of an entry that B tells A."""
    entry = {
        "ref": "told", "acc": patient.me.account, "at": hubs.a.now, "actor": hospital.account,
        "device": hospital.device, "action": action, "purpose": "TREAT", "detail": detail,
    }  # fmt: skip
    client = hubs.line.client(hubs.b.hub)(hubs.a.domain)
    return client.post("/v1/peer/entries", {"items": [entry]})["results"][0]["status"]


def log_end(town, patient):
    with town.hub.db.read() as conn:
        return audit.end(conn, patient.me.account)


def test_a_hubs_name_for_an_entry_hides_no_entry_of_anybody_else(hubs):
    """Whatever a hub calls what it reports, the patient's own hub writes its line all the same."""
    patient, hospital, _, _ = hubs.shared()
    practice = hubs.a.organisation("praxis")
    patient.grant(practice, {VITALS})
    with hubs.a.hub.db.write(patient.me.account) as tx:
        audit.write(tx, at=1, actor=practice.account, action="release", detail={}, ref="known")
    entry = {
        "ref": "known", "acc": patient.me.account, "at": 2, "actor": hospital.account, "device": "", "action": "read",
        "purpose": "", "detail": {"at": 2},
    }  # fmt: skip
    client = hubs.line.client(hubs.b.hub)(hubs.a.domain)
    for _ in range(2):
        assert client.post("/v1/peer/entries", {"items": [entry]})["results"] == [{"status": 202}]
    found = hubs.a.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    assert [e["actor"] for e in found if e["action"] in ("release", "read")] == [practice.account, hospital.account]


def test_a_queue_that_is_full_refuses_at_the_door(hubs, monkeypatch):
    """503 before anything is taken: nothing that was acknowledged is dropped, and nothing is released unlogged."""
    patient, hospital, theirs = hubs.author()
    monkeypatch.setattr(forwards, "MAX_WAITING", 1)
    first, second = patient.seal(hospital, theirs, 2)
    assert results(hubs.b.deposit(hospital, first))[0]["status"] == 202
    answer = hubs.b.deposit(hospital, second)
    assert (answer.status_code, problem(answer)["type"]) == (503, "urn:obhut:problem:busy")
    hubs.push(hubs.b)
    assert results(hubs.b.deposit(hospital, second))[0]["status"] == 202


def test_answers_are_forgotten_a_day_after_they_were_told(hubs, clock):
    """Not before the author has them."""
    patient, hospital, theirs = hubs.author()
    frame = patient.sealed(hospital, theirs, VITALS, [LINE])
    hubs.b.deposit(hospital, frame)
    hubs.push(hubs.b)
    (peer,) = hubs.b.hub.peers.values()
    pushing = Push(hubs.b.hub, peer, clients(hubs.b.hub))
    clock.advance(2 * 86400)
    pushing.sweep()
    hubs.read(hubs.b)
    assert results(hubs.b.deposit(hospital, frame))[0]["status"] in (200, 201)
    clock.advance(86401)
    pushing.sweep()
    with hubs.b.hub.db.read() as conn:
        assert forwards.named(conn, patient.me.account, forwards.ENVELOPE, [envelopes.parse(frame).bid]) == {}


def test_a_delegate_at_another_hub_acts_for_the_patient(both_hubs):
    """Her statement is passed on while she waits, checked at home, and comes back as news; while home is down, 503."""
    patient, hospital, _, gid = both_hubs.shared()
    son = both_hubs.b.person()
    body = {"to": son.account, "fp": son.state.fingerprint, "scope": "manage", "nb": 0, "until": patient.now + 10**6}
    patient.post(patient.account("delegate", body))
    both_hubs.read(both_hubs.b)
    for path, name in (("sets", "sets"), ("relations", "relations")):
        there = both_hubs.b.get(f"/v1/{path}/{patient.me.account}", son).json[name]
        assert there == both_hubs.a.get(f"/v1/{path}/{patient.me.account}", patient.me).json[name]
    patient.hub.know(son)
    end = steps.end(patient.hub.record, hospital.account, gid, son.signer, patient.now)
    offered = {"statements": [{"frame": b64(end.frame)}]}
    answer = both_hubs.b.post("/v1/statements", offered, son)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    heads = statements.parse(end.frame).position
    assert answer.json["heads"] == [["rel", patient.me.account, hospital.account, *heads]]
    both_hubs.read(both_hubs.b)
    relation = both_hubs.b.get(f"/v1/chains/rel/{patient.me.account}/{hospital.account}", son)
    assert unb64(relation.json["frames"][-1]) == end.frame
    again = steps.end(patient.hub.record, hospital.account, gid, son.signer, patient.now + 1)
    answer = both_hubs.b.post("/v1/statements", {"statements": [{"frame": b64(again.frame)}]}, son)
    assert (answer.status_code, problem(answer)["reason"]) == (409, "head")
    stranger = both_hubs.b.person()
    assert both_hubs.b.post("/v1/statements", offered, stranger).status_code == 403
