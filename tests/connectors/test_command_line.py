"""What all commands of the edges do alike."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from connectors.gateway.cli import gateway
from connectors.patient.cli import patient

ID = "-ivr-K9HQSJiEMBPNQYgEw"
COMMANDS = [
    (patient, "receipt", ID), (patient, "renew", ID), (patient, "refuse", ID), (patient, "grant", "--request", ID),
    (patient, "withdraw", "--to", "praxis@hub", "--grant", ID), (patient, "health-link", "extend", ID),
    (patient, "health-link", "revoke", ID), (gateway, "answer", ID, "--text", "No."),
]  # fmt: skip


@pytest.mark.parametrize(("group", "words"), [(group, words) for group, *words in COMMANDS])
def test_an_id_may_begin_with_a_hyphen(group, words, tmp_path):
    """It is no option: the command goes on, and misses only the directory it is told to look in."""
    where = "--account" if group is patient else "--keystore"
    done = CliRunner().invoke(group, [*words, where, str(tmp_path / "nowhere")])
    assert "option" not in done.output
    assert done.exit_code != 2


def test_a_command_that_reads_nothing_starts_without_a_gateway():
    """Most of a start is imports: what a gateway is made of comes with the first reading."""
    look = "import sys, connectors.patient.cli; print({'sqlalchemy', 'flask', 'alembic'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
