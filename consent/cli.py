"""`obhut consent`: decisions, and FHIR Consents, from files, as others script them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from consent import policy
from consent.cases import parse
from consent.decide import decide_all
from consent.fhir_consent import read as read_consent
from consent.fhir_export import write as write_r4
from consent.fhir_export import write_r5
from fhir_profiles.problems import Problem

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def consent() -> None:
    """Consent: decide who may see what, and say why; read and write FHIR Consents."""


@consent.command()
@click.option("--cases", required=True, type=FILE, help="A JSON file with a list `cases`: request, resources, state.")
@click.option("--json", "as_json", is_flag=True, help='A JSON line a case: {"id","decision","kept","reason","bases"}.')
@click.option("--language", type=click.Choice(["en", "de"]), default="en", show_default=True, help="Of the reasons.")
def decide(cases: Path, as_json: bool, language: str) -> None:
    """Decide each case of a file. Exit 0 when all were decided, 2 when the file cannot be understood."""
    with _understood(cases):
        parsed = parse(cases.read_bytes())
    for case in parsed:
        decision = decide_all(case.state, case.requests, case.items)
        reason = decision.reason(language)
        if as_json:
            bases = [{"permit": one.permit, **asdict(one.basis)} for one in dict.fromkeys(decision.verdicts)]
            line = {
                "id": case.id, "decision": decision.decision, "kept": list(decision.kept), "reason": reason,
                "bases": bases,
            }  # fmt: skip
            click.echo(json.dumps(line, ensure_ascii=False))
        else:
            click.echo(f"{case.id}  {decision.decision:<6}  {reason}")


@consent.command()
@click.argument("file", type=FILE)
def read(file: Path) -> None:
    """Print a FHIR Consent, R4 or R5, in plain form. Exit 2, with place and remedy, when it cannot be understood."""
    with _understood(file):
        form = read_consent(_object(file))
        policy.compile(form)
    _print(form)


@consent.command()
@click.argument("file", type=FILE)
@click.option("--release", type=click.Choice(["R4", "R5"]), default="R4", show_default=True, help="Of FHIR.")
def write(file: Path, release: str) -> None:
    """Print a consent in plain form as a FHIR Consent. Exit 2, with place and remedy, when FHIR cannot say it."""
    with _understood(file):
        form = _object(file)
        written = write_r4(form) if release == "R4" else write_r5(form)
        read_consent(written)
    _print(written)


@contextmanager
def _understood(file: Path) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        place = f" ({problem.expression})" if problem.expression else ""
        click.echo(f"{file}: {problem.detail}{place}", err=True)
        raise SystemExit(2) from problem


def _object(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Problem("invalid", "This is not JSON.") from error
    if not isinstance(value, dict):
        raise Problem("value", "A JSON object is expected.")
    return value


def _print(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
