"""Writes `docs/configuration.md` from the settings' own lines in the code: `make docs`."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/configuration.md"
PROGRAMS = {"hub/config.py": "Hub: `obhut hub …`", "connectors/gateway/config.py": "Gateway: `obhut gateway …`"}

HEAD = """# Configuration

Written by `make docs` from the `Config` classes; change a setting there.

A setting is a variable of the environment; a gateway also reads the file that `--config` names. Where a name ends in
`_FILE`, its value is the path of a file that holds
the setting: that is the way for secrets. An unknown variable, or a value that cannot be meant, ends the program at its
start with one sentence.
"""


def render() -> str:
    """The whole document."""
    return HEAD + "".join(_section(ROOT / path, title) for path, title in PROGRAMS.items())


def settings(source: str) -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of each field of the class `Config`, in order; `PREFIX` begins the variable."""
    lines = source.splitlines()
    prefix = ""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PREFIX":
            prefix = ast.literal_eval(node.value)
        if isinstance(node, ast.ClassDef) and node.name == "Config":
            fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
            found = [(ast.unparse(field.target), _default(field), _meaning(lines, field)) for field in fields]
    return [(prefix + name.upper(), default, meaning) for name, default, meaning in found]


def _section(path: Path, title: str) -> str:
    rows = "".join(
        f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |\n"
        for variable, default, meaning in settings(path.read_text(encoding="utf-8"))
    )
    return f"\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n{rows}"


def _default(field: ast.AnnAssign) -> str:
    if field.value is None:
        return ""
    try:
        return str(ast.literal_eval(field.value))
    except ValueError:
        return ast.unparse(field.value)


def _meaning(lines: list[str], field: ast.AnnAssign) -> str:
    last = field.end_lineno or field.lineno
    comment = re.search(r"#\s*(.*)$", lines[last - 1][field.end_col_offset or 0 :])
    if comment is None:
        raise ValueError(f"The setting {ast.unparse(field.target)} has no comment that says what it means.")
    meaning = comment[1].replace("|", "\\|") + "."
    return meaning if "://" in meaning.split()[0] else meaning[:1].upper() + meaning[1:]


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
