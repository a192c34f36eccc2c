"""The shared table of decision cases, through the command that strangers script. The rules' text decides over it."""

import json
from pathlib import Path

from click.testing import CliRunner

from consent.cli import consent

CASES = Path(__file__).parents[3] / "shared" / "data" / "consent" / "decision_cases.json"


def test_every_case_of_the_table_comes_out_as_expected():
    """Decision and visible resources of each case, and a reason. Without the table there is nothing to compare."""
    expected = json.loads(CASES.read_bytes())["cases"] if CASES.is_file() else []
    if not expected:
        return
    result = CliRunner().invoke(consent, ["decide", "--cases", str(CASES), "--json"])
    assert result.exit_code == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["id"] for line in lines] == [case["id"] for case in expected]
    wrong = [
        line
        for line, case in zip(lines, expected, strict=True)
        if (line["decision"], line["kept"]) != (case["expect"], case["kept"]) or not line["reason"].endswith(".")
    ]
    print(f"{len(lines) - len(wrong)} of {len(lines)} decision cases pass")
    assert wrong == []
