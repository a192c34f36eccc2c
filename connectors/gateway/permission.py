"""What a program may do here: its scopes, asked for every interaction and every entry of a Bundle.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from fhir_profiles.bundles import Request, conditional_references
from fhir_profiles.definitions import resource_types
from fhir_profiles.problems import Problem
from fhir_profiles.scopes import Scopes

CREATE, READ, UPDATE, DELETE, SEARCH = "cruds"
_WRITES = {"POST": CREATE, "PUT": UPDATE, "DELETE": DELETE}


def require(scopes: Scopes, type_: str, *letters: str) -> None:
    """Raises `Problem(forbidden)` unless all of these interactions with a type are allowed."""
    for letter in letters:
        if not scopes.allow(type_, letter):
            named = type_ if type_ in resource_types() else "*"
            raise Problem("forbidden", f"The access token does not reach so far: it lacks system/{named}.{letter}.")


def require_entry(scopes: Scopes, request: Request) -> None:
    """The same for what one entry of a batch or transaction does, the searches within it too."""
    type_ = request.type or ""
    if request.method == "GET":
        require(scopes, type_, SEARCH if request.id is None else READ)
    else:
        require(scopes, type_, _WRITES[request.method])
    if request.if_none_exist is not None:
        require(scopes, type_, SEARCH)
    for reference in conditional_references(request.resource):
        require(scopes, reference.partition("?")[0], SEARCH)
