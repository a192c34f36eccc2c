"""Writes the tables of `docs/architecture.md` from the first line of each file: `make docs`."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/architecture.md"
ROOMS = ("fhir_profiles", "consent", "hub", "connectors")
BUILT = {"node_modules", "static", "tables", "__pycache__"}
SUFFIXES = {".py", ".ts", ".tsx", ".css", ".md"}
BEGIN, END = "<!-- map: written by `make docs` -->\n", "<!-- /map -->\n"


def render() -> str:
    """The whole document, its map made anew."""
    before, _, rest = TARGET.read_text(encoding="utf-8").partition(BEGIN)
    sections = "".join(_section(folder) for room in ROOMS for folder in _folders(ROOT / room))
    return f"{before}{BEGIN}{sections}\n{END}{rest.partition(END)[2]}"


def _folders(room: Path) -> list[Path]:
    """A room and its folders, outer ones first."""
    inner = [path for path in room.rglob("*") if path.is_dir() and not BUILT.intersection(path.parts)]
    return [room, *sorted(inner)]


def _section(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.name != "__init__.py")
    rows = "".join(f"| `{path.name}` | {_subject(path)} |\n" for path in files)
    title = f"\n### `{folder.relative_to(ROOT).as_posix()}/`\n\n"
    package = folder / "__init__.py"
    about = _subject(package) if package.exists() else ""
    return f"{title}{about and about + chr(10) * 2}| file | subject |\n|---|---|\n{rows}" if rows else ""


def _subject(path: Path) -> str:
    """The first sentence that a file says of itself; a long one up to its colon or semicolon."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = ast.get_docstring(ast.parse(text)) or ""
    elif path.suffix in {".ts", ".tsx", ".css"}:
        comment = re.match(r"/\*\*?(.*?)\*/", text, re.DOTALL)
        said = re.sub(r"(?m)^\s*\* ?", "", comment[1]).strip() if comment else ""
    else:
        said = next(line.lstrip("# ") for line in text.splitlines() if line.strip())
    said = said.split("\n\n")[0].replace("\n", " ").strip()
    for end in (r"\.(?= [A-Z`])", r"[;:](?= )"):
        if len(said) > 130:
            said = re.split(end, said, maxsplit=1)[0].rstrip(".") + "."
    return said.replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
