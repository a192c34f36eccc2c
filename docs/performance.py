"""Writes the table of `docs/performance.md` from the lines of a run: `make bench`, then `make docs`."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/performance.md"
RUN = ROOT / "build/bench.json"
BEGIN, END = "<!-- figures: written by `make docs` from `make bench` -->\n", "<!-- /figures -->\n"
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


def rows(document: str) -> list[list[str]]:
    """The cells of the document's table, without its head."""
    inside = document.partition(BEGIN)[2].partition(END)[0].removeprefix(HEAD)
    return [line.strip("|").strip().split(" | ") for line in inside.splitlines()]


def render() -> str:
    """The whole document; its table anew where there is a run, else as it is."""
    document = TARGET.read_text(encoding="utf-8")
    if not RUN.exists():
        return document
    lines = [json.loads(line) for line in RUN.read_text(encoding="utf-8").splitlines()]
    before, _, rest = document.partition(BEGIN)
    return f"{before}{BEGIN}{table(lines)}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
