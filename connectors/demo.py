"""`obhut demo`: the story with real programs, each in its own process and its own directory.

A patient imports her watch's export; her hub keeps what it cannot read; a practice asks; she grants two categories; the
doctor's FHIR search finds them; a practice that was not granted finds nothing; she sees who looked; she withdraws, and
the doctor finds nothing.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import requests

from fhir_profiles.problems import Problem

DOMAIN = "hub-a.obhut.example"
PATIENCE_SECONDS = 60
SEED = 20261123
GRANTED = "vitals,activity"
STEPS = (
    "hub", "practices", "enrol", "import", "sealed", "ask", "nothing-yet", "grant", "found", "withheld", "not-granted",
    "log", "withdraw", "gone", "grant-again", "found-again",
)  # fmt: skip

Tell = Callable[[str, bool, str], None]
T = TypeVar("T")


class Failed(Exception):  # noqa: N818 - a step of the story that came out wrong
    """A step came out wrong; the text says what was noticed."""


@dataclass
class Programs:
    """Starts programs of Obhut and ends what it started, and nothing else."""

    directory: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command to its end; its output. Raises `Failed` with its words."""
        done = subprocess.run(
            _command(words), capture_output=True, text=True, env=_environment(environment), check=False, timeout=600
        )
        if done.returncode != 0:
            raise Failed(f"obhut {' '.join(words[:2])}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def serve(self, name: str, *words: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a server and wait until it says `listening`."""
        log = self.directory / f"{name}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                _command(words), stdout=file, stderr=subprocess.STDOUT, text=True, env=_environment(environment)
            )
        self.running.append(process)
        until = time.monotonic() + PATIENCE_SECONDS
        while "listening" not in log.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise Failed(f"{name} does not start; its log: {log}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End all servers, gently and then firmly."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _command(words: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "fhir_profiles.command", *words]


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OBHUT_")}
    return kept | dict(more or {})


@dataclass
class Practice:
    """One practice: its gateway's address, the account, and a doctor's token."""

    name: str
    directory: Path
    port: int
    hub_url: str
    account: str = ""
    token: str = ""

    @property
    def base(self) -> str:
        """FHIR base of the gateway."""
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def environment(self) -> dict[str, str]:
        """The gateway's configuration."""
        return {
            "OBHUT_GATEWAY_HUB_URL": self.hub_url,
            "OBHUT_GATEWAY_KEYSTORE": str(self.directory / "keys"),
            "OBHUT_GATEWAY_DATABASE": f"sqlite:///{self.directory / 'record.db'}",
            "OBHUT_GATEWAY_PORT": str(self.port),
        }

    def get(self, path: str) -> requests.Response:
        """What the doctor's system gets."""
        return requests.get(f"{self.base}/{path}", headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def total(self, path: str) -> int:
        """How many resources a search finds."""
        answer = self.get(path)
        if answer.status_code != 200:
            raise Failed(f"GET {path} answers {answer.status_code}")
        return int(answer.json()["total"])


class Story:
    """The steps in order. Each either passes or raises `Failed`; what one learns, later ones use."""

    def __init__(self, programs: Programs, base_port: int) -> None:
        self.programs = programs
        directory = programs.directory
        self.hub_directory = directory / "hub-a"
        self.patient_directory = directory / "patient"
        self.hub_url = f"http://127.0.0.1:{base_port + 1}"
        self.practice = Practice("praxis-sonnenschein", directory / "practice", base_port + 101, self.hub_url)
        self.other = Practice("praxis-nebenan", directory / "practice-b", base_port + 103, self.hub_url)
        self.patient: dict[str, Any] = {}
        self.report: dict[str, Any] = {}
        self.request = ""

    @property
    def name(self) -> str:
        """`Patient.id`."""
        return str(self.patient["account"]).partition("@")[0]

    def hub(self) -> str:
        """A hub with an empty database."""
        self.hub_directory.mkdir(parents=True, exist_ok=True)
        self.programs.serve("hub-a/hub", "hub", "serve", environment=self._hub_environment())
        return f"{DOMAIN} at {self.hub_url}"

    def _hub_environment(self) -> dict[str, str]:
        return {
            "OBHUT_HUB_DOMAIN": DOMAIN, "OBHUT_HUB_DATA": str(self.hub_directory),
            "OBHUT_HUB_BIND": self.hub_url.removeprefix("http://"),
        }  # fmt: skip

    def practices(self) -> str:
        """Two practices, admitted by the hub's operator, each with a gateway and a doctor."""
        for practice in (self.practice, self.other):
            practice.directory.mkdir(parents=True, exist_ok=True)
            run = self.programs.run
            admit = ("hub", "admit", practice.name, "--type", "practice", "--title", practice.name.title())
            code = run(*admit, environment=self._hub_environment()).strip()
            told = run(
                "gateway", "enrol", "--keystore", str(practice.directory / "keys"), "--root",
                str(practice.directory / "root"), "--hub", self.hub_url, "--name", practice.name, "--admission", code,
                "--json",
            )  # fmt: skip
            practice.account = json.loads(told)["account"]
            self.programs.serve(
                f"{practice.directory.name}/gateway", "gateway", "serve", environment=practice.environment
            )
            practice.token = run(
                "gateway", "token", "create", "--person", "Dr. Ada Beispiel", "--purpose", "TREAT",
                environment=practice.environment,
            ).split()[-1]  # fmt: skip
        return f"{self.practice.account} at {self.practice.base}, {self.other.account} at {self.other.base}"

    def enrol(self) -> str:
        """The patient's account, with the recovery sheet shown once."""
        account = ("--account", str(self.patient_directory))
        self.patient = json.loads(self.programs.run("patient", "enrol", *account, "--hub", self.hub_url, "--json"))
        return str(self.patient["account"])

    def imports(self) -> str:
        """A month of a watch, generated; imported twice: the second time changes nothing."""
        export = self.programs.directory / "export.zip"
        self.programs.run("wearable", "generate", str(export), "--seed", str(SEED))
        words = ("wearable", "import", str(export), "--account", str(self.patient_directory), "--json")
        self.report = json.loads(self.programs.run(*words))
        again = json.loads(self.programs.run(*words))
        for one in (self.report, again):
            if one["read"] != one["taken"] + sum(one["left"].values()) + one["duplicates"]:
                raise Failed(f"the report does not add up: {one}")
        if again["taken"] or again["envelopes"]:
            raise Failed(f"the same export again brought {again['taken']} records")
        return f"{self.report['read']} records read, {self.report['taken']} taken, {self.report['envelopes']} envelopes"

    def sealed(self) -> str:
        """Nothing of the patient's data stands in the hub's files."""
        needles = [
            text.encode() for text in ("Jürgen", "heartrate", "vital-signs", "loinc", "mm[Hg]", "Observation", "8867-4")
        ]
        searched = 0
        for path in sorted(self.hub_directory.rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                searched += len(data)
                if found := [needle for needle in needles if needle in data]:
                    raise Failed(f"{path.name} holds {found[0]!r}")
        return f"{searched} bytes of the hub searched, nothing readable"

    def ask(self) -> str:
        """The practice asks, by the card she showed."""
        self.programs.run(
            "gateway", "ask", "--card", self.patient["card"], "--categories", f"{GRANTED},traces",
            environment=self.practice.environment,
        )  # fmt: skip
        told = self.programs.run("patient", "requests", "--account", str(self.patient_directory), "--json")
        asked = [json.loads(line) for line in told.splitlines()]
        if [one["from"] for one in asked] != [self.practice.account]:
            raise Failed("the request did not arrive")
        self.request = asked[0]["id"]
        return f"{asked[0]['from']} asks for {', '.join(asked[0]['categories'])}"

    def nothing_yet(self) -> str:
        """Asked, not granted: she looks like a patient who does not exist."""
        self._finds_nothing(self.practice)
        return "the doctor finds what he would find of nobody: nothing"

    def _finds_nothing(self, practice: Practice) -> None:
        nobody = "p-" + secrets.token_hex(13).translate(str.maketrans("0189", "abcd"))
        for query in ("Observation?patient={}", "Patient?_id={}", "Patient/{}", "Device?patient={}"):
            hers, nobodys = practice.get(query.format(self.name)), practice.get(query.format(nobody))
            seen = hers.text.replace(self.name, "")
            if hers.status_code != nobodys.status_code or seen != nobodys.text.replace(nobody, ""):
                raise Failed(f"{query} tells more of her than of nobody")
            if hers.ok and hers.json()["total"] != 0:
                raise Failed(f"{query} finds {hers.json()['total']}")

    def grant(self) -> str:
        """She grants less than was asked."""
        account = ("--account", str(self.patient_directory))
        words = ("--request", self.request) if self.request else ("--to", self.practice.account)
        self.programs.run("patient", "grant", *account, *words, "--categories", GRANTED)
        self.request = ""
        return f"{GRANTED} to {self.practice.account}"

    def found(self) -> str:
        """The doctor's search finds blood pressures, weights and daily steps."""
        counts = {}
        for label, code in (("blood pressure", "85354-9"), ("weight", "29463-7"), ("daily steps", "41950-7")):
            path = f"Observation?patient={self.name}&code=http://loinc.org|{code}&_total=accurate"
            counts[label] = self._until(partial(self.practice.total, path), lambda n: n > 0, f"no {label} found")
        return ", ".join(f"{number} {label}" for label, number in counts.items())

    def withheld(self) -> str:
        """The traces that were asked for and not granted are not there, and nothing says that they exist."""
        path = f"Observation?patient={self.name}&category=https://fhir.obhut.org/CodeSystem/category|traces"
        if self.practice.total(path + "&_total=accurate") != 0:
            raise Failed("traces were found that were not granted")
        return "no traces"

    def not_granted(self) -> str:
        """The practice next door finds nothing."""
        self._finds_nothing(self.other)
        return f"{self.other.account} finds nothing"

    def log(self) -> str:
        """She sees who looked, by person and purpose."""

        def read() -> list[dict[str, Any]]:
            told = self.programs.run("patient", "log", "--account", str(self.patient_directory), "--json")
            return [e for e in map(json.loads, told.splitlines()) if e["person"] == "Dr. Ada Beispiel"]

        reads = self._until(read, bool, "the log does not name the doctor")
        last = reads[-1]
        if last["actor"] != self.practice.account:
            raise Failed(f"the log names {last['actor']}")
        return f"{last['person']} of {last['actor']} read {last['number']} {last['what']} for {last['purpose']}"

    def withdraw(self) -> str:
        """She takes it back; her client rotates the keys."""
        words = ("patient", "withdraw", "--account", str(self.patient_directory), "--to", self.practice.account)
        return self.programs.run(*words).strip()

    def gone(self) -> str:
        """The doctor finds nothing any more."""
        path = f"Observation?patient={self.name}&_total=accurate"
        self._until(lambda: self.practice.total(path), lambda n: n == 0, "the doctor still finds her data")
        self._finds_nothing(self.practice)
        return "the doctor finds nothing"

    def _until(self, look: Callable[[], T], good: Callable[[T], bool], otherwise: str) -> T:
        until = time.monotonic() + PATIENCE_SECONDS
        while not good(value := look()):
            if time.monotonic() > until:
                raise Failed(otherwise)
            time.sleep(0.2)
        return value

    @property
    def acts(self) -> dict[str, Callable[[], str]]:
        """The steps by name, in order."""
        acts = (
            self.hub, self.practices, self.enrol, self.imports, self.sealed, self.ask, self.nothing_yet, self.grant,
            self.found, self.withheld, self.not_granted, self.log, self.withdraw, self.gone, self.grant, self.found,
        )  # fmt: skip
        return dict(zip(STEPS, acts, strict=True))

    def summary(self) -> dict[str, Any]:
        """What strangers need: URLs, tokens, account names."""
        return {
            "hub": {"url": self.hub_url, "domain": DOMAIN, "fhir": f"{self.hub_url}/fhir"},
            "practice": {"account": self.practice.account, "fhir": self.practice.base, "token": self.practice.token},
            "practice-b": {"account": self.other.account, "fhir": self.other.base, "token": self.other.token},
            "patient": {
                "account": self.patient["account"], "id": self.name, "card": self.patient["card"],
                "recovery": self.patient["recovery"], "directory": str(self.patient_directory),
            },
        }  # fmt: skip


def play(story: Story, tell: Tell) -> bool:
    """Run the steps until one fails."""
    for step, act in story.acts.items():
        try:
            tell(step, True, act())
        except (Failed, Problem, requests.RequestException, subprocess.TimeoutExpired) as noticed:
            tell(step, False, str(noticed))
            return False
    return True


@contextmanager
def _stage(directory: Path | None) -> Iterator[Programs]:
    with ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="obhut-demo-")))
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise Problem("conflict", f"{directory} is not empty: the story begins with an empty directory")
        programs = Programs(directory)
        stack.callback(programs.stop)
        yield programs


def _teller(as_json: bool) -> Tell:
    def tell(step: str, ok: bool, detail: str) -> None:
        line = json.dumps({"step": step, "ok": ok, "detail": detail}, ensure_ascii=False)
        click.echo(line if as_json else f"{'ok    ' if ok else 'FAILED'}  {step:<12} {detail}")

    return tell


@click.command()
@click.option("--once", is_flag=True, help="Run the story and end; otherwise stay up for looking around.")
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="An empty directory for all files.")
@click.option("--json", "as_json", is_flag=True, help="A JSON line for each step.")
@click.option("--base-port", default=8100, show_default=True, help="The hub listens one above, the gateway 101 above.")
def demo(once: bool, directory: Path | None, as_json: bool, base_port: int) -> None:
    """The whole story on this machine: hub, practices, patient."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _stage(directory) as programs:
        story = Story(programs, base_port)
        if not play(story, _teller(as_json)):
            raise SystemExit(1)
        if once:
            return
        _stay(story)


def _stay(story: Story) -> None:
    target = Path("build/demo.json")
    target.parent.mkdir(exist_ok=True)
    told = story.summary()
    target.write_text(json.dumps(told, indent=2) + "\n")
    practice = told["practice"]
    click.echo(f"\nThe doctor's token   {practice['token']}\nThe patient          {told['patient']['account']}")
    search = f"Observation?patient={story.name}&code=http://loinc.org%7C85354-9&_count=1"
    click.echo(f"\n  curl -H 'Authorization: Bearer {practice['token']}' '{practice['fhir']}/{search}'")
    click.echo(f"  obhut patient log --account {told['patient']['directory']}\n")
    click.echo(f"READY {target}")
    signal.pause()
