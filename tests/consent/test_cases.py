"""Decision cases of our own, `decision_cases.json`: a rule each, through the command that others script."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent.cli import consent

FILE = Path(__file__).with_name("decision_cases.json")
CASES = {case["id"]: case for case in json.loads(FILE.read_bytes())["cases"]}
MACHINE_WORDS = re.compile(r"[/@_]|provision|\bc\d\b|urn:")


@pytest.fixture(scope="module")
def lines():
    """What the command says of each case, in both languages."""
    made = {}
    for language in ("en", "de"):
        result = CliRunner().invoke(consent, ["decide", "--cases", str(FILE), "--json", "--language", language])
        assert result.exit_code == 0, result.stderr
        for line in map(json.loads, result.stdout.splitlines()):
            made[line["id"], language] = line
    return made


@pytest.mark.parametrize("name", CASES)
def test_a_case_comes_out_as_its_rule_says(name, lines):
    """Decision and visible resources, by the rule that the case names."""
    case, line = CASES[name], lines[name, "en"]
    assert (line["decision"], line["kept"]) == (case["expect"], case["kept"]), f"{case['by']}: {line['reason']}"


def test_every_reason_is_a_sentence_that_a_patient_can_read(lines):
    """One sentence in her language; ids and paths stand in the bases, where programs look."""
    for (name, _), line in lines.items():
        assert line["reason"].endswith("."), name
        assert not MACHINE_WORDS.search(line["reason"]), line["reason"]
        assert line["bases"]
    assert all(lines[name, "en"]["reason"] != lines[name, "de"]["reason"] for name in CASES)


def test_the_bases_name_the_consent_and_the_rule_in_it(lines):
    """A program finds what the sentence leaves out."""
    (basis,) = [one for one in lines["tree-third-level", "en"]["bases"] if one["path"].count("provision") == 3]
    assert (basis["rule"], basis["by"]) == ("consent", "c1")
