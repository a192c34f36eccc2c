"""Restrictions do not show (EHDS, Art. 8): with and without hidden data a gateway answers the same bytes.

Two houses, alike but for one thing: in the first there is more than the reader may see, by finer rules, by a stream
that is not granted, or under another purpose; or because the law closes it to the reader's role, so that nobody can
tell which of them it is. Each side door is asked of both.
"""

import re
import time

import orjson
import pytest

from connectors.gateway import access, audit, keeping
from connectors.gateway.access import Reader
from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.records import Item, Live, Source
from connectors.gateway.store import HOUSE_ACCOUNT, Store
from connectors.gateway.visibility import Scope
from consent.categories import INDEX
from consent.readers import ANY, Readers
from fhir_profiles.search import parse
from tests.connectors.gateway.conftest import Api, link, observation, upgrade

LOCAL = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa"
PATIENT, HOUSE = f"{LOCAL}@hub.test", "praxis@hub.test"
FAR = 4_000_000_000
HIDDEN = "h1"
BY_LAW = [
    Live("s1", 1, FAR, frozenset({"TREAT"}), "ruled", category=INDEX["lab"]),
    *(Live(stream, 1, FAR, frozenset({"TREAT"}), category=INDEX["immunizations"]) for stream in ("s2", "s3")),
]
"""All granted, of which a physiotherapist may not see two streams."""
LIVE = [
    Live("s1", 1, FAR, frozenset({"TREAT"}), "ruled"), Live("s3", 1, FAR, frozenset({"HRESCH"})),
    Live("s4", 1, FAR, frozenset({"TREAT"}), "nurses"),
]  # fmt: skip


def resource(type_, id_, **members):
    return {"resourceType": type_, "id": id_, "subject": {"reference": f"Patient/{LOCAL}"}} | members


def device(id_):
    return {"resourceType": "Device", "id": id_, "patient": {"reference": f"Patient/{LOCAL}"}}


def seen():
    """What is visible in both houses. In the first some of it points at what is not."""
    at = {"subject": {"reference": f"Patient/{LOCAL}"}}
    yield device("d1")
    yield observation(id="o1", device={"reference": "Device/d1"}, performer=[{"reference": "Practitioner/x"}], **at)
    yield observation(id="o2", effectiveDateTime="2024-03-06", **at)
    yield observation(id="o3", effectiveDateTime="2024-03-07", **at)
    code = {"coding": [{"system": "http://loinc.org", "code": "58410-2"}]}
    yield resource("DiagnosticReport", "r1", status="final", code=code, result=[{"reference": "Observation/o1"}])
    yield resource(
        "DocumentReference", "l1", status="current", content=[{"attachment": {"contentType": "text/plain"}}] * 2
    )
    yield {"resourceType": "Provenance", "id": "v1", "target": [{"reference": "Observation/o1"}],
           "recorded": "2024-03-07T10:00:00Z", "agent": [{"who": {"reference": "Organization/k"}}]}  # fmt: skip


def pointing(each):
    """The same, referring to what is hidden as well."""
    more = {"reference": f"Observation/{HIDDEN}", "display": "HIV"}
    match each["resourceType"]:
        case "DiagnosticReport":
            return each | {"result": [*each["result"], more], "specimen": [{"reference": "Specimen/absent"}]}
        case "Provenance":
            return each | {"target": [*each["target"], {"reference": "Condition/h2"}]}
        case "Observation":
            return each | {"hasMember": [more], "encounter": {"reference": "Encounter/h4/_history/1"}}
        case "DocumentReference":
            address = {"contentType": "text/plain", "url": "Binary/h7"}
            return each | {
                "content": [{"attachment": {"contentType": "text/plain"}}, {"attachment": address}],
                "context": {"related": [{"reference": "Condition/h2#onset"}]},
            }
    return each


def hidden():
    """By rule, by stream, by purpose, by role; some under an id that the house or other devices of hers use too."""
    at = {"subject": {"reference": f"Patient/{LOCAL}"}}
    for number, date in enumerate(("2024-03-05", "2024-03-06T12:00:00+01:00", "2030-01-01")):
        yield observation(id=HIDDEN if not number else f"h1{number}", effectiveDateTime=date, **at), "s1"
    yield device("h3"), "s1"
    yield resource("Condition", "h2", code={"text": "F32"}), "s2"
    yield resource("Encounter", "h4", status="finished", **{"class": {"code": "AMB"}}), "s2"
    yield observation(id="h5", **at), "s3"
    yield resource("Procedure", "h6", status="completed"), "s2"
    yield observation(id="h8", **at), "s4"
    yield resource("Procedure", "h9", status="completed"), "s4"


class House:
    """A gateway, its store and a doctor's client."""

    def __init__(self, url, fill, more, live=LIVE, role="practitioner"):
        fill(url, "gateway", upgrade)
        self.database = Database(url)
        self.store = Store(self.database)
        self.app = create_app(Config(database=url, hub_url="http://hub.test", keystore="keys"))
        reader = Reader("Dr. Ada Beispiel", role, "TREAT", writes=True)
        self.api = Api(self.app.test_client())
        self.api.headers["Authorization"] = f"Bearer {access.issue_token(self.database, reader, 600)}"
        self.store.set_state(HOUSE_ACCOUNT, HOUSE)
        for grant, role in (("ruled", ANY), ("nurses", "nurse")):
            admitted = Readers(frozenset({"TREAT"}), frozenset({role} - {ANY}), frozenset({("TREAT", role)}))
            self.store.decide(PATIENT, (), grant, grant, lambda *_: False, admitted)
        self.store.put_many(list(self._items(more)))
        self.store.set_live(PATIENT, live)
        self.store.confirm([PATIENT], int(time.time()) - 1, FAR)

    def _items(self, more):
        withheld = list(hidden()) if more else []
        for number, (each, stream) in enumerate(withheld[: len(withheld) // 2]):
            yield self._item(f"x{number}", each, stream, frozenset({"nurses"}))
        for number, each in enumerate(seen()):
            yield self._item(f"s{number}", pointing(each) if more else each, "s1", frozenset({"ruled"}))
        for number, (each, stream) in enumerate(withheld[len(withheld) // 2 :]):
            yield self._item(f"y{number}", each, stream, frozenset({"nurses"}))

    def _item(self, bid, each, stream, under):
        source = Source(PATIENT, "set", stream, 1, 1, PATIENT, bid)
        body = orjson.dumps(each)
        return Item(
            body.replace(b"/h", b"\\/h") if each["resourceType"] == "Observation" else body, each, source, under
        )

    def close(self):
        self.app.extensions["gateway"].store.database.close()
        self.database.close()


@pytest.fixture
def houses(tmp_path, database_url, fill):
    """The first holds more than it shows; the other only what the first shows."""
    more, less = (
        House(url, fill, more) for url, more in ((database_url, True), (f"sqlite:///{tmp_path / 'less.sqlite'}", False))
    )
    yield more, less
    more.close()
    less.close()


OWN = {"resourceType": "Observation", "status": "final", "code": {"text": "own"}}
BATCH = {
    "resourceType": "Bundle", "type": "batch",
    "entry": [
        {"request": {"method": "GET", "url": f"Observation/{HIDDEN}"}},
        {"request": {"method": "GET", "url": f"Observation?patient={LOCAL}"}},
        {"request": {"method": "GET", "url": f"Condition?patient={LOCAL}&_summary=count"}},
        {"request": {"method": "DELETE", "url": f"Observation/{HIDDEN}"}},
    ],
}  # fmt: skip
CONDITIONAL = {
    "resourceType": "Bundle", "type": "transaction",
    "entry": [{
        "fullUrl": "urn:uuid:6e7f9d2c-0d5c-4c0f-9a4e-0c6f0b6f3f11", "resource": OWN,
        "request": {"method": "POST", "url": "Observation", "ifNoneExist": f"_id={HIDDEN}"},
    }],
}  # fmt: skip

DOORS = {
    "read": lambda api: api.get(f"Observation/{HIDDEN}"),
    "read of a type that is withheld": lambda api: api.get("Condition/h2"),
    "read with If-None-Match": lambda api: api.get(f"Observation/{HIDDEN}", If_None_Match='W/"1"'),
    "search": lambda api: api.get(f"Observation?patient={LOCAL}"),
    "search by code and date": lambda api: api.get(f"Observation?patient={LOCAL}&code=8867-4&date=ge2024-03-05"),
    "search by id": lambda api: api.get(f"Observation?_id=o1,{HIDDEN}"),
    "search by negation": lambda api: api.get(f"Observation?patient={LOCAL}&code:not=1-1"),
    "search by POST": lambda api: api.client.post(
        "/fhir/Observation/_search", data={"patient": LOCAL}, headers={"Authorization": api.headers["Authorization"]}
    ),
    "total": lambda api: api.get(f"Observation?patient={LOCAL}&_total=accurate&_count=1"),
    "count": lambda api: api.get(f"Observation?patient={LOCAL}&_summary=count"),
    "count of a type that is withheld": lambda api: api.get(f"Procedure?patient={LOCAL}&_summary=count"),
    "paging": lambda api: api.get(link(api.get(f"Observation?patient={LOCAL}&_count=2"), "next")),
    "paging in another order": lambda api: api.get(
        link(api.get(f"Observation?patient={LOCAL}&_sort=code&_count=1"), "next")
    ),
    "order": lambda api: api.get(f"Observation?patient={LOCAL}&_sort=-_lastUpdated&_count=1"),
    "references in what is read": lambda api: api.get("DiagnosticReport/r1"),
    "references in what is found": lambda api: api.get(f"DiagnosticReport?patient={LOCAL}"),
    "references that are required": lambda api: api.get("Provenance/v1"),
    "addresses of attachments": lambda api: api.get("DocumentReference/l1"),
    "references spelled otherwise": lambda api: api.get("Observation/o1"),
    "search by a hidden target": lambda api: api.get(f"DiagnosticReport?result=Observation/{HIDDEN}"),
    "search by a hidden target's id": lambda api: api.get(f"Observation?has-member={HIDDEN}"),
    "search by a visible and a hidden target": lambda api: api.get(
        f"DiagnosticReport?patient={LOCAL}&result=Observation/o1,Observation/{HIDDEN}"
    ),
    "search by whether there is a reference": lambda api: api.get("Observation?encounter:missing=true"),
    "search by whether there is a reference, or without": lambda api: api.get(
        f"Observation?encounter:missing=true&performer:identifier=a|b&patient={LOCAL}", Prefer="handling=lenient"
    ),
    "order by references": lambda api: api.get("Observation?_sort=encounter"),
    "include": lambda api: api.get(f"DiagnosticReport?patient={LOCAL}&_include=DiagnosticReport:result"),
    "reverse include": lambda api: api.get(f"Observation?patient={LOCAL}&_revinclude=Provenance:target"),
    "history": lambda api: api.get(f"Observation/{HIDDEN}/_history"),
    "version": lambda api: api.get(f"Observation/{HIDDEN}/_history/1"),
    "batch": lambda api: api.post("", BATCH),
    "delete": lambda api: api.delete(f"Observation/{HIDDEN}"),
    "update under its id": lambda api: api.put(f"Observation/{HIDDEN}", OWN | {"id": HIDDEN}),
    "update with If-Match": lambda api: api.put(f"Observation/{HIDDEN}", OWN | {"id": HIDDEN}, If_Match='W/"1"'),
    "conditional create": lambda api: api.post("Observation", OWN, If_None_Exist=f"_id={HIDDEN}"),
    "conditional create by reference": lambda api: api.post(
        "DiagnosticReport", {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "own"}},
        If_None_Exist=f"result=Observation/{HIDDEN}",
    ),
    "conditional create in a transaction": lambda api: api.post("", CONDITIONAL),
}  # fmt: skip

CLOCK = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
IDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
PAGE = re.compile(rb"_page=[A-Za-z0-9_-]+")


def told(answer):
    """Status, headers and body, but for ids that were drawn, and the clock."""
    body = PAGE.sub(b"PAGE", IDS.sub(b"ID", CLOCK.sub(b"AT", answer.data)))
    headers = {
        name: IDS.sub(b"ID", value.encode()) for name, value in answer.headers.items()
        if name not in {"Date", "Last-Modified", "Content-Length"}
    }  # fmt: skip
    return answer.status_code, headers, body


@pytest.mark.parametrize("door", DOORS)
def test_what_is_hidden_does_not_show(houses, door):
    """The same answer, and the same told to the patient of who read how much."""
    more, less = houses
    assert told(DOORS[door](more.api)) == told(DOORS[door](less.api))
    reports = [[(each.what, each.number) for each in access.pending_reports(one.database)] for one in houses]
    assert reports[0] == reports[1]
    assert audited(more) == audited(less)


def test_a_question_about_references_is_left_out_where_the_rest_is_wanted(houses):
    """`Prefer: handling=lenient`: what is refused else is in no link, and the other criteria count."""
    for one in houses:
        asked = f"Observation?patient={LOCAL}&encounter:missing=true&performer:identifier=a|b"
        assert one.api.get(asked).status_code == 400
        page, plain = (one.api.get(text, Prefer="handling=lenient") for text in (asked, f"Observation?patient={LOCAL}"))
        assert page.status_code == 200
        assert page.data == plain.data


def audited(house):
    """All that the house's audit tells, but for ids that were drawn, and the clock."""
    audit.take(house.store, HOUSE, int(time.time()))
    found = house.store.search(parse("AuditEvent", [("_count", "1000"), ("_sort", "_lastUpdated")])).matches
    return sorted(re.sub(rb"[0-9a-f]{64}|\d{4}-\d\d-\d\dT[0-9:.]+Z", b"", IDS.sub(b"", one.body)) for one in found)


@pytest.fixture(scope="module")
def barred(tmp_path_factory, fill):
    """The same where the law hides it; all doors are asked of one pair, in their order: those that write come last."""
    folder = tmp_path_factory.mktemp("barred")
    pair = [
        House(f"sqlite:///{folder / f'{more}.sqlite'}", fill, more, BY_LAW, "physiotherapist") for more in (True, False)
    ]
    yield pair
    for one in pair:
        one.close()


@pytest.mark.parametrize("door", DOORS)
def test_what_the_law_closes_does_not_show(barred, door):
    """The same answer, and the same told to the patient."""
    test_what_is_hidden_does_not_show(barred, door)


def test_who_is_not_barred_sees_it(barred):
    """What the law closes to one is there for her colleague."""
    more, less = barred
    doctor = Reader("Dr. Ben", "physician", "TREAT")
    for house, status in ((more, 200), (less, 404)):
        token = access.issue_token(house.database, doctor, 600)
        assert house.api.get("Condition/h2", Authorization=f"Bearer {token}").status_code == status
        access.forget_reports(house.database, [each.id for each in access.pending_reports(house.database)])


def test_the_houses_differ(houses):
    """What is hidden in the first is there, or this would show nothing: whoever reads it for its purpose finds it."""
    more, less = houses
    more.store.set_live(PATIENT, [Live(stream, 1, FAR, frozenset({"TREAT"})) for stream in ("s1", "s2", "s3")])
    for path in (f"Observation/{HIDDEN}", "Condition/h2", "Observation/h5"):
        assert (more.api.get(path).status_code, less.api.get(path).status_code) == (200, 404)
    assert f"Observation/{HIDDEN}" in more.api.get("DiagnosticReport/r1").text
    assert more.api.get(f"DiagnosticReport?result=Observation/{HIDDEN}").json["total"] == 1
    more.store.set_live(PATIENT, LIVE)
    nurse = access.issue_token(more.database, Reader("Nils", "nurse", "TREAT"), 600)
    assert more.api.get("Procedure/h9", Authorization=f"Bearer {nurse}").status_code == 200


def test_what_was_taken_over_stays_and_tells_no_more(houses):
    """It is the house's own, hidden or withdrawn since; what it refers to is not for that."""
    more, _ = houses
    reader = Reader("Dr. Ada Beispiel", "practitioner", "TREAT", writes=True)
    keeping.keep(more.store, reader, "DiagnosticReport", "r1", "for the files")
    question = f"DiagnosticReport?result=Observation/{HIDDEN}"
    for granted in (LIVE, [Live("s1", 1, FAR, frozenset({"TREAT"}), "other")], []):
        more.store.set_live(PATIENT, granted)
        assert HIDDEN not in more.api.get("DiagnosticReport/r1").text
        assert more.api.get(question).json["total"] == 0
    more.store.purge(PATIENT, None, HOUSE)
    assert more.api.get("DiagnosticReport/r1").status_code == 200
    assert HIDDEN not in more.api.get("DiagnosticReport/r1").text
    assert more.api.get(question).json["total"] == 0


def test_a_document_refers_to_its_own_parts(houses):
    """What a Bundle holds itself is not hidden by that it is nowhere else."""
    more, _ = houses
    note = {
        "resourceType": "Bundle", "id": "doc", "type": "collection",
        "entry": [
            {"resource": {"resourceType": "Encounter", "id": "inner", "status": "finished", "class": {"code": "AMB"}}},
            {"resource": {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                          "encounter": {"reference": "Encounter/inner"}, "device": {"reference": "Device/h3"}}},
        ],
    }  # fmt: skip
    more.store.put_many([more._item("doc", note, "s1", frozenset({"ruled"}))])
    told = more.api.get("Bundle/doc").text
    assert "Encounter/inner" in told
    assert "Device/h3" not in told


def test_who_reads_her_own_record_finds_all_that_refers_to_anything(houses):
    """Of her own record nothing is withheld: references are shown as they were written, and found by."""
    more, _ = houses
    scope = Scope(("PATRQT",), int(time.time()), own=PATIENT)
    more.store.set_live(PATIENT, [Live("s1", 1, FAR, frozenset({"PATRQT"}))])
    for question, found in ((("result", f"Observation/{HIDDEN}"), ["r1"]), (("specimen", "Specimen/absent"), ["r1"])):
        matches = more.store.search(parse("DiagnosticReport", [question]), scope).matches
        assert [each.id for each in matches] == found
        assert HIDDEN.encode() in matches[0].body
