"""HL7's definitions of FHIR R4 4.0.1 as compact tables: made at build time by `build`, loaded when first needed.

The source is HL7's own npm package `hl7.fhir.r4.examples` 4.0.1 (CC0), which carries the definitions beside the
examples. No adapted copy will do: others add elements of their own (to `Meta`, for one), and what is no R4 would pass.

`elements.json`  type → {kind, elements: path → {min, max, types: [[code, *reference targets]], binding?, content?}}
`codes.json`     value set of a required binding → {system: [codes]}, or null where it cannot be listed (unchecked)
`search.json`    type → {code → {type, expression, target?}} without composites; `Resource`: what all types have
`regexes.json`   primitive type → regular expression of its value
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import orjson

VERSION = "4.0.1"
PACKAGE = "hl7.fhir.r4.examples"
TABLES = Path(__file__).parent / "tables"

_BASE = "http://hl7.org/fhir/StructureDefinition/"
_FHIR_TYPE = _BASE + "structuredefinition-fhir-type"
_REGEX = _BASE + "regex"


class Element(TypedDict):
    """One element of a type. `max` is -1 where there is no end; `content` is the path whose children it shares."""

    min: int
    max: int
    types: list[list[str]]
    binding: NotRequired[str]
    content: NotRequired[str]


class Type(TypedDict):
    """A resource type, datatype or primitive: `kind` is `resource`, `complex-type` or `primitive-type`."""

    kind: str
    elements: dict[str, Element]


class Parameter(TypedDict):
    """A search parameter at one resource type; `target` lists the types a reference may lead to where not to all."""

    type: str
    expression: str
    target: NotRequired[list[str]]


@cache
def types() -> Mapping[str, Type]:
    """All concrete resource types and datatypes of R4 by name."""
    table: Mapping[str, Type] = _load("elements")
    return table


@cache
def resource_types() -> frozenset[str]:
    """The names of R4's resource types."""
    return frozenset(name for name, definition in types().items() if definition["kind"] == "resource")


@cache
def primitive_types() -> frozenset[str]:
    """The names of R4's primitive types."""
    return frozenset(name for name, definition in types().items() if definition["kind"] == "primitive-type")


@cache
def codes() -> Mapping[str, dict[str, list[str]] | None]:
    """The expansions of required value sets by canonical URL without version; `None`: cannot be listed."""
    table: Mapping[str, dict[str, list[str]] | None] = _load("codes")
    return table


@cache
def search_parameters() -> Mapping[str, dict[str, Parameter]]:
    """HL7's search parameters by resource type."""
    table: Mapping[str, dict[str, Parameter]] = _load("search")
    return table


@cache
def regexes() -> Mapping[str, str]:
    """The regular expressions of primitive types that have one."""
    table: Mapping[str, str] = _load("regexes")
    return table


def _load(name: str) -> Any:
    try:
        return orjson.loads((TABLES / f"{name}.json").read_bytes())
    except FileNotFoundError:
        raise RuntimeError("the tables of HL7's definitions are not built: run `make install`") from None


def build(source: Path, target: Path) -> None:
    """Write the tables from an unpacked package (the folder with its `package.json`) into a folder, the same each time.

    Raises `ValueError` where the source is not that package.
    """
    manifest = source / "package.json"
    if not manifest.is_file() or _identity(manifest) != (PACKAGE, VERSION):
        raise ValueError(f"{source} is not the npm package {PACKAGE} {VERSION}")
    structures = [
        structure
        for structure in _read(source, "StructureDefinition")
        if structure.get("fhirVersion") == VERSION
        and structure["url"] == _BASE + structure["type"]
        and not structure["abstract"]
        and structure["kind"] in {"resource", "complex-type", "primitive-type"}
    ]
    elements = {structure["type"]: _type(structure) for structure in structures}
    tables = {
        "elements": elements,
        "regexes": dict(_regexes(structures)),
        "codes": _codes(source, elements),
        "search": _search(source, {name for name, entry in elements.items() if entry["kind"] == "resource"}),
    }
    target.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (target / f"{name}.json").write_bytes(orjson.dumps(table, option=orjson.OPT_SORT_KEYS))


def _identity(manifest: Path) -> tuple[Any, Any]:
    content = json.loads(manifest.read_bytes())
    return content.get("name"), content.get("version")


def _read(source: Path, kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(source.glob(f"{kind}-*.json")):
        yield orjson.loads(path.read_bytes())


def _type(structure: dict[str, Any]) -> Type:
    elements = {element["path"]: _element(element) for element in structure["snapshot"]["element"][1:]}
    if structure["kind"] == "resource":
        elements[structure["type"] + ".id"]["types"] = [["id"]]  # HL7's snapshot says string; resource.html says id
    return {"kind": structure["kind"], "elements": elements}


def _element(element: dict[str, Any]) -> Element:
    entry: Element = {
        "min": element["min"],
        "max": -1 if element["max"] == "*" else int(element["max"]),
        "types": [_element_type(each) for each in element.get("type", ())],
    }
    binding = element.get("binding", {})
    if binding.get("strength") == "required":
        entry["binding"] = binding["valueSet"].partition("|")[0]
    if "contentReference" in element:
        entry["content"] = element["contentReference"].partition("#")[2]
    return entry


def _element_type(element_type: dict[str, Any]) -> list[str]:
    code = element_type["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        named = {each["url"]: each.get("valueUrl") for each in element_type.get("extension", ())}
        code = named.get(_FHIR_TYPE) or "string"
    targets = [profile.removeprefix(_BASE) for profile in element_type.get("targetProfile", ())]
    return [code, *(targets if code == "Reference" and "Resource" not in targets else ())]


def _regexes(structures: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for structure in structures:
        for element in structure["snapshot"]["element"]:
            if structure["kind"] == "primitive-type" and element["path"] == f"{structure['type']}.value":
                for extension in element["type"][0].get("extension", ()):
                    if extension["url"] == _REGEX:
                        yield structure["type"], extension["valueString"]


def _codes(source: Path, elements: Mapping[str, Type]) -> dict[str, dict[str, list[str]] | None]:
    bound = {
        element["binding"]
        for entry in elements.values()
        for element in entry["elements"].values()
        if "binding" in element
    }
    systems = {system["url"]: system for system in _read(source, "CodeSystem")}
    value_sets = {value_set["url"]: value_set for value_set in _read(source, "ValueSet") if value_set["url"] in bound}
    return {url: _expansion(value_sets[url], systems) if url in value_sets else None for url in bound}


def _expansion(value_set: dict[str, Any], systems: Mapping[str, dict[str, Any]]) -> dict[str, list[str]] | None:
    """All codes of a value set, or `None` where the package does not let us list them completely."""
    compose = value_set["compose"]
    expansion: dict[str, set[str]] = {}
    if "exclude" in compose:
        return None
    for include in compose["include"]:
        system = systems.get(include.get("system", ""))
        listed = include.get("concept")
        if "filter" in include or "valueSet" in include:
            return None
        if listed is None:
            if system is None or system["content"] != "complete":
                return None
            listed = list(_concepts(system))
        expansion.setdefault(include["system"], set()).update(concept["code"] for concept in listed)
    return {system: sorted(found) for system, found in sorted(expansion.items())}


def _concepts(parent: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for concept in parent.get("concept", ()):
        yield concept
        yield from _concepts(concept)


def _search(source: Path, resources: set[str]) -> dict[str, dict[str, Parameter]]:
    table: dict[str, dict[str, Parameter]] = {}
    for parameter in _read(source, "SearchParameter"):
        if parameter.get("version") != VERSION or parameter.get("experimental") or "expression" not in parameter:
            continue
        for base in parameter["base"]:
            branches = [each for each in union(parameter["expression"]) if _root(each) in {base, "Resource"}]
            if branches and (base in resources or base == "Resource") and parameter["type"] != "composite":
                entry: Parameter = {"type": parameter["type"], "expression": " | ".join(branches)}
                if "target" in parameter and not resources <= set(parameter["target"]):
                    entry["target"] = sorted(resources.intersection(parameter["target"]))
                table.setdefault(base, {})[parameter["code"]] = entry
    return table


def union(expression: str) -> list[str]:
    """The branches of a FHIRPath union at the outermost level."""
    branches, depth, start = [], 0, 0
    for at, sign in enumerate(expression):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            branches.append(expression[start:at].strip())
            start = at + 1
    return [*branches, expression[start:].strip()]


def _root(branch: str) -> str:
    found = re.match(r"\(*\s*(\w+)", branch)
    return found[1] if found else ""


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m fhir_profiles.definitions SOURCE TARGET")
    build(Path(sys.argv[1]), Path(sys.argv[2]))
