"""The portal's bundle gives every verdict in a real browser, too, under the policy that the portal is served with."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from consent.keys import PassphraseKeys
from consent.primitives import b64
from tests.consent.test_twin_consents import CASES, dates_asked, decide_alike, terms_asked
from tests.consent.twin import Question, agree, twin_vectors
from tests.serving import serving

ROOT = Path(__file__).parents[2]
POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
PAGE = b'<!doctype html><title>loading</title><script type="module" src="/tests/browser/vectors.mjs"></script>'
CONSENT = tuple(f"tests/consent/{name}.mjs" for name in ("verdicts", "twin_consents", "answering"))
SCRIPTS = ("hub/static/portal/consent.js", "tests/browser/vectors.mjs", *CONSENT)
VECTORS = twin_vectors()
SERVED = {f"/{name}": ("text/javascript", ROOT / name) for name in SCRIPTS} | {
    f"/{path.relative_to(ROOT).as_posix()}": ("application/json", path) for path in VECTORS
}


class Handler(BaseHTTPRequestHandler):
    """The page, its scripts and the vectors, each with the policy."""

    def do_GET(self) -> None:
        kind, path = SERVED.get(self.path, ("text/html", None))
        self.send_response(200 if path or self.path == "/" else 404)
        body = path.read_bytes() if path else PAGE
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """The page, loaded; at the end it must not have complained of anything."""
    complaints: list[str] = []
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server, browser.new_context() as context:
        loaded = context.new_page()
        loaded.on("console", lambda message: complaints.append(message.text))
        loaded.on("pageerror", lambda error: complaints.append(str(error)))
        loaded.goto(f"http://127.0.0.1:{server.server_port}/")
        expect(loaded).to_have_title("ready")
        yield loaded
    assert [text for text in complaints if "unsafe-eval" not in text] == []


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_browser_gives_the_verdict_that_each_vector_names(page, path):
    """Chromium's verdicts are those of Python and Node.js."""
    file = json.loads(path.read_text("ascii"))
    found = page.evaluate("path => verdictsOn(path)", f"/{path.relative_to(ROOT).as_posix()}")
    wrong = [pair for pair in zip(file["vectors"], found, strict=True) if pair[1] != pair[0]["expect"]]
    assert not wrong, [(vector["name"], verdict, vector["expect"]) for vector, verdict in wrong][:3]


def test_the_policy_is_in_force(page):
    """What the browser was shown to run, it ran without the right to evaluate text."""
    assert page.evaluate("() => evaluated") == "EvalError"


def test_a_passphrase_yields_the_same_key_in_the_browser(page):
    """Argon2id with 256 MiB works in the browser's WebAssembly, and agrees with libsodium here."""
    account, passphrase, memory = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub-a.example.org", "sechs Wörter", 256 * 1024 * 1024
    expected = b64(PassphraseKeys.derive(account, passphrase, memory).wrap_key)
    assert (
        page.evaluate("([name, text, memory]) => wrapKey(name, text, memory)", [account, passphrase, memory])
        == expected
    )


class InBrowser:
    """The twin in the page, asked as the one in Node.js."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def ask(self, questions: list[Question]) -> list[Any]:
        """Its answers, in order."""
        return self._page.evaluate("questions => ask(questions)", questions)


def test_consents_are_understood_in_the_browser(page):
    """Its own calendar and words: dates, decisions with their reasons, and Consents as they are signed."""
    twin = InBrowser(page)
    agree(twin, [*dates_asked(), *terms_asked()])
    decide_alike(twin, CASES)
