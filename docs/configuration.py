"""Writes `docs/configuration.md` from the settings' own lines in the code: `make docs`."""

import ast
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/configuration.md"
PROGRAMS = {"hub.config": "Hub: `obhut hub …`", "connectors.gateway.config": "Gateway: `obhut gateway …`"}

HEAD = """# Configuration

Written by `make docs` from the `Config` classes; change a setting there.

A setting is a variable of the environment; yes and no are `1` and `0`. Where a name ends in `_FILE`, its value is the
path of a file that holds the setting: that is the way for secrets. An unknown variable, or a value that cannot be
meant, ends the program at its start with one sentence. A gateway also reads the file that `--config` names: TOML,
with the names in small letters and without their prefix (`hub_url = "https://…"`, `port = 8080`, `standalone =
true`). An option counts before the environment, and that before the file.
"""


def render() -> str:
    """The whole document."""
    return HEAD + "".join(_section(import_module(name), title) for name, title in PROGRAMS.items())


def _settings(module: ModuleType) -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of each field of the class `Config`, in order; `PREFIX` begins the variable."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    (config,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Config")
    lines = (node for node in config.body if isinstance(node, ast.AnnAssign))
    return [
        (module.PREFIX + field.name.upper(), _text(field.default), _meaning(source.splitlines(), line))
        for field, line in zip(fields(module.Config), lines, strict=True)
    ]


def _section(module: ModuleType, title: str) -> str:
    rows = "".join(
        f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |\n"
        for variable, default, meaning in _settings(module)
    )
    return f"\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n{rows}"


def _text(default: Any) -> str:
    """A default as the environment would say it."""
    return str(int(default)) if isinstance(default, bool) else str(default)


def _meaning(lines: list[str], field: ast.AnnAssign) -> str:
    last = field.end_lineno or field.lineno
    comment = re.search(r"#\s*(.*)$", lines[last - 1][field.end_col_offset or 0 :])
    if comment is None:
        raise ValueError(f"The setting {ast.unparse(field.target)} has no comment that says what it means.")
    meaning = comment[1].replace("|", "\\|") + "."
    return meaning if "://" in meaning.split()[0] else meaning[:1].upper() + meaning[1:]


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
