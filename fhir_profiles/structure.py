"""HL7's definitions compiled into closures: one for each type and backbone element, built when first needed.

A closure takes a JSON value and answers with its findings or `None`. Findings carry the path below the value; who calls
puts its own name before it, so that a valid resource costs no path at all. Of the JSON form of FHIR
(https://hl7.org/fhir/R4/json.html) everything is checked: unknown and missing elements, array or not, choice types,
`_element` beside a primitive, `null` in arrays, empty objects and arrays.
"""

import re
from functools import cache
from threading import RLock
from typing import Any

from fhir_profiles import definitions
from fhir_profiles.definitions import Element
from fhir_profiles.invariants import INVARIANTS, Holds
from fhir_profiles.primitives import NULL, Check, Finding, check_of, one_of

_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")
_REFERENCE = re.compile(
    r"(?P<base>[A-Za-z][A-Za-z0-9+.-]*:\S*/)?(?P<type>[A-Z][A-Za-z]+)"
    r"(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#\S+)?|\?\S+)"
)
_INDEX = re.compile(r"\[(\d+)\]")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")

_NOT_OBJECT: list[Finding] = [("", "structure", "must be an object")]
_EMPTY: list[Finding] = [("", "invariant", "ele-1: an element must have a value or children")]
_NOT_ARRAY: list[Finding] = [("", "structure", "must be an array")]
_EMPTY_ARRAY: list[Finding] = [("", "structure", "an array must not be empty")]
_ELEMENT_RULES: dict[str, Check] = {}

_built: dict[str, Check] = {}
_building: dict[str, Check] = {}
_lock = RLock()


def check_resource(value: Any, _: list[str]) -> list[Finding] | None:
    """Check a JSON value as a resource of its own: not contained in another."""
    return _check_any(value, None)


def _check_any(value: Any, outer: list[str] | None) -> list[Finding] | None:
    """A resource of the type that it says; `outer` collects the fragments if it is contained."""
    if type(value) is not dict:
        return _NOT_OBJECT
    name = value.get("resourceType")
    if not isinstance(name, str) or name not in definitions.resource_types():
        return [(".resourceType", "structure", "must name a resource type of FHIR R4")]
    if outer is not None:
        return _object(name)(value, outer)
    fragments: list[str] = []
    found = _object(name)(value, fragments)
    if fragments or "contained" in value:
        return (found or []) + _contained(value, fragments) or None
    return found


def _check_contained(value: Any, fragments: list[str]) -> list[Finding] | None:
    found = _check_any(value, fragments)
    if found:
        return found
    if "contained" in value:
        return [("", "invariant", "dom-2: what is contained must not contain more")]
    meta = value.get("meta", {})
    if "versionId" in meta or "lastUpdated" in meta:
        return [(".meta", "invariant", "dom-4: what is contained has no version of its own")]
    return [(".meta", "invariant", "dom-5: what is contained has no security label")] if "security" in meta else None


def _contained(value: dict[str, Any], fragments: list[str]) -> list[Finding]:
    """ref-1 and dom-3: fragments lead to what is contained, and all of that is referred to."""
    contained = value.get("contained", ())
    ids = [str(each.get("id")) for each in contained if isinstance(each, dict)] if isinstance(contained, list) else []
    used = {fragment.partition("#")[2] for fragment in fragments}
    found: list[Finding] = []
    if any(each[0] == "#" and each != "#" and each[1:] not in ids for each in fragments):
        found.append(("", "invariant", "ref-1: a local reference must lead to a contained resource"))
    if "" not in used and any(each not in used for each in ids):
        found.append((".contained", "invariant", "dom-3: a contained resource must be referred to"))
    return found


def _object(path: str) -> Check:
    """The check of a type, or of the backbone element at a path; may still be empty while it is being built."""
    return _built.get(path) or _build(path)


def _build(path: str) -> Check:
    """Types hold each other, so one is known before it is whole; other threads see it only when all of them are."""
    with _lock:
        found = _built.get(path) or _building.get(path)
        if found is not None:
            return found
        rules: dict[str, Check] = {}
        required: list[tuple[str, ...]] = []
        choices: list[frozenset[str]] = []
        is_outermost = not _building
        found = _building[path] = _object_check(path, rules, required, choices)
        try:
            _fill(path, rules, required, choices)
            if is_outermost:
                _built.update(_building)
        finally:
            if is_outermost:
                _building.clear()
        return found


def _fill(path: str, rules: dict[str, Check], required: list[tuple[str, ...]], choices: list[frozenset[str]]) -> None:
    elements = definitions.types()[path.partition(".")[0]]["elements"]
    if "." not in path and path in definitions.resource_types():
        rules["resourceType"] = one_of(frozenset({path}))
    for child, element in elements.items():
        parent, _, name = child.rpartition(".")
        if parent != path:
            continue
        named = {name: element["types"][0] if element["types"] else []}
        if name.endswith("[x]"):
            named = {name[:-3] + each[0][0].upper() + each[0][1:]: each for each in element["types"]}
            choices.append(frozenset(key for each in named for key in (each, "_" + each)))
        for key, typed in named.items():
            rules[key] = _element(child, element, typed)
            if typed and typed[0] in definitions.primitive_types() and name not in {"id", "div"}:
                rules["_" + key] = _extras(many=element["max"] == -1)
        if element["min"]:
            required.append(tuple(key for each in named for key in (each, "_" + each)))


def _element(path: str, element: Element, typed: list[str]) -> Check:
    check = _value(path, element, typed)
    return _array(check) if element["max"] == -1 else check


def _value(path: str, element: Element, typed: list[str]) -> Check:
    """The check of one value of an element."""
    if "content" in element:
        return _object(element["content"])
    name = typed[0]
    if name in {"BackboneElement", "Element"}:
        return _object(path)
    if name == "Resource":
        return _check_contained if path.endswith(".contained") else check_resource
    if name == "Reference":
        return _reference(frozenset(typed[1:]))
    return _datatype(name, definitions.codes().get(element.get("binding", "")))


def _datatype(name: str, allowed: dict[str, list[str]] | None) -> Check:
    if name == "code" and allowed:
        return one_of(frozenset(code for listed in allowed.values() for code in listed))
    if name == "CodeableConcept" and allowed:
        return _bound_concept(frozenset((system, code) for system, listed in allowed.items() for code in listed))
    return check_of(name) if name in definitions.primitive_types() else _object(name)


def _array(check: Check) -> Check:
    def check_array(value: Any, fragments: list[str]) -> list[Finding] | None:
        if type(value) is not list:
            return _NOT_ARRAY
        if not value:
            return _EMPTY_ARRAY
        findings = None
        for index, each in enumerate(value):
            found = check(each, fragments)
            if found is not None:
                prefix = f"[{index}]"
                findings = (findings or []) + [(prefix + path, code, detail) for path, code, detail in found]
        return findings

    return check_array


def _object_check(
    path: str, rules: dict[str, Check], required: list[tuple[str, ...]], choices: list[frozenset[str]]
) -> Check:
    invariants = INVARIANTS.get(path, ())
    is_resource = path in definitions.resource_types()

    def check_object(value: Any, fragments: list[str]) -> list[Finding] | None:
        if type(value) is not dict:
            return NULL if value is None else _NOT_OBJECT
        if not is_resource and (not value or (len(value) == 1 and "id" in value)):
            return _EMPTY
        findings: list[Finding] | None = None
        for name, child in value.items():
            rule = rules.get(name)
            found = rule(child, fragments) if rule is not None else _UNKNOWN
            if found is not None:
                findings = (findings or []) + _placed(name, found, value)
        for names in required:
            if names[0] not in value and not any(each in value for each in names):
                findings = (findings or []) + [_missing(names)]
        for group in choices:
            if not group.isdisjoint(value) and len({each.lstrip("_") for each in group if each in value}) > 1:
                findings = (findings or []) + [("", "structure", _more_than_one(group, value))]
        if findings is None and invariants:
            findings = _broken(value, invariants)
        return findings or None

    return check_object


_UNKNOWN: list[Finding] = [("", "structure", "is no element of this type in FHIR R4")]


def _placed(name: str, found: list[Finding], value: dict[str, Any]) -> list[Finding]:
    """Findings of a member with its name before them. A `null` in an array is right where its twin fills the place."""
    if not _NAME.fullmatch(name):
        return [("", "structure", "has a member whose name is no name of FHIR")]
    twin = value.get(name[1:] if name.startswith("_") else "_" + name)
    if isinstance(twin, list):
        found = [each for each in found if each[2] is not NULL[0][2] or not _filled(each[0], twin)]
    return [(f".{name}{path}", code, detail) for path, code, detail in found]


def _filled(path: str, twin: list[Any]) -> bool:
    place = _INDEX.fullmatch(path)
    return place is not None and int(place[1]) < len(twin) and twin[int(place[1])] is not None


def _missing(names: tuple[str, ...]) -> Finding:
    named = names[::2]
    if len(named) == 1:
        return ("." + named[0], "required", "is missing")
    return ("", "required", f"needs one of: {', '.join(named[:60])}")


def _more_than_one(group: frozenset[str], value: dict[str, Any]) -> str:
    return "may hold one type of a choice, not several: " + ", ".join(sorted(each for each in group if each in value))


def _broken(value: dict[str, Any], invariants: tuple[tuple[str, str, Holds], ...]) -> list[Finding] | None:
    found = [("", "invariant", f"{key}: {rule}") for key, rule, holds in invariants if not holds(value)]
    return found or None


@cache
def _extras(*, many: bool) -> Check:
    """The check of `_element`: id and extensions of a primitive, in step with its values."""
    if not _ELEMENT_RULES:
        _ELEMENT_RULES["id"] = check_of("string")
        _ELEMENT_RULES["extension"] = _array(_object("Extension"))
    check = _object_check("Element", _ELEMENT_RULES, [], [])
    return _array(check) if many else check


def _bound_concept(allowed: frozenset[tuple[str, str]]) -> Check:
    check = _object("CodeableConcept")
    listed = ", ".join(sorted({code for _, code in allowed})[:60])

    def check_concept(value: Any, fragments: list[str]) -> list[Finding] | None:
        found = check(value, fragments)
        if found is not None:
            return found
        if any((each.get("system"), each.get("code")) in allowed for each in value.get("coding", ())):
            return None
        return [(".coding", "code-invalid", f"one coding must be of: {listed}")]

    return check_concept


def _reference(targets: frozenset[str]) -> Check:
    check = _object("Reference")
    foreign: list[Finding] = [(".reference", "value", f"must lead to: {', '.join(sorted(targets))}")]
    unfit: list[Finding] = [(".reference", "value", "must be Type/id, an absolute URL, or #id")]
    types = definitions.resource_types()

    def check_reference(value: Any, fragments: list[str]) -> list[Finding] | None:
        found = check(value, fragments)
        if found is not None:
            return found
        said = value.get("type")
        if said is not None and targets and said in types and said not in targets:
            return [(".type", "value", foreign[0][2])]
        target = value.get("reference")
        if target is None:
            return None
        if target[0] == "#":
            fragments.append(target)
            return None
        match = _REFERENCE.fullmatch(target)
        if match is None or match["type"] not in types:
            return None if _ABSOLUTE.fullmatch(target) else unfit
        return foreign if targets and match["type"] not in targets else None

    return check_reference
