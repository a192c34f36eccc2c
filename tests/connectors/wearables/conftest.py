"""One generated month, shared by all tests here."""

from pathlib import Path

import pytest

from connectors.wearables.generator import generate
from connectors.wearables.importer import Batch, Report
from tests.connectors.wearables.exports import taken


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated export of October 2026."""
    path = tmp_path_factory.mktemp("export") / "Jürgens Export.zip"
    generate(path, seed=7)
    return path


@pytest.fixture(scope="session")
def imported(month: Path) -> tuple[Report, list[Batch]]:
    """The month, imported once."""
    return taken(month)
