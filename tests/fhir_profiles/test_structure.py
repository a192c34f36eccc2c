"""Checks are compiled when first needed, and whole before anybody else uses them."""

import subprocess
import sys

PROGRAM = """
import sys, threading
from fhir_profiles import resources
from fhir_profiles.problems import Problem
sys.setswitchinterval(1e-6)
observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
               "component": [{"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}}]}
barrier, wrong = threading.Barrier(8), []
def first():
    barrier.wait()
    try:
        resources.check(observation)
    except Problem as problem:
        wrong.append(problem.detail)
threads = [threading.Thread(target=first) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(wrong))
"""


def test_first_checks_in_many_threads_at_once_agree():
    """Eight threads that check for the first time in a process all accept what is right, time after time."""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
        assert done.stdout == "0\n", done.stdout + done.stderr
