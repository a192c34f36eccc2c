"""`obhut consent decide`: one JSON line a case, and a clear sentence for bad input."""

import json

import pytest
from click.testing import CliRunner

from consent.cli import consent
from consent.dates import interval

CASE = {
    "id": "one",
    "title": "what is granted is kept",
    "request": {
        "subject": "Patient/p",
        "actor": ["Organization/praxis"],
        "purpose": "TREAT",
        "at": "2024-06-01T10:00:00+02:00",
    },
    "resources": [
        {"type": "Observation", "ref": "Observation/n", "conf": "N"},
        {"type": "Condition", "ref": "Condition/c"},
    ],
    "state": {
        "consents": [
            {
                "id": "c1",
                "status": "active",
                "dateTime": "2022-06-13",
                "provision": {"type": "permit", "class": ["conditions"]},
            }
        ]
    },
}


DAY = interval("2022-06-13")[0]
NOBODY = {"permit": False, "rule": "implicit-deny", "by": "", "path": "", "when": None}


def run(tmp_path, content, *options):
    file = tmp_path / "cases.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return CliRunner().invoke(consent, ["decide", "--cases", str(file), *options])


def test_each_case_is_a_json_line(tmp_path):
    """Id, decision, what is kept, and the reason; classes reach a resource by its type's category."""
    result = run(tmp_path, {"cases": [CASE, CASE | {"id": "two", "state": {}}]}, "--json")
    assert result.exit_code == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {
            "id": "one",
            "decision": "redact",
            "kept": ["Condition/c"],
            "reason": "1 of 2 visible: a consent of 13 June 2022 permits it. Withheld: no consent permits it.",
            "bases": [NOBODY, {"permit": True, "rule": "consent", "by": "c1", "path": "provision", "when": DAY}],
        },
        {"id": "two", "decision": "deny", "kept": [], "reason": "Denied: no consent permits it.", "bases": [NOBODY]},
    ]


def test_reasons_come_in_german_too(tmp_path):
    """Without --json a line is for people."""
    result = run(tmp_path, {"cases": [CASE | {"state": {}}]}, "--language", "de")
    assert result.stdout == "one  deny    Verweigert: keine Einwilligung erlaubt es.\n"


def test_no_cases_are_no_lines(tmp_path):
    """An empty list is a valid file."""
    result = run(tmp_path, {"cases": []}, "--json")
    assert (result.exit_code, result.stdout) == (0, "")


def broken(**changes):
    return {"cases": [CASE, {**CASE, "id": "bad", **changes}]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "This is not JSON."),
        (b"\xff", "This is not JSON."),
        (b"[" * 100_000, "This is not JSON."),
        ([], "A file of decision cases is an object with a list `cases`."),
        ({"cases": [7]}, "An object is expected here. (cases[0])"),
        ({"cases": [{}]}, "A text is expected here. (cases[0].id)"),
        (broken(request=None), "(cases[1].request)"),
        (broken(request=CASE["request"] | {"at": "noon"}), "Case bad: A date is"),
        (broken(request=CASE["request"] | {"actor": "x"}), "(cases[1].request.actor)"),
        (broken(resources=[{"type": "Observation", "ref": "o", "conf": "X"}]), "(cases[1].resources[0].conf)"),
        (broken(state={"policy": {"default": "maybe"}}), "(cases[1].state.policy.default)"),
        (
            broken(state={"consents": [{"id": "c", "provision": {"type": "maybe"}}]}),
            "(cases[1].state.consents[0].provision.type)",
        ),
        (broken(state={"delegations": [{}]}), "(cases[1].state.delegations.delegate)"),
        (broken(state={"delegations": [{"delegate": "d", "revoked": "no"}]}), "(cases[1].state.delegations.revoked)"),
    ],
)
def test_bad_input_ends_with_2_and_a_sentence(tmp_path, content, sentence):
    """Nothing is decided where one case cannot be understood; the place is named."""
    result = run(tmp_path, content, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_file_ends_with_2(tmp_path):
    """As click says it."""
    result = CliRunner().invoke(consent, ["decide", "--cases", str(tmp_path / "none.json")])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
