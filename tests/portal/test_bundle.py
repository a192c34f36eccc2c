"""The bundle: what is published can be made again by anybody, and is what the hub serves under its policy."""

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from hub.portal.views import SCRIPTS
from tests.portal.conftest import ROOT

BUILT = ROOT / "hub/static/portal"
MOST, MOST_PART, MOST_OF_LINK = 350_000, 16_000, 60_000
PAGES = {"portal.js": "/portal/", "link.js": "/link"}


def test_two_folders_give_the_same_bundle(tmp_path: Path):
    """A build elsewhere gives the same bytes."""
    elsewhere = tmp_path / "another/hub/portal"
    shutil.copytree(ROOT / "hub/portal", elsewhere, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    shutil.copytree(ROOT / "consent/templates", tmp_path / "another/consent/templates")
    shutil.copy(ROOT / "consent/words.json", tmp_path / "another/consent")
    said = tmp_path / "another/connectors/patient/log_words.json"
    said.parent.mkdir(parents=True)
    shutil.copy(ROOT / "connectors/patient/log_words.json", said)
    (elsewhere / "node_modules").symlink_to(ROOT / "hub/portal/node_modules")
    subprocess.run(["npm", "--prefix", elsewhere, "run", "--silent", "build"], check=True)
    made = {path.name: path.read_bytes() for path in (elsewhere.parent / "static/portal").iterdir()}
    assert made == {path.name: path.read_bytes() for path in BUILT.iterdir()}


def test_the_script_is_small():
    """All script of the pages, libsodium included, is at most 350 KB on its way; a part loaded when needed 16 KB."""
    assert len(gzip.compress((BUILT / "portal.js").read_bytes())) <= MOST
    for part in set(SCRIPTS) - {"portal.js"}:
        assert len(gzip.compress((BUILT / part).read_bytes())) <= MOST_PART


def test_who_opens_a_link_needs_little():
    """The script of that page has no libsodium in it, and is at most 60 KB on its way."""
    script = (BUILT / "link.js").read_bytes()
    assert len(gzip.compress(script)) <= MOST_OF_LINK
    assert b"xchacha20" not in script


def test_the_hub_says_what_it_serves(portal_hub):
    """Pages and scripts name their files by hashes, which stand at a URL of their own; another hash is not found."""
    pages = {name: requests.get(portal_hub.url + path, timeout=10).text for name, path in PAGES.items()}
    said = requests.get(f"{portal_hub.url}/portal/bundle.json", timeout=10).json()
    for name, digest in said.items():
        for script, page in pages.items():
            by_script = name.startswith("texts.") or (name.startswith("qr_") and script == "portal.js")
            text = (BUILT / script).read_text("utf-8") if by_script else page
            named = name == script if name in pages else script == "portal.js" or not name.startswith("qr_")
            assert (f'"/portal/{digest}/{name}"' in text) == named
        served = requests.get(f"{portal_hub.url}/portal/{digest}/{name}", timeout=10)
        assert hashlib.sha256(served.content).hexdigest() == digest
        assert "immutable" in served.headers["Cache-Control"]
    assert requests.get(f"{portal_hub.url}/portal/{'0' * 64}/portal.js", timeout=10).status_code == 404


@pytest.mark.parametrize(("path", "script"), [("/portal/", "'self' 'wasm-unsafe-eval'"), ("/link", "'self'")])
def test_nothing_but_the_bundle_runs(portal_hub, path, script):
    """The policy allows no inline script or style, no other origin, no form, no frame; and no cookie is set."""
    answer = requests.get(portal_hub.url + path, timeout=10)
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == script
    assert policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    camera = "camera=(self)" if path == "/portal/" else "camera=()"
    assert answer.headers["Permissions-Policy"].startswith(f"{camera}, microphone=()")
    assert "<script>" not in answer.text and "style=" not in answer.text
    assert "Set-Cookie" not in answer.headers
