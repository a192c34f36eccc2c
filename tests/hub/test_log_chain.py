"""The access log at the hub: chained, signed, kept for its time, complete; and what would notice a missing entry."""

import json

import pytest
from sqlalchemy import column, delete, insert, select, table, update

from consent import log as logs
from consent import messages, steps
from consent.log import KEEP_DAYS, Entry
from consent.primitives import b64, unb64
from hub import schema
from hub.config import Config
from hub.models import accounts, log
from hub.reconcile import reconcile
from hub.store import audit
from hub.store.database import Database
from hub.sweeping import BATCH_DAYS, Sweep
from tests.consent.world import DOMAIN
from tests.hub.large import Big
from tests.hub.people import ACTIVITY, VITALS

DAY = 24 * 3600


def read(town, who):
    """All entries of somebody's log, and its head, checked against the hub's key."""
    answer = town.get(f"/v1/log/{who.account}", who).json
    entries = [
        Entry(who.account, sealed=unb64(row.pop("sealed", "")), **row) for row in answer["entries"]
    ]  # fmt: skip
    head = logs.parse_head(unb64(answer["head"]))
    head.verify(town.hub.key.public, hub=town.domain, acc=who.account)
    return entries, head


@pytest.fixture
def shared(towns):
    """A patient who granted a practice what she wrote, released and read there."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    patient.grant(practice, {VITALS})
    assert len(towns.envelopes(practice)) == 1
    report = {"acc": patient.me.account, "at": towns.now, "purpose": "TREAT", "sealed": b64(b"sealed")}
    towns.post("/v1/reads", {"reports": [report]}, practice)
    return patient, practice, mine


def test_the_log_of_everybody_is_a_chain_under_a_signed_head(towns, shared):
    """Whoever wrote into it, in however many transactions; pages and the head fit."""
    patient, practice, _ = shared
    for who in (patient.me, practice):
        entries, head = read(towns, who)
        assert logs.faults(entries, [head]) == []
        assert (head.seq, head.hash) == (entries[-1].seq, entries[-1].hash)
    assert logs.untold(read(towns, patient.me)[0], patient.hub.record.account.links) == []
    assert list(reconcile(towns.hub.db)) == []


def test_many_at_once_leave_one_chain(towns, shared):
    """Releases, deposits and statements of several streams in one transaction, one behind the other."""
    patient, practice, mine = shared
    patient.grant(practice, {VITALS, ACTIVITY})
    for category in (VITALS, ACTIVITY):
        patient.write(patient.me, mine, category)
    assert len(towns.envelopes(practice)) == 3
    entries, head = read(towns, patient.me)
    assert logs.faults(entries, [head]) == []
    assert list(reconcile(towns.hub.db)) == []


@pytest.mark.parametrize("count", [["x"], "7"])
def test_a_count_that_is_none_is_counted_nowhere(towns, shared, count):
    """As an earlier version took it from another hub: not in the sum, nor where the entries are held against it."""
    patient, practice, _ = shared
    with towns.hub.db.write(patient.me.account) as tx:
        audit.write(tx, at=towns.now, actor=practice.account, action="release", detail={"count": count})
    assert list(reconcile(towns.hub.db)) == []


# --- what is refused ----------------------------------------------------------------------------------------------


def test_a_question_refused_because_of_consent_is_noted_afterwards(towns, shared):
    """Streams, objects, bundles, and an object brought without a permit: once a day each, and not in the answer."""
    patient, practice, mine = shared
    gid = next(iter(patient.hub.record.relations[practice.account].grants))
    bundle = patient.hub.record.relations[practice.account].links[-1].body["lst"]
    big = Big(patient, patient.me, mine)
    big.put(towns, patient.me)
    towns.deposit(patient.me, big.frame)
    patient.post(steps.end(patient.hub.record, practice.account, gid, patient.me.signer, towns.now))
    before = read(towns, patient.me)[0]
    for _ in range(2):
        assert towns.get(f"/v1/streams/{patient.me.account}/{big.stream}", practice).status_code == 404
        assert big.get(towns, practice).status_code == 404
        assert towns.get(f"/v1/bundles/{patient.me.account}/{bundle}", practice).status_code == 404
        assert big.put(towns, practice, bid="A" * 22).status_code == 403
    assert read(towns, patient.me)[0] == before
    towns.hub.refused.write()
    towns.hub.refused.write()
    noted = read(towns, patient.me)[0][len(before) :]
    assert {entry.actor for entry in noted} == {practice.account}
    assert [(e.action, e.detail["what"], e.detail["name"]) for e in noted] == [
        ("refusal", "stream", big.stream), ("refusal", "object", big.bid), ("refusal", "bundle", bundle),
        ("refusal", "deposit", "A" * 22),
    ]  # fmt: skip
    towns.clock.advance(DAY)
    big.get(towns, practice)
    towns.hub.refused.write()
    assert len(read(towns, patient.me)[0]) == len(before) + 5


def test_strangers_fill_no_log(town):
    """Who has no relation with the patient is refused as before, and leaves no entry."""
    patient, stranger = town.patient(), town.organisation("klinik")
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    before = read(town, patient.me)[0]
    assert town.get(f"/v1/streams/{patient.me.account}/{patient.stream(mine)}", stranger).status_code == 404
    town.hub.refused.write()
    assert read(town, patient.me)[0] == before


def test_a_refused_question_has_the_same_answer_as_one_about_nothing(town):
    """Byte for byte, whether there is something that is withheld or not."""
    patient, practice = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    patient.meet(practice)
    path = f"/v1/streams/{patient.me.account}/"
    withheld, nothing = town.get(path + patient.stream(mine), practice), town.get(path + "A" * 22, practice)
    assert (withheld.status_code, withheld.data) == (nothing.status_code, nothing.data)


def test_devices_passphrase_and_deletions_are_entries(town):
    """A device's token key, a sign-in key that is set."""
    patient = town.patient()
    second = patient.me.other_device()
    patient.post(patient.account("device", second.device_body("client")))
    town.call("PUT", "/v1/sign-in", patient.me, json={"key": b64(bytes(32))})
    entries, _ = read(town, patient.me)
    assert [e.action for e in entries][-2:] == ["statement", "passphrase"]
    assert [e.device for e in entries if e.action == "client"] == [patient.me.device]


# --- objections ---------------------------------------------------------------------------------------------------


def test_an_objection_reaches_whom_it_is_about_and_stands_in_the_log(towns, shared):
    """Sent twice it counts once; nobody objects to what is not in the own log, or to herself."""
    patient, practice, _ = shared
    entries, _ = read(towns, patient.me)
    release = next(entry for entry in entries if entry.action == "release")
    own = next(entry for entry in entries if entry.actor == patient.me.account)
    raw = messages.write(
        patient.me.sign, typ="objection", sender=patient.me.account, dev=patient.me.device, to=practice.account,
        at=towns.now, content=b"{}",
    )  # fmt: skip
    frame = b64(messages.seal(raw, practice.state.reading_key()))
    for _ in range(2):
        assert towns.post("/v1/objections", {"entry": release.seq, "frame": frame}, patient.me).status_code == 202
    (event,) = [event for event in towns.feed(practice) if event["type"] == "message"]
    assert messages.unseal(unb64(event["frame"]), practice.reading).typ == "objection"
    (noted,) = [entry for entry in read(towns, patient.me)[0] if entry.action == "objection"]
    assert noted.detail == {"entry": release.seq, "to": practice.account, "id": event["id"]}
    for seq in (own.seq, 10_000):
        assert towns.post("/v1/objections", {"entry": seq, "frame": frame}, patient.me).status_code == 404


# --- how long it is kept ------------------------------------------------------------------------------------------


def sweep(town):
    with town.app.test_request_context("/v1/hub"):
        Sweep(town.hub)()


def test_entries_go_when_they_are_old_enough_and_the_chain_stays_checkable(towns, shared):
    """Not a day before; then the beginning of the log goes, an entry says so, and whoever kept a head is content."""
    patient, practice, mine = shared
    kept, head = read(towns, patient.me)
    towns.clock.advance((KEEP_DAYS + audit.LATE_DAYS + BATCH_DAYS) * DAY)
    sweep(towns)
    assert read(towns, patient.me)[0] == kept
    patient.now = towns.now
    patient.write(patient.me, mine)
    towns.clock.advance(1)
    sweep(towns)
    after, again = read(towns, patient.me)
    assert [entry.action for entry in after] == ["deposit", "swept"]
    assert after[0].seq == kept[-1].seq + 1
    assert logs.faults(after, [again, head]) == []
    assert after[1].detail["released"] == 1
    assert list(reconcile(towns.hub.db)) == []
    towns.envelopes(practice, purpose="TREAT")
    towns.clock.advance((KEEP_DAYS + audit.LATE_DAYS + BATCH_DAYS + 1) * DAY)
    sweep(towns)
    last, newest = read(towns, patient.me)
    assert [entry.action for entry in last] == ["swept"]
    assert logs.faults(last, [newest, again]) == []
    assert list(reconcile(towns.hub.db)) == []


def test_a_hub_may_keep_longer_never_shorter(tmp_path):
    """Three years are the least."""
    assert Config.from_env({"OBHUT_HUB_LOG_DAYS": "4000"}).log_days == 4000
    with pytest.raises(ValueError, match="1096 days"):
        Config.from_env({"OBHUT_HUB_LOG_DAYS": "1095"})


# --- what would be noticed ----------------------------------------------------------------------------------------


def gaps(town, *statements):
    """What the reconciliation finds after changes that nobody should make."""
    with town.hub.db.engine.begin() as conn:
        for statement in statements:
            assert conn.execute(statement).rowcount > 0
    return [gap.what for gap in reconcile(town.hub.db)]


def test_each_missing_entry_is_noticed(towns, shared):
    """Whichever one is removed, the hub's own check names its number."""
    patient, _, _ = shared
    entries, _ = read(towns, patient.me)
    mine = log.c.acc == patient.me.account
    for entry in entries:
        with towns.hub.db.engine.connect() as conn:
            row = conn.execute(select(log).where(mine, log.c.seq == entry.seq)).one()
        found = gaps(towns, delete(log).where(mine, log.c.seq == entry.seq))
        assert any(f" {entry.seq}" in what and "missing" in what for what in found), (entry, found)
        with towns.hub.db.engine.begin() as conn:
            conn.execute(log.insert().values(**row._mapping))
    assert gaps(towns) == []


def rechained(town, acc, without):
    """Somebody takes an entry out and makes the chain, its end and its numbers fit again."""
    with town.hub.db.engine.begin() as conn:
        rows = conn.execute(select(log).where(log.c.acc == acc).order_by(log.c.seq)).mappings().all()
        conn.execute(delete(log).where(log.c.acc == acc))
        prev, kept = "", [row for row in rows if row["seq"] != without]
        for seq, row in enumerate(kept, 1):
            members = {name: row[name] for name in ("at", "actor", "device", "action", "purpose")}
            entry = Entry(acc, seq, detail=json.loads(row["detail"]), sealed=row["sealed"] or b"", **members)
            prev = entry.hash_behind(prev)
            conn.execute(log.insert().values(**(dict(row) | {"seq": seq, "hash": prev})))
        conn.execute(update(accounts).where(accounts.c.acc == acc).values(log_seq=len(kept), log_hash=prev))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("release", "1 envelopes were released, and its entries tell of 0"), ("statement", "nothing is said of the"),
        ("deposit", "1 envelopes were taken into the stream"), ("message", "nothing is said of the message"),
    ],
)  # fmt: skip
def test_an_entry_that_was_taken_out_with_care_is_noticed_by_what_it_left_elsewhere(towns, shared, action, said):
    """Chain, end and numbers fit, and the counters, chains, messages and streams still tell of it."""
    patient, practice, _ = shared
    towns.post("/v1/messages", {"to": patient.me.account, "frame": b64(b"x")}, practice)
    entry = next(entry for entry in read(towns, patient.me)[0] if entry.action == action)
    rechained(towns, patient.me.account, entry.seq)
    (what,) = gaps(towns)
    assert what.startswith(said)


def test_a_log_that_is_cut_behind_is_noticed(towns, shared):
    """The row of the account says how far it went."""
    patient, _, _ = shared
    last = read(towns, patient.me)[0][-1].seq
    found = gaps(towns, delete(log).where(log.c.acc == patient.me.account, log.c.seq >= last - 1))
    assert f"entries {last - 1} to {last} are missing at the end" in found


# --- what was there before ----------------------------------------------------------------------------------------


def test_logs_that_were_there_before_are_chained_as_they_stand(database_url, tmp_path):
    """After the migration they hold; what has no canonical spelling loses its words in the clear, nothing else."""
    db = Database(database_url, home=DOMAIN)
    acc, actor = f"p-{'a' * 26}@{DOMAIN}", f"praxis@{DOMAIN}"
    with db.write() as tx:
        schema.bring(tx.conn, "0005")
        cells = {"acc": acc, "cls": "person", "log_seq": 3, "verifier": "", "fetch": "", "fetch_before": ""}
        cells |= {"fetch_changed": 0}
        tx.conn.execute(insert(table("accounts", *map(column, cells))), cells)
        told = [('{"count":2,"stream":"x"}', "TREAT", None), ('{"x":1.5}', "TREAT", b"s"), ("{}", "Ä", None)]
        for seq, (detail, purpose, sealed) in enumerate(told, 1):
            cells = {"acc": acc, "seq": seq, "at": 5, "actor": actor, "device": "", "action": "release"}
            cells |= {"purpose": purpose, "detail": detail, "sealed": sealed}
            tx.conn.execute(insert(table("log", *map(column, cells))), cells)
        schema.bring(tx.conn, "head")
    with db.read() as conn:
        found = audit.entries(conn, acc, 0, 10)
        end = audit.end(conn, acc)
    assert logs.faults(found, []) == []
    assert [(e.purpose, e.detail, e.sealed) for e in found] == [
        ("TREAT", {"count": 2, "stream": "x"}, b""), ("", {}, b"s"), ("", {}, b""),
    ]  # fmt: skip
    assert end == (3, found[-1].hash, 2)
    db.close()


def test_what_other_hubs_and_houses_say_has_a_spelling(town):
    """A purpose that cannot stand in the clear is left to what is sealed; the report is there all the same."""
    patient, practice = town.patient(), town.organisation("praxis")
    patient.meet(practice)
    report = {"acc": patient.me.account, "at": 1, "purpose": 'Für "dich"', "sealed": b64(b"sealed")}
    assert town.post("/v1/reads", {"reports": [report]}, practice).json["results"] == [{"status": 202}]
    entries, head = read(town, patient.me)
    assert (entries[-1].purpose, entries[-1].sealed) == ("", b"sealed")
    assert logs.faults(entries, [head]) == []
