"""Problems: one closed list, two faces, nothing lost between two programs."""

import pytest

from fhir_profiles.problems import MAX_ISSUES, PROBLEMS, Issue, Problem

ISSUE_TYPES = """
    invalid structure required value invariant security login unknown expired forbidden suppressed processing
    not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly
    business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational
"""


def test_every_code_has_a_client_or_server_status_and_an_issue_type_of_fhir():
    """The table is usable at both rims."""
    for kind in PROBLEMS.values():
        assert 400 <= kind.status < 600
        assert kind.issue in ISSUE_TYPES.split()
        assert kind.title


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_problem_survives_the_way_over_http(code):
    """`from_details(details)` gives the same problem again, members and findings included."""
    issues = [Issue("value", "a", "Patient.name"), Issue("structure", "b")]
    sent = Problem(code, "a sentence", expression="Patient", issues=issues, reason="head", links=["x"])
    assert Problem.from_details(sent.details()).details() == sent.details()


def test_an_outcome_has_one_issue_for_each_finding():
    """OperationOutcome carries code, sentence and place of each."""
    problem = Problem("value", "two", issues=[Issue("value", "a", "Patient.name"), Issue("required", "b")])
    assert problem.outcome() == {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": "value", "diagnostics": "a", "expression": ["Patient.name"]},
            {"severity": "error", "code": "required", "diagnostics": "b"},
        ],
    }


def test_findings_are_bounded():
    """A hostile body cannot make the answer grow without end."""
    assert len(Problem("value", "x", issues=[Issue("value", "y")] * 1000).issues) == MAX_ISSUES


def test_only_a_protocol_refusal_chooses_its_status():
    """The statuses of all other codes are fixed."""
    assert Problem("refused", "no", status=403).status == 403
    with pytest.raises(ValueError, match="fixed"):
        Problem("invalid", "no", status=403)


def test_an_unknown_code_cannot_be_raised():
    """The list is closed."""
    with pytest.raises(KeyError):
        Problem("teapot", "no")


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"status": 503}, "busy"),
        ({"status": 404, "type": "about:blank"}, "not-found"),
        ({"status": 418}, "invalid"),
        ({}, "internal"),
        ({"status": "x", "self": 1, "code": 2, "issues": 3, "expression": 4}, "internal"),
    ],
)
def test_a_foreign_problem_document_becomes_the_nearest_code(details, code):
    """A proxy's own errors are understood by their status, and no member of theirs breaks the client."""
    assert Problem.from_details(details).code == code
