"""Apple Health's export as typed records, straight from the zip in constant memory.

The document is mended in the byte stream (`xml_text`), parsed by a strict expat that takes no declarations, and given
out chunk by chunk. Every element that carries data is one `Record`: samples at the top level, the same samples again
inside a Correlation (Apple's own DTD says they appear twice), workouts, summaries, clinical records.
Nothing is judged here: what a record is worth, `importer` decides.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Self
from xml.parsers import expat

from connectors.wearables.archive import Archive, Limits
from connectors.wearables.xml_text import mended
from fhir_profiles.devices import Description
from fhir_profiles.problems import Problem

MAX_DEPTH = 64
MAX_TOKEN = 4 << 20
MAX_SOURCES = 1_000_000
YEARS = range(1900, 2200)
"""In which somebody alive can have measured. What is read of a time is then fit for calculating, and for FHIR."""
FARTHEST = 14 * 60
"""Minutes from Greenwich: no place is farther, and R4's dateTime allows no more."""
_OTHER = frozenset({"Workout", "ActivitySummary", "ClinicalRecord", "Audiogram", "VisionPrescription"})
_DEVICE_FIELDS = "name|manufacturer|model|hardware|firmware|software|localIdentifier|UDIDeviceIdentifier|creation date"
_DEVICE_SPLIT = re.compile(rf"(?:^|, )({_DEVICE_FIELDS}):")
_NO_NUMBER = Decimal(-1)
_USER_ENTERED = "HKWasUserEntered"
_ABSENT = dict.fromkeys(("type", "sourceName", "device", "startDate", "value", "unit"), "")


class Record(NamedTuple):
    """One element of the export.

    `type` is HealthKit's identifier, or the element's name where it is no sample; `source` a key of `Reader.sources`,
    a digest of what names it, so that all who read a part of an export agree on it; `start`, `end`, `value`, `unit`
    as written, empty where absent; `entered`: by hand.
    """

    type: str
    source: int
    start: str
    end: str
    value: str
    unit: str
    entered: bool

    def __repr__(self) -> str:
        return f"Record({len(self.value)} characters)"


class Moment(NamedTuple):
    """A point in time: seconds since 1970, the offset of the place in minutes, seconds since its local 1970."""

    epoch: int
    offset: int
    local: int


class _Days(dict[str, int]):
    def __missing__(self, text: str) -> int:
        if len(text) != 10 or text[4] != "-" or text[7] != "-":
            raise ValueError("not a date")
        day = date.fromisoformat(text)
        if day.year not in YEARS:
            raise ValueError("no year to measure in")
        seconds = (day.toordinal() - 719163) * 86400
        self[text] = seconds
        return seconds


class _Clocks(dict[str, int]):
    def __missing__(self, text: str) -> int:
        hours, minutes, seconds = int(text[1:3]), int(text[4:6]), int(text[7:9])
        if text != f" {hours:02}:{minutes:02}:{seconds:02}" or hours > 23 or minutes > 59 or seconds > 59:
            raise ValueError("not a time of day")
        self[text] = hours * 3600 + minutes * 60 + seconds
        return self[text]


class _Zones(dict[str, int]):
    def __missing__(self, text: str) -> int:
        hours, minutes = int(text[2:4]), int(text[4:6])
        if text[:2] not in {" +", " -"} or len(text) != 6 or not text.isascii() or not text[2:].isdecimal():
            raise ValueError("not an offset")
        away = hours * 60 + minutes
        if away > FARTHEST or minutes > 59:
            raise ValueError("not an offset")
        self[text] = away if text[1] == "+" else -away
        return self[text]


_DAYS, _CLOCKS, _ZONES = _Days(), _Clocks(), _Zones()


def moment(text: str) -> Moment:
    """Read `2026-10-01 08:03:11 +0200`. Raises ValueError for any other spelling."""
    offset = _ZONES[text[19:]]
    local = _DAYS[text[:10]] + _CLOCKS[text[10:19]]
    return Moment(local - offset * 60, offset, local)


def span(start: str, end: str) -> tuple[int, int, int]:
    """The local second and the offset that `start` tells, and the seconds until `end`. Raises as `moment` does."""
    offset = _ZONES[start[19:]]
    local = _DAYS[start[:10]] + _CLOCKS[start[10:19]]
    if start == end:
        return local, offset, 0
    return local, offset, _DAYS[end[:10]] + _CLOCKS[end[10:19]] - local - (_ZONES[end[19:]] - offset) * 60


def date_time(text: str) -> str:
    """The same as a FHIR dateTime, in the offset it came with: `2026-10-01T08:03:11+02:00`."""
    return f"{text[:10]}T{text[11:19]}{text[20:23]}:{text[23:25]}"


def described(source_name: str, device: str) -> Description:
    """A device from `<<HKDevice: 0x28…>, name:Apple Watch, …>`; values may hold commas (`hardware:Watch6,2`)."""
    said = device.partition(">, ")[2].removesuffix(">") if device.startswith("<<HKDevice") else ""
    parts = _DEVICE_SPLIT.split(said)
    fields = dict(zip(parts[1::2], parts[2::2], strict=True))
    return Description(
        source=_plain(source_name) or _plain(fields.get("name", "")) or "Apple Health",
        name=_plain(fields.get("name", "")),
        manufacturer=_plain(fields.get("manufacturer", "")),
        model=_plain(fields.get("model", "")),
        hardware=_plain(fields.get("hardware", "")),
        software=_plain(fields.get("software", "")),
    )


def _plain(text: str) -> str:
    """Apple writes no-break spaces into names; FHIR strings neither begin nor end with a space."""
    return " ".join(text.replace("\u00a0", " ").split())


class Export:
    """An opened export of Apple Health. Use as a context manager.

    Raises `Problem`: `invalid` for what is damaged, `not-supported` for another format, `too-large` at a limit.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self._archive = Archive(path, limits or Limits())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def xml_bytes(self) -> int:
        """How long the XML is, by what the file says of itself."""
        return self._archive.xml_bytes

    def electrocardiograms(self) -> Iterator[bytes | Problem]:
        """Each CSV of the zip, whole; one that cannot be read, or is too large, as its `Problem`."""
        return self._archive.tables()

    def chunks(self, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
        """The XML, fit for `Reader`; `progress` is told the position in the file after each chunk."""
        for chunk in mended(self._archive.export()):
            yield chunk
            if progress is not None:
                progress(self._archive.position)


class Reader:
    """Reads the XML of an export, once. `sources` are those named so far, in their order; `exported` is the date that
    it gives, as written, if any.

    Raises `Problem`: `invalid` for XML that is not well formed, `not-supported` for another root, `too-large`.
    """

    def __init__(self) -> None:
        self.sources: dict[int, Description] = {}
        self.exported: str | None = None
        self._numbers: dict[tuple[str, str], int] = {}
        self._found: list[Record] = []
        self._depth = 0
        self._attributes: dict[str, str] | None = None
        self._entered = False

    def records(self, chunks: Iterable[bytes]) -> Iterator[list[Record]]:
        """The records of each chunk, in the order of the document."""
        parser = self._parser()
        fed = 0
        for chunk in chunks:
            fed += len(chunk)
            yield self._fed(parser, chunk, final=False)
            if fed - parser.CurrentByteIndex > MAX_TOKEN + len(chunk):
                raise Problem("invalid", "The export holds an element larger than any of Apple Health.")
        yield self._fed(parser, b"", final=True)

    def _parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("UTF-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        return parser

    def _fed(self, parser: expat.XMLParserType, chunk: bytes, *, final: bool) -> list[Record]:
        try:
            parser.Parse(chunk, final)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise Problem("invalid", f"The export is not well formed at line {error.lineno}: {reason}.") from None
        found, self._found = self._found, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == "Record":
            self._attributes = attributes
            self._entered = False
        elif name == "MetadataEntry":
            if attributes.get("key") == _USER_ENTERED and attributes.get("value") in {"1", "true"}:
                self._entered = True
        elif name in _OTHER:
            self._found.append(Record(name, -1, "", "", "", "", entered=False))
        elif name == "ExportDate":
            self.exported = attributes.get("value", "")
        elif self._depth == 1 and name != "HealthData":
            raise Problem("not-supported", "This XML is no export of Apple Health.")
        if self._depth > MAX_DEPTH:
            raise Problem("invalid", "The export is nested deeper than any of Apple Health.")

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name != "Record" or self._attributes is None:
            return
        said, self._attributes = self._attributes, None
        try:
            record = self._record(said)
        except KeyError:
            # Rare enough that the others need not ask for each attribute whether it is there.
            record = self._record(_ABSENT | {"endDate": said.get("startDate", "")} | said)
        self._found.append(record)

    def _record(self, said: dict[str, str]) -> Record:
        device = said["device"]
        # Without the address in memory, which differs from record to record.
        key = (said["sourceName"], device[device.find(">") :] if device else "")
        source = self._numbers.get(key)
        if source is None:
            source = self._new_source(key, device)
        return Record(
            said["type"], source, said["startDate"], said["endDate"], said["value"], said["unit"], self._entered
        )

    def _new_source(self, key: tuple[str, str], device: str) -> int:
        if len(self.sources) >= MAX_SOURCES:
            raise too_many_sources()
        digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest()
        number = self._numbers[key] = int.from_bytes(digest, "little")
        self.sources[number] = described(key[0], device)
        return number


def too_many_sources() -> Problem:
    """What is said of more than `MAX_SOURCES`."""
    return Problem("too-large", "The export names more sources than a person has.")


def _refuse(*_: Any) -> int:
    raise Problem("invalid", "The export declares XML entities, which no export of Apple Health does.")


def natural(version: str) -> tuple[tuple[Decimal, str], ...]:
    """A key that sorts versions as people do: 9.6 before 10.1."""
    # A Decimal has as many digits as are written; an int is not read from more than some thousands.
    return tuple(
        (Decimal(part), "") if part.isdecimal() else (_NO_NUMBER, part) for part in re.split(r"[.\s]", version)
    )


def rank(about: Description) -> tuple[int, str]:
    """Which source counts where several measured the same: watches, then phones, then the rest, each by name."""
    said = f"{about.hardware} {about.model} {about.name}".strip() or about.source
    place = 0 if "watch" in said.lower() else 1 if "phone" in said.lower() else 2
    return place, about.source


def latest_software(sources: Mapping[str, list[Description]]) -> dict[str, Description]:
    """For each device id the description with the newest software: an update changes a device, it makes no other."""
    return {name: max(found, key=lambda about: natural(about.software)) for name, found in sources.items()}
