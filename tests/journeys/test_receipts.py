"""A practice asks by template; the patient looks first, changes it, signs, keeps a receipt, renews and withdraws.

Everything is done by commands, as a stranger would; the practice's inbox is driven by the test.
"""

import json
import time
from datetime import UTC, datetime

import pytest

from connectors.entries import Entry
from connectors.patient import enrolment
from consent.categories import INDEX
from consent.dates import last_day
from tests.journeys.conftest import obhut
from tests.journeys.sharing import VITALS, found, weight, write

pytestmark = pytest.mark.timeout(900)  # some thirty programs one after another, beside other tests
DAY = 86_400
BEGUN = time.time()


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the commands are the same."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def client(client):
    """A patient with three weights in her record."""
    write(client, 1, 2, 3)
    return client


@pytest.fixture
def patient(client, tmp_path):
    """Her commands: what they print, and where they say no."""

    def run(command, *words, fails=False):
        done = obhut("patient", command, "--account", str(tmp_path / "patient"), *words)
        assert (done.returncode == 0) is not fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture
def house(practice):
    """The practice's commands on its keystore."""

    def run(command, *words):
        done = obhut("gateway", command, "--keystore", str(practice.directory / "keys"), *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def visible(text):
    """The categories that `who --json` says are visible to each counterpart by a grant."""
    seen = [one for one in rows(text) if one["visible"]]
    return {
        one["counterpart"]: {two["category"] for two in seen if two["counterpart"] == one["counterpart"]}
        for one in seen
    }


def test_from_a_request_by_template_to_its_withdrawal(client, patient, house, practice, tmp_path):
    """Asked, previewed, changed, signed, proven offline, told for three moments, renewed, withdrawn."""
    card = str(enrolment.card(client))
    house("ask", "--card", card, "--template", "practice-90-days")
    (request,) = rows(patient("requests", "--json"))
    assert request["policy"] == "https://fhir.obhut.org/policy/practice-90-days/1"
    assert "Meine Praxis für 90 Tage" in patient("requests", "--language", "de")

    # She looks before she signs, and nothing has changed by that.
    told = patient("grant", "--request", request["id"], "--dry-run", "--language", "de")
    assert "sieht dann 3 Einträge: 3 Vitalwerte" in told and "Davon sind neu: 3 Einträge." in told
    narrower = ("grant", "--request", request["id"], "--categories", "lab,medication", "--end", "2099-12-31")
    told = json.loads(patient(*narrower, "--dry-run", "--json"))
    assert (told["sees"]["total"], told["hidden"]["categories"]) == (0, {"vitals": {"Observation": 3}})
    assert found(practice, client) == set() and json.loads(patient("show", "--json"))["grants"] == []

    # She signs something else than was asked for: the practice is told what.
    wider = ("--categories", "vitals,lab", "--end", _in(20))
    made = json.loads(patient("grant", "--request", request["id"], *wider, "--language", "de-simple", "--json"))
    assert found(practice, client) == {"w1", "w2", "w3"}
    (asked,) = rows(house("requests", "--json"))
    assert (asked["answer"], asked["given"]["categories"]) == ("changed", ["vitals", "lab"])
    assert "person" in asked["categories"] and asked["given"]["end"] == _in(20)
    assert "instead vitals, lab for TREAT until" in house("requests")

    # The receipt is proven by whoever has her card, without hub and account.
    receipt, paper = str(tmp_path / "receipt.json"), tmp_path / "receipt.pdf"
    patient("receipt", made["grant"], "--out", receipt, "--pdf", str(paper), "--language", "de")
    assert paper.read_bytes().startswith(b"%PDF-1.7")
    done = obhut("patient", "receipt", "--verify", receipt, "--card", card, "--json")
    proven = json.loads(done.stdout)
    assert (proven["counterpart"], proven["language"]) == (practice.account, "de-simple")
    assert proven["categories"] == ["vitals", "lab"]
    other = card.replace("#", "#aaaa")[: len(card)]
    done = obhut("patient", "receipt", "--verify", receipt, "--card", other)
    assert (done.returncode, "(fingerprint)" in done.stderr) == (2, True)

    # Renewed under the same grant: the practice reads on, and has nothing else to do.
    assert "Vitalwerte" in patient("renew", made["grant"], "--end", _in(50), "--language", "de")
    assert "already" in patient("renew", made["grant"], "--end", _in(30), fails=True)
    write(client, 4)
    assert found(practice, client) == {"w1", "w2", "w3", "w4"}
    (shown,) = json.loads(patient("show", "--json"))["grants"]
    assert shown["grant"] == made["grant"] and shown["until"] > int(time.time()) + 45 * DAY
    old = obhut("patient", "receipt", "--verify", receipt, "--language", "de")
    assert old.returncode == 0 and card in old.stdout

    # Withdrawn: what would be lost is told first; then the past is told as it was.
    told = patient("withdraw", "--to", practice.account, "--dry-run", "--language", "de")
    assert "sieht dann nicht mehr: 4 Einträge" in told and "niemand ungelesen machen" in told
    assert found(practice, client) == {"w1", "w2", "w3", "w4"}
    while time.time() < proven["signed"] + 2:  # of two statements in one second the later one counts for all of it
        time.sleep(0.05)
    patient("withdraw", "--to", practice.account)
    assert visible(patient("who", "--json")) == {}
    moments = [proven["signed"] - 1, proven["signed"]]
    before, during = (visible(patient("who", "--json", "--at", _moment(one))) for one in moments)
    assert (before, during) == ({}, {practice.account: {"vitals", "lab"}})
    assert "widerrufen" in patient("who", "--language", "de")
    ended = json.loads(obhut("patient", "receipt", "--verify", _new(patient, made["grant"], tmp_path), "--json").stdout)
    assert ended["ended"] is not None and ended["end"] == _in(50)


def test_a_changed_receipt_does_not_hold(client, patient, practice, tmp_path):
    """One digit of one date, or a stranger's text, is found without any hub; a stranger's file is no receipt."""
    patient("grant", practice.account, "--template", "pharmacy-3-days", "--language", "en")
    (shown,) = json.loads(patient("show", "--json"))["grants"]
    path = tmp_path / "receipt.json"
    path.write_text(patient("receipt", shown["grant"]))
    assert obhut("patient", "receipt", "--verify", str(path)).returncode == 0
    text = path.read_text()
    end = next(entry["resource"] for entry in json.loads(text)["entry"])["provision"]["period"]["end"]
    path.write_text(text.replace(f'"end":"{end}"', '"end":"2099-12-31"'))
    done = obhut("patient", "receipt", "--verify", str(path))
    assert (done.returncode, "receipt" in done.stderr) == (2, True)
    path.write_text("{}")
    assert "no receipt" in obhut("patient", "receipt", "--verify", str(path)).stderr


def test_what_ends_soon_is_told_and_renewed_in_one_step(client, patient, practice):
    """Three days of a pharmacy are told by reminders and show; a year is not. Renewing needs no more than the id."""
    patient("grant", practice.account, "--template", "pharmacy-3-days")
    assert [one["until"] for one in rows(patient("reminders", "--json"))]
    gid = rows(patient("reminders", "--json"))[0]["grant"]
    assert f"obhut patient renew {gid}" in patient("reminders", "--language", "de")
    assert f"obhut patient renew {gid}" in patient("show")
    patient("renew", gid, "--end", _in(300))
    assert patient("reminders") == ""
    assert "renew" not in patient("show")


def test_a_template_granted_again_renews_what_stands_and_keeps_what_is_longer(client, patient, practice):
    """However often the card is shown, it is one grant, and its longer end counts; other categories are another."""
    to = (practice.account, "--template", "pharmacy-3-days")
    gid = patient("grant", *to).split()[1]
    assert patient("grant", *to, "--language", "de").startswith(f"kept {gid} ")
    assert patient("grant", *to, "--end", _in(30)).startswith(f"renewed {gid} ")
    assert patient("grant", *to).startswith("kept")
    assert patient("grant", *to, "--categories", "medication").startswith("granted")
    assert len(json.loads(patient("show", "--json"))["grants"]) == 2


def test_one_tap_opens_what_is_normal_for_as_long_as_the_house_is_of_a_kind(client, patient, practice, practices):
    """90 days to a practice, 3 to a pharmacy, none to a payer; what is marked confidential if she adds it; kept where
    it runs longer."""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    marked = json.loads(weight(client, 9)) | {"id": "r1", "meta": {"security": [label]}}
    client.outbox.put([Entry(client.account, VITALS, [json.dumps(marked).encode()])])
    client.flush()
    told = json.loads(patient("grant", practice.account, "--dry-run", "--json"))
    assert (told["rule"]["end"], told["sees"]["total"], told["hidden"]["total"]) == (_day(90), 3, 1)
    gid = patient("grant", practice.account, "--language", "de").split()[1]
    assert found(practice, client) == {"w1", "w2", "w3"}
    assert patient("grant", practice.account).startswith(f"kept {gid} ")
    assert patient("grant", practice.account, "--end", _in(200)).startswith(f"renewed {gid} ")
    assert patient("grant", practice.account).startswith("kept")
    assert "365 days" in patient("grant", practice.account, "--end", _in(400), fails=True)
    assert found(practice, client) == {"w1", "w2", "w3"}
    patient("grant", practice.account, "--confidential")
    assert found(practice, client) == {"w1", "w2", "w3", "r1"}
    ends = {}
    for type_ in ("pharmacy", "payer", "service"):
        to = practices(f"{type_}-1", type_).account
        answer = patient("grant", to, "--dry-run", "--json", fails=type_ != "pharmacy")
        ends[type_] = json.loads(answer)["rule"]["end"] if type_ == "pharmacy" else "no standing access" in answer
    assert ends == {"pharmacy": _day(3), "payer": True, "service": True}


def test_what_is_hidden_is_not_counted_as_seen_and_the_answer_says_that_something_is_left_out(patient, practice):
    """A preview asks the rules of each entry, as the counterpart's gateway does; a renewal goes on hiding it."""
    gid = patient("grant", practice.account, "--template", "device-values").split()[1]
    patient("hide", "Observation/w2")
    patient("renew", gid, "--end", _in(300))
    foreseen = json.loads(patient("withdraw", "--to", practice.account, "--dry-run", "--json"))
    assert (foreseen["loses"]["total"], foreseen["hidden"]["total"]) == (2, 3)
    assert "left out" in patient("who")
    patient("unhide", "Observation/w2")
    assert "left out" not in patient("who")
    assert json.loads(patient("withdraw", "--to", practice.account, "--dry-run", "--json"))["loses"]["total"] == 3


def test_authzen_asks_and_is_answered(client, patient, practice, tmp_path):
    """An evaluation, a search of subjects and one of resources, by files, as the API's requests look."""
    patient("grant", practice.account, "--template", "device-values")
    subject, resource = {"type": "account", "id": practice.account}, {"type": "category", "id": "vitals"}

    def asked(**parts):
        path = tmp_path / "request.json"
        path.write_text(json.dumps({"action": {"name": "read"}, **parts}))
        return json.loads(patient("who", "--authzen", str(path)))

    answer = asked(subject=subject, resource=resource)
    assert answer["decision"] is True
    assert practice.account in answer["context"]["reason_user"]["de"]
    assert asked(subject=subject, resource={"type": "category", "id": "lab"})["decision"] is False
    assert asked(subject=subject, resource=resource, context={"purpose": "HRESCH"})["decision"] is False
    assert asked(subject=subject, resource=resource, context={"time": "2020-01-01T00:00:00Z"})["decision"] is False
    assert asked(subject={"type": "account"}, resource=resource) == {"results": [subject]}
    found_ = asked(subject=subject, resource={"type": "category"})
    assert {one["id"] for one in found_["results"]} == {"vitals", "activity"}


def test_a_template_is_signed_in_the_language_it_was_shown_in(client, patient, practice):
    """The Consent that the practice holds names template, version and language, and carries the text itself."""
    patient("grant", practice.account, "--template", "care-service", "--language", "de")
    practice.inbox.catch_up()
    ((text,),) = practice.keys.db.execute("SELECT consent FROM agreements").fetchall()
    consent = json.loads(text)
    assert consent["policy"] == [{"uri": "https://fhir.obhut.org/policy/care-service/1"}]
    assert (consent["language"], consent["sourceAttachment"]["language"]) == ("de", "de")
    assert consent["sourceAttachment"]["title"] == "Mein Pflegedienst"
    shown = obhut("patient", "templates", "care-service", "--language", "de").stdout
    assert shown.startswith("Mein Pflegedienst") and "widerrufen" in shown


def test_what_cannot_be_is_said_in_a_sentence(client, patient, practice):
    """No categories, an unknown template, from now on by a text about the past, a grant that is none."""
    to = practice.account
    assert "--template" in patient("grant", to, "--from-now-on", fails=True)
    assert "--confidential" in patient("grant", to, "--categories", "lab", "--confidential", fails=True)
    assert "obhut patient templates" in patient("grant", to, "--template", "nothing", fails=True)
    assert "leave one out" in patient("grant", to, "--template", "one-visit", "--from-now-on", fails=True)
    assert "obhut patient show" in patient("renew", "x", fails=True)
    assert "obhut patient who" in patient("receipt", "x", fails=True)
    assert INDEX and "obhut patient show" in patient("withdraw", "--to", to, "--dry-run", fails=True)


def _day(number):
    """The date in Berlin of so many days, of which today is the first."""
    return last_day(datetime.now(UTC), number).isoformat()


def _in(days):
    """A date so many days from when the tests began: the same at every call, also around midnight."""
    return datetime.fromtimestamp(BEGUN + days * DAY, UTC).date().isoformat()


def _moment(second):
    return datetime.fromtimestamp(second, UTC).isoformat()


def _new(patient, gid, tmp_path):
    path = str(tmp_path / "later.json")
    patient("receipt", gid, "--out", path)
    return path
