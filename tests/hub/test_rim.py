"""The rim: errors, headers, logs, metrics, the OpenAPI document."""

import io
import json
import logging

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from sqlalchemy.exc import OperationalError

from fhir_profiles.logs import FIELDS, JsonLines
from hub.observability import MAX_REASONS, Metrics
from hub.openapi import document
from tests.hub.people import problem


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not-found"),
        ("DELETE", "/v1/hub", {}, 405, "method"),
        ("POST", "/v1/clients", {"data": b"{", "content_type": "application/json"}, 400, "invalid"),
        ("POST", "/v1/clients", {"data": b"[]", "content_type": "application/json"}, 400, "invalid"),
        ("POST", "/v1/clients", {"json": {}}, 400, "invalid"),
        ("POST", "/v1/clients", {"json": {"frame": "x", "more": 1}}, 400, "invalid"),
        ("POST", "/v1/clients", {"json": {"frame": 7}}, 400, "invalid"),
        ("POST", "/v1/clients", {"json": {"frame": "AAA="}}, 400, "invalid"),
        ("POST", "/v1/clients", {"json": {"frame": "\ud800"}}, 400, "invalid"),
        ("POST", "/v1/clients", {"json": {"frame": "AAAA"}}, 400, "refused"),
        ("POST", "/v1/clients", {"data": b"x"}, 415, "media-type"),
        ("POST", "/v1/clients", {"json": {"frame": "A" * 100_000}}, 413, "too-large"),
        ("POST", "/v1/accounts", {"json": {"frames": [], "client": ""}}, 400, "refused"),
        ("POST", "/v1/accounts", {"json": {"frames": ["A"] * 65, "client": ""}}, 400, "invalid"),
        ("POST", "/v1/sign-in", {"json": {"account": "x" * 2000, "key": "A" * 43}}, 400, "invalid"),
        ("POST", "/v1/envelopes", {"data": b"", "content_type": "application/octet-stream"}, 401, "unauthenticated"),
    ],
)  # fmt: skip
def test_wrong_input_gets_a_clear_answer(town, method, path, options, status, code):
    """Each error has its code, its status, and no trace of what was sent."""
    before = town.dump()
    answer = town.call(method, path, **options)
    assert (answer.status_code, problem(answer)["type"]) == (status, f"urn:obhut:problem:{code}")
    assert town.dump() == before


def test_what_nobody_foresaw_tells_nothing(town, monkeypatch):
    """A fault is 500 `internal` without a word of what happened; a database that is gone is 503."""
    for error, status in (
        (ZeroDivisionError("secret"), 500),
        (OperationalError("secret", {}, psycopg.OperationalError()), 503),
    ):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr("hub.directory.b64", fail)
        answer = town.get("/v1/hub")
        assert answer.status_code == status
        assert "secret" not in answer.get_data(as_text=True)


def test_answers_carry_the_headers_that_protect(town):
    """Nothing is cached, framed, sniffed or told on."""
    headers = town.get("/v1/hub").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_log_lines_hold_allowed_fields_and_no_names(town, caplog):
    """Routes are logged as templates; neither path, query, account nor message text gets into a line."""
    caplog.set_level(logging.INFO)
    person = town.person()
    town.get(f"/v1/chains/acct/{person.account}", person, fp="fingerprint-of-somebody")
    town.get("/v1/secret-path/p-name")
    logging.getLogger("lib").error("went wrong with %s", person.account)
    stream = io.StringIO()
    for record in caplog.records:
        stream.write(JsonLines().format(record) + "\n")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert any(line.get("route") == "/v1/chains/acct/<acc>" for line in lines)
    assert person.account.partition("@")[0] not in stream.getvalue()
    assert "secret-path" not in stream.getvalue()
    assert "fingerprint-of-somebody" not in stream.getvalue()
    assert {name for line in lines for name in line} <= {*FIELDS, "time", "level", "logger"}


def test_metrics_count_by_route(town):
    """Requests by route template and status; nothing by account."""
    town.get("/v1/hub")
    said = town.get("/metrics").get_data(as_text=True)
    assert 'obhut_hub_request_seconds_count{method="GET",route="/v1/hub",status="200"}' in said


def test_reasons_that_a_peer_invents_fill_no_memory():
    """Each counts, but only so many apart."""
    metrics = Metrics()
    for number in range(2 * MAX_REASONS):
        metrics.refused("refused", f"invented-{number}")
    counted = metrics.values("obhut_hub_refusals_total")
    assert (len(counted), sum(counted.values())) == (MAX_REASONS, 2 * MAX_REASONS)
    metrics.refused("refused", "invented-0")
    assert metrics.values("obhut_hub_refusals_total")["refused", "invented-0"] == 2


def test_health_and_readiness(towns):
    """Both answer; readiness asks the database and the version of its tables."""
    assert towns.get("/healthz").status_code == 200
    assert towns.get("/readyz").status_code == 200
    with towns.hub.db.write() as tx:
        tx.conn.exec_driver_sql("UPDATE alembic_version SET version_num = 'other'")
    assert towns.get("/readyz").status_code == 503


def described(town):
    return {(method.upper(), path) for path, item in town.get("/openapi.json").json["paths"].items() for method in item}


def test_the_document_lists_every_route_and_no_other(town):
    """OpenAPI and the URL map say the same; what is for people is not in it."""
    served = set()
    for rule in town.app.url_map.iter_rules():
        if rule.endpoint.startswith(("portal.", "public_page.", "console.")):
            continue
        for name in ("Organization", "Endpoint", "PractitionerRole") if "<any(" in rule.rule else ("",):
            path = rule.rule
            if name:
                start, end = path.index("<any("), path.index(">") + 1
                path = path[:start] + name + path[end:]
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                served.add((method, path.replace("<", "{").replace(">", "}")))
    assert described(town) == served


def test_the_document_is_complete():
    """Every path parameter is described, every reference leads somewhere, every operation has a name of its own."""
    said = document("http://localhost", "Obhut")
    names = [operation["operationId"] for item in said["paths"].values() for operation in item.values()]
    assert len(set(names)) == len(names)
    text = json.dumps(said)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in said["components"]["schemas"]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_random_requests_meet_no_fault_and_answers_fit_the_document(town, mode):
    """Schemathesis over all operations, as a signed-in person, with what the document allows and what it does not."""
    headers = {"Authorization": f"Bearer {town.token(town.person())}"}
    for found in schemathesis.openapi.from_wsgi("/openapi.json", town.app).get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.POSITIVE or operation.body or operation.query:
            probe(operation, mode, headers)


def probe(operation, mode, headers):
    """Some requests of one operation.

    A schema cannot tell a signed frame from other bytes, so bodies that fit it may be refused; arguments that nobody
    knows are passed over.
    """
    excluded = [negative_data_rejection if operation.method.upper() == "GET" else positive_data_acceptance]

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case):
        if isinstance(case.query, dict) and case.query.get("wait") in range(26):
            case.query["wait"] = 0
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    one()
