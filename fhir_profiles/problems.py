"""The closed list of errors. They travel inside as `Problem` and are rendered only at the rim.

Two faces: OperationOutcome under `/fhir` (https://hl7.org/fhir/R4/operationoutcome.html) and problem details elsewhere
(RFC 9457). Neither carries content of a resource: a detail names the place and the rule, never the value found there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

TYPE_PREFIX = "urn:obhut:problem:"
MAX_ISSUES = 50


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means at the rim: HTTP status, FHIR issue type, title."""

    status: int
    issue: str
    title: str


PROBLEMS: Mapping[str, Kind] = MappingProxyType(
    {
        "invalid": Kind(400, "invalid", "The request cannot be understood"),
        "structure": Kind(400, "structure", "The resource is not well formed"),
        "value": Kind(400, "value", "The resource holds a value that is not allowed"),
        "not-supported": Kind(400, "not-supported", "This is not supported here"),
        "unauthenticated": Kind(401, "login", "Sign in first"),
        "forbidden": Kind(403, "forbidden", "This is not allowed"),
        "not-found": Kind(404, "not-found", "There is nothing here"),
        "method": Kind(405, "not-supported", "This method is not served here"),
        "not-acceptable": Kind(406, "not-supported", "This format is not served here"),
        "conflict": Kind(409, "conflict", "This conflicts with what is already here"),
        "refused": Kind(409, "business-rule", "The protocol refuses this"),
        "gone": Kind(410, "deleted", "This was here and has been deleted"),
        "length": Kind(411, "invalid", "The length of the body must be stated"),
        "precondition": Kind(412, "conflict", "The condition of the request does not hold"),
        "multiple-matches": Kind(412, "multiple-matches", "The condition fits more than one resource"),
        "too-large": Kind(413, "too-long", "The body is too large"),
        "media-type": Kind(415, "not-supported", "This media type is not taken here"),
        "unprocessable": Kind(422, "business-rule", "A rule of this place does not allow this"),
        "too-many": Kind(429, "throttled", "Too many requests; wait a little"),
        "internal": Kind(500, "exception", "Something failed on this side"),
        "busy": Kind(503, "transient", "Busy; try again soon"),
        "stale": Kind(503, "transient", "The state here is too old to answer from"),
    }
)

UNDECIDED = ("busy", "stale", "internal", "too-many", "unauthenticated")
"""Problems after which it is not known or not decided whether the hub takes what was sent: it is sent again."""

_BY_STATUS = {kind.status: code for code, kind in reversed(list(PROBLEMS.items()))}
_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "expression", "issues", "code", "self"})


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: a FHIR issue type, a sentence without content, and the FHIRPath of the place, if there is one."""

    code: str
    detail: str
    expression: str | None = None


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An error out of the closed list.

    `code` is a key of `PROBLEMS`, `detail` one sentence without content, `expression` a FHIRPath to the place; `issues`
    replaces both faces' single finding where a check found several. `extra` holds further members (JSON values) such as
    `reason`, `links`, `now`, `retry_after`. `status` deviates from the table only for `refused`, whose status the
    protocol sets.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        expression: str | None = None,
        issues: Sequence[Issue] = (),
        status: int | None = None,
        **extra: Any,
    ) -> None:
        kind = PROBLEMS[code]
        if status is not None and status != kind.status and code != "refused":
            raise ValueError(f"the status of {code} is fixed")
        if _MEMBERS & extra.keys():
            raise ValueError("an extra member has the name of a standard one")
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.expression = expression
        self.issues = tuple(issues[:MAX_ISSUES]) or (Issue(kind.issue, detail, expression),)
        self.status = status or kind.status
        self.title = kind.title
        self.extra = extra

    def outcome(self) -> dict[str, Any]:
        """The face under `/fhir`: an OperationOutcome, one issue for each finding."""
        return {"resourceType": "OperationOutcome", "issue": [_outcome_issue(issue) for issue in self.issues]}

    def details(self) -> dict[str, Any]:
        """The face elsewhere: the members of `application/problem+json` (RFC 9457 part 3)."""
        members: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.expression is not None:
            members["expression"] = self.expression
        if len(self.issues) > 1:
            members["issues"] = [_details_issue(issue) for issue in self.issues]
        return members | self.extra

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> Self:
        """Restore what `details` gave. A foreign problem document becomes the code that fits its status."""
        status = details.get("status")
        status = status if isinstance(status, int) and not isinstance(status, bool) else 500
        code = str(details.get("type", "")).removeprefix(TYPE_PREFIX)
        if code not in PROBLEMS:
            code = _BY_STATUS.get(status, "invalid" if 400 <= status < 500 else "internal")
        expression = details.get("expression")
        return cls(
            code,
            str(details.get("detail") or PROBLEMS[code].title),
            expression=expression if isinstance(expression, str) else None,
            issues=_restored(details.get("issues")),
            status=status if code == "refused" else None,
            **{str(name): value for name, value in details.items() if name not in _MEMBERS},
        )


def _outcome_issue(issue: Issue) -> dict[str, Any]:
    members: dict[str, Any] = {"severity": "error", "code": issue.code, "diagnostics": issue.detail}
    if issue.expression is not None:
        members["expression"] = [issue.expression]
    return members


def _details_issue(issue: Issue) -> dict[str, str]:
    members = {"code": issue.code, "detail": issue.detail}
    return members if issue.expression is None else members | {"expression": issue.expression}


def _restored(issues: Any) -> list[Issue]:
    if not isinstance(issues, list):
        return []
    return [
        Issue(
            str(issue.get("code")),
            str(issue.get("detail")),
            str(issue["expression"]) if "expression" in issue else None,
        )
        for issue in issues
        if isinstance(issue, Mapping)
    ]
