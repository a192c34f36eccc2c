"""`obhut patient sign · hide · unhide`: rules of her own, and entries that nobody reads by a grant."""

import re
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.patient import restrictions
from connectors.patient.delegation_cli import FOR, with_keys
from connectors.patient.options import ACCOUNT, read_party
from connectors.patient.restrictions import Settled
from fhir_profiles import resources
from fhir_profiles.problems import Problem

_REFERENCE = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
REFERENCES = click.argument("references", nargs=-1, required=True, metavar="TYPE/ID…")
FROM = click.option("--from", "counterpart", default="", help="Only from this one: its card or account.")


@click.command()
@ACCOUNT
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--to", "counterpart", required=True, help="The counterpart's card or account.")
@click.option("--from-now-on", is_flag=True, help="Nothing sealed before now.")
@FOR
@plainly
def sign(directory: Path, files: tuple[Path, ...], counterpart: str, from_now_on: bool, patient: str) -> None:
    """Grant what FHIR Consents (R4, JSON) in FILES permit a counterpart: with exceptions, by kind, code, label, date.

    All rules for this counterpart belong into one call, refusals too: what you granted it before ends. A refusal
    for a hospital reaches its wards: what you granted one of them, and the refusal touches, ends as well.
    """
    to, fingerprint = read_party(counterpart)
    consents = [resources.parse(file.read_bytes()) for file in files]
    for consent in consents:
        resources.check(consent)
    with with_keys(directory, patient) as client:
        signed = restrictions.sign(client, consents, to, whole=not from_now_on, fingerprint=fingerprint)
    for gid in signed.made:
        click.echo(f"granted {gid} to {to}")
    if not signed.made:
        click.echo(f"nothing is permitted to {to} from now on")
    for gid in signed.ended:
        click.echo(f"ended {gid}, granted before")
    for part, gid in signed.reached:
        click.echo(f"ended {gid}, granted before to {part}: a part of {to}, which the refusal reaches")


@click.command()
@ACCOUNT
@REFERENCES
@FROM
@FOR
@plainly
def hide(directory: Path, references: tuple[str, ...], counterpart: str, patient: str) -> None:
    """Hide entries of the record from all who may read it, or from one. You see them; an emergency may.

    Nobody is told that something is hidden. Whoever has read it before, has read it.
    """
    with with_keys(directory, patient) as client:
        settled = restrictions.hide(client, _read(references), _party(counterpart))
        _say(settled, "hidden: " + ", ".join(references))


@click.command()
@ACCOUNT
@REFERENCES
@FROM
@FOR
@plainly
def unhide(directory: Path, references: tuple[str, ...], counterpart: str, patient: str) -> None:
    """Let hidden entries be seen again by who may read what they belong to."""
    with with_keys(directory, patient) as client:
        settled = restrictions.show(client, _read(references), _party(counterpart))
        _say(settled, "no longer hidden: " + ", ".join(references))


def _party(counterpart: str) -> str:
    return read_party(counterpart)[0] if counterpart else ""


def _read(references: tuple[str, ...]) -> tuple[str, ...]:
    for reference in references:
        if not _REFERENCE.fullmatch(reference):
            raise Problem("invalid", f"{reference} is no entry: name it by type and id, as Observation/1f2e")
    return references


def _say(settled: Settled, done: str) -> None:
    click.echo(done)
    warn(settled)


def warn(settled: Settled) -> None:
    """Tell what became of grants that a relative made."""
    for gid in settled.assumed:
        click.echo(f"grant {gid}, made by a relative, now has the rules by which the relative reads", err=True)
    for gid in settled.unreached:
        click.echo(f"not under grant {gid}, whose rules only the relative who made it knows: withdraw it", err=True)
