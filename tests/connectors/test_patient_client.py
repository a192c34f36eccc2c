"""The patient's client: what she wanted is not lost, what she is told is true, and nobody can make her client stop."""

import json

import pytest

from connectors.local_database import get_state, set_state
from connectors.patient import access_log, objecting, sharing
from connectors.patient.client import Client
from consent import messages, steps
from consent.identifiers import new_id
from consent.primitives import b64
from fhir_profiles.problems import Problem
from tests.connectors.wire import Wire, keep_keys
from tests.consent import world


class Crash(Exception):  # noqa: N818 - what happens, not what went wrong
    """The process dies here."""


class Desk:
    """A patient's client over the small world's hub; `open` as after a restart."""

    def __init__(self, directory):
        self.patient, self.practice = world.client(), world.organisation("praxis-a")
        self.patient.hub.know(self.practice)
        self.wire = Wire(self.patient)
        self.keys = keep_keys(directory, self.patient.me, self.patient.hub)
        self.directory = directory
        self.client = self.open()
        set_state(self.client.db, "vault_key", self.patient.vault_key)
        self.wire.publish()
        self.client.sync()

    def open(self):
        client = Client(self.directory, self.keys, clock=lambda: self.patient.now)
        client.hub = client.chains._hub = self.wire
        return client

    def receive(self, sender: world.Identity, name="m1", typ="request", content=b"{}"):
        """A message as the feed brings it."""
        frame = messages.write(
            sender.sign, typ=typ, sender=sender.account, dev=sender.device, to=self.client.account,
            at=self.patient.now, content=content,
        )  # fmt: skip
        sealed = messages.seal(frame, self.client.record.account.reading_key())
        self.wire.events.append(
            {"type": "message", "id": name, "from": sender.account, "to": self.client.account, "frame": b64(sealed)}
        )
        return sealed


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "patient")


def live(desk):
    return desk.client.record.relations[desk.practice.account].live(desk.patient.now)


# --- what she wanted is sent


@pytest.mark.parametrize("code", ["busy", "internal", "too-many", "unauthenticated", "stale"])
def test_a_withdrawal_that_the_hub_did_not_take_is_sent_by_whatever_comes_next(desk, code):
    """Where the hub fails, slows down or knows nobody for a while, her word is kept, and any command sends it."""
    sharing.grant(desk.client, desk.practice.account, {1})
    desk.wire.answers.append(Problem(code, "not now"))
    with pytest.raises(Problem):
        sharing.withdraw(desk.client, desk.practice.account)
    assert len(live(desk)) == 1
    again = desk.open()
    again.sync()
    assert desk.patient.hub.record.relations[desk.practice.account].live(desk.patient.now) == []


def test_what_waits_goes_before_what_comes_next(desk):
    """Nothing takes the place of a withdrawal that the hub has not taken yet."""
    sharing.grant(desk.client, desk.practice.account, {1})
    for _ in range(2):
        desk.wire.answers.append(Problem("busy", "not now"))
    with pytest.raises(Problem, match="busy"):
        sharing.withdraw(desk.client, desk.practice.account)
    with pytest.raises(Problem, match="busy"):
        desk.client.save_vault(desk.client.vault)
    desk.client.save_vault(desk.client.vault)
    assert desk.patient.hub.record.relations[desk.practice.account].live(desk.patient.now) == []


def test_a_withdrawal_that_has_been_overtaken_is_told(desk):
    """What cannot be sent any more, and nobody can compute anew, is not dropped in silence."""
    gid = sharing.grant(desk.client, desk.practice.account, {1})
    desk.wire.answers.append(Problem("busy", "no answer"))
    with pytest.raises(Problem):
        sharing.withdraw(desk.client, desk.practice.account)
    desk.patient.load()
    desk.patient.permit(desk.practice)
    again = desk.open()
    with pytest.raises(Problem) as caught:
        again.sync()
    assert caught.value.code == "conflict"
    desk.wire.publish()
    assert sharing.withdraw(again, desk.practice.account, gid) == 1


def test_what_is_owed_and_has_been_overtaken_is_done_anew(desk):
    """A step of a rotation that lost its race needs nobody's attention."""
    desk.wire.answers.append(Problem("busy", "no answer"))
    with pytest.raises(Problem):
        desk.client.save_vault(steps.new_sets(desk.client.vault))
    desk.patient.save(desk.patient.vault)
    again = desk.open()
    desk.wire.publish()
    again.sync()
    assert get_state(again.db, "pending") is None
    assert again.settle() == 0


def test_another_process_does_not_lose_what_this_one_is_sending(desk):
    """What is forgotten after sending is what was sent, and nothing that was put in its place."""
    other = desk.open()
    post = desk.wire.post

    def meanwhile(*args, **kwargs):
        set_state(other.db, "pending", b"what another process is about to send")
        post(*args, **kwargs)

    desk.wire.post = meanwhile
    desk.client.save_vault(desk.client.vault)
    assert get_state(other.db, "pending") == b"what another process is about to send"


# --- races end


def test_a_new_reading_key_of_a_counterpart_does_not_make_her_client_run_in_a_circle(desk):
    """Nobody announces it: the client asks, and goes on with the new key."""
    sharing.grant(desk.client, desk.practice.account, {1})
    desk.practice.rotate(desk.patient.now + 1)
    desk.patient.hub.know(desk.practice)
    desk.client.save_vault(steps.new_sets(desk.client.vault))
    assert desk.client.settle() > 0
    assert live(desk)[0].bundles[-1].link.body["rk"] == desk.practice.state.reading_key()
    sharing.grant(desk.client, desk.practice.account, {2})


def test_a_hub_that_always_says_that_she_is_late_is_not_asked_for_ever(desk):
    """After some races in a row she is told, and can try again."""
    desk.client.save_vault(steps.new_sets(desk.client.vault))
    asked = []

    def late(*_, **__):
        asked.append(1)
        raise Problem("refused", "The protocol refuses this.", reason="head")

    desk.wire.post = late
    with pytest.raises(Problem):
        desk.client.settle()
    assert len(asked) < 50


def test_two_processes_in_one_directory_see_each_others_statements(desk):
    """What one process has posted the other one builds on."""
    other = desk.open()
    sharing.grant(desk.client, desk.practice.account, {1})
    desk.wire.publish()
    desk.client.sync()
    assert sharing.withdraw(other, desk.practice.account) == 1


# --- nothing that comes is lost, and nobody can stop her


def test_a_crash_within_a_page_loses_nothing_of_it(desk, monkeypatch):
    """The cursor moves when all of a page is taken in."""
    for number in range(3):
        desk.receive(desk.practice, f"m{number}")
    take, count = Client._take_event, []

    def dies(self, event):
        count.append(1)
        if len(count) == 2:
            raise Crash
        take(self, event)

    monkeypatch.setattr(Client, "_take_event", dies)
    with pytest.raises(Crash):
        desk.client.sync()
    again = desk.open()
    again.sync()
    assert again.db.execute("SELECT count(*) FROM messages").fetchone() == (3,)


def test_a_message_of_somebody_whom_the_hub_does_not_show_hides_no_other(desk):
    """A stranger who holds her card cannot keep a practice's request from her."""
    desk.receive(world.person(), "m1")
    desk.receive(desk.practice, "m2")
    desk.client.sync()
    assert [one.id for one in desk.client.received("request")] == ["m2"]


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b"[" * 10_000, b'{"resourceType":"Consent","scope":{"coding":[{"code":[]}]}}']
)
def test_a_request_of_an_impossible_shape_is_passed_over(desk, content):
    """What a practice asks in no understandable way is no request."""
    desk.receive(desk.practice, "m1", content=content)
    desk.client.sync()
    assert sharing.requests(desk.client) == []


def test_a_chain_of_somebody_else_that_does_not_hold_does_not_stop_her(desk):
    """She is told of others' chains as a relative or counterpart; hers go on."""
    desk.wire.tell("acct", world.person().account, "", b"no frame")
    desk.receive(desk.practice, "m1")
    desk.client.sync()
    assert len(desk.client.received("request")) == 1


REPORT = {"person": "Dr. Ada", "role": "physician", "purpose": "TREAT", "what": "Observation", "number": 1}


@pytest.mark.parametrize(
    "told",
    [
        [], 1, None, {}, REPORT | {"at": "yesterday"}, REPORT | {"at": 0}, REPORT | {"at": world.START, "number": True},
        REPORT | {"at": world.START, "person": "Dr. Ada\x1b[2K"}, REPORT | {"at": world.START, "what": ["x"]},
    ],
)  # fmt: skip
def test_an_odd_report_of_a_gateway_hides_no_other(desk, told):
    """What a recipient's gateway writes cannot keep the log from being read, nor write into her terminal."""
    good = REPORT | {"at": desk.patient.now}
    sealed = [desk.receive(desk.practice, new_id(), "read", json.dumps(one).encode()) for one in (told, good)]
    rows = [
        {"seq": seq, "at": desk.patient.now, "actor": desk.practice.account, "action": "read", "sealed": b64(one)}
        for seq, one in enumerate(sealed, 1)
    ]
    desk.wire.log = lambda _, after=0: ([row for row in rows if row["seq"] > after], b"")
    assert [entry.action for entry in access_log.entries(desk.client)] == ["read-unreadable", "read"]


def test_an_old_report_is_still_readable(desk):
    """The log is read after years, too."""
    sealed = desk.receive(desk.practice, "m1", "read", json.dumps(REPORT | {"at": desk.patient.now}).encode())
    row = {"seq": 1, "at": desk.patient.now, "actor": desk.practice.account, "action": "read", "sealed": b64(sealed)}
    desk.wire.log = lambda _, after=0: ([] if after else [row], b"")
    desk.patient.now += 400 * world.DAY
    assert [entry.person for entry in access_log.entries(desk.client)] == ["Dr. Ada"]


def test_an_answer_to_an_objection_is_read_on_every_device_of_hers(desk):
    """Also where she did not object; whatever is no answer is passed over, and none is lost."""
    told = {"objection": "x" * 43, "entry": 3, "text": "A slip."}
    for odd in ([], {}, told | {"entry": "three"}, told | {"text": "A\x1b[2K"}):
        desk.receive(desk.practice, new_id(), "answer", json.dumps(odd).encode())
    desk.receive(desk.practice, new_id(), "answer", json.dumps(told).encode())
    desk.client.sync()
    for _ in range(2):
        assert objecting.said(desk.client) == {3: (desk.practice.account, "", "A slip.")}


def test_a_hub_that_lost_her_statements_is_found_out(desk, monkeypatch):
    """Its chain ends before the one she holds: she is told so at once, and writes nothing beside it."""
    tries = []

    def post(*_):
        tries.append(1)
        raise Problem("refused", "The protocol refuses this.", status=409, reason="head", head=[0, "h"], links=[])

    monkeypatch.setattr(desk.wire, "post", post)
    before = desk.client.record.account.head
    with pytest.raises(Problem) as caught:
        desk.client.save_vault(desk.client.vault)
    assert caught.value.extra["reason"] == "rollback"
    assert len(tries) == 1
    assert desk.client.record.account.head == before
