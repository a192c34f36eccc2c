"""docs/consent.md: its files and commands do what the page says."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent.cli import consent

PAGE = (Path(__file__).parents[2] / "docs/consent.md").read_text(encoding="utf-8")


def block(name):
    (text,) = re.findall(rf"<!-- consent: {re.escape(name)} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    return text


def run(line):
    """A command of the page, its output into a file where it says so."""
    words, _, target = line.partition(" > ")
    program, group, *rest = shlex.split(words)
    assert (program, group) == ("obhut", "consent")
    result = CliRunner().invoke(consent, rest)
    assert result.exit_code == 0, result.stderr
    if target:
        Path(target).write_text(result.stdout, encoding="utf-8")
    return result.stdout


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The page's files, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("cases.json", "consent.json"):
        (tmp_path / name).write_text(block(name), encoding="utf-8")


def test_the_cases_are_decided_as_the_page_shows():
    """In both languages."""
    assert "".join(map(run, block("commands").splitlines())) == block("output")


def test_a_consent_goes_to_fhir_and_back():
    """What comes back is what went, with what it is worth."""
    to_r4, back, to_r5 = block("round").splitlines()
    run(to_r4)
    assert json.loads(run(back)) == json.loads(block("consent.json")) | {"legal": True}
    assert json.loads(run(to_r5))["decision"] == "deny"
