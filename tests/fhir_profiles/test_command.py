"""The command `obhut`: groups from entry points, imported only when called."""

import importlib.metadata
import sys

import click
import pytest
from click.testing import CliRunner

from fhir_profiles import command

GROUP = command.ENTRY_POINTS


@click.command()
def hello():
    """Say hello."""
    click.echo("hello")


no_command = "just text"


@pytest.fixture
def run(monkeypatch):
    """Run `obhut` with commands of which one works, one has no module, and one is no command."""
    points = importlib.metadata.EntryPoints(
        [
            importlib.metadata.EntryPoint("works", "registered_for_test:hello", GROUP),
            importlib.metadata.EntryPoint("missing", "obhut_no_such_module:main", GROUP),
            importlib.metadata.EntryPoint("wrong", "registered_for_test:no_command", GROUP),
            importlib.metadata.EntryPoint("hub", "obhut_no_such_module:main", GROUP),
        ]
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", points.select)
    monkeypatch.setitem(sys.modules, "registered_for_test", sys.modules[__name__])
    return lambda *args: CliRunner().invoke(command.main, args)


def test_a_registered_command_runs(run):
    """The entry point is loaded and called."""
    assert run("works").output == "hello\n"


def test_a_missing_module_fails_only_its_own_command(run):
    """What cannot be imported says so when called, and help still works."""
    called = run("missing")
    assert called.exit_code == 1
    assert "not usable here" in called.output
    assert run("--help").exit_code == 0


def test_what_is_no_command_is_refused(run):
    """An entry point that leads to something else is an error of its own."""
    assert "is no command" in run("wrong").output


def test_help_does_not_import_a_command_it_has_a_summary_of(run):
    """`obhut --help` names the hub without importing it."""
    line = next(line for line in run("--help").output.splitlines() if line.strip().startswith("hub"))
    assert command.SUMMARIES["hub"] in line


def test_each_command_has_a_summary():
    """Help imports none of ours."""
    assert command.SUMMARIES.keys() == importlib.metadata.entry_points(group=GROUP).names


def test_an_unknown_command_is_a_usage_error(run):
    """Exit code 2, as click has it."""
    assert run("nothing").exit_code == 2
