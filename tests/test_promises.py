"""What the documents and the ground of the project promise, held against the tree itself."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import click
import grimp
import pytest
from werkzeug import Response
from werkzeug.serving import make_server

from connectors.bench.cli import BENCHES, bench
from connectors.gateway import emergency
from connectors.gateway.cli import create
from connectors.gateway.config import Config
from connectors.gateway.query import PAGE_SIZE
from consent.decide import EMERGENCY_ROLES
from consent.objects import MAX_SEALED_OBJECT
from fhir_profiles import search
from hub import chains, envelopes
from tests.ports import free_port
from tests.serving import serving

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("fhir_profiles", "consent", "hub", "connectors")
LONGEST_FILE = 400

LOCKS = sorted(ROOT.glob("requirements/*.txt"))
NPM_LOCKS = sorted(ROOT / name for name in ("hub/portal/package-lock.json", "tests/browser/package-lock.json"))


@cache
def tree() -> tuple[Path, ...]:
    """Every file of the project: what git tracks, or would if told to."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


def read(name: str) -> str:
    """A file of the project that must be there."""
    path = ROOT / name
    if not path.exists():
        pytest.fail(f"{name} does not exist yet.")
    return path.read_text(encoding="utf-8")


def in_rooms(*suffixes: str) -> list[Path]:
    """The files of the four rooms with one of these endings."""
    return [path for path in tree() if path.relative_to(ROOT).parts[0] in ROOMS and path.suffix in suffixes]


def names(paths: Iterable[Path]) -> str:
    """Their names from the root, a line each."""
    return "\n".join(sorted(str(path.relative_to(ROOT)) for path in paths))


def writer(name: str) -> ModuleType:
    """A program of docs/ that writes a document."""
    module = ModuleType(name)
    module.__file__ = str(ROOT / f"docs/{name}.py")
    exec(compile(read(f"docs/{name}.py"), module.__file__, "exec"), module.__dict__)
    return module


def test_the_import_contracts_hold():
    """The four rooms import only what they may; above all, the hub cannot read."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_module_can_be_imported_first():
    """None waits, at any distance, for one that waits for it; only names of types may go in a circle."""
    graph = grimp.build_graph(*ROOMS, exclude_type_checking_imports=True, cache_dir=None)
    needs = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def test_no_source_file_is_long():
    """A file has one subject and fits into a head."""
    long = [
        path for path in in_rooms(".py", ".ts", ".tsx", ".css") if len(path.read_bytes().splitlines()) > LONGEST_FILE
    ]
    assert not long, f"more than {LONGEST_FILE} lines:\n{names(long)}"


def test_the_document_of_settings_is_what_the_code_says():
    """docs/configuration.md is as `make docs` writes it."""
    assert read("docs/configuration.md") == writer("configuration").render(), "run `make docs`"


def test_every_variable_in_the_code_is_a_documented_setting():
    """Each OBHUT_* name that the code uses is in docs/configuration.md."""
    documented = set(re.findall(r"`(OBHUT_\w+)`", read("docs/configuration.md")))
    used = {
        name.removesuffix("_FILE")
        for path in [*in_rooms(".py", ".ts", ".tsx"), ROOT / "Dockerfile"]
        for name in re.findall(r"OBHUT_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert not used - documented


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_python_package_has_hashes(lock):
    """pip takes no file that the lock does not know."""
    entries = [entry for entry in re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8")) if entry[:1] != "#"]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_lock_of_python_names_a_host(lock):
    """Where packages come from is for the machine to say."""
    assert re.findall(r"(?m)^\s*(?:--index|--extra|--find|--trusted|-i |-f ).*|\S+://\S+", lock.read_text()) == []


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda path: path.parent.name)
def test_the_lock_of_npm_has_hashes_and_names_no_host(lock):
    """npm takes no file that the lock does not know, from wherever the machine says."""
    packages = {name: entry for name, entry in json.loads(lock.read_bytes())["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")] == []
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_no_file_names_a_machine():
    """No path of somebody's machine and no host of a package registry is anywhere in the project."""
    places = r"(?<![\w.*}\]-])/(?:work|root|home|Users|opt)/\w|[/\\]tmp/obhut"
    hosts = r"\bpypi[.]org|pythonhosted[.]org|registry[.]npmjs|registry[.]yarnpkg|proxy[.]golang"
    pattern = re.compile(f"{places}|{hosts}".encode())
    found = [
        f"{path.relative_to(ROOT)}: {match.decode()}" for path in tree() for match in pattern.findall(path.read_bytes())
    ]
    assert found == []


def test_the_page_of_the_gateway_says_what_it_does():
    """Its numbers, its modifiers, and the body of an emergency."""
    page = read("docs/gateway.md")
    assert f"`_count` is {PAGE_SIZE} where nothing is said, {search.MAX_COUNT} at most" in page
    assert f"{Config().max_body >> 20} MiB at most" in page
    days = next(option for option in create.params if option.name == "days")
    assert f"last {days.default} days" in page
    assert days.type.max == 366
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", page, re.MULTILINE)
    told = {kind: set(re.findall(r":(\w+)", said)) for kinds, said in rows for kind in re.findall(r"`(\w+)`", kinds)}
    assert told == search.MODIFIERS
    (body,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    code, text = emergency.reason_of(json.loads(body))
    assert code in emergency.REASONS
    assert text
    assert all(f"`{one}`" in page for one in (*emergency.REASONS, *EMERGENCY_ROLES))


def test_the_page_of_operations_asks_a_proxy_for_what_the_hub_takes():
    """The largest bodies, and how long a feed stays open."""
    page = " ".join(read("docs/operations.md").split())
    assert MAX_SEALED_OBJECT < 65 << 20
    assert f"bodies of 65 MiB (objects; nothing else needs more than {chains.BODY_BYTES >> 20})" in page
    assert f"feeds stay open for {envelopes.MAX_WAIT_SECONDS} seconds" in page


def test_the_map_is_written_from_the_files():
    """docs/architecture.md says of each file what the file says of itself."""
    assert read("docs/architecture.md") == writer("map").render(), "run `make docs`"


def test_the_image_is_built_by_the_makefile():
    """The Dockerfile's `make` steps are targets of the Makefile."""
    asked = re.findall(r"\bmake ([a-z]+)", read("Dockerfile"))
    assert asked
    assert [target for target in asked if not re.search(rf"(?m)^{target}:", read("Makefile"))] == []


def test_the_image_starts_a_command_that_exists():
    """What the Dockerfile runs is a command of `obhut`."""
    program, group, *rest = json.loads(re.findall(r"(?m)^CMD (\[.*\])$", read("Dockerfile"))[0])
    assert program == "obhut"
    (entry,) = entry_points(group="obhut.commands", name=group)
    command = entry.load()
    assert isinstance(command, click.Group)
    assert rest[0] in command.commands


@pytest.mark.parametrize("place", [0, 1], ids=["a hub", "a gateway"])
def test_the_image_asks_whichever_program_runs_in_it(place):
    """Its health check is well where one of the two ports answers, and ill where none does."""
    program, *words = json.loads(re.findall(r"(?m)^ +CMD (\[.*\])$", read("Dockerfile"))[0])
    assert program == "python"
    base = free_port(1)
    check = [word.replace("8101, 8080", f"{base}, {base + 1}") for word in words]
    assert check != words
    assert subprocess.run([sys.executable, *check], check=False).returncode == 1
    with serving(make_server("127.0.0.1", base + place, Response())):
        assert subprocess.run([sys.executable, *check], check=False).returncode == 0


def test_every_registered_command_loads():
    """`obhut --help` lists no command that cannot run."""
    registered = entry_points(group="obhut.commands")
    assert len(registered) > 0
    assert [entry.name for entry in registered if not isinstance(entry.load(), click.Command)] == []


def test_the_commands_of_the_performance_page_exist():
    """Each `obhut bench …` there is understood, each `make …` is a target, and each bench is described."""
    document = read("docs/performance.md")
    (block,) = re.findall(r"```\n(.*?)```", document, re.DOTALL)
    for line in block.splitlines():
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert all(re.search(rf"(?m)^{target}:", read("Makefile")) for target in words)
        else:
            assert (program, words.pop(0)) == ("obhut", "bench")
            bench.make_context("bench", words)
    assert set(BENCHES) <= set(re.findall(r"^\| `([a-z-]+)` \|", document, re.MULTILINE))


def test_the_table_of_figures_is_as_its_script_writes_it():
    """docs/performance.py wrote it from a run: five cells a line, a figure and its limit in the form of a run's."""
    script, document = writer("performance"), read("docs/performance.md")
    assert script.HEAD in document
    for name, value, limit, ratio, conditions in script.rows(document):
        known = name.strip("`").removesuffix("-p99").removesuffix("-growth")
        assert any(known.startswith(one) for one in BENCHES), name
        line = {"name": name.strip("`"), "unit": value.partition(" ")[2], "conditions": conditions}
        numbers = {"value": number(value.partition(" ")[0]), "limit": number(limit), "ratio": number(ratio)}
        assert (
            script.table([line | numbers]) == f"{script.HEAD}| {name} | {value} | {limit} | {ratio} | {conditions} |\n"
        )


def number(cell: str) -> float | None:
    """A number as a table of figures shows it."""
    return None if cell == "–" else float(cell.replace(",", ""))
