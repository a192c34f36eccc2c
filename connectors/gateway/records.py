"""What the store keeps of a resource beside its index."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.gateway.models import NO_CATEGORY
from consent.objects import MAX_OBJECT
from consent.primitives import broken
from fhir_profiles import resources
from fhir_profiles.problems import Problem

Newer = Callable[[str], bool]
"""Of an envelope: whether that of a hash was written later, by the same device in the same stream."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a resource came from. `owner` is the patient's account; all empty for what is house-local.

    `bid` names the envelope, `at` the second of its stamp; `newer` knows those that were written later, where any came
    before. `own`: the house wrote it itself.
    """

    owner: str = ""
    set: str = ""
    stream: str = ""
    index: int = 0
    epoch: int = 0
    author: str = ""
    bid: str = ""
    handle: str = ""
    newer: Newer | None = None
    at: int = 0
    own: bool = False


HOUSE = Source()


def microseconds(now: float | None = None) -> int:
    """Now, or seconds since 1970, as whole milliseconds in microseconds: what an instant in FHIR JSON can say."""
    return int((time.time() if now is None else now) * 1000) * 1000


def instant(updated: int) -> str:
    """Microseconds since 1970 as a FHIR instant in UTC, with milliseconds."""
    return datetime.fromtimestamp(updated / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Item:
    """A resource out of an opened envelope: its bytes as they were sealed, the same parsed, and where it came from.

    With a `source.handle`, what earlier envelopes of the same owner, stream, author and handle brought is replaced.
    """

    body: bytes = field(repr=False)
    resource: dict[str, Any] = field(repr=False)
    source: Source
    permitted: frozenset[str] = frozenset()
    """The grants with finer rules that permit it."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """An author's envelope that takes back what it wrote under `source.handle`."""

    source: Source


@dataclass(frozen=True, slots=True)
class Live:
    """A stream that may be shown from an epoch on, until a second, for purposes; `rules`: by that grant's rules;
    `person`: in an emergency, to who declared it. `category`: of all that is in it, where that is known."""

    stream: str
    from_epoch: int
    until: int
    purposes: frozenset[str]
    rules: str = ""
    person: str = ""
    category: int = NO_CATEGORY


@dataclass(frozen=True, slots=True)
class Place:
    """Where the house may write what of a patient is of one category: a stream of its set, in its current epoch."""

    category: int
    set: str
    stream: str
    index: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as it is kept. `updated` in microseconds since 1970; the body is empty once deleted.

    `owner`, `author`, `stream`, `epoch` as in `Source`.
    """

    rid: int
    type: str
    id: str
    version: int
    updated: int
    deleted: bool
    owner: str
    body: bytes = field(repr=False)
    stream: str = ""
    author: str = ""
    handle: str = ""
    epoch: int = 0

    @property
    def etag(self) -> str:
        """The weak ETag of this version, https://hl7.org/fhir/R4/http.html#versioning."""
        return f'W/"{self.version}"'

    @property
    def modified(self) -> datetime:
        """When this version came, in UTC."""
        return datetime.fromtimestamp(self.updated / 1_000_000, UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: what matched, where the next page begins (`None`: there is none), and how many in all.

    `elsewhere`: the `rid` of matches to which their address does not lead, because another patient's has the same id.
    """

    matches: Sequence[Stored]
    after: tuple[Any, ...] | None
    total: int | None
    elsewhere: frozenset[int] = frozenset()


@dataclass
class Taken:
    """What was opened and is not in the store yet; `arrived`: ids of those envelopes that had been kept aside."""

    items: list[Item | Deletion] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)
    size: int = 0


def read_resource(line: bytes) -> dict[str, Any]:
    """Parse and check one resource as R4, which has an id here. Raises `Rejected(broken, fhir)`."""
    try:
        resource = resources.parse(line, max_bytes=MAX_OBJECT)
        resources.check(resource)
    except Problem:
        raise broken("fhir") from None
    if "id" not in resource:
        raise broken("fhir")
    return resource
