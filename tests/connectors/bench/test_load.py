"""The load generator: it counts answers of success, all of them, and nothing else."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, repeat
from typing import ClassVar

import pytest

from connectors.bench.load import Load, drive, request, together
from connectors.demo.programs import Failed
from tests.serving import serving


class Answering(BaseHTTPRequestHandler):
    """Answers with the status in the path, a body in two pieces, and counts."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[bytes]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(body)
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"a" * 50_000)
        self.wfile.write(b"b" * 50_000)

    def log_message(self, *_):
        pass


@pytest.fixture
def url() -> Iterator[str]:
    """A server of this process."""
    Answering.asked.clear()
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Answering)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def test_each_connection_asks_what_its_source_gives(url):
    """In order, over a connection that is kept; what is asked before the clock runs does not count."""
    load = drive(url, lambda n: (request("POST", f"{url}/200", body=b"%d-%d" % (n, k)) for k in count()), 3, 1)
    for n in range(3):
        mine = [body for body in Answering.asked if body.startswith(b"%d-" % n)]
        assert mine == [b"%d-%d" % (n, k) for k in range(len(mine))]
    assert 0 < len(load.latencies) < len(Answering.asked)


def test_another_answer_than_success_stops_the_bench(url):
    """A rate of refusals is no figure."""
    asked = request("POST", f"{url}/503", body=b"{}")
    with pytest.raises(Failed, match="status 503"):
        drive(url, lambda _: repeat(asked), 2, 1)


def test_a_process_that_ends_early_is_noticed():
    """Nobody waits for what will never come."""
    with pytest.raises(Failed, match="ended early"):
        together(lambda _: 1 // 0)


def test_percentiles_are_of_all_answers():
    """99 of 100 stayed under the 99th; the slowest of few counts."""
    load = Load(2.0, [n / 1000 for n in range(1, 101)])
    assert load.rate == 50
    assert load.percentile(0.5) == pytest.approx(51)
    assert load.percentile(0.99) == pytest.approx(100)
