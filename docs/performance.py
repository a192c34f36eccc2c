"""Writes the tables of `docs/performance.md` from the lines of runs: `make bench` or `make curve`, then `make docs`."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/performance.md"
BUILD = ROOT / "build"
TABLES = ("figures", "bench"), ("curve", "curve")
"""What stands in the document, and the target of the Makefile that measures it."""
HEAD = "| figure | value | limit | ratio | conditions |\n|---|---|---|---|---|\n"
NONE = "–"


def table(lines: list[dict[str, Any]]) -> str:
    """The lines of a run as a table."""
    return HEAD + "".join(_row(line) for line in lines)


def _row(line: dict[str, Any]) -> str:
    cells = (
        f"`{line['name']}`", f"{_number(line['value'])} {line['unit']}", _number(line["limit"]), _number(line["ratio"]),
        line["conditions"],
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _number(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _parts(document: str, name: str, target: str) -> tuple[str, str, str]:
    """The document before, in and behind a table."""
    begin, end = f"<!-- {name}: written by `make docs` from `make {target}` -->\n", f"<!-- /{name} -->\n"
    before, found, rest = document.partition(begin)
    inside, closed, behind = rest.partition(end)
    assert found
    assert closed
    return before + begin, inside, end + behind


def rows(document: str) -> list[list[str]]:
    """The cells of the document's tables, without their heads."""
    inside = "".join(_parts(document, *one)[1].removeprefix(HEAD) for one in TABLES)
    return [line.strip("|").strip().split(" | ") for line in inside.splitlines()]


def render() -> str:
    """The whole document; each table anew where there is a run, else as it is."""
    document = TARGET.read_text(encoding="utf-8")
    for name, target in TABLES:
        run = BUILD / f"{target}.json"
        if run.exists():
            before, _, behind = _parts(document, name, target)
            lines = [json.loads(line) for line in run.read_text(encoding="utf-8").splitlines()]
            document = before + table(lines) + behind
    return document


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
