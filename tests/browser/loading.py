"""A page of the tests in a real Chromium: a module that says by the page's title that it is ready, and its files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.serving import serving

ROOT = Path(__file__).parents[2]
PAGE = '<!doctype html><title>loading</title><script type="module" src="/{module}"></script>'


@contextmanager
def loaded(
    browser: Browser, module: str, files: Mapping[str, tuple[str, Path]], policy: str, expected: str
) -> Iterator[Page]:
    """The page, loaded, each answer under the policy; it must have complained of nothing but what is expected.

    `module`: a path below the project's root. `files`: what is served besides, type and file by path.
    """
    served = {f"/{module}": ("text/javascript", ROOT / module), **files}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, path = served.get(self.path, ("text/html", None))
            body = path.read_bytes() if path else PAGE.format(module=module).encode()
            self.send_response(200 if path or self.path == "/" else 404)
            headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": policy}
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
    assert [text for text in complaints if expected not in text] == []
