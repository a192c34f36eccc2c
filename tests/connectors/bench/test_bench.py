"""`obhut bench`: every line has its shape and a limit that was measured, and nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from itertools import cycle
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from connectors.bench import browser
from connectors.bench.cli import BENCHES, _possible
from connectors.bench.cli import bench as command
from connectors.bench.databases import Databases
from connectors.bench.figures import Figure, Wish
from connectors.bench.load import Load, joined
from connectors.bench.turns import ROUNDS, Place, in_turn
from connectors.demo.programs import Programs
from tests.conftest import empty
from tests.connectors.bench import forked
from tests.soak.programs import until
from tests.zygote import zygote

SHAPE = ["name", "value", "unit", "limit", "ratio", "conditions"]
OF_DECISIONS = {f"decide-{what}{whose}" for what in ("one", "filter", "release-p99") for whose in ("", "-cedar")}
LONGEST = "portal-import-longest-task"
"""0 where no task is long enough that a browser tells of it."""
UNLIMITED = {"import-memory", LONGEST} | OF_DECISIONS
FIGURES = {
    "decide": {"decide"} | OF_DECISIONS,
    "gateway-write": {"gateway-write", "gateway-write-single"},
    "gateway-read": {"gateway-read", "gateway-read-p99"},
    "gateway-search": {"gateway-search", "gateway-search-p99"},
    "import": {"import"} | ({"import-memory"} if Path("/proc/self/smaps_rollup").exists() else set()),
    "portal": {"portal-overview", "portal-observations", "portal-pan", "portal-import", LONGEST},
}
IN_ONE_PROCESS = ("seal", "open", "decide")
WITH_A_DATABASE = tuple(name for name in BENCHES if name not in IN_ONE_PROCESS)


def program(*words):
    return [sys.executable, "-m", "fhir_profiles.command", "bench", *words]


def bench(*words, **environment):
    return zygote().run([forked.__name__, *words], environment)


def lines(*words, **environment):
    done = bench("--json", *words, **environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(name, found, database):
    """One line a figure, its limit measured in the same unit, the database named."""
    assert {line["name"] for line in found} == FIGURES.get(name, {name})
    for line in found:
        assert list(line) == SHAPE
        assert line["value"] > 0 or line["name"] == LONGEST
        assert database in line["conditions"]
        if line["name"] in UNLIMITED:
            assert (line["limit"], line["ratio"]) == (None, None)
        else:
            assert line["limit"] > 0
            assert line["ratio"] == pytest.approx(line["value"] / line["limit"], rel=0.01)


@pytest.mark.parametrize("name", IN_ONE_PROCESS)
def test_a_bench_of_one_process_prints_its_figure(name):
    """Tiny, and in its shape."""
    check(name, lines(name, "--seconds", "0.2"), "one processor")


@pytest.fixture
def database_url(request, tmp_path):
    """An empty database of the kind that is asked for."""
    yield from empty(request.param, tmp_path / "unused.sqlite", request)


@pytest.mark.parametrize(
    ("name", "database_url"), list(zip(WITH_A_DATABASE, cycle(["postgresql", "sqlite"]))), indirect=["database_url"]
)
def test_a_bench_of_servers_prints_its_figures(name, database_url, tmp_path):
    """Tiny, with real servers, on one database or the other in turn; all it made is gone afterwards."""
    where = "sqlite" if database_url.startswith("sqlite") else database_url
    before = databases(database_url)
    words = (name, "--seconds", "0.6", "--connections", "2", "--rows", "300", "--database", where)
    check(name, lines(*words, TMPDIR=str(tmp_path)), "SQLite" if where == "sqlite" else "PostgreSQL")
    assert databases(database_url) == before
    assert not list(tmp_path.glob("obhut-bench-*"))


def databases(url):
    """The names of the benches' databases on the server."""
    if url.startswith("sqlite"):
        return []
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        return connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'obhut_bench_%'").fetchall()


def test_ended_by_sigterm_it_leaves_nothing(tmp_path):
    """In the middle of a measurement: its servers, its PostgreSQL and its files go with it."""
    words = ("deposit", "--seconds", "60", "--rows", "300", "--database", "postgresql")
    process = subprocess.Popen(
        program(*words), env=os.environ | {"TMPDIR": str(tmp_path)}, start_new_session=True, stdout=subprocess.DEVNULL
    )
    until(lambda: any("listening" in log.read_text() for log in tmp_path.glob("obhut-bench-*/**/hub.log")))
    (postgresql,) = (int(file.read_text().split()[0]) for file in tmp_path.glob("obhut-bench-*/**/postmaster.pid"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    until(lambda: not lives(os.killpg, process.pid))
    until(lambda: not lives(os.kill, postgresql))
    assert not list(tmp_path.glob("obhut-bench-*"))


def lives(kill, number):
    """Whether there is such a process, or group of processes."""
    try:
        kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_people_read_lines_of_words():
    """Without --json the figure, its limit and the ratio stand in one line."""
    done = bench("seal", "--seconds", "0.2")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("seal")
    assert "envelopes/s" in line
    assert "ratio" in line


def test_another_kind_of_database_is_refused_in_one_sentence(tmp_path):
    """What it may be is said, and nothing is left behind."""
    done = bench("deposit", "--database", "mysql://localhost/x", TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert done.returncode == 2
    assert "--database is sqlite, postgresql, or the URL of a PostgreSQL server." in done.stderr


def test_without_a_browser_the_portal_is_not_measured(monkeypatch, tmp_path):
    """Asked for, it is refused in one sentence and nothing is started; among all others it would be left out."""
    monkeypatch.setattr(browser, "UNPACKED", tmp_path / "nowhere")
    monkeypatch.setattr(browser.shutil, "which", lambda _: None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    done = CliRunner().invoke(command, ["portal"])
    assert done.exit_code == 1
    assert "portal: There is no Chromium here" in done.output
    assert list(tmp_path.iterdir()) == []
    assert _possible() == [name for name in BENCHES if name != "portal"]


def place(size, seconds_each, limit_each, turns):
    """Where an answer takes so long, and one of the limit."""

    def measurement(each):
        def measure(seconds):
            turns.append((size, each))
            return Load(seconds, [each] * round(seconds / each))

        return measure

    return Place(size, "here", measurement(seconds_each), measurement(limit_each), 100, 10)


@pytest.fixture
def wish(tmp_path):
    """Ten seconds, without any server."""
    with Databases("sqlite") as databases:
        yield Wish(databases, Programs(tmp_path), 10, 1, (1,))


def test_sizes_are_measured_in_turn(wish):
    """Each a little at a time, after the limits; an answer holds a hundred units, one of the limit ten."""
    turns = []
    found = list(in_turn(wish, "deposit", "envelopes/s", [place(1, 0.1, 0.01, turns), place(9, 0.2, 0.02, turns)]))
    assert turns == [(1, 0.01), (9, 0.02)] * ROUNDS + [(1, 0.1), (9, 0.2)] * ROUNDS
    assert [(one.name, round(one.value), one.limit and round(one.limit)) for one in found[:2]] == [
        ("deposit", 1000, 1000),
        ("deposit", 500, 500),
    ]


def test_growth_is_the_cost_at_the_largest_size_over_that_at_the_smallest(wish):
    """One size says nothing of growth; of several the first and the last count. So with the limit."""
    rates = [(100, 0.1, 0.2), (1000, 0.5, 1.0), (10000, 0.2, 0.4)]
    places = [place(*one, []) for one in rates]
    assert [one.name for one in in_turn(wish, "deposit", "envelopes/s", places[:1])] == ["deposit"]
    *_, growth = in_turn(wish, "deposit", "envelopes/s", places)
    assert (growth.name, growth.ratio) == ("deposit-growth", 1.0)
    assert (growth.value, growth.limit) == pytest.approx((2.0, 2.0))


def test_a_percentile_is_of_all_rounds(wish):
    """The slowest answers count, in whatever round they came."""
    names = [one.name for one in in_turn(wish, "read", "requests/s", [place(1, 0.1, 0.2, [])], percentile=True)]
    assert names == ["read", "read-p99"]
    assert joined([Load(1, [0.1] * 99), Load(1, [0.2] * 3)]).percentile(0.99) == 200


def test_a_figure_is_rounded_to_what_a_run_repeats():
    """Four digits, and the ratio of the exact values."""
    line = json.loads(Figure("feed", 12345.678, "envelopes/s", 99999.9, "here").json())
    numbers = {"value": 12350.0, "limit": 100000.0, "ratio": 0.1235}
    assert line == {"name": "feed", "unit": "envelopes/s", "conditions": "here"} | numbers
