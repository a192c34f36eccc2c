"""What a decision is made of besides the resource: who asks for what, and all that the patient has said."""

from dataclasses import dataclass, field
from typing import Literal

from consent.dates import FOREVER
from consent.floor import FLOOR, Floor
from consent.mandates import Mandate
from consent.policy import Policy
from consent.standing import Standing

Implicit = Literal["deny", "permit", "permit-treat", "break-glass-only"]
IMPLICIT: dict[str, Implicit] = {
    "deny": "deny",
    "permit": "permit",
    "permit-treat": "permit-treat",
    "break-glass-only": "break-glass-only",
    "https://profiles.ihe.net/ITI/PCF/Policy-deny": "deny",
    "https://profiles.ihe.net/ITI/PCF/Policy-all-normal": "permit",
    "https://profiles.ihe.net/ITI/PCF/Policy-basic-normal": "permit-treat",
    "https://profiles.ihe.net/ITI/PCF/Policy-break-glass-only": "break-glass-only",
}
"""Names of implicit policies, and the canonical URIs of PCF 53.2.1 for the same.

Those that permit reach normal data only, as PCF names them: what stigmatises does not flow where nobody said anything.
`deny` and `break-glass-only` both deny: an emergency is declared or not, whatever the implicit policy.
"""

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for what, why and when.

    `subject`: the patient as her consents name her, an account's address; `aliases`: how else she is named there.
    `actor`: all identifiers at every level (person, role, organisation and what it is part of, device; see
    `consent.actors`). `purpose`: one code of v3-ActReason; who asks for several purposes makes several requests.
    `roles`: in which the person acts now. `at`: microseconds since 1970. `emergency`: the declared reason of an
    emergency, empty where none is declared; `declared`: when that was, by default at this moment.
    """

    subject: str
    actor: frozenset[str]
    purpose: str
    at: int
    action: str = "read"
    roles: frozenset[str] = _NONE
    emergency: str = ""
    declared: int | None = None
    aliases: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class State:
    """All that one patient has said, and her hub's policy, at one version.

    `policies`: one record for each consent. `hides`: references, classes or labels kept from all but herself and her
    delegates; `private`: those kept from her delegates. `withheld`: references of what a professional keeps from her
    for now, which she may have reviewed (§ 630g BGB). `of_age`: when the mandates of guardians end, microseconds.
    `no_emergency`: she forbids emergency access; `emergency_level`: the highest confidentiality it reaches, N or R.
    `implicit`: what holds where nobody said anything. `legal`: what no consent opens.
    """

    policies: tuple[Policy, ...] = ()
    standing: tuple[Standing, ...] = ()
    blocks: frozenset[str] = _NONE
    hides: frozenset[str] = _NONE
    mandates: tuple[Mandate, ...] = ()
    no_emergency: bool = False
    implicit: Implicit = "deny"
    legal: Floor = field(default_factory=lambda: FLOOR)
    private: frozenset[str] = _NONE
    withheld: frozenset[str] = _NONE
    of_age: int = FOREVER
    emergency_level: Literal["N", "R"] = "R"
