"""An export of Apple Health, given to the portal's worker in a real Chromium, under the portal's policy."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from connectors.wearables.importer import Batch
from hub.portal.views import POLICY
from tests.serving import serving

ROOT = Path(__file__).parents[2]
PAGE = b'<!doctype html><title>loading</title><script type="module" src="/tests/browser/importing.mjs"></script>'
SCRIPTS = ("hub/static/portal/consent.js", "hub/static/portal/portal.js", "tests/browser/importing.mjs")


@contextlib.contextmanager
def opened(browser: Browser, *exports: Path) -> Iterator[Page]:
    """A page that can fetch these exports by their names; at the end it must not have complained of anything."""
    files = {f"/{name}": ("text/javascript", ROOT / name) for name in SCRIPTS}
    files |= {f"/{path.name}": ("application/zip", path) for path in exports}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, path = files.get(self.path, ("text/html", None))
            body = path.read_bytes() if path else PAGE
            self.send_response(200 if path or self.path == "/" else 404)
            headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": POLICY}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    complaints: list[str] = []
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server, browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        expect(page).to_have_title("ready")
        yield page
    assert [text for text in complaints if "404" not in text] == []


def imported(page: Page, export: Path, patient: str) -> dict[str, Any]:
    """What the page has to say of an import: see `importing.mjs`."""
    found: dict[str, Any] = page.evaluate("([path, patient]) => imported(path, patient)", [f"/{export.name}", patient])
    return found


def digest(batches: Iterable[Batch]) -> str:
    """What the page says of the same batches."""
    lines = (line for b in batches for line in (f"{b.category} {b.key}".encode(), *b.resources, b""))
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
