"""What a directory may say of an organisation, whether it is admitted here or another hub tells of it."""

from typing import Any

from consent import identifiers
from consent.primitives import Rejected
from hub.store.directory import Organisation

TYPES = (
    "practice", "hospital", "emergency", "care", "pharmacy", "laboratory", "service", "payer", "public-health",
    "occupational",
)  # fmt: skip
UNKNOWN = "service"
"""What counts for a type that only a newer hub knows: no right goes with it, and nobody takes it for a house."""
MAX_TITLE = 1024


def read_title(said: Any) -> str:
    """A title as it is shown, a single line; empty where it is none."""
    title = said.strip() if isinstance(said, str) else ""
    return title if len(title) <= MAX_TITLE and not any(sign < " " for sign in title) else ""


def read_whole(said: Any) -> str:
    """The account of what an organisation is a part of, as it is compared; empty where it is no organisation's."""
    try:
        account = identifiers.account(said if isinstance(said, str) else "")
    except Rejected:
        return ""
    return "" if account.is_person else str(account)


def told(acc: str, said: Any) -> Organisation | None:
    """What another hub says of an organisation, as far as it is understood here; without a title nothing is said."""
    about = said if isinstance(said, dict) else {}
    title, type_ = read_title(about.get("title")), about.get("type")
    if not title:
        return None
    return Organisation(acc, title, type_ if type_ in TYPES else UNKNOWN, read_whole(about.get("part_of")))
