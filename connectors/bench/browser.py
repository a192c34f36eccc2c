"""A Chromium to measure the portal in: the machine's own, else the one that the tests unpack into `build/chromium/`."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.demo.programs import Failed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

UNPACKED = Path(__file__).resolve().parents[2] / "build/chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find() -> Path | None:
    """The program to start, or None where there is none yet."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    own = UNPACKED / "chromium"
    return own if own.exists() else None


def environment() -> dict[str, str]:
    """The environment to start it in: the unpacked one brings libraries and fonts that a bare machine lacks."""
    here = dict(os.environ)
    if find() != UNPACKED / "chromium":
        return here
    libraries = [here.get("LD_LIBRARY_PATH", ""), str(UNPACKED / "lib"), str(UNPACKED)]
    here["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, libraries))
    if not Path("/etc/fonts/fonts.conf").exists():
        here["FONTCONFIG_FILE"] = str(UNPACKED / "fonts.conf")
    return here


def missing() -> str:
    """What this machine lacks to measure in a browser, as a sentence; empty where nothing is missing."""
    try:
        import_module("playwright.sync_api")  # a part of the tests, not of what is installed
    except ImportError:
        return "There is no Playwright in this environment: install requirements/dev.txt."
    return "" if find() else "There is no Chromium here: install one, or run `python tests/browser/chromium.py`."


@contextmanager
def launched() -> Iterator["Browser"]:
    """A headless Chromium. Raises `Failed` with what is missing."""
    if lack := missing():
        raise Failed(lack)
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container rarely has; the pages are ours.
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"], env=dict(environment()))
        try:
            yield browser
        finally:
            browser.close()
