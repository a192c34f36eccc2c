"""`obhut patient pair · add-device`: a further device by another one, with digits that a person compares."""

from pathlib import Path

import click

from connectors.command_line import HUB, plainly
from connectors.patient import pairing
from connectors.patient.client import Client
from connectors.patient.options import ACCOUNT
from consent.pairing import digits
from fhir_profiles.problems import Problem


def _grouped(shown: str) -> str:
    return " ".join(shown[place : place + 3] for place in range(0, len(shown), 3))


@click.command()
@ACCOUNT
@HUB
@plainly
def pair(directory: Path, hub: str) -> None:
    """Open an account on this device by one that has it: there `obhut patient add-device`, or in its browser."""
    if (directory / "keys.json").exists():
        raise Problem("conflict", f"there is an account in {directory} already: choose another directory")
    new = pairing.newcomer(hub, label="obhut patient")
    click.echo(f"say this to the other device:\n{new.invitation}")
    reply = pairing.hear_reply(new)
    click.echo(f"{_grouped(digits(new.invitation, reply, new.reveal))}")
    if not click.confirm("does the other device show the same digits?"):
        raise Problem("conflict", "nothing was added here: somebody may have stepped in between")
    click.echo("say so there, too")
    client = pairing.move_in(new, reply, directory, hub)
    click.echo(f"{client.account} is on this device")


@click.command("add-device")
@ACCOUNT
@click.argument("invitation")
@plainly
def add_device(directory: Path, invitation: str) -> None:
    """Add the device that shows INVITATION, by QR code or as text, to the account."""
    client = Client.open(directory)
    client.sync()
    offer = pairing.answer(client, invitation)
    reveal = pairing.hear_reveal(client, offer)
    click.echo(f"{reveal.label or 'the new device'}: {_grouped(digits(offer.invitation, offer.reply, reveal))}")
    if not click.confirm("does the new device show the same digits?"):
        pairing.decline(client, offer)
        raise Problem("conflict", "nothing was added: somebody may have stepped in between")
    pairing.admit(client, offer, reveal)
    click.echo(f"{reveal.device} is a device of {client.account}")
