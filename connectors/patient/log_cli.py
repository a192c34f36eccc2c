"""`obhut patient log · object`: who looked, when and for what; whether it is whole; what she says against an entry."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from connectors.command_line import plainly
from connectors.keyring import Keyring
from connectors.patient import access_log, audit_events, log_proof, objecting
from connectors.patient.access_log import Entry
from connectors.patient.client import Client
from connectors.patient.delegation_cli import FOR, with_keys
from connectors.patient.log_proof import Proof
from connectors.patient.log_words import LANGUAGES, line, report
from connectors.patient.options import ACCOUNT, JSON
from connectors.patient.side import Side
from fhir_profiles import resources
from fhir_profiles.problems import Problem

ONLINE = "-"
"""`--verify` without a file."""


@click.command()
@click.option(
    "--account", "directory", type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the account; not needed to check a file.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="What her own devices did, too.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@click.option(
    "--verify", is_flag=False, flag_value=ONLINE, metavar="[FILE]", help="Is it whole? Of a FILE without hub."
)
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False), help="Into a file, opened, to be checked.")
@click.option("--fhir", is_flag=True, help="As a Bundle of AuditEvents (IHE BALP).")
@click.option("--accept-loss", is_flag=True, help="With --verify: go on from what there is, knowing what is gone.")
@FOR
@JSON
@plainly
def log(
    directory: Path | None, everything: bool, language: str, verify: str | None, export: Path | None, fhir: bool,
    accept_loss: bool, patient: str, as_json: bool,
) -> None:  # fmt: skip
    """Who looked, when, and for what."""
    if verify is not None and verify != ONLINE:
        key = Keyring.load(directory).hub_key if directory else None
        _tell(log_proof.check_file(Path(verify), key), language, as_json)
        return
    if directory is None:
        raise click.UsageError("Missing option '--account'.")
    with with_keys(directory, patient) as client:
        client.settle()
        found, head = access_log.fetch(client)
        if export is not None:
            told = log_proof.export(client, found, head)  # with the head known before, whatever the check finds
        proof = log_proof.check(client, found, head)
        if accept_loss:
            log_proof.accept(client, head)
        if export is not None:
            export.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
            click.echo(f"{len(found)} entries in {export}; obhut patient log --verify {export}")
        elif verify is not None:
            _tell(proof, language, as_json)
        else:
            _show(client, access_log.explained(client, found), proof, everything, language, as_json, fhir)


def _show(
    client: Side, entries: list[Entry], proof: Proof, everything: bool, language: str, as_json: bool, fhir: bool
) -> None:
    shown = [entry for entry in entries if everything or entry.actor != client.account]
    if fhir:
        click.echo(resources.dump(audit_events.bundle(shown, client.account)).decode())
    for entry in () if fhir else shown:
        click.echo(json.dumps(asdict(entry)) if as_json else line(entry, client.account, language))
    if not proof.whole:
        click.echo("\n".join(report(proof, language)), err=True)


def _tell(proof: Proof, language: str, as_json: bool) -> None:
    """What a check has found; the command fails where the log is not whole."""
    if as_json:
        faults = [asdict(fault) for fault in proof.faults]
        untold = [{"kind": link.kind, "oth": link.oth, "seq": link.seq, "typ": link.typ} for link in proof.untold]
        value = {"whole": proof.whole, "entries": len(proof.entries), "faults": faults, "untold": untold}
        click.echo(json.dumps(value | {"signed": proof.signed.seq, "compared": proof.compared}))
    else:
        click.echo("\n".join(report(proof, language)))
    if not proof.whole:
        sys.exit(1)


@click.command("object")
@ACCOUNT
@click.argument("entry", type=int)
@click.option("--text", default="This was not right.", show_default=True, help="What was not right.")
@plainly
def object_command(directory: Path, entry: int, text: str) -> None:
    """Say that ENTRY of the log, by its number, was not right: to whom it is about, sealed."""
    client = Client.open(directory)
    client.sync()
    found = next((one for one in access_log.entries(client, entry - 1) if one.seq == entry), None)
    if found is None:
        raise Problem("not-found", "there is no such entry: `obhut patient log` lists them with their numbers")
    names = ("actor", "seq", "at", "action", "purpose", "person", "role", "what", "number")
    objecting.object_to(client, entry, {name: getattr(found, name) for name in names}, text)
    click.echo(f"{found.actor} was told that entry {entry} was not right; the answer will stand beside it in the log")
