"""Others compute; what they cannot, is computed here."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.wearables.pool import Pool


def double(number: int) -> tuple[int, int]:
    """Of a number, and who says so."""
    return 2 * number, os.getpid()


def fall_over(number: int, here: int) -> tuple[int, bool]:
    """Takes a process with it now and then, unless it is the test's own; whether that was the one that answers."""
    if number % 7 == 3 and os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid() == here


def fail(number: int) -> int:
    """Raises."""
    raise ArithmeticError(number)


def test_answers_come_in_the_order_of_the_calls():
    """Whoever computes them; nobody here does."""
    with Pool() as pool:
        found = list(pool.map(double, ((number,) for number in range(100))))
    assert [answer for answer, _ in found] == list(range(0, 200, 2))
    assert os.getpid() not in {process for _, process in found}


def test_what_a_killed_process_owes_is_computed_here():
    """Nothing is lost, in order; also once none of them is left."""
    with Pool() as pool:
        found = list(pool.map(fall_over, ((number, os.getpid()) for number in range(100))))
    assert [number for number, _ in found] == list(range(100))
    assert (found[0], found[3], found[99]) == ((0, False), (3, True), (99, True))


def test_what_a_function_raises_is_raised_here():
    """As though it had been called."""
    with Pool() as pool, pytest.raises(ArithmeticError, match="7"):
        list(pool.map(fail, [(7,)]))


def test_calls_are_taken_as_they_are_needed():
    """An export is larger than memory."""
    taken: list[int] = []
    with Pool() as pool:
        answers = pool.map(double, ((number,) for number in range(1000) if not taken.append(number)))
        next(answers)
        assert len(taken) < 20


def test_no_process_outlives_the_program_that_was_killed(tmp_path: Path):
    """Their input ends with it."""
    program = (
        "import os, time; from connectors.wearables.pool import Pool\n"
        "with Pool() as pool: print(*(one.pid for one in pool._processes), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        process.kill()
    deadline = time.monotonic() + 30
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids
    assert not any(running(pid) for pid in pids)


def running(pid: int) -> bool:
    """Whether there is a process with this number that has not ended."""
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    except OSError:
        return False
    return bool(state.strip()) and not state.startswith("Z")
