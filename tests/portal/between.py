"""Between a browser and a hub: whatever passes is kept, and answers may be changed, as by a hub that lies."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from tests.serving import serving

PATIENCE_SECONDS = 60
OWN = {"connection", "keep-alive", "transfer-encoding", "host", "accept-encoding", "content-length"}
"""Headers that each of the two connections has for itself; what is compressed could not be looked through."""
BUNDLE = re.compile(r"/portal/[0-9a-f]{64}/")
"""What lies here is of the project and the same for everybody: it holds every word that a page can say."""


@dataclass(frozen=True)
class Passed:
    """A request and its answer, headers and all."""

    line: str
    asked: bytes
    answered: bytes

    @property
    def is_bundle(self) -> bool:
        """Whether a file of the portal itself was asked for."""
        return BUNDLE.search(self.line) is not None


Change = Callable[[Any, str], Any]
"""From an answer's JSON and the address that was asked for to what is answered instead."""


class Held:
    """An answer that does not come before it is let go."""

    def __init__(self) -> None:
        self.asked, self.gone = Event(), Event()

    def __call__(self, answer: Any, _: str) -> Any:
        self.asked.set()
        assert self.gone.wait(PATIENCE_SECONDS)
        return answer


class Between(ThreadingHTTPServer):
    """A server on a free port of this machine that hands everything on."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = urlsplit(url).netloc
        self.url = f"http://localhost:{self.server_address[1]}"
        self.passed: list[Passed] = []
        self._lies: list[tuple[re.Pattern[str], Change]] = []

    @contextmanager
    def lie(self, path: str, change: Change) -> Iterator[None]:
        """Meanwhile answers to requests for this path (a regular expression) are changed."""
        self._lies.append((re.compile(path), change))
        try:
            yield
        finally:
            self._lies.pop()

    def told(self, path: str, body: bytes) -> bytes:
        """The body that is answered."""
        for pattern, change in self._lies:
            if pattern.search(path):
                body = json.dumps(change(json.loads(body), path)).encode()
        return body


class _Handler(BaseHTTPRequestHandler):
    """One connection of the browser."""

    protocol_version = "HTTP/1.1"
    server: Between

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        hub = HTTPConnection(self.server.hub, timeout=PATIENCE_SECONDS)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
            hub.request(self.command, self.path, body or None, headers)
            answer = hub.getresponse()
            content = answer.read()
        except (OSError, HTTPException):  # the hub went away: so does this connection
            self.close_connection = True
            return
        finally:
            hub.close()
        if answer.status == 200:
            content = self.server.told(self.path, content)
        line = f"{self.command} {self.path}"
        asked = f"{line}\n{self.headers}".encode() + body
        self.server.passed.append(Passed(line, asked, f"{answer.status}\n{answer.headers}".encode() + content))
        self._answer(answer.status, answer.getheaders(), content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        try:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:  # the browser did not wait for it
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _pass  # noqa: N815 - the names of `http.server`

    def log_message(self, *_: object) -> None:
        """What passes is kept, not printed."""


@contextmanager
def between(url: str) -> Iterator[Between]:
    """A server between browsers and the hub of this URL."""
    with serving(Between(url)) as server:
        yield server
