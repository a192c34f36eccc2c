"""A standalone gateway, and one with a patient's streams in it, over both databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connectors.gateway import schema
from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.store import Store
from tests.connectors.gateway.scene import Scene

BASE = "http://127.0.0.1:8080/fhir"
FHIR_JSON = "application/fhir+json"


class Api:
    """A client that speaks FHIR JSON and takes paths below the base."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.headers: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(self._path(path), headers=self._headers(headers))

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self.client.delete(self._path(path), headers=self._headers(headers))

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.post(self._path(path), data=self._body(body), headers=self._headers(headers))

    def put(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.put(self._path(path), data=self._body(body), headers=self._headers(headers))

    def _path(self, path: str) -> str:
        return "/fhir" + (path.removeprefix(BASE) if path.startswith(BASE) else f"/{path}" if path else "")

    def _body(self, body: Any) -> bytes:
        return body if isinstance(body, bytes) else orjson.dumps(body)

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"Content-Type": FHIR_JSON} | self.headers | named


def upgrade(url: str) -> None:
    """Make the gateway's tables."""
    database = Database(url)
    schema.upgrade(database)
    database.close()


@pytest.fixture
def database(database_url: str, fill: Any) -> Iterator[Database]:
    fill(database_url, "gateway", upgrade)
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def api(database: Database, database_url: str) -> Iterator[Api]:
    """A standalone gateway."""
    app = create_app(Config(database=database_url, standalone=True, max_body=1_000_000))
    yield Api(app.test_client())
    app.extensions["gateway"].store.database.close()


@pytest.fixture
def house(database: Database, database_url: str) -> Iterator[Api]:
    """A gateway of a house, asked without a token."""
    app = create_app(Config(database=database_url, hub_url="http://hub.test", keystore="keys"))
    yield Api(app.test_client())
    app.extensions["gateway"].store.database.close()


def _programs(url: str, clock: Any, fill: Any) -> Iterator[Any]:
    from tests.connectors.gateway.programs import Programs  # noqa: PLC0415 - it needs what is above

    fill(url, "gateway", upgrade)
    programs = Programs(Config(database=url, standalone=True, auth=True, max_body=1_000_000), clock)
    yield programs
    programs.database.close()


@pytest.fixture
def programs(tmp_path: Path, clock: Any, fill: Any) -> Iterator[Any]:
    """A standalone gateway with --auth, on SQLite."""
    yield from _programs(f"sqlite:///{tmp_path / 'smart.sqlite'}", clock, fill)


@pytest.fixture
def programs_on_both(database_url: str, clock: Any, fill: Any) -> Iterator[Any]:
    """The same, on SQLite and on PostgreSQL."""
    yield from _programs(database_url, clock, fill)


def observation(**members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/p-1"},
        "effectiveDateTime": "2024-03-05T10:15:30+01:00",
        "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    } | members


def ids(response: TestResponse) -> list[str]:
    """The ids of a searchset, in its order."""
    assert response.status_code == 200, response.text
    return [entry["resource"]["id"] for entry in response.json.get("entry", [])]


def link(response: TestResponse, relation: str) -> str | None:
    return next((each["url"] for each in response.json["link"] if each["relation"] == relation), None)


def issue(response: TestResponse) -> dict[str, Any]:
    """The first issue of the OperationOutcome that an error must be."""
    assert response.content_type == FHIR_JSON
    assert response.json["resourceType"] == "OperationOutcome"
    return response.json["issue"][0]


@pytest.fixture
def scene(tmp_path: Path, store: Any) -> Scene:
    """A patient and a practice that follows her."""
    return Scene(tmp_path / "keys", store)
