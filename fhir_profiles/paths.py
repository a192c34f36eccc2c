"""The part of FHIRPath that HL7's search parameters use, compiled into closures (http://hl7.org/fhirpath/N1/).

`compile_path` knows the types from HL7's definitions, so that a choice (`Observation.value`) becomes one node for each
of its types, and `as Quantity` keeps the one. What is outside raises `UnsupportedError`: it is not offered.

    union   := and ('|' and)*            compare := term (('=' | '!=') literal | ('as' | 'is') Type)?
    and     := compare ('and' compare)*  term    := ('(' union ')' | name) ('.' name | '.' function | '[' n ']')*
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_profiles import definitions

Get = Callable[[Any], list[Any]]

_WORD = re.compile(r"\s*('(?:[^'\\]|\\.)*'|!=|[=|().\[\]]|\w+)")
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


class UnsupportedError(Exception):
    """The expression is outside the subset."""


@dataclass(frozen=True, slots=True)
class Node:
    """Values of one type below a resource: the type, its path in the definitions, and how to get the values."""

    type: str
    path: str
    get: Get


def compile_path(expression: str, base: str) -> list[Node]:
    """Compile an expression over resources of the type `base`. Raises `UnsupportedError`."""
    words = _WORD.findall(expression)
    if "".join(words) != re.sub(r"\s+", "", expression):
        raise UnsupportedError
    parser = _Parser(words, Node(base, base, lambda resource: [resource]), {base, "Resource", "DomainResource"})
    nodes = parser.union()
    if parser.at != len(words):
        raise UnsupportedError
    return nodes


def target(reference: str) -> tuple[str | None, str | None]:
    """Type and id to which a literal reference leads; `None` where its form does not tell."""
    found = _REFERENCE.fullmatch(reference)
    return (found[1], found[2]) if found and found[1] in definitions.resource_types() else (None, None)


class _Parser:
    """Recursive descent over the words; `root` is what a leading name starts from."""

    def __init__(self, words: list[str], root: Node, names: set[str]) -> None:
        self.words, self.at, self.root, self.names = words, 0, root, names

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self, wanted: str | None = None) -> str:
        word = self.peek()
        if not word or (wanted is not None and word != wanted):
            raise UnsupportedError
        self.at += 1
        return word

    def union(self) -> list[Node]:
        nodes = self.conjunction()
        while self.peek() == "|":
            self.take()
            nodes = nodes + self.conjunction()
        return nodes

    def conjunction(self) -> list[Node]:
        nodes = self.comparison()
        while self.peek() == "and":
            self.take()
            left, right = nodes, self.comparison()
            nodes = [Node("boolean", "", lambda value, a=left, b=right: [_true(a, value) and _true(b, value)])]  # type: ignore[misc]
        return nodes

    def comparison(self) -> list[Node]:
        nodes = self.term()
        operator = self.peek()
        if operator in {"=", "!="}:
            self.take()
            return [_compared(nodes, _literal(self.take()), equal=operator == "=")]
        if operator == "as":
            self.take()
            return _of_type(nodes, self.take())
        if operator == "is":
            self.take()
            return [_is(nodes, self.take())]
        return nodes

    def term(self) -> list[Node]:
        word = self.take()
        if word == "(":
            nodes = self.union()
            self.take(")")
        elif word in self.names:
            nodes = [self.root]
        else:
            nodes = self.step([self.root], word)
        while self.peek() in {".", "["}:
            if self.take() == "[":
                nodes = [_indexed(node, int(self.peek())) for node in nodes if self.peek().isdigit()]
                self.take()
                self.take("]")
            else:
                nodes = self.step(nodes, self.take())
        return nodes

    def step(self, nodes: list[Node], name: str) -> list[Node]:
        if self.peek() != "(":
            found = [child for node in nodes for child in _children(node, name)]
            if not found:
                raise UnsupportedError
            return found
        self.take("(")
        if name == "where":
            return self.where(nodes)
        if name in {"as", "ofType"}:
            nodes = _of_type(nodes, self.take())
        elif name == "exists":
            nodes = [Node("boolean", "", lambda value, of=nodes: [any(node.get(value) for node in of)])]  # type: ignore[misc]
        elif name == "resolve":
            nodes = [Node("resolved", "", node.get) for node in nodes if node.type == "Reference"]
        else:
            raise UnsupportedError
        self.take(")")
        return nodes

    def where(self, nodes: list[Node]) -> list[Node]:
        start, kept = self.at, []
        for node in nodes:
            inner = _Parser(self.words, Node(node.type, node.path, lambda value: [value]), set())
            inner.at = start
            kept.append(_filtered(node, inner.union()))
            self.at = inner.at
        self.take(")")
        return kept


def _true(nodes: list[Node], value: Any) -> bool:
    found = [each for node in nodes for each in node.get(value)]
    return bool(found) and all(each is True for each in found)


def _literal(word: str) -> Any:
    if word in {"true", "false"}:
        return word == "true"
    if word.startswith("'"):
        return word[1:-1]
    raise UnsupportedError


def _compared(nodes: list[Node], literal: Any, *, equal: bool) -> Node:
    def get(value: Any) -> list[Any]:
        found = [each for node in nodes for each in node.get(value)]
        return [(found == [literal]) == equal] if found else []

    return Node("boolean", "", get)


def _of_type(nodes: list[Node], name: str) -> list[Node]:
    return [node for node in nodes if node.type == name]


def _is(nodes: list[Node], name: str) -> Node:
    if not nodes or any(node.type != "resolved" for node in nodes):
        raise UnsupportedError

    def get(value: Any) -> list[Any]:
        return [_leads_to(each, name) for node in nodes for each in node.get(value)]

    return Node("boolean", "", get)


def _leads_to(reference: Any, name: str) -> bool:
    literal = reference.get("reference") if isinstance(reference, dict) else None
    known = target(literal)[0] if isinstance(literal, str) else None
    return (known or (reference.get("type") if isinstance(reference, dict) else None)) == name


def _filtered(node: Node, condition: list[Node]) -> Node:
    return Node(node.type, node.path, lambda value: [each for each in node.get(value) if _true(condition, each)])


def _indexed(node: Node, index: int) -> Node:
    return Node(node.type, node.path, lambda value: node.get(value)[index : index + 1])


def _children(node: Node, name: str) -> list[Node]:
    """The nodes of a child element, one for each type that it may have."""
    path = f"{node.path}.{name}"
    elements = definitions.types()[path.partition(".")[0]]["elements"]
    element = elements.get(path)
    if element is not None:
        return [_child(node, name, element["types"][0][0] if element["types"] else "", element.get("content", path))]
    choice = elements.get(path + "[x]")
    typed = choice["types"] if choice else ()
    return [_child(node, name + each[0][0].upper() + each[0][1:], each[0], path) for each in typed]


def _child(node: Node, key: str, kind: str, path: str) -> Node:
    backbone = kind in {"BackboneElement", "Element", ""}
    outer = node.get

    def get(value: Any) -> list[Any]:
        found: list[Any] = []
        for parent in outer(value):
            member = parent.get(key)
            if type(member) is list:
                found += [each for each in member if each is not None]
            elif member is not None:
                found.append(member)
        return found

    definition = definitions.types().get(kind)
    is_complex = definition is not None and definition["kind"] == "complex-type"
    return Node(kind, kind if is_complex and not backbone else path, get)
