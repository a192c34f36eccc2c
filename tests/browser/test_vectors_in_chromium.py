"""The portal's bundle gives every verdict in a real browser, too, under the policy that the portal is served with."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from consent.keys import PassphraseKeys
from consent.primitives import b64
from tests.browser.loading import ROOT, loaded
from tests.consent.test_twin_consents import CASES, dates_asked, decide_alike, terms_asked
from tests.consent.twin import Question, agree, twin_vectors

POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
CONSENT = tuple(f"tests/consent/{name}.mjs" for name in ("verdicts", "twin_consents", "answering"))
SCRIPTS = ("hub/static/portal/consent.js", *CONSENT)
VECTORS = twin_vectors()
SERVED = {f"/{name}": ("text/javascript", ROOT / name) for name in SCRIPTS} | {
    f"/{path.relative_to(ROOT).as_posix()}": ("application/json", path) for path in VECTORS
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """The page, loaded; at the end it must not have complained of anything."""
    with loaded(browser, "tests/browser/vectors.mjs", SERVED, POLICY, "unsafe-eval") as made:
        yield made


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
