"""Every vector holds: the same files that the portal's twin runs."""

import json
from pathlib import Path

import pytest

from tests.consent.verdicts import RUN, verdict

FILES = {
    path.stem: json.loads(path.read_text("ascii"))
    for path in sorted((Path(__file__).parents[1] / "vectors").glob("*.json"))
}
CASES = [
    pytest.param(name, number, id=f"{name}: {vector['name']}")
    for name, file in FILES.items()
    for number, vector in enumerate(file["vectors"])
]


@pytest.mark.parametrize(("name", "number"), CASES)
def test_vector_holds(name, number):
    """The verdict on each vector is the one it names."""
    file = FILES[name]
    vector = file["vectors"][number]
    assert verdict(lambda: RUN[file["kind"]](vector, file)) == vector["expect"]


def test_every_kind_has_vectors():
    """No way of running vectors is left without a file."""
    assert {file["kind"] for file in FILES.values()} == set(RUN)
