"""`obhut demo`: the story with real programs, and that nothing readable is left at the hubs."""

import json
import re
import signal
import socket
import subprocess
import time
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from playwright.sync_api import expect

from connectors.demo.cli import demo
from connectors.demo.story import STEPS
from connectors.gateway import keystore
from connectors.patient import enrolment
from fhir_profiles.codes import METRICS
from tests.journeys.conftest import command, obhut
from tests.journeys.told import OFFSETS, story
from tests.portal.conftest import DESK, Visitor
from tests.portal.test_getting_in import sign_in
from tests.ports import free_port

pytestmark = pytest.mark.timeout(900)  # whole stories, beside other tests
HUBS = ("hub-a", "hub-b")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """`obhut demo`, ready and staying up."""
    directory = tmp_path_factory.mktemp("demo")
    base = free_port(*OFFSETS)
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            command("demo", "--dir", str(directory / "stage"), "--base-port", str(base)), cwd=directory, stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    until = time.monotonic() + 720
    while "READY" not in (directory / "log").read_text():
        assert process.poll() is None and time.monotonic() < until, (directory / "log").read_text()
        time.sleep(0.1)
    yield directory
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143


def told(stage: Path):
    return json.loads((stage / "build" / "demo.json").read_text())


def test_it_ends_with_ready_and_writes_what_strangers_need(stage):
    """The last line names the file, and the file's URL and token answer a search."""
    assert (stage / "log").read_text().splitlines()[-1] == "READY build/demo.json"
    demo = told(stage)
    for house in ("practice", "hospital"):
        url = f"{demo[house]['fhir']}/Observation?patient={demo['patient']['id']}&code=http://loinc.org|85354-9"
        found = requests.get(url, headers={"Authorization": f"Bearer {demo[house]['token']}"}, timeout=30).json()
        assert found["resourceType"] == "Bundle"
        assert found["entry"][0]["resource"]["code"]["coding"][0]["code"] == "85354-9"


def test_the_printed_curl_line_works(stage):
    """The lines that are printed for copying answer with a Bundle: at the practice, and at the other hub's hospital."""
    lines = re.findall(r"^  (curl .*)$", (stage / "log").read_text(), re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout)["resourceType"] == "Bundle"


def test_the_printed_login_opens_the_portal(stage, tmp_path):
    """Where the patient is said to sign in there is the portal, and her address and words open her account."""
    patient = told(stage)["patient"]
    assert f"{patient['portal']}#/sign-in" in (stage / "log").read_text()
    page = requests.get(patient["portal"], timeout=30)
    assert page.status_code == 200
    assert '<script type="module"' in page.text
    url = patient["portal"].removesuffix("/portal/")
    client = enrolment.join(tmp_path, url, patient["account"], patient["passphrase"])
    assert client.settle() == 0
    client.close()


def test_the_printed_code_admits_a_care_service(stage, tmp_path):
    """With the address and the code that are printed for the browser an organisation's account can be made, once."""
    carers = told(stage)["carers"]
    assert f"{carers['portal']}#/house" in (stage / "log").read_text()
    url = carers["portal"].removesuffix("/portal/")
    keys, _ = keystore.enrol(tmp_path / "keys", tmp_path / "root", url, carers["address"], carers["admission"])
    assert keys.keyring.account.startswith("pflege-mobil@")


LOGIN = re.compile(r"^(\S.*) in the browser: (\S+)/portal/#/sign-in\n  address (\S+)\n  words   (.+)$", re.MULTILINE)


def test_everything_can_be_done_by_hand_with_what_is_printed(stage, browser):
    """Each login opens its account in a browser; the patient there ends what the doctor sees, and allows it again."""
    demo, printed = told(stage), LOGIN.findall((stage / "log").read_text())
    people = [one for one in demo.values() if "passphrase" in one]
    assert [(f"{url}/portal/", name, words) for _, url, name, words in printed] == [
        (one["portal"], one["account"], one["passphrase"]) for one in people
    ]
    visitors = [Visitor(browser, url, "en", DESK) for _, url, _, _ in printed]
    for visitor, (_, _, name, words) in zip(visitors, printed, strict=True):
        sign_in(visitor, name, words)
        visitor.is_well()
    patient, relative = visitors
    expect(patient.page.locator(".counts")).to_contain_text(patient.text("category.activity"))
    relative.follow("share.title")
    expect(relative.page.get_by_text(relative.text("share.nobody"))).to_be_visible()

    search = f"{demo['practice']['fhir']}/Observation?patient={demo['patient']['id']}&_count=1"
    headers = {"Authorization": f"Bearer {demo['practice']['token']}"}
    patient.follow("log.title")
    who = demo["practice"]["person"]
    expect(patient.page.locator("li.entry").filter(has_text=who).first).to_be_visible()
    patient.follow("share.title")
    name = "Praxis Sonnenschein"
    patient.press("share.withdraw-of", who=name)
    patient.press("share.withdraw-now")
    expect(patient.page.get_by_text(patient.text("share.ended", who=name))).to_be_visible()
    _until(lambda: "entry" not in requests.get(search, headers=headers, timeout=30).json())
    patient.press("share.undo")
    expect(patient.button("share.withdraw-of", who=name)).to_be_visible()
    _until(lambda: "entry" in requests.get(search, headers=headers, timeout=30).json())
    for visitor in visitors:
        visitor.close()


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def needles(stage: Path) -> set[bytes]:
    """What stands in the export and in the FHIR made of it: names, codes, numbers with a point, categories, dates."""
    with zipfile.ZipFile(stage / "stage" / "export.zip") as export:
        name = next(n for n in export.namelist() if n.lower().endswith("export.xml"))
        text = export.read(name).decode("utf-8", "replace")
    words = set(re.findall(r'sourceName="([^"]{6,})"', text)) | set(re.findall(r'type="(HK\w+)"', text))
    # Long enough not to occur by chance in ciphertext, and not the seconds of a log line.
    numbers = (value for value in re.findall(r'value="(\d+\.\d{2,})"', text)[::100] if len(value) >= 6)
    words |= {value for value in numbers if not re.fullmatch(r"[0-5]\d\.\d{3}", value)}
    words |= set(re.findall(r'startDate="(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)', text)[::1000])
    words |= {metric.codings[0].code for metric in METRICS.values() if len(metric.codings[0].code) >= 6}
    words |= {"Observation", "vital-signs", "vitals", "activity", "traces", "mm[Hg]", "loinc.org", "Blutdruck"}
    words |= {"Jürgens"}
    return {word.encode() for word in words} | {word.encode("utf-16-le") for word in words if word.isalpha()}


@pytest.mark.parametrize("hub", HUBS)
def test_nothing_readable_is_in_a_hub_s_files(stage, hub):
    """Database, write-ahead files, keys and logs of the running hubs hold no plain value of the patient's data."""
    wanted = needles(stage)
    assert len(wanted) > 300
    files = [path for path in (stage / "stage" / hub).rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"hub.sqlite", "hub.sqlite-wal", "hub.log"}
    held = b"\0".join(path.read_bytes() for path in files)
    assert len(held) > 500_000
    assert [needle for needle in wanted if needle in held] == []


def test_the_same_needles_are_found_where_plaintext_belongs(stage):
    """The search above can fail: the practice's record and the patient's export hold what the hub does not."""
    held = b"".join(path.read_bytes() for path in (stage / "stage" / "practice").glob("record.db*"))
    found = (needle for needle in needles(stage) if needle in held)
    assert len(list(islice(found, 10))) == 10


PERSON = re.compile(r"p-[a-z2-7]{26}@")


def test_once_plays_every_step_and_ends(tmp_path):
    """`--once --json` gives a line a step, all right, and the exit code 0."""
    code, lines = story(tmp_path / "stage")
    assert [(line["step"], line["ok"]) for line in lines] == [(step, True) for step in STEPS], lines[-1]
    assert code == 0


STEP = re.compile(r"^ok +(\S+) +(.*)$", re.MULTILINE)


def test_the_readme_shows_what_the_demo_prints(stage):
    """The story in the README is what the demo prints, but for names, ports and sizes that differ each time."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    block = re.search(r"\$ obhut demo --once\n(.*?)```", readme, re.DOTALL).group(1)
    shown, printed = dict(STEP.findall(block)), dict(STEP.findall((stage / "log").read_text()))
    assert list(shown) == list(printed) == list(STEPS)
    for step in STEPS.keys() - {"hubs", "houses", "enrol", "sealed"}:
        assert PERSON.sub("she", printed[step]) == PERSON.sub("she", shown[step])


def test_a_directory_in_use_is_refused(tmp_path):
    """The story begins in an empty directory; another one is left alone, with a sentence and the exit code 2."""
    (tmp_path / "mine").write_text("keep")
    done = obhut("demo", "--once", "--dir", str(tmp_path))
    assert (done.returncode, (tmp_path / "mine").read_text()) == (2, "keep")
    assert "not empty" in done.stderr


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_port_that_is_taken_is_told_before_anything_starts(offset):
    """Which one, and how to take others: the log of a program that does not start goes with the story's directory."""
    base = free_port(*OFFSETS)
    with socket.create_server(("127.0.0.1", base + offset)):
        done = CliRunner().invoke(demo, ["--once", "--base-port", str(base)])
    assert str(done.exception) == f"conflict: port {base + offset} is taken: --base-port takes others"
    assert done.stdout == ""
