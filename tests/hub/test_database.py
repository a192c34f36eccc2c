"""The ground: migrations, concurrency, and states that a cold start replays."""

import threading
from collections import Counter
from contextlib import suppress

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text

from consent import rules, statements
from consent.steps import Written
from hub import schema
from hub.models import envelopes, metadata
from hub.states import Cache, Chains
from hub.store import directory, peers
from hub.store.bulk import insert_rows
from hub.store.database import Database
from tests.hub.people import LINE, VITALS, build, upgrade


def test_the_migrations_make_the_tables_of_the_models(towns):
    """Alembic finds nothing to change, and there is one head."""
    with towns.hub.db.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []
        assert schema.present(conn) == schema.expected()


def test_migrating_again_changes_nothing(towns):
    """`upgrade` is idempotent."""
    before = towns.dump()
    schema.upgrade(towns.hub.db)
    assert towns.dump() == before


def test_what_an_account_owns_is_keyed_by_the_account():
    """`acc` leads every primary key, but where a table is no account's."""
    foreign = {
        "routes", "assertions", "attempts", "counters", "peers", "nonces", "forwards", "pairings", "console",
    }  # fmt: skip
    for table in metadata.sorted_tables:
        if table.name not in foreign:
            assert next(iter(table.primary_key.columns)).name == "acc", table.name


def test_two_who_make_an_account_at_once_make_it_once(towns):
    """The second waits for the first, and finds it made; there is no row yet that either could hold."""
    acc, known = "klinik@hub-b.example.org", []

    def make():
        with towns.hub.db.write(acc) as tx:
            known.append(tx.known)
            if not tx.known:
                directory.create_account(tx, "org")

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(known) == [False, True, True, True]


def test_what_has_expired_is_forgotten_within_the_hour(town, clock):
    """By any request: a hub that runs for months does not grow by what it need not know any more."""
    with town.hub.db.write() as tx:
        peers.use_nonce(town.hub.db, tx, "hub-b.example.org", "n", town.now + 600)
    town.get("/v1/hub")
    assert len(town.dump()["nonces"]) == 1
    clock.advance(3601)
    town.get("/v1/hub")
    assert town.dump()["nonces"] == []


def test_four_writers_at_once_lose_nothing(towns):
    """Concurrent deposits of four devices into one set: all stamped, positions dense, no lock reaches a caller."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    devices = [patient.me.other_device() for _ in range(4)]
    for device in devices:
        patient.post(patient.account("device", device.device_body("writer")))
    batches = {device.device: patient.seal(device, mine, 12) for device in devices}
    towns.token(patient.me)
    statuses = Counter()

    def send(frames):
        for start in range(0, len(frames), 3):
            answer = towns.deposit(patient.me, *frames[start : start + 3])
            statuses.update([answer.status_code] + [r["status"] for r in answer.json["results"]])

    threads = [threading.Thread(target=send, args=[frames]) for frames in batches.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {200: 16, 201: 48}
    path = f"/v1/streams/{patient.me.account}/{patient.stream(mine)}"
    assert [e["pos"] for e in towns.get(path, patient.me).json["envelopes"]] == list(range(1, 49))
    assert len(set(towns.envelopes(patient.me))) == 48


def test_two_clients_at_once_append_one_link(towns):
    """Compare-and-swap under load: of two statements for one place one is taken, the other told the head."""
    patient = towns.patient()
    rivals = [patient.vault_written(patient.vault) for _ in range(2)]
    towns.token(patient.me)
    answers = []
    threads = [threading.Thread(target=lambda w=w: answers.append(patient.hub.send(w))) for w in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_a_cold_start_replays_to_the_same(towns):
    """States from the cache and from the stored links alone are equal."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    relative = towns.person()
    patient.appoint(relative)
    patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    patient.turn()
    with towns.hub.db.read() as conn:
        warm = towns.hub.chains(conn).record(patient.me.account)
        cold = Chains(conn, Cache()).record(patient.me.account)
    assert warm == cold
    assert warm.account == patient.hub.record.account
    assert warm.relations == patient.hub.record.relations


def test_a_small_cache_forgets_and_answers_the_same(towns):
    """Bounded by links: what was forgotten is replayed."""
    patient = towns.patient()
    cache = Cache(limit=3)
    with towns.hub.db.read() as conn:
        one = Chains(conn, cache).record(patient.me.account)
        assert Chains(conn, cache).record(patient.me.account) == one


def test_account_chains_that_cite_each_other_replay(town):
    """Two relatives who are each other's delegates, each having resigned: links interleave."""
    one, other = town.patient(), town.patient()
    for patient, relative in ((one, other), (other, one)):
        patient.hub.know(relative.me)
        relative_state = relative.hub.record.account
        patient.hub.record.accounts[relative_state.acc] = relative_state
        body = {
            "to": relative_state.acc,
            "fp": relative_state.fingerprint,
            "scope": "full",
            "nb": 0,
            "until": town.now + 9999,
        }
        patient.post(patient.account("delegate", body))
    for patient, relative in ((one, other), (other, one)):
        state = patient.hub.record.account
        patient.hub.record.accounts[relative.me.account] = relative.hub.record.account
        frame = statements.sign(
            relative.me.sign, kind="acct", acc=state.acc, head=state.head, iat=town.now, typ="undelegate",
            by=relative.me.signer.by, cite={relative.me.account: relative.hub.record.account.head},
            body={"to": relative.me.account},
        )  # fmt: skip
        assert patient.hub.send(Written(frame), who=relative.me).status_code == 200
        patient.hub.record = rules.admit(patient.hub.record, frame, None, town.now)
    with town.hub.db.read() as conn:
        for patient in (one, other):
            state = Chains(conn, Cache()).account(patient.me.account)
            assert state.head == patient.hub.record.account.head


def test_cursors_go_on_in_a_restored_cluster(towns, tmp_path):
    """PostgreSQL counts anew in another cluster; what is announced there stands behind every old cursor."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    cursor = towns.get("/v1/feed", patient.me).json["next"]
    with towns.hub.db.write() as tx:
        tx.conn.execute(text("UPDATE counters SET value = value + 1 WHERE name = 'cluster'"))
        tx.conn.execute(text("UPDATE feed SET tx = tx + 1000000000"))
        tx.conn.execute(text("UPDATE counters SET value = value + 1000000000 WHERE name = 'tx'"))
    tx, rest = cursor.split(".", 1)
    cursor = f"{int(tx) + 1000000000}.{rest}"
    again = Database(towns.hub.config.database_url)
    again.open()
    again.close()
    towns.hub.db.open()
    written = patient.write(patient.me, mine)
    assert towns.envelopes(patient.me, cursor) == [written]


def test_a_restarted_hub_goes_on(database_url, tmp_path, clock):
    """Another process on the same database and keys: tokens, chains and stamps still hold."""
    upgrade(database_url)
    first = build(database_url, tmp_path / "hub", clock)
    clock.now = 1_790_000_000
    patient = first.patient()
    mine = patient.permit(patient.me)
    second = build(database_url, tmp_path / "hub", clock)
    token = first.token(patient.me)
    assert second.get("/v1/feed", token=token).status_code == 200
    raw = patient.sealed(patient.me, mine, VITALS, [LINE])
    one = first.deposit(patient.me, raw).json["results"][0]["stamp"]
    second.tokens, second.keys = first.tokens, first.keys
    assert second.deposit(patient.me, raw).json["results"][0]["stamp"] == one
    first.hub.db.close()
    second.hub.db.close()


def test_many_rows_are_kept_as_they_came_or_not_at_all(towns):
    """Every byte and sign of rows that are inserted at once; nothing of them when the transaction is undone."""
    row = ("praxis@a.bc", "s", 2**40, "ä\\t'\"%s", 1, 3, bytes(range(256)), b"")
    with suppress(ZeroDivisionError), towns.hub.db.write() as tx:
        insert_rows(tx.conn, envelopes, [row])
        raise ZeroDivisionError
    with towns.hub.db.write() as tx:
        insert_rows(tx.conn, envelopes, [row, (*row[:2], 2**40 + 1, "other", *row[4:])])
    with towns.hub.db.read() as conn:
        found = conn.execute(select(envelopes).order_by(envelopes.c.pos)).all()
    assert [tuple(one) for one in found] == [row, (*row[:2], 2**40 + 1, "other", *row[4:])]
