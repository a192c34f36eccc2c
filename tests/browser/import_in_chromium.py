"""An export of Apple Health, given to the portal's worker in a real Chromium, under the portal's policy."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from connectors.wearables.importer import Batch
from hub.portal.views import POLICY
from tests.browser.loading import ROOT, loaded

SCRIPTS = ("hub/static/portal/consent.js", "hub/static/portal/portal.js")


@contextlib.contextmanager
def opened(browser: Browser, *exports: Path) -> Iterator[Page]:
    """A page that can fetch these exports by their names; at the end it must not have complained of anything."""
    files = {f"/{name}": ("text/javascript", ROOT / name) for name in SCRIPTS}
    files |= {f"/{path.name}": ("application/zip", path) for path in exports}
    with loaded(browser, "tests/browser/importing.mjs", files, POLICY, "404") as page:
        yield page


def imported(page: Page, export: Path, patient: str) -> dict[str, Any]:
    """What the page has to say of an import: see `importing.mjs`."""
    found: dict[str, Any] = page.evaluate("([path, patient]) => imported(path, patient)", [f"/{export.name}", patient])
    return found


def digest(batches: Iterable[Batch]) -> str:
    """What the page says of the same batches."""
    lines = (line for b in batches for line in (f"{b.category} {b.key}".encode(), *b.resources, b""))
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
