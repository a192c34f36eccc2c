"""What the README and the page of the plain server show is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import requests

from connectors.demo.story import STEPS
from tests.journeys.conftest import obhut

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STANDALONE = (ROOT / "docs/standalone.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_readme_shows(tmp_path):
    """Each command of the worked example gives, in a new directory, the lines that stand under it."""
    block = re.search(r"<!-- example -->\n```console\n(.*?)```", README, re.DOTALL).group(1)
    steps = [part.partition("\n") for part in block.split("$ ")[1:]]
    assert len(steps) == 3
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    for line, _, shown in steps:
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env={"PATH": path, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == (shown, ""), line


def test_the_templates_are_those_that_the_readme_lists():
    """`obhut patient templates` prints the lines that stand under it."""
    (block,) = re.findall(r"<!-- templates -->\n```console\n(.*?)```", README, re.DOTALL)
    line, _, shown = block.removeprefix("$ ").partition("\n")
    done = obhut(*line.split()[1:])
    assert (done.stdout, done.stderr) == (shown, "")


def test_a_program_signs_in_as_the_page_shows(tmp_path):
    """Key, registration, server and the program's own lines, each as it stands there, but on a free port."""
    parts = dict(re.findall(r"<!-- smart: ([\w.]+) -->\n```\w+\n(.*?)```", STANDALONE, re.DOTALL))
    register, serve = parts.pop("commands").splitlines()
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "OBHUT_GATEWAY_PORT": "0"}
    here = {"cwd": tmp_path, "env": environment, "text": True}

    def program(name: str, base: str) -> str:
        (tmp_path / name).write_text(parts[name].replace("http://127.0.0.1:8080/fhir", base))
        return subprocess.run([sys.executable, name], check=True, stdout=subprocess.PIPE, **here).stdout

    assert program("key.py", "") == ""
    done = subprocess.run(["bash", "-c", register], check=True, stdout=subprocess.PIPE, **here)
    assert done.stdout == "reporting system/*.rs\n"
    with subprocess.Popen(["bash", "-c", f"exec {serve}"], stdout=subprocess.PIPE, **here) as server:
        try:
            word, base = server.stdout.readline().split()
            assert word == "listening"
            assert requests.get(f"{base}/Patient", timeout=60).status_code == 401
            assert program("read.py", base) == "0 patients\n"
        finally:
            server.terminate()


def test_the_story_has_the_steps_of_the_demo():
    """The story in the README has every step of `obhut demo`, in order, and no other."""
    block = re.search(r"\$ obhut demo --once\n(.*?)```", README, re.DOTALL).group(1)
    assert tuple(line.split()[1] for line in block.splitlines()) == tuple(STEPS)


def test_the_links_lead_somewhere():
    """Every file that the README links is there."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert len(links) >= 6
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_each_make_target_in_the_readme_exists():
    """Every `make …` in the README is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)", README):
        assert re.search(rf"(?m)^{target}:", makefile), target
