"""`obhut consent`: decisions from files, as others script them."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from consent.cases import parse
from consent.decide import decide_all
from fhir_profiles.problems import Problem


@click.group()
def consent() -> None:
    """Consent: decide who may see what, and say why."""


@consent.command()
@click.option(
    "--cases",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with a list `cases` of request, resources and state.",
)
@click.option(
    "--json", "as_json", is_flag=True, help='One JSON line a case: {"id","decision","kept","reason","bases"}.'
)
@click.option("--language", type=click.Choice(["en", "de"]), default="en", show_default=True, help="Of the reasons.")
def decide(cases: Path, as_json: bool, language: str) -> None:
    """Decide each case of a file. Exit 0 when all were decided, 2 when the file cannot be understood."""
    try:
        parsed = parse(cases.read_bytes())
    except Problem as problem:
        place = f" ({problem.expression})" if problem.expression else ""
        click.echo(f"{cases}: {problem.detail}{place}", err=True)
        raise SystemExit(2) from problem
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
