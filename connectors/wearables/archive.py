"""The zip of an Apple Health export: which files in it count, and streams of them that cannot blow up.

A zip tells its sizes itself, so they are not believed: the bytes that really come out are counted against an absolute
limit and against the bytes they came from. Names are localised (`export.xml`, `Export.xml`, `exportieren.xml`, in any
folder), so the export is known by how it begins.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from fhir_profiles.problems import Problem

CHUNK = 1 << 18
SNIFF_BYTES = 4096
RATIO_APPLIES_FROM = 64 << 20
"""Bytes up to which a ratio says nothing: a small export of equal lines packs well and harms nobody."""

_BOM = b"\xef\xbb\xbf"
_HEALTH_DATA = re.compile(rb"<!DOCTYPE\s+HealthData\b|<HealthData[\s>/]")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an export may hold: bytes of XML, bytes out for each byte in, files, bytes of one ECG."""

    xml_bytes: int = 64 << 30
    ratio: int = 250
    files: int = 200_000
    ecg_bytes: int = 8 << 20


class Archive:
    """An opened export: a zip, or the bare `export.xml` out of one. Raises `Problem` for anything else."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits = limits
        try:
            self.size = path.stat().st_size
            self._file = path.open("rb")
        except OSError:
            raise Problem("invalid", "The file cannot be opened.") from None
        self._zip: zipfile.ZipFile | None = None
        self._export: zipfile.ZipInfo | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._zip is not None:
            self._zip.close()
        self._file.close()

    @property
    def position(self) -> int:
        """How far the file has been read, in bytes of `size`."""
        return self._file.tell()

    @property
    def xml_bytes(self) -> int:
        """How long the XML is, by what the file says of itself."""
        return self.size if self._export is None else self._export.file_size

    def export(self) -> Iterator[bytes]:
        """The XML in chunks. Raises `Problem(too-large)` at a limit and `Problem(invalid)` where the zip is damaged."""
        if self._zip is None:
            self._file.seek(0)
            yield from _chunks(self._file, self._limits.xml_bytes)
        else:
            assert self._export is not None
            yield from self._chunks_of(self._export, self._limits.xml_bytes)

    def tables(self) -> Iterator[bytes | Problem]:
        """Each CSV of the zip whole, in order of name; one that cannot be read, or is too large, as its `Problem`."""
        if self._zip is None:
            return
        for entry in sorted(self._zip.infolist(), key=lambda entry: entry.filename):
            if entry.is_dir() or not entry.filename.lower().endswith(".csv") or "__MACOSX" in entry.filename:
                continue
            yield self._table(entry)

    def _table(self, entry: zipfile.ZipInfo) -> bytes | Problem:
        if entry.file_size > self._limits.ecg_bytes:
            return _over_limit()
        try:
            return b"".join(self._chunks_of(entry, self._limits.ecg_bytes))
        except Problem as problem:
            return problem

    def _open(self) -> None:
        head = self._file.read(SNIFF_BYTES)
        if not head.startswith(b"PK"):
            if is_health_data(head):
                return
            raise Problem("not-supported", "This is neither a zip nor an Apple Health export.")
        self._file.seek(0)
        try:
            self._zip = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
            raise _damaged() from None
        entries = self._zip.infolist()
        if len(entries) > self._limits.files:
            raise Problem("too-large", "The zip holds more files than an export has.")
        self._export = self._find(entries)

    def _find(self, entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
        """The XML that begins as a health export; should there be several, the one nearest to the top, then by name."""
        candidates = [
            entry
            for entry in entries
            if entry.filename.lower().endswith(".xml") and "__MACOSX" not in entry.filename and not entry.is_dir()
        ]
        for entry in sorted(candidates, key=lambda entry: (entry.filename.count("/"), entry.filename)):
            for head in self._chunks_of(entry, self._limits.xml_bytes, SNIFF_BYTES):
                if is_health_data(head):
                    return entry
                break
        raise Problem("invalid", "There is no Apple Health export in this zip.")

    def _chunks_of(self, entry: zipfile.ZipInfo, limit: int, chunk: int = CHUNK) -> Iterator[bytes]:
        assert self._zip is not None
        packed = entry.compress_size
        try:
            with self._zip.open(entry) as stream:
                given = 0
                for data in _chunks(stream, limit, chunk):
                    given += len(data)
                    if given > RATIO_APPLIES_FROM and given > packed * self._limits.ratio:
                        raise Problem("too-large", "The zip unpacks to far more than an export does.")
                    yield data
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
            raise _damaged() from None


def is_health_data(head: bytes) -> bool:
    """Whether a file that begins so is the XML of a health export."""
    return head.removeprefix(_BOM).lstrip().startswith(b"<") and _HEALTH_DATA.search(head) is not None


def _chunks(stream: IO[bytes], limit: int, chunk: int = CHUNK) -> Iterator[bytes]:
    given = 0
    while data := stream.read(chunk):
        given += len(data)
        if given > limit:
            raise _over_limit()
        yield data


def _over_limit() -> Problem:
    return Problem("too-large", "The export is larger than the limit.")


def _damaged() -> Problem:
    return Problem("invalid", "The zip is cut off, damaged or encrypted.")
