"""Statements over HTTP: admitted all or nothing, idempotent, refused with what helps."""

from dataclasses import replace

import pytest

from consent import messages, statements, steps
from consent.keys import RecoveryCode, SigningKey
from consent.log import KEEP_DAYS
from consent.primitives import b64, unb64
from consent.steps import Written
from hub.reconcile import reconcile
from hub.store import audit
from hub.store.hashing import digest
from tests.consent import world
from tests.hub.people import VITALS, problem


def post(town, who, *written, token="", **more):
    items = [{"frame": b64(w.frame)} | ({"blob": b64(w.blob)} if w.blob is not None else {}) for w in written]
    return town.post("/v1/statements", {"statements": items, **more}, None if token else who, token)


def another_set(town, patient, who):
    """The first statement of one more set of the patient, signed by somebody's device."""
    vault = steps.new_sets(patient.vault, 1)
    (fresh,) = vault.sets.keys() - patient.vault.sets.keys()
    return steps.begin(patient.hub.record, vault, fresh, who.signer, town.now)


def test_a_patient_enrols_and_starts_her_sets(towns):
    """What the small world admits, the hub admits and keeps, on both databases."""
    patient = towns.patient()
    assert towns.get(f"/v1/sets/{patient.me.account}", patient.me).json["sets"] == sorted(patient.hub.record.sets)
    frames = towns.get(f"/v1/chains/acct/{patient.me.account}", patient.me).json["frames"]
    assert [unb64(frame) for frame in frames] == patient.hub.record.account.frames


def test_the_same_account_again_is_no_error_and_another_of_its_name_is(towns):
    """Enrolment is idempotent by bytes, and by bytes only."""
    who = towns.person()
    before = towns.dump()
    assert towns.enrol(who, status=200).json["account"] == who.account
    twin = replace(who, frames=[])
    twin.add(
        "create",
        {"root": b64(twin.root.public), "recovery": b64(SigningKey.generate().public), "class": "person"},
        towns.now,
    )
    twin.add("device", twin.device_body("client"), towns.now)
    assert problem(towns.enrol(twin, status=409))["type"].endswith("conflict")
    assert towns.dump() == before


@pytest.mark.parametrize("swept", [False, True])
def test_the_same_account_again_with_another_token_key_goes_on_with_its_log(towns, clock, swept):
    """The device's newest key counts from then on, and that is said behind what is in the log, or was swept from it."""
    who = towns.person()
    clock.advance((KEEP_DAYS + 1) * world.DAY)
    if swept:
        with towns.hub.db.write(who.account) as tx:
            audit.sweep(tx, towns.now - KEEP_DAYS * world.DAY, towns.now)
    with towns.hub.db.read() as conn:
        before, _, _ = audit.end(conn, who.account)
    towns.keys[who.device] = SigningKey.generate()
    towns.enrol(who, status=200)
    assert towns.ask_token(towns.assertion(who)).status_code == 200
    with towns.hub.db.read() as conn:
        assert [(one.seq, one.action) for one in audit.entries(conn, who.account, before, 9)] == [
            (before + 1, "client")
        ]
    assert list(reconcile(towns.hub.db)) == []


def test_an_account_is_no_way_around_the_registration_of_a_token_key(towns, clock):
    """Together with its known statements an elder key is refused, and so is one that its device did not sign."""
    who = towns.person()
    elder, now = SigningKey.generate(), towns.now
    clock.advance(5)
    towns.keys[who.device] = SigningKey.generate()
    towns.enrol(who, status=200)
    before = towns.dump()
    for key, at, status in ((who.sign, now, 409), (SigningKey.generate(), towns.now, 401)):
        frame = messages.register(key, acc=who.account, dev=who.device, token_key=elder.public, at=at)
        body = {"frames": [b64(raw) for raw in who.frames], "client": b64(frame)}
        assert towns.post("/v1/accounts", body).status_code == status
    assert towns.dump() == before


def test_an_organisation_needs_its_own_unused_admission_code(town):
    """The operator lets organisations in, one code one account."""
    practice = town.organisation("praxis")
    assert town.enrol(practice, "code", status=200)
    before = town.dump()
    for code in ("code", "", "x" * 32):
        assert town.enrol(world.organisation("anders", town.now), code, status=403)
    assert town.dump() == before


def test_statements_are_taken_all_or_none(towns):
    """A batch whose second statement is refused leaves nothing behind."""
    patient = towns.patient()
    good = another_set(towns, patient, patient.me)
    bad = Written(good.frame[:-1] + bytes([good.frame[-1] ^ 1]))
    before = towns.dump()
    answer = post(towns, patient.me, good, bad)
    assert answer.status_code == 409
    assert towns.dump() == before
    assert post(towns, patient.me, good).status_code == 200


def test_the_same_statements_again_change_nothing(town):
    """Sending again after a lost answer is safe, also where a batch overlaps what is there."""
    patient = town.patient()
    patient.save(patient.vault)
    again = patient.hub.record.account.links[-1]
    before = town.dump()
    answer = post(town, patient.me, Written(again.raw, patient.hub.vault[1]))
    assert answer.status_code == 200
    assert answer.json["heads"] == [["acct", patient.me.account, "", again.seq, again.hash]]
    assert town.dump() == before


def test_a_statement_behind_the_head_gets_the_links_it_lacks(towns):
    """Compare-and-swap: 409 `head` carries the head and the links from there on."""
    patient = towns.patient()
    stale = patient.vault_written(patient.vault)
    patient.save(patient.vault)
    late = patient.hub.record.account.links[-1]
    patient.save(patient.vault)
    head = patient.hub.record.account.head
    answer = post(towns, patient.me, stale)
    assert answer.status_code == 409
    said = problem(answer)
    assert (said["reason"], said["head"]) == ("head", list(head))
    assert [unb64(link) for link in said["links"]] == patient.hub.record.account.frames[late.seq :]


def test_a_wrong_clock_gets_the_hubs_time(town, clock):
    """`clock` carries `now`."""
    patient = town.patient()
    clock.advance(3600)
    answer = post(town, patient.me, patient.vault_written(patient.vault))
    assert (problem(answer)["reason"], problem(answer)["now"]) == ("clock", town.now)


def test_nobody_posts_for_another(town):
    """A counterpart that brings the patient's own valid statement is refused; a stranger learns nothing."""
    patient, practice = town.patient(), town.organisation("praxis")
    patient.meet(practice)
    written = patient.vault_written(patient.vault)
    before = town.dump()
    assert post(town, practice, written).status_code == 403
    assert town.dump() == before


@pytest.mark.parametrize("change", ["", "x", "@", "p-aaaa@hub"])
def test_what_is_no_statement_is_malformed(town, change):
    """Wrong bytes get 400 and a word of the protocol."""
    patient = town.patient()
    answer = town.post("/v1/statements", {"statements": [{"frame": b64(change.encode() * 40)}]}, patient.me)
    assert (answer.status_code, problem(answer)["reason"]) == (400, "frame")


def test_a_delegate_acts_within_its_scope_and_others_see_nothing(town):
    """A relative with scope `full` may post for the patient once named, not before, not after."""
    patient, relative = town.patient(), town.person()
    asked = f"/v1/sets/{patient.me.account}"
    assert town.get(asked, relative).status_code == 404
    patient.appoint(relative)
    assert town.get(asked, relative).status_code == 200
    written = another_set(town, patient, relative)
    assert post(town, relative, written).status_code == 200
    patient.post(patient.account("undelegate", {"to": relative.account}))
    assert town.get(asked, relative).status_code == 404


def test_a_lost_phone_is_recovered_with_the_sheet(towns):
    """Code → fetch token → sealed vault; then root, device and vault in one request, by the vault's token alone."""
    patient = towns.patient()
    code: RecoveryCode = patient.me.recovery
    wraps = {"sheet": b64(b"w" * 72)}
    assert post(towns, patient.me, wraps=wraps, fetch=digest(code.fetch_token)).status_code == 200
    wrong = towns.post("/v1/recover", {"account": patient.me.account, "token": b64(bytes(32))})
    assert wrong.status_code == 401
    token = towns.post("/v1/recover", {"account": patient.me.account, "token": b64(code.fetch_token)}).json[
        "access_token"
    ]
    assert towns.get(f"/v1/vault/{patient.me.account}", token=token).json["wraps"] == wraps
    assert towns.get("/v1/feed", token=token).status_code == 403
    new, root = patient.me.other_device(), SigningKey.generate()
    sheet = RecoveryCode.generate()
    first = patient.account(
        "root", {"root": b64(root.public), "recovery": b64(sheet.signing_key.public)}, ("recovery",), code.signing_key
    )
    chain = patient.hub.record.account
    position = statements.parse(first.frame).position
    second = statements.sign(
        root,
        kind="acct",
        acc=chain.acc,
        head=position,
        iat=towns.now,
        typ="device",
        by=("root",),
        body=new.device_body("client"),
    )
    early = patient.vault_written(patient.vault)
    assert post(towns, None, early, token=token).status_code == 403
    before = towns.token(patient.me)
    assert post(towns, None, first, Written(second), token=token, fetch=digest(sheet.fetch_token)).status_code == 200
    assert towns.get("/v1/feed", token=before).status_code == 401
    old = towns.post("/v1/recover", {"account": patient.me.account, "token": b64(code.fetch_token)})
    assert old.status_code == 401


def test_a_replaced_sheet_still_opens_the_vault_for_seven_days(town, clock):
    """A thief who replaces the recovery code does not outrun the old sheet."""
    patient = town.patient()
    clock.advance(8 * 86400)
    patient.now = town.now
    old, new = patient.me.recovery, RecoveryCode.generate()
    assert post(town, patient.me, fetch=digest(old.fetch_token)).status_code == 200
    written = patient.account("recovery", {"key": b64(new.signing_key.public)})
    assert post(town, patient.me, written, fetch=digest(new.fetch_token)).status_code == 200
    ask = {"account": patient.me.account, "token": b64(old.fetch_token)}
    clock.advance(7 * 86400 - 60)
    assert town.post("/v1/recover", ask).status_code == 200
    clock.advance(120)
    assert town.post("/v1/recover", ask).status_code == 401


def test_a_stream_id_of_another_patient_is_not_taken_twice(town):
    """Who copies a stream's id from elsewhere is refused: an envelope names its stream only."""
    one, other = town.patient(), town.patient()
    stolen = next(iter(one.vault.sets.items()))
    vault = other.vault.with_set("A" * 21 + "A", stolen[1], next(iter(other.vault.masters.values())))
    written = steps.begin(other.hub.record, vault, "A" * 22, other.me.signer, town.now)
    before = town.dump()
    assert problem(post(town, other.me, written))["reason"] == "ids"
    assert town.dump() == before


def test_a_grant_keeps_its_bundle_for_its_two_sides_only(town):
    """The counterpart and the patient fetch a bundle; another house gets what it gets for no patient at all."""
    patient, practice, other = town.patient(), town.organisation("praxis"), town.organisation("klinik")
    gid = patient.grant(practice, {VITALS})
    lst = patient.hub.record.relations[practice.account].grants[gid].bundles[0].hash
    path = f"/v1/bundles/{patient.me.account}/{lst}"
    assert town.get(path, practice).data == town.get(path, patient.me).data == patient.hub.blobs[lst]
    assert town.get(path, other).status_code == 404


def test_a_bundle_is_given_to_the_counterpart_only_while_its_grant_lives(town):
    """After a withdrawal the counterpart cannot fetch its seeds anew, by their name or by the feed; the patient can."""
    patient, practice = town.patient(), town.organisation("praxis")
    gid = patient.grant(practice, {VITALS})
    lst = patient.hub.record.relations[practice.account].grants[gid].bundles[0].hash
    path = f"/v1/bundles/{patient.me.account}/{lst}"
    assert any("blob" in event for event in town.feed(practice))
    patient.withdraw(practice, gid)
    assert town.get(path, practice).status_code == 404
    assert not any("blob" in event for event in town.feed(practice))
    assert town.get(path, patient.me).status_code == 200


def test_a_delegate_does_not_change_who_opens_the_vault(town):
    """Wraps and the fetch token are the account's own; a delegate's request with them is refused whole."""
    patient, relative = town.patient(), town.person()
    patient.appoint(relative)
    written = another_set(town, patient, relative)
    before = town.dump()
    for more in ({"wraps": {}}, {"fetch": digest(bytes(32))}):
        assert post(town, relative, written, **more).status_code == 403
        assert town.dump() == before


def test_what_is_sent_again_does_not_bring_old_wraps_back(towns):
    """A device that never heard the answer sends the same again, after another one has changed who opens the vault."""
    patient = towns.patient()
    written = another_set(towns, patient, patient.me)
    old, new = ({"sheet": b64(letter * 72)} for letter in (b"o", b"n"))
    assert post(towns, patient.me, written, wraps=old).status_code == 200
    assert post(towns, patient.me, wraps=new).status_code == 200
    assert post(towns, patient.me, written, wraps=old).status_code == 200
    assert towns.get(f"/v1/vault/{patient.me.account}", patient.me).json["wraps"] == new


def test_a_vault_token_does_not_change_wraps_beside_statements_that_are_known(town):
    """Who only signed in and sends an old statement again gets the old answer, and the wraps stay."""
    patient, key = town.patient(), bytes(range(32))
    acc, wraps = patient.me.account, {"sheet": b64(b"w" * 72)}
    assert post(town, patient.me, wraps=wraps).status_code == 200
    assert town.call("PUT", "/v1/sign-in", patient.me, json={"key": b64(key)}).status_code == 204
    token = town.post("/v1/sign-in", {"account": acc, "key": b64(key)}).json["access_token"]
    known = next(link for link in patient.hub.record.account.links if link.typ == "device")
    assert post(town, None, Written(known.raw), token=token, wraps={}).status_code == 200
    assert town.get(f"/v1/vault/{acc}", patient.me).json["wraps"] == wraps
