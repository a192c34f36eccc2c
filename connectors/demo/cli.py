"""`obhut demo`: play the story and stay, or play it once; `--break` makes a step of it go wrong."""

import json
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import requests

from connectors.command_line import plainly
from connectors.demo.breaks import BREAKS, IMPATIENCE_SECONDS, Break
from connectors.demo.programs import Failed, Programs, ends_in_order
from connectors.demo.story import STEPS, Story
from fhir_profiles.problems import Problem

Tell = Callable[[str, bool, str], None]

SUMMARY = Path("build/demo.json")
PASSPHRASES = ("garten lampe fluss kirsche tinte wolke", "ahorn birke fichte linde ulme weide")
"""Of the patient and her relative: known to everybody, as is all that they have."""
CARERS = "pflege-mobil"
"""An organisation that is admitted and has no account yet: whoever looks around makes it in the browser."""


def play(story: Story, tell: Tell, broken: str | None = None) -> bool:
    """Run the steps until one fails; `broken` names what is made to go wrong."""
    sabotage = BREAKS[broken] if broken else None
    for step, act in STEPS.items():
        try:
            done = _sabotage(story, sabotage) if sabotage and sabotage.step == step else None
            tell(step, True, done or act(story))
        except (Failed, Problem, requests.RequestException, subprocess.TimeoutExpired) as noticed:
            tell(step, False, str(noticed))
            return False
    return True


def _sabotage(story: Story, sabotage: Break) -> str | None:
    story.programs.patience = IMPATIENCE_SECONDS
    return sabotage.done(story)


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
@click.option("--base-port", default=8100, show_default=True, help="Hubs listen 1 and 2 above, gateways 101 to 103.")
@click.option("--break", "broken", type=click.Choice(list(BREAKS)), help="Let this go wrong: the story must notice.")
@plainly
def demo(once: bool, directory: Path | None, as_json: bool, base_port: int, broken: str | None) -> None:
    """The whole story on this machine: two hubs, practices, a hospital, a care service, a patient, a relative."""
    with ends_in_order(), _stage(directory) as programs:
        story = Story(programs, base_port)
        _check_ports(story)
        if not play(story, _teller(as_json), broken):
            raise SystemExit(1)
        if not once:
            _stay(story)


def _check_ports(story: Story) -> None:
    """Raises `Problem(conflict)` for a port on which something else listens."""
    for port in story.ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            raise Problem("conflict", f"port {port} is taken: --base-port takes others") from None


def summary(story: Story) -> dict[str, Any]:
    """What strangers need: URLs, tokens, account names."""
    hubs = {hub.name: {"url": hub.url, "domain": hub.domain, "fhir": f"{hub.url}/fhir"} for hub in story.hubs_in_order}
    houses = {
        house.folder: {"account": house.account, "fhir": house.base, "token": house.token, "person": house.person}
        for house in (story.practice, story.hospital, story.neighbour)
    }
    people = {
        person.folder: {
            "account": person.account, "id": person.id, "card": person.card, "recovery": person.recovery,
            "directory": str(person.directory), "portal": person.portal, "passphrase": person.passphrase,
        }
        for person in (story.patient, story.relative)
    }  # fmt: skip
    return {**hubs, **houses, **people, "care": {"account": story.care.account, "directory": str(story.care.directory)}}


def _stay(story: Story) -> None:
    people = (story.patient, story.relative)
    for person, words in zip(people, PASSPHRASES, strict=True):
        person.choose_passphrase(words)
    carers = {"address": CARERS, "admission": story.hub_a.admit(CARERS, "care"), "portal": story.hub_a.portal}
    SUMMARY.parent.mkdir(exist_ok=True)
    SUMMARY.write_text(json.dumps({**summary(story), "carers": carers}, indent=2) + "\n")
    search = f"Observation?patient={story.patient.id}&code=http://loinc.org%7C85354-9&_count=1"
    for house in (story.practice, story.hospital):
        click.echo(f"\n{house.person} of {house.account}")
        click.echo(f"  curl -H 'Authorization: Bearer {house.token}' '{house.base}/{search}'")
    click.echo(f"\nThe patient {story.patient.account}")
    click.echo(f"  obhut patient log --account {story.patient.directory}")
    for name, person in zip(("She", "Her relative"), people, strict=True):
        click.echo(f"\n{name} in the browser: {person.portal}#/sign-in")
        click.echo(f"  address {person.account}\n  words   {person.passphrase}")
    click.echo(f"\nA care service in the browser, which asks her by her card: {carers['portal']}#/house")
    click.echo(f"  address {CARERS}\n  code    {carers['admission']}\n  card    {story.patient.card}\n")
    click.echo(f"READY {SUMMARY}")
    signal.pause()
