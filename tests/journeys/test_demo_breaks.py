"""`obhut demo --break`: whatever is made to go wrong, the story fails at the right place and says what it noticed."""

import pytest

from connectors.demo.breaks import BREAKS
from tests.journeys.told import story

pytestmark = pytest.mark.timeout(900)

NOTICED = {
    "skip-withdrawal": ("gone", "still finds"),
    "swap-key": ("import", "stamp does not hold"),
    "drop-envelope": ("found", "something was lost on the way"),
    "widen-grant": ("withheld", "traces, which were not granted"),
    "stop-hub-b": ("hospital", "cannot be reached"),
}


def test_each_break_is_known_here():
    """No break of the command goes without its test."""
    assert NOTICED.keys() == BREAKS.keys()


@pytest.mark.parametrize("name", NOTICED)
def test_the_story_notices(tmp_path, name):
    """The exit code is 1, the last line is of the step where it shows, and its words name what was noticed."""
    code, lines = story(tmp_path / "stage", "--break", name)
    step, words = NOTICED[name]
    assert (code, lines[-1]["step"], lines[-1]["ok"]) == (1, step, False), lines[-1]
    assert words in lines[-1]["detail"]
    assert all(line["ok"] for line in lines[:-1])
