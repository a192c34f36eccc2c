"""The hub's client at objects: streamed both ways, begun anew at each try, and bounded whatever the hub answers."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from connectors import hub_client
from connectors.hub_client import Credentials, HubClient
from consent.keys import SigningKey
from fhir_profiles.problems import Problem
from tests.serving import serving


class FakeHub(BaseHTTPRequestHandler):
    """Answers as `plan` says: bytes told, bytes given; statuses for puts, one after the other."""

    told = given = 0
    statuses: list[int] = []  # noqa: RUF012 - set anew by each test
    bodies: list[bytes] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.told))
        self.end_headers()
        self.wfile.write(bytes(self.given))
        self.close_connection = True

    def do_PUT(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.statuses.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def client() -> Iterator[HubClient]:
    """A client that has a token, and a hub that answers anything."""
    FakeHub.bodies, FakeHub.statuses = [], []
    credentials = Credentials("p-x@hub.example.org", "dx", SigningKey.generate())
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)) as server:
        made = HubClient(f"http://127.0.0.1:{server.server_port}", credentials, clock=lambda: 0, sleep=lambda _: None)
        made._token = ("token", 1000.0)
        yield made
        made.close()


class Body:
    """Bytes that can be read once."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[bytes]:
        yield self.data

    def read(self, size: int = 10) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]


def test_an_object_comes_whole(client: HubClient) -> None:
    """All that was told."""
    FakeHub.told = FakeHub.given = 3_000_000
    assert client.object("p-x@hub.example.org", "s", "b") == bytes(3_000_000)


def test_an_object_that_breaks_off_is_not_taken_for_the_whole(client: HubClient) -> None:
    """`busy`, to be fetched again."""
    FakeHub.told, FakeHub.given = 3_000_000, 1_000_000
    with pytest.raises(Problem) as caught:
        client.object("p-x@hub.example.org", "s", "b")
    assert caught.value.code == "busy"


def test_a_hub_cannot_fill_the_memory(client: HubClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than any object is not read to its end."""
    monkeypatch.setattr(hub_client, "MAX_SEALED_OBJECT", 2_000_000)
    FakeHub.told = FakeHub.given = 4_000_000
    with pytest.raises(Problem) as caught:
        client.object("p-x@hub.example.org", "s", "b")
    assert caught.value.code == "busy"


def test_each_try_sends_the_object_from_its_beginning(client: HubClient) -> None:
    """A busy hub is asked again with the whole body."""
    FakeHub.statuses = [503, 429, 201]
    data = bytes(range(256)) * 100
    client.put_object("s", "b", lambda: Body(data))
    assert FakeHub.bodies == [data] * 3


def test_all_organisations_are_read_page_by_page(client: HubClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the hub says that there are more."""
    pages = {"": (["a", "b"], "b"), "b": (["c"], None)}

    def page(_method: str, _path: str, *, params: dict[str, str]) -> dict[str, object]:
        names, following = pages[params["after"]]
        return {"organisations": [{"account": name} for name in names], "next": following}

    monkeypatch.setattr(client, "_json", page)
    assert [one["account"] for one in client.organisations()] == ["a", "b", "c"]
