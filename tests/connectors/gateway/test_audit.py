"""The house's audit: BALP's events of what was done here, for who may read them, and no hint of what is withheld."""

import orjson
import pytest

from connectors import balp
from connectors.gateway import access, audit, emergency, keeping
from connectors.gateway.access import Reader
from connectors.gateway.emergency import ANSWERED
from consent.finer_rules import up_to
from fhir_profiles.resources import check, model
from fhir_profiles.search import parse
from tests.connectors.gateway.conftest import ids, issue, link
from tests.connectors.gateway.test_roles import as_, granted  # noqa: F401 - fixtures
from tests.connectors.gateway.test_visibility import LOCAL, PATIENT
from tests.connectors.gateway.test_writing import HERS, HOUSE, about, permit
from tests.consent.world import DAY


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: events are resources like others."""
    return f"sqlite:///{tmp_path / 'record.sqlite'}"


@pytest.fixture
def auditor(house, database):
    """The gateway, asked by who may read the audit."""
    token = access.issue_token(database, Reader("Ina Prüf", "auditor", "HOPERAT", audits=True), 600)
    return lambda path: house.get(path, Authorization=f"Bearer {token}")


@pytest.fixture
def events(store, clock, auditor):
    """The events that a search of the audit finds, once the follower has been there; each is R4."""

    def found(query=""):
        audit.take(store, HOUSE, int(clock.now))
        answer = auditor(f"AuditEvent?{query}&_count=100")
        assert answer.status_code == 200, answer.text
        made = [entry["resource"] for entry in answer.json.get("entry", [])]
        for each in made:
            check(each)
            model(each)
        return made

    return found


def kind(event):
    return event["subtype"][0]["code"]


def test_reads_are_told_by_person_purpose_and_what_was_asked(granted, as_, events):  # noqa: F811
    """A read, a search, and a search that found nothing: once each, however often the audit is brought up to date."""
    api = as_("physician")
    api.get("Observation/o1")
    api.get(f"Observation?patient={LOCAL}&code=8867-4")
    api.get(f"Condition?patient={LOCAL}")
    assert [kind(each) for each in events()] == ["read", "search", "search"]
    read, search, nothing = sorted(events(f"patient={LOCAL}"), key=lambda each: each["entity"][1].get("query", ""))
    assert read["meta"]["profile"] == [balp.PROFILE + "PatientRead"]
    assert [agent["who"].get("display") for agent in read["agent"]] == [None, "Ada", None, HOUSE]
    assert read["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert read["entity"][0]["what"]["reference"] == f"Patient/{LOCAL}"
    assert read["entity"][1]["what"] == {"reference": "Observation/o1"}
    assert {each["meta"]["profile"][0] for each in (search, nothing)} == {balp.PROFILE + "PatientQuery"}
    assert sorted(each["entity"][1]["detail"][0]["valueString"] for each in (search, nothing)) == ["0", "6"]
    assert {each["outcome"] for each in (read, search, nothing)} == {"0"}
    queries = [balp.query(f"Observation?patient={LOCAL}&code=8867-4"), balp.query(f"Condition?patient={LOCAL}")]
    assert sorted(each["entity"][1]["query"] for each in (search, nothing)) == sorted(one["query"] for one in queries)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"patient={LOCAL}", 2), ("patient=p-zzzzzzzzzzzzzzzzzzzzzzzzza", 0), ("date=ge2020-01-01", 2),
        ("date=lt2020-01-01", 0), ("agent-name=Ada", 2), ("agent-name=Ben", 0), ("entity=Observation/o1", 1),
        ("entity=Observation/o2", 0), (f"agent:identifier={balp.ACCOUNT}|{HOUSE}", 2), ("subtype=search", 1),
        (f"patient={LOCAL}&action=R&outcome=0", 1),
    ],
)  # fmt: skip
def test_the_audit_is_searched(granted, as_, events, query, found):  # noqa: F811
    """By patient, date, agent and entity, and together."""
    as_("physician").get("Observation/o1")
    as_("physician").get(f"Observation?patient={LOCAL}")
    assert len(events(query)) == found


def test_the_audit_is_read_by_pages_and_by_id(granted, as_, auditor, events):  # noqa: F811
    """Like any type."""
    for _ in range(3):
        as_("physician").get("Observation/o1")
    assert len(events()) == 3
    page = auditor("AuditEvent?_count=2")
    rest = auditor(link(page, "next"))
    assert len(ids(page) + ids(rest)) == 3
    assert auditor(f"AuditEvent/{ids(page)[0]}").json["resourceType"] == "AuditEvent"


def test_who_may_not_audit_reads_nothing_of_it(granted, as_, events):  # noqa: F811
    """By no door: not by search, id, count, page, batch, or by what depends on it."""
    api = as_("physician")
    api.get("Observation/o1")
    (event,) = events()
    get = {"request": {"method": "GET", "url": f"AuditEvent/{event['id']}"}}
    for path in (f"AuditEvent/{event['id']}", "AuditEvent", "AuditEvent?_summary=count", "AuditEvent?_id=none"):
        assert api.get(path).status_code == 403
    batch = api.post("", {"resourceType": "Bundle", "type": "batch", "entry": [get]}).json
    assert batch["entry"][0]["response"]["status"].startswith("403")
    depends = api.post("Basic", {"resourceType": "Basic", "code": {"text": "x"}}, If_None_Exist="_id=none")
    assert depends.status_code == 201
    subject = {
        "resourceType": "Basic",
        "code": {"text": "x"},
        "subject": {"reference": f"AuditEvent?_id={event['id']}"},
    }
    entry = {"fullUrl": "urn:uuid:6e7f9d2c-0d5c-4c0f-9a4e-0c6f0b6f3f11", "resource": subject,
             "request": {"method": "POST", "url": "Basic"}}  # fmt: skip
    answer = api.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert "Nothing depends on the audit" in issue(answer)["diagnostics"]


def test_nobody_writes_the_audit(granted, as_, events):  # noqa: F811
    """Neither makes, changes nor deletes an event; also not who may read it."""
    api = as_("physician")
    api.get("Observation/o1")
    (event,) = events()
    entry = {"resource": event, "request": {"method": "PUT", "url": f"AuditEvent/{event['id']}"}}
    transaction = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    for answer in (
        api.post("AuditEvent", event), api.put(f"AuditEvent/{event['id']}", event),
        api.delete(f"AuditEvent/{event['id']}"), api.post("", transaction),
    ):  # fmt: skip
        assert (answer.status_code, "alone writes" in issue(answer)["diagnostics"]) == (403, True)


def test_to_read_the_audit_is_not_told_to_patients(granted, auditor, events, store):  # noqa: F811
    """It shows nothing of her record: her log is about that."""
    events(f"patient={LOCAL}")
    assert access.pending_reports(store.database) == []


def test_writes_and_refusals_are_told(granted, as_, events, store):  # noqa: F811
    """Who wrote, changed and deleted what, and what was refused to whom and why."""
    permit(store)
    doctor, nurse = as_("physician").headers.copy(), as_("nurse")
    nurse.post("Observation", about())
    nurse.headers.update(doctor)
    nurse.put("Observation/bp", about(id="bp"))
    nurse.put("Observation/bp", about(id="bp", status="amended"))
    nurse.delete("Observation/bp")
    told = [(each["action"], each["outcome"]) for each in events("_sort=date")]
    assert sorted(told) == [("C", "0"), ("C", "8"), ("D", "0"), ("U", "0")]
    (refused,) = events("outcome=8")
    assert "By law nobody in this role may create" in refused["outcomeDesc"]
    assert len(events(f"entity=Observation/bp&patient={HERS}")) == 3


def test_what_was_taken_over_is_told_with_its_reason(granted, events, store):  # noqa: F811
    """A part of the patient's record becomes the house's."""
    keeping.keep(store, Reader("Dr. Ben", "physician", "TREAT"), "Observation", "o1", "for the files")
    (event,) = events("entity=Observation/o1")
    assert (kind(event), event["outcomeDesc"]) == ("receive", "for the files")


def test_an_emergency_is_told_and_not_what_it_opened(granted, as_, events, store, clock):  # noqa: F811
    """The same whether it opened something; reads in it have the purpose that the person stated."""
    now, opened = int(clock.now), []
    for name in (LOCAL, "p-zzzzzzzzzzzzzzzzzzzzzzzzza"):
        reader = Reader("Ada", "physician", "TREAT", issued=now)
        rnd = emergency.declare(store.database, reader, name, "unconscious", "found in the park", now)
        mine = name == LOCAL
        answered = (PATIENT, "G" * 22, now + 3600) if mine else ("", "", 0)
        emergency.answer(store.database, rnd, ANSWERED, *answered)
        opened.append(name)
    told = sorted(events("subtype=110127"), key=lambda one: one["entity"][0]["what"]["reference"])
    for event, name in zip(
        sorted(told, key=lambda one: one["entity"][0]["what"]["reference"]), sorted(opened), strict=True
    ):
        assert event["entity"][0]["what"] == {"reference": f"Patient/{name}"}
        assert event["entity"][1]["detail"] == [{"type": "reason", "valueString": "found in the park"}]
    assert len({str({k: v for k, v in one.items() if k not in ("id", "entity", "meta")}) for one in told}) == 1
    with store.database.write() as connection:
        connection.execute(emergency.emergencies.update().values(until=4_000_000_000))
    as_("physician").get("Observation/o1")
    assert access.pending_reports(store.database)[0].purpose == "BTG"
    assert events("action=R")[0]["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"


def test_a_consent_begins_and_ceases_once(scene):
    """Decisions by BALP: with the grant, for its purposes; its end; not again at a restart, nor when she hides more."""

    def decisions():
        found = scene.store.search(
            parse("AuditEvent", [("subtype", "AuthZ-Consent"), ("_sort", "_lastUpdated")])
        ).matches
        events = [orjson.loads(one.body) for one in found]
        return [(one["outcome"], one["entity"][1]["what"]["identifier"]["value"]) for one in events]

    gid = scene.grant()
    scene.inbox.catch_up()
    assert decisions() == [("0", gid)]
    scene.open()
    scene.inbox.catch_up()
    assert decisions() == [("0", gid)]
    scene.grant(gid=gid, rules=up_to({"N"}))
    scene.inbox.catch_up()
    assert decisions() == [("0", gid)]
    scene.now += 91 * DAY
    scene.inbox.granted.refresh()
    scene.inbox.granted.refresh()
    assert decisions() == [("0", gid), ("8", gid)]


def test_the_capability_statement_tells_of_the_audit(house, api):
    """Read and search, and nothing else; on a plain server it is a type like others."""

    def entry(server):
        served = server.get("metadata").json["rest"][0]["resource"]
        return next(one for one in served if one["type"] == "AuditEvent")

    told = entry(house)
    assert [one["code"] for one in told["interaction"]] == ["read", "search-type"]
    assert balp.PROFILE + "PatientRead" in told["supportedProfile"]
    assert {"patient", "date", "agent", "entity"} <= {one["name"] for one in told["searchParam"]}
    assert len(entry(api)["interaction"]) == 5
    check(house.get("metadata").json)
