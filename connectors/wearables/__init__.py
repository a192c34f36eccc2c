"""What wearables recorded, as FHIR: one file a source; `detect` tells which reader a file is for."""

from pathlib import Path

from connectors.wearables import archive
from fhir_profiles.problems import Problem

APPLE_HEALTH = "apple-health"


def detect(path: Path) -> str:
    """The name of the source that a file comes from. Raises `Problem(not-supported)` where no reader knows it."""
    try:
        with path.open("rb") as file:
            head = file.read(archive.SNIFF_BYTES)
    except OSError:
        raise Problem("invalid", "The file cannot be opened.") from None
    if head.startswith(b"PK") or archive.is_health_data(head):
        return APPLE_HEALTH
    raise Problem(
        "not-supported", "This is no export of Apple Health: give the zip that Health makes, or the export.xml in it."
    )
