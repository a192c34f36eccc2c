"""Emergency access from the patient's word to her review: hub, gateways and clients, all by one clock of the test."""

import json
from contextlib import closing

import pytest

from connectors.entries import Entry
from connectors.gateway import access, emergency
from connectors.gateway.access import Reader
from connectors.gateway.declaring import Declaring
from connectors.gateway.visibility import Scope
from connectors.patient import access_log, enrolment, log_words, overview, restrictions, sharing
from connectors.patient import emergency as decided
from connectors.patient.delegation import Deputy
from connectors.patient.reading import Reading
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from fhir_profiles.search import parse
from tests.consent.world import DAY
from tests.journeys.conftest import name_delegate
from tests.journeys.test_expiry import House, ada, houses, town, write  # noqa: F401 - fixtures
from tests.journeys.test_sharing import VITALS, weight

LAB = INDEX["lab"]
DOCTOR = Reader("Dr. Eva Not", "physician", "ETREAT")
NURSE = Reader("Kai Dienst", "nurse-ed", "TREAT")
SPAN = 3600
ROLES = ("physician", "nurse-ed")


class Department(House):
    """An emergency department's gateway, by the test's clock."""

    @property
    def account(self):
        return self.keys.keyring.account

    def declare(self, patient, reader=DOCTOR, text="unconscious, no relatives"):
        """A person declares; what the hub said is kept. Returns the declaration's number."""
        name, now = account(patient).local, int(self.clock())
        fresh = Reader(reader.person, reader.role, reader.purpose, issued=now)
        self.inbox.catch_up()
        rnd = emergency.declare(self.store.database, fresh, name, "unconscious", text, now)
        Declaring(self.inbox).send()
        emergency.await_answer(self.store.database, rnd, patience=0)
        return rnd

    def opened(self, rnd):
        """Until when a declaration opened something; 0 for nothing."""
        return next(one.until for one in emergency.all_declared(self.store.database) if one.rnd == rnd)

    def seen(self, patient, reader=DOCTOR):
        """What a person's search finds, and that she found it goes to the patient."""
        self.inbox.catch_up()
        query = parse("Observation", [("patient", account(patient).local), ("_count", "100")])
        scope = Scope((reader.purpose, "TREAT"), int(self.clock()), person=reader.person)
        found = {one.id for one in self.store.search(query, scope).matches}
        access.report(self.store.database, reader, "Observation", {patient: len(found)}, now=self.clock())
        self.inbox.report_reads()
        return found


@pytest.fixture
def er(tmp_path, town):  # noqa: F811
    made = Department(tmp_path, town, "notaufnahme")
    yield made
    made.inbox.hub.close()
    made.store.database.close()


@pytest.fixture
def ben(tmp_path, town):  # noqa: F811
    """A relative."""
    client, _ = enrolment.enrol(tmp_path / "ben", town[1], town[0].clock)
    yield client
    client.close()


def allow(patient, house, *categories, roles=ROLES):
    return decided.allow(patient, house.account, categories or {VITALS}, roles, SPAN)


def test_a_declaration_opens_for_an_hour_to_one_person_and_the_patient_is_told_at_once(ada, er, clock):  # noqa: F811
    """Nothing before; then what she chose; to nobody else in the house; and after the hour neither rows nor keys."""
    write(ada, 1)
    allow(ada, er)
    assert er.seen(ada.account) == set()
    assert er.keys.held(ada.account) == set()
    rnd = er.declare(ada.account)
    assert er.opened(rnd) == clock.now + SPAN
    assert er.seen(ada.account) == {"w1"}
    assert er.seen(ada.account, NURSE) == set()
    write(ada, 2)
    assert er.seen(ada.account) == {"w1", "w2"}
    ada.sync()
    (notice,) = overview.overview(ada)["notices"]
    assert (notice["person"], notice["role"], notice["house"], notice["open"]) == (
        "Dr. Eva Not", "physician", er.account, True,
    )  # fmt: skip
    assert any("Dr. Eva Not" in line and "review" in line for line in overview.lines(overview.overview(ada), ada.now))

    clock.now = er.opened(rnd)
    assert er.seen(ada.account) == set()
    assert er.keys.held(ada.account) == set()
    assert er.store.search(parse("Observation", []), None).matches == []
    assert overview.overview(ada)["notices"][0]["open"] is False


def test_after_an_emergency_its_keys_open_nothing_that_comes(ada, er, clock):  # noqa: F811
    """Her next command rotates once; the hub keeps the new keys until the next declaration, which opens all again."""
    write(ada, 1)
    gid = allow(ada, er)
    rnd = er.declare(ada.account)
    assert er.seen(ada.account) == {"w1"}
    stolen = er.keys.held(ada.account)
    clock.now = er.opened(rnd)
    epochs = {set_id: state.current for set_id, state in ada.record.sets.items()}
    ada.sync()
    assert ada.settle() > 0
    assert all(state.current == epochs[set_id] + 1 for set_id, state in ada.record.sets.items())
    assert ada.settle() == 0
    assert not {(s, state.current) for s, state in ada.record.sets.items()} & {(s, epoch) for s, epoch, _ in stolen}
    er.inbox.catch_up()
    relation = er.inbox.chains.relations[ada.account, er.account]
    for bundle in relation.grants[gid].bundles:
        with pytest.raises(Problem):
            er.inbox.hub.bundle(ada.account, bundle.hash)
    write(ada, 2)
    assert er.seen(ada.account) == set()
    clock.advance(DAY)
    er.declare(ada.account)
    assert er.seen(ada.account) == {"w1", "w2"}


def test_her_delegate_is_told_at_once_and_sees_who_may_declare(ada, ben, er, tmp_path):  # noqa: F811
    """House and role; who and why is sealed to her. He can end it."""
    name_delegate(ada, enrolment.card(ben), "2030-01-01")
    allow(ada, er)
    er.declare(ada.account)
    ben.sync()
    (notice,) = [one.json() for one in decided.declared(ben, ada.account)]
    assert (notice["house"], notice["role"], notice["sound"]) == (er.account, "physician", True)
    assert notice["person"] == notice["text"] == ""
    told = overview.overview(ben)
    assert [one["patient"] for one in told["notices"]] == [ada.account]
    assert any(ada.account in line and "emergency declared" in line for line in overview.lines(told, ben.now))
    with closing(Reading(tmp_path / "ben", ben)) as reading:
        deputy = Deputy(reading, ada.account)
        deputy.sync()
        told = overview.for_another(deputy)
        assert [(one["to"], one["emergency"]) for one in told["grants"]] == [(er.account, [SPAN, *sorted(ROLES)])]
        assert any("nurse-ed or physician" in line for line in overview.lines(told, ben.now))
        assert deputy.withdraw(er.account) == 1
    assert er.seen(ada.account) == set()


def test_the_patient_reviews_who_and_why_and_what_was_read_and_objects(ada, er):  # noqa: F811
    """The review task stays until she answered; the house reads what she says."""
    write(ada, 1)
    write(ada, 2)
    allow(ada, er)
    rnd = er.declare(ada.account)
    assert er.seen(ada.account) == {"w1", "w2"}
    ada.sync()
    (one,) = decided.to_review(ada)
    assert (one.id, one.code, one.text, one.person) == (rnd, "unconscious", "unconscious, no relatives", DOCTOR.person)
    assert one.read == {"Observation": 2}
    logged = [(e.action, e.person, e.purpose) for e in access_log.entries(ada) if e.actor == er.account]
    assert ("emergency", DOCTOR.person, "BTG") in logged
    assert ("read", DOCTOR.person, "BTG") in logged
    decided.answer(ada, rnd, decided.OBJECTED, "I was awake.")
    assert overview.overview(ada)["notices"] == []
    er.inbox.catch_up()
    from connectors.gateway.emergency_cli import _reviews  # noqa: PLC0415 - what `obhut gateway emergencies` tells

    assert _reviews(er.keys) == {(ada.account, rnd): {"verdict": "objected", "text": "I was awake."}}
    with pytest.raises(Problem):
        decided.answer(ada, "nothing", decided.CONFIRMED)


def test_what_opens_nothing_is_answered_like_what_opens(ada, er, clock):  # noqa: F811
    """A stranger, a patient with ordinary access, one who allowed other roles, one who withdrew: the same row."""
    write(ada, 1)
    stranger = er.declare("p-" + "a" * 26 + "@hub-a.example.org")
    sharing.grant(ada, er.account, {VITALS})
    ordinary = er.declare(ada.account)
    allow(ada, er, LAB, roles=("paramedic",))
    role = er.declare(ada.account)
    decided.forbid(ada, er.account)
    gone = er.declare(ada.account)
    rows = {one.rnd: one for one in emergency.all_declared(er.store.database)}
    assert {(rows[r].state, rows[r].until) for r in (stranger, ordinary, role, gone)} == {("answered", 0)}
    tried = [row for row in ada.hub.log(ada.account)[0] if row["action"] == "refusal"]
    assert [row["detail"]["reason"] for row in tried] == ["unknown", "unknown", "unknown"]
    assert {row["purpose"] for row in tried} == {"BTG"}
    refused = next(one for one in access_log.entries(ada) if one.action == "refusal")
    assert "nothing was opened" in log_words.line(refused, ada.account)


def test_who_may_declare_does_not_depend_on_the_patient(er, clock):
    """Another role, another purpose, an old token, no reason: refused before anybody is asked."""
    now = int(clock())
    database = er.store.database

    def attempt(reader, code="unconscious", text="x"):
        with pytest.raises(Problem) as caught:
            emergency.declare(database, reader, "nobody", code, text, now)
        return caught.value.code

    assert attempt(Reader("X", "receptionist", "TREAT", issued=now)) == "forbidden"
    assert attempt(Reader("X", "physician", "HRESCH", issued=now)) == "forbidden"
    assert attempt(Reader("X", "physician", "TREAT", issued=now - emergency.FRESH_SECONDS - 1)) == "forbidden"
    fresh = Reader("X", "physician", "TREAT", issued=now)
    assert attempt(fresh, code="curious") == "value"
    assert attempt(fresh, text=" ") == "value"
    assert emergency.all_declared(database) == []


def test_a_role_is_the_same_in_capitals(ada, er):  # noqa: F811
    """A house may write its roles as it likes: what she allowed to physicians opens to a Physician."""
    allow(ada, er, VITALS)
    shouting = Reader(DOCTOR.person, "Physician", DOCTOR.purpose)
    assert er.opened(er.declare(ada.account, shouting))


def test_the_most_confidential_is_never_opened(ada, er, clock):  # noqa: F811
    """Labelled V: not shown in an emergency, also where another grant of the house shows it for something else."""
    secret = json.loads(weight(ada, 2)) | {"meta": {"security": [{"code": "V"}]}}
    ada.outbox.put([Entry(ada.account, VITALS, [weight(ada, 1)]), Entry(ada.account, VITALS, [resources.dump(secret)])])
    ada.flush()
    allow(ada, er)
    first = er.declare(ada.account)
    assert er.seen(ada.account) == {"w1"}
    clock.now = er.opened(first)
    er.seen(ada.account)
    sharing.grant(ada, er.account, {VITALS}, purposes=("HRESCH",))
    er.declare(ada.account)
    assert er.seen(ada.account) == {"w1"}
    assert er.seen(ada.account, Reader("Forscherin", "researcher", "HRESCH")) == {"w1", "w2"}


def test_her_choice_of_categories_binds(ada, er):  # noqa: F811
    """What she did not choose is neither released nor could it be opened: its keys are not among those handed out."""
    allow(ada, er, LAB)
    write(ada, 1)
    er.declare(ada.account)
    assert er.seen(ada.account) == set()
    own = next(s for s in ada.record.sets if ada.record.author(s) == ada.account)
    held = {index for set_id, _, index in er.keys.held(ada.account) if set_id == own}
    assert ada.vault.sets[own].index(LAB) in held
    assert ada.vault.sets[own].index(VITALS) not in held


def test_what_she_hides_from_all_is_shown_in_an_emergency_alone(ada, er, clock):  # noqa: F811
    """Whether it was hidden before she allowed it or after; to who declared it, and until it is over."""
    write(ada, 1)
    write(ada, 2)
    sharing.grant(ada, er.account, {VITALS})
    restrictions.hide(ada, ["Observation/w1"])
    allow(ada, er)
    restrictions.hide(ada, ["Observation/w2"])
    assert er.seen(ada.account) == set()
    rnd = er.declare(ada.account)
    assert er.seen(ada.account) == {"w1", "w2"}
    assert er.seen(ada.account, NURSE) == set()
    clock.now = er.opened(rnd)
    assert er.seen(ada.account) == set()


def test_a_withdrawal_ends_an_open_emergency(ada, er):  # noqa: F811
    """From that commit nothing is released, and the gateway forgets."""
    write(ada, 1)
    allow(ada, er)
    er.declare(ada.account)
    assert er.seen(ada.account) == {"w1"}
    decided.forbid(ada, er.account)
    assert er.seen(ada.account) == set()
    assert er.keys.held(ada.account) == set()


def test_ordinary_access_stays_when_the_emergency_is_over(ada, er, clock):  # noqa: F811
    """Vitals by an ordinary grant, lab in an emergency: only lab goes."""
    write(ada, 1)
    sharing.grant(ada, er.account, {VITALS})
    assert er.seen(ada.account, NURSE) == {"w1"}
    allow(ada, er, VITALS, LAB)
    rnd = er.declare(ada.account)
    assert er.seen(ada.account) == {"w1"}
    clock.now = er.opened(rnd)
    assert er.seen(ada.account, NURSE) == {"w1"}
    own = next(s for s in ada.record.sets if ada.record.author(s) == ada.account)
    held = {index for set_id, _, index in er.keys.held(ada.account) if set_id == own}
    assert ada.vault.sets[own].index(VITALS) in held
    assert ada.vault.sets[own].index(LAB) not in held


def test_keys_that_the_own_hub_gives_out_later_are_fetched_then(ada, er, monkeypatch):  # noqa: F811
    """Between two hubs the answer to the house is ahead of what its own hub hears: the feed says when to look again."""
    write(ada, 1)
    allow(ada, er)

    def not_yet(*_):
        raise Problem("not-found", "There is nothing here for you.")

    with monkeypatch.context() as patch:
        patch.setattr(er.inbox.hub, "bundle", not_yet)
        er.declare(ada.account)
        assert er.keys.held(ada.account) == set()
    assert er.seen(ada.account) == {"w1"}


def test_terms_that_cannot_be_meant_are_refused(ada, er):  # noqa: F811
    """A role that nobody has, no role, a span of nothing or more than an hour."""
    for roles, span in ((("cook",), 60), ((), 60), (ROLES, 0), (ROLES, 3601)):
        with pytest.raises(Problem):
            decided.allow(ada, er.account, {VITALS}, roles, span)
    with pytest.raises(Problem):
        decided.forbid(ada, er.account)
