"""On its way out: between two databases and a hub nothing is lost and nothing doubled, whenever the process dies."""

import json

import pytest

from connectors.gateway import access, outgoing
from connectors.gateway.access import Reader
from connectors.gateway.outgoing import Sender
from connectors.gateway.store import Store
from connectors.outbox import Outbox
from consent import identifiers, opening, steps
from tests.connectors.gateway.conftest import ids, observation
from tests.connectors.gateway.scene import Crash, Scene
from tests.connectors.wire import Wire


class Ward(Scene):
    """The practice may write; its people do so over FHIR, and `turn` is one turn of what follows the feed."""

    def __init__(self, directory, store, api):
        super().__init__(directory, store)
        self.api = api
        token = access.issue_token(store.database, Reader("Nurse Ada", "assistant", "TREAT", writes=True), 600)
        api.headers["Authorization"] = f"Bearer {token}"
        self.set = self.patient.permit(self.practice)
        self.wire.publish()
        self.turn()

    def open(self):
        super().open()
        self.sender = Sender(self.inbox)
        self.sender._hub = self.wire

    def turn(self):
        self.wire.publish()
        self.inbox.catch_up()
        sent = self.sender.send()
        self.wire.publish()
        self.inbox.catch_up()
        return sent

    @property
    def name(self):
        return identifiers.account(self.patient.me.account).local

    def put(self, id_, value=72, **members):
        subject = {"reference": f"Patient/{self.name}"}
        resource = observation(id=id_, subject=subject, valueQuantity={"value": value}, **members)
        answer = self.api.put(f"Observation/{id_}", resource)
        assert answer.status_code in (200, 201), answer.text

    def at_hub(self):
        """Of each handle the newest envelope at the hub, opened: id and value, empty where it is a deletion."""
        last = {}
        for envelope, _ in (self.wire.hub.envelopes[bid] for bid in self.wire.hub.order):
            last[envelope.str, envelope.hd] = envelope
        return sorted(self._read(envelope) for envelope in last.values() if envelope.n)

    def _read(self, envelope):
        master = self.patient.vault.master(
            self.set, envelope.ep, self.wire.hub.record.sets[self.set].epoch(envelope.ep).digest
        )
        _, index = self.wire.hub.place(envelope)
        reader = self.inbox._reader(self.patient.me.account)
        reader.seed = lambda *_: master.seed(index)
        state = self.wire.hub.record.sets[self.set]
        (line,) = opening._decrypt(envelope, state, index, reader)
        resource = json.loads(line)
        return resource["id"], resource["valueQuantity"]["value"]

    def unpermit(self):
        patient = self.patient
        patient.post(
            steps.unpermit(patient.hub.record, self.practice.account, self.set, patient.me.signer, patient.now)
        )
        patient.settle()

    def waiting(self):
        return [(each.id, each.state, each.reason) for each in outgoing.waiting(self.store.database)]

    def shown(self):
        return sorted(ids(self.api.get("Observation?_count=1000")))


@pytest.fixture
def ward(tmp_path, store, house):
    return Ward(tmp_path / "keys", store, house)


STEPS = [
    (Outbox, "put"), (Outbox, "_seal_some"), (Wire, "deposit"), (Outbox, "_settle"), (outgoing, "_move"),
    (outgoing, "_stay"), (outgoing, "_forget_sent"), (Store, "put_many"),
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step_loses_and_doubles_nothing(ward, monkeypatch, after):
    """Started anew, everything that was acknowledged is at the hub, as it was left last, and once in the house."""
    for number, (owner, name) in enumerate(STEPS):
        ward.put(f"r{number}", 1)
        ward.put("all", number)
        with monkeypatch.context() as patch:
            whole = getattr(owner, name)

            def dies(*args, whole=whole, **kwargs):
                if after:
                    whole(*args, **kwargs)
                raise Crash

            patch.setattr(owner, name, dies)
            with pytest.raises(Crash):
                ward.turn()
        ward.open()
        ward.turn()
        expected = [("all", number), *((f"r{n}", 1) for n in range(number + 1))]
        assert (ward.at_hub(), ward.waiting()) == (expected, []), name
        assert ward.shown() == sorted(id_ for id_, _ in expected), name
    assert len(ward.wire.hub.order) == 2 * len(STEPS)


def test_a_refusal_that_a_crash_cut_in_two_is_finished(ward, monkeypatch):
    """Noted as refused, still in the outbox: the next turn takes it out; a later permit sends only what is new."""
    ward.put("w1")
    with monkeypatch.context() as patch:
        patch.setattr(Wire, "deposit", lambda *_: (_ for _ in ()).throw(Crash))
        with pytest.raises(Crash):
            ward.turn()
    ward.unpermit()
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "take_back", lambda *_: (_ for _ in ()).throw(Crash))
        with pytest.raises(Crash):
            ward.turn()
    ward.open()
    ward.turn()
    assert (ward.waiting(), ward.sender.outbox.waiting) == ([("w1", "refused", "no-permit")], 0)
    assert (ward.wire.hub.order, ward.shown()) == ([], ["w1"])
    ward.set = ward.patient.permit(ward.practice)
    ward.turn()
    ward.put("w2")
    assert ward.turn() == 1
    assert ward.at_hub() == [("w2", 72)]


def test_an_epoch_that_ended_meanwhile_is_left_by_sealing_anew(ward):
    """The hub refuses the old epoch; fetched anew, the new one is used, and all goes out."""
    ward.put("w1")
    ward.turn()
    ward.patient.turn()
    ward.put("w2")
    assert ward.sender.send() == 1
    assert ward.at_hub() == [("w1", 72), ("w2", 72)]
    assert ward.turn() == 0
    assert ward.shown() == ["w1", "w2"]


def test_what_waits_for_one_patient_holds_nobody_else_up(ward, store):
    """A row about somebody whose permit is gone is refused; the row behind it goes."""
    place = ward.inbox.store.database
    with place.write() as connection:
        connection.execute(
            outgoing.outgoing.insert().values(
                mark="m", patient="p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub.test", category=1, type="Observation", resource="x",
                version=1, deletes=False, body=b"{}", state="waiting", reason="", person="", at=0,
            )
        )  # fmt: skip
    ward.put("w1")
    assert ward.turn() == 1
    assert ward.waiting() == [("x", "refused", "no-permit")]
    assert outgoing.forget_refused(store.database) == 1


def test_nothing_of_what_was_sent_rests_in_two_places(ward):
    """The row gives its plaintext up when the outbox has it, and goes when the hub has it."""
    ward.put("w1", note=[{"text": "marked"}])
    outgoing._move(ward.store.database, ward.sender.outbox)
    with ward.store.database.read() as connection:
        assert connection.execute(outgoing.outgoing.select()).one().body == b""
    ward.turn()
    assert ward.waiting() == []
