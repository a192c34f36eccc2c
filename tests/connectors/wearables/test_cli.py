"""The commands do what strangers script against."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.wearables import cli
from connectors.wearables.cli import convert, wearable
from fhir_profiles.problems import Problem
from fhir_profiles.resources import check, parse


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A small generated export, made by the command."""
    path = tmp_path / "export.zip"
    result = CliRunner().invoke(wearable, ["generate", str(path), "--seed", "2", "--days", "2", "--records", "800"])
    assert result.exit_code == 0, result.output
    return path


def test_a_dry_run_writes_the_resources_and_the_report(export: Path, tmp_path: Path) -> None:
    """One JSON object on standard output, one resource a line in the file."""
    out = tmp_path / "out.ndjson"
    result = CliRunner().invoke(wearable, ["import", str(export), "--dry-run", "--out", str(out), "--json"])
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report.keys() == {"read", "taken", "left", "duplicates", "envelopes"}
    assert report["read"] == report["taken"] + sum(report["left"].values()) + report["duplicates"]
    lines = out.read_bytes().splitlines()
    assert len(lines) > 50
    assert {parse(line)["resourceType"] for line in lines} == {"Device", "Observation"}


def test_a_person_gets_sentences(export: Path) -> None:
    """Without --json; and no bar where there is no terminal."""
    result = CliRunner().invoke(wearable, ["import", str(export), "--dry-run"])
    assert result.exit_code == 0
    assert result.output.startswith("read ")
    assert "left" in result.output


def test_convert_gives_a_bundle_and_the_report_beside_it(export: Path) -> None:
    """The Bundle is R4, with the report on standard error."""
    result = CliRunner().invoke(convert, [str(export), "--json"])
    assert result.exit_code == 0
    bundle = parse(result.stdout_bytes)
    check(bundle)
    assert bundle["type"] == "collection"
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls) > 50
    assert json.loads(result.stderr)["read"] > 700


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b'{"a": 1}', b"<HealthData><Record></HealthData>"])
@pytest.mark.parametrize("command", ["import", "convert"])
def test_bad_input_ends_with_two_and_a_sentence(tmp_path: Path, content: bytes, command: str) -> None:
    """No traceback."""
    path = tmp_path / "bad"
    path.write_bytes(content)
    runner = CliRunner()
    if command == "import":
        result = runner.invoke(wearable, ["import", str(path), "--dry-run"])
    else:
        result = runner.invoke(convert, [str(path)])
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(".")
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_bad_input_leaves_the_file_alone_that_was_to_be_written(tmp_path: Path) -> None:
    """What an earlier run wrote stays; and where nothing was, nothing is."""
    bad, earlier, new = tmp_path / "bad", tmp_path / "earlier.ndjson", tmp_path / "new.ndjson"
    bad.write_bytes(b"PK\x03\x04 half")
    earlier.write_bytes(b"{}\n")
    for out in (earlier, new):
        assert CliRunner().invoke(wearable, ["import", str(bad), "--dry-run", "--out", str(out)]).exit_code == 2
    assert (earlier.read_bytes(), new.exists()) == (b"{}\n", False)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full"), Problem("busy", "The hub is away.")])
def test_what_can_be_taken_up_again_ends_with_three(
    export: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Interrupted, disk full, hub away: the same command goes on."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli._Lines, "put", broken)
    result = CliRunner().invoke(wearable, ["import", str(export), "--dry-run"])
    assert result.exit_code == 3
    assert "again" in result.stderr


def test_without_an_account_the_remedy_is_told(export: Path, tmp_path: Path) -> None:
    """Running the same again would never help, and nothing is made of the directory."""
    result = CliRunner().invoke(wearable, ["import", str(export), "--account", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "enrol one first" in result.stderr
    assert "again" not in result.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("words", [[], ["--dry-run", "--account", "x"], ["--account", "x", "--out", "y"]])
def test_account_and_dry_run_exclude_each_other(export: Path, words: list[str]) -> None:
    """Usage, not surprise."""
    assert CliRunner().invoke(wearable, ["import", str(export), *words]).exit_code == 2
