"""`portal`: what a person waits for in the browser, in a real Chromium at a real hub."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from connectors.bench import portal_record
from connectors.bench.browser import launched
from connectors.bench.figures import Figure, Wish
from connectors.bench.portal_record import WORDS, Record
from connectors.bench.servers import WORKERS, Hub, new_hub, start_hub
from connectors.demo.programs import Failed
from connectors.wearables.generator import generate

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = Path(__file__).with_name("portal.js")
BUNDLE = Path(__file__).parents[2] / "hub/static/portal/consent.js"
"""The twins of `consent`, which the hub does not serve: the page takes libsodium from there."""
DAYS = 365
A_DAY = 3600
SEED = 20261125
FRAMES = 300
ROUNDS = 3
PATIENCE_MS = 300_000
WIDTH, HEIGHT = 1280, 800
AUTHENTICATOR = {
    "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True,
    "hasUserVerification": True, "hasPrf": True, "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def portal(wish: Wish) -> Iterator[Figure]:
    """Of `--rows`: a tenth as Observations, ten times as many as records of an export; the year has a day for 250."""
    with launched() as browser:
        hub = _served(wish)
        about = (
            f"Chromium {browser.version}, {wish.databases.about}, hub of {WORKERS} processes, "
            f"{os.cpu_count()} processors"
        )
        folder = wish.programs.directory
        record = portal_record.year(folder / "year", hub.url, max(2, min(DAYS, wish.rows // 250)))
        with _device(browser, hub, record.account) as device:
            yield _overview(device, record, about)
            yield _pan(device, record, about)
        record = portal_record.measurements(folder / "measured", hub.url, wish.rows // 10)
        with _device(browser, hub, record.account) as device:
            yield _observations(device, record, about)
        with _device(browser, hub, portal_record.empty(folder / "import", hub.url).account) as device:
            yield from _import(device, folder / "export.zip", 10 * wish.rows, about)


def _served(wish: Wish) -> Hub:
    """A hub under a name: passkeys want none of numbers."""
    hub = new_hub(wish.programs, "portal", wish.databases.make())
    url = hub.url.replace("127.0.0.1", "localhost")
    hub = replace(hub, url=url, environment=hub.environment | {"OBHUT_HUB_URL": url})
    start_hub(wish.programs, hub)
    return hub


class Device:
    """A browser of a patient, in English, with the record in it, unlocked by a passkey."""

    def __init__(self, page: "Page", hub: Hub) -> None:
        self.page = page
        self._url = f"{hub.url}/portal/"

    @cached_property
    def texts(self) -> dict[str, str]:
        """What the pages say."""
        digest = requests.get(f"{self._url}bundle.json", timeout=10).json()["texts.en.json"]
        found: dict[str, str] = requests.get(f"{self._url}{digest}/texts.en.json", timeout=10).json()["texts"]
        return found

    def press(self, key: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=self.texts[key], exact=True).click()

    def sign_in(self, account: str) -> None:
        """Bring the account here, and let a passkey unlock it."""
        devtools = self.page.context.new_cdp_session(self.page)
        devtools.send("WebAuthn.enable")
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self.page.goto(f"{self._url}#/sign-in")
        self.page.get_by_label(self.texts["account.address"], exact=True).fill(account)
        self.page.get_by_label(self.texts["account.passphrase"], exact=True).fill(WORDS)
        self.press("sign-in.sign-in")
        self.page.get_by_role("heading", name=self.texts["overview.title"]).wait_for()
        self.page.goto(f"{self._url}#/security")
        self.press("security.add-passkey")
        self.page.get_by_text(self.texts["security.has-passkey"]).wait_for()

    def lock(self, place: str) -> None:
        """The page of a place as it is met by whoever comes back."""
        self.page.goto(f"{self._url}#/{place}")
        self.page.reload()
        self.page.get_by_role("button", name=self.texts["unlock.by-passkey"]).wait_for()
        self.page.evaluate(SCRIPT.read_text("utf-8"))

    def measure(self, call: str, *given: object) -> Any:
        """What a function of the page's script answers. Raises `Failed` with what went wrong in the page."""
        return self.page.evaluate(f"given => bench.{call}(...given)", list(given))

    def unlocked(self, place: str, call: str, *given: object) -> float:
        """Milliseconds from the press that unlocks, the best of some rounds."""
        took = []
        for _ in range(ROUNDS):
            self.lock(place)
            took.append(self.measure(call, self.texts["unlock.by-passkey"], *given))
        return float(min(took))

    def alone(self, record: Record) -> float:
        """Milliseconds that libsodium and JSON.parse take alone for as many bytes, in the same page."""
        script = f"{self._url}{BUNDLE.name}"
        self.page.route(script, lambda route: route.fulfill(path=BUNDLE))
        kinds = [(one.envelopes, [line.decode() for line in one.lines]) for one in record.written.values()]
        return sum(float(self.measure("opening", script, *kind)) for kind in kinds)


@contextmanager
def _device(browser: "Browser", hub: Hub, account: str) -> Iterator[Device]:
    with browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, locale="en") as context:
        context.set_default_timeout(PATIENCE_MS)
        device = Device(context.new_page(), hub)
        device.sign_in(account)
        yield device


def _overview(device: Device, record: Record, about: str) -> Figure:
    took = device.unlocked("", "overview", record.resources)
    conditions = f"{record.envelopes:,} envelopes, {record.resources:,} resources kept sealed in the browser, {about}"
    return Figure("portal-overview", took, "ms", device.alone(record), conditions)


def _observations(device: Device, record: Record, about: str) -> Figure:
    took = device.unlocked("data/vitals", "category", record.resources, 2)
    conditions = f"{record.resources:,} Observations in {record.envelopes:,} envelopes, two charts, {about}"
    return Figure("portal-observations", took, "ms", device.alone(record), conditions)


def _pan(device: Device, record: Record, about: str) -> Figure:
    """The 95th of 100 intervals between frames while a chart is pulled; the limit while nothing happens."""
    device.unlocked("data/traces", "category", record.resources, 1)
    still, pulled = (device.measure("frames", FRAMES, still)[FRAMES * 95 // 100] for still in (True, False))
    values = 1440 * record.written["traces"].envelopes
    conditions = f"{values:,} values by the minute, at most a month of them shown, {FRAMES} frames, {about}"
    return Figure("portal-pan", pulled, "ms", still, conditions)


def _import(device: Device, export: Path, records: int, about: str) -> Iterator[Figure]:
    """From the file to the hub's receipts; the limit is unpacking it."""
    records = generate(export, seed=SEED, days=max(1, min(3660, records // A_DAY)), records=records)
    device.lock("bring")
    device.press("unlock.by-passkey")
    field = device.page.locator("input[accept*=zip]")
    field.wait_for()
    start, end = _packed(export)
    field.evaluate("bench.watch")
    field.set_input_files(export)
    found = device.measure("imported")
    if found["failed"]:
        raise Failed(f"the import in the page: {found['failed']}")
    alone = device.measure("unpacked", start, end)
    conditions = f"{records:,} records, read, sealed and deposited, {about}"
    rate, limit = (1000 * records / took for took in (found["took"], alone["took"]))
    yield Figure("portal-import", rate, "records/s", limit, conditions)
    yield Figure("portal-import-longest-task", found["longest"], "ms", None, f"0: none over 50 ms, {conditions}")


def _packed(export: Path) -> tuple[int, int]:
    """Where the packed bytes of the export's XML begin and end in its file."""
    with zipfile.ZipFile(export) as archive:
        found = max(archive.infolist(), key=lambda one: one.file_size)
        with export.open("rb") as file:
            file.seek(found.header_offset + 26)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    start = found.header_offset + 30 + name + extra
    return start, start + found.compress_size
