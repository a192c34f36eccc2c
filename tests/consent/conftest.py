"""What the tests of the twin share."""

from collections.abc import Iterator

import pytest

from tests.consent.scenes import Scene, scene
from tests.consent.twin import Twin, agree


@pytest.fixture(scope="session")
def twin(node: str) -> Iterator[Twin]:
    """The portal's twin, one Node.js process for the session."""
    process = Twin(node)
    yield process
    process.close()


@pytest.fixture(scope="session")
def played(twin) -> Scene:
    """The scene, its reader known to Python and the twin as `reader`; as `fresh` before it has opened anything.

    `late` is the one whose grant is from now on.
    """
    made = scene()
    fresh = made.shared("fresh")
    fresh["readers"]["fresh"]["known"] = []
    worlds = {"reader": made.shared("reader"), "fresh": fresh, "late": made.shared("late", made.late)}
    agree(twin, [("world", {"name": name, "shared": shared}) for name, shared in worlds.items()])
    return made


@pytest.fixture(scope="session")
def ended(twin) -> Scene:
    """The scene after the reader's grant was withdrawn; its reader is known as `ended`."""
    made = scene()
    made.patient.withdraw(made.reader, next(iter(made.patient.hub.record.relations[made.reader.account].grants)))
    agree(twin, [("world", {"name": "ended", "shared": made.shared("ended")})])
    return made
