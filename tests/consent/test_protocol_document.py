"""The paper and the code say the same: labels, fields, sizes, limits, types and reasons."""

import ast
import importlib
import re
from collections import defaultdict
from pathlib import Path

import pytest

import consent
from consent import accounts, declarations, envelope, heads, messages, statements
from consent.categories import NAMES

ROOM = Path(consent.__file__).parent
PAPER = (ROOM / "PROTOCOL.md").read_text(encoding="utf-8")
SOURCES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in ROOM.glob("*.py")}
LABEL = re.compile(r"(obhut|hse1)-[a-z0-9]+(-[a-z0-9]+)*")


def chapter(number: str) -> str:
    """The text of a section."""
    found = re.search(rf"^###? {re.escape(number)}\b.*?(?=^##)", PAPER + "\n## ", re.MULTILINE | re.DOTALL)
    assert found, number
    return found[0]


def table(text: str) -> list[list[str]]:
    """The rows of the tables in a text, without their heads."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    heads = {number - 1 for number, row in enumerate(rows) if set("".join(row)) <= {"-"}}
    return [row for number, row in enumerate(rows) if number not in heads and number - 1 not in heads]


def words(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def constants(tree: ast.Module) -> list[str]:
    """All text and ASCII bytes of a module but its docstrings."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in said]
    return [v.decode() if isinstance(v, bytes) and v.isascii() else v for v in found if isinstance(v, str | bytes)]


def labels_in_code() -> dict[str, set[str]]:
    """Label → the modules in which it occurs."""
    found = defaultdict(set)
    for name, tree in SOURCES.items():
        for text in constants(tree):
            if isinstance(text, str) and LABEL.fullmatch(text) and not text.endswith("-delete"):
                found[text].add(name)
    return dict(found)


def reasons_in_code() -> set[tuple[str, str]]:
    """Kind and reason of everything that is raised."""
    found = set()
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            said = [
                a.value
                for arg in node.args
                for a in ast.walk(arg)
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            ]
            if name == "broken":
                found |= {("broken", reason) for reason in said}
            elif name == "stale":
                found |= {("stale", reason) for reason in said or ["stale"]}
            elif name == "Rejected" and len(said) == 2:
                found.add((said[0], said[1]))
    return found


def test_labels_are_those_of_the_table_and_where_it_says():
    """Every label in the code stands in the table, every one of the table in the code, in the modules named."""
    said = {words(row[0])[0]: set(row[2].split(", ")) for row in table(chapter("1.5"))}
    assert labels_in_code() == said


def test_no_label_begins_another_statement():
    """No label stands twice in the table."""
    names = [words(row[0])[0] for row in table(chapter("1.5"))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", table(chapter("1.6")), ids=lambda row: row[0])
def test_limits_are_those_of_the_code(row):
    """Each number of the table is the constant that it names."""
    module, name = words(row[2])[0].split(".")
    value = getattr(importlib.import_module(f"consent.{module}"), name)
    if isinstance(value, dict):
        kinds = ["person"] if "person" in row[0] else ["org", "service"]
        assert {value[kind] for kind in kinds} == {int(row[1])}
    else:
        assert value == int(row[1].split()[0])


@pytest.mark.parametrize(("kind", "number"), [("acct", "2.2"), ("set", "2.3"), ("rel", "2.4")])
def test_types_and_their_fields_are_those_of_the_code(kind, number):
    """Every type of statement has a row, and the row names exactly its fields."""
    rows = {words(row[0])[0]: row for row in table(chapter(number)) if words(row[0])}
    assert rows.keys() == statements.BODIES[kind].keys()
    for typ, fields in statements.BODIES[kind].items():
        cell = rows[typ][2 if kind == "acct" else 1]
        assert set(words(cell)) == set(fields), typ


@pytest.mark.parametrize(
    ("number", "start", "fields"),
    [
        ("2.1", "{v:1, kind", statements._HEADER), ("2.5", '{v:1, typ:"permit"', statements._PERMIT),
        ("3.1", '{v:1, suite:"HS1"', envelope.HEADER), ("3.3", '{v:1, typ:"stamp"', envelope._STAMP),
        ("5", '{v:1, typ:"note"', heads.NOTE), ("5", '{v:1, typ:"heads"', heads.HEADS),
        ("5", "{v:1, typ, from", messages._MESSAGE), ("5", '{v:1, typ:"client"', messages._CLIENT),
        ("5", '{v:1, typ:"declare"', declarations.DECLARE),
    ],
)  # fmt: skip
def test_headers_have_the_fields_of_the_paper(number, start, fields):
    """Each closed header, field by field."""
    text = PAPER[PAPER.index(f"## {number}") :]
    header = text[text.index(start) + 1 :]
    header = re.sub(r"\[[^\]]*\]", "", header[: header.index("}")])
    assert [name.partition(":")[0].strip() for name in header.split(",")] == list(fields)


def test_every_reason_is_explained():
    """Each reason word that the code raises stands in the paper, with its kind where it is not `broken`."""
    flat = " ".join(PAPER.split())
    for kind, reason in sorted(reasons_in_code()):
        if kind == "broken":
            assert f"`{reason}`" in flat, reason
        else:
            assert f"{kind} `{reason}`" in flat or f"kind `{kind}`, reason `{reason}`" in flat, (kind, reason)


def test_categories_are_those_of_the_code():
    """The list of version 1, in its order."""
    flat = " ".join(chapter("1.7").split())
    assert ", ".join(f"{number} {name}" for number, name in enumerate(NAMES)) in flat


def test_words_of_closed_choices_are_in_the_paper():
    """Classes, roles, scopes, first meetings and suites."""
    flat = " ".join(PAPER.split())
    for choice in (statements.CLASSES, statements.ROLES, statements.SCOPES, statements.FIRST_MET):
        assert f"({', '.join(choice)})" in flat
    assert accounts.DELEGATE_TYPES == ("grant", "keys", "end")
    assert "`grant`, `keys` and `end` only" in flat


def test_every_refusal_of_the_joint_rules_has_a_row():
    """What `consent/rules.py` raises stands in 2.6, 3.2, or the order of a link."""
    raised = {
        node.args[0].value for node in ast.walk(SOURCES["rules"])
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "broken"
        and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    assert raised <= set(words(chapter("2.6")) + words(chapter("3.2")))


def test_every_section_that_the_code_names_exists():
    """A docstring that points to the paper points to something."""
    for name, tree in SOURCES.items():
        for number in re.findall(r"PROTOCOL\.md`? (\d(?:\.\d+)?)", ast.unparse(tree)):
            assert re.search(rf"^###? {re.escape(number)}\b|^\*\*{re.escape(number)} ", PAPER, re.MULTILINE), (
                name,
                number,
            )
