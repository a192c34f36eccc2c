"""A backup as a directory: tables as lines of JSON, files as they are, and a manifest with versions and hashes.

It knows nothing of databases, so that what one kind gave another can take. The manifest is written last: a directory
without it is no backup. Nothing is encrypted here, and keys are among the files: whoever holds it holds the program.
"""

import hashlib
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_profiles.problems import Problem

FORMAT = 1
MANIFEST = "manifest.json"
TABLES = "tables"
FILES = "files"


@dataclass(frozen=True, slots=True)
class Origin:
    """Of whom it is: `program` (hub, gateway …), `owner` (domain or account), `version` of the tables, Unix second."""

    program: str
    owner: str
    version: str
    at: int


class Writer:
    """Writes a backup into a new or empty directory. Methods raise `Problem`."""

    def __init__(self, directory: Path, origin: Origin) -> None:
        self._directory = directory
        self._origin = origin
        self._entries: dict[str, dict[str, Any]] = {}
        with _told("written"):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if any(directory.iterdir()):
                raise Problem("conflict", f"The directory {directory} is not empty: name a new one for each backup.")
            for folder in (TABLES, FILES):
                (directory / folder).mkdir(mode=0o700)

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Keep a table; values are numbers, text, bytes, booleans or None. Returns how many rows."""
        count = 0

        def lines() -> Iterator[bytes]:
            nonlocal count
            yield _line(columns)
            for row in rows:
                count += 1
                yield _line([[b64encode(value).decode()] if isinstance(value, bytes) else value for value in row])

        self._write(f"{TABLES}/{name}.ndjson", lines())
        self._entries[f"{TABLES}/{name}.ndjson"]["rows"] = count
        return count

    def file(self, name: str, content: bytes) -> None:
        """Keep a file."""
        self._write(f"{FILES}/{name}", [content])

    def path(self, name: str, fill: Callable[[Path], None]) -> None:
        """Keep a file that `fill` writes by itself."""
        path = self._directory / FILES / name
        with _told("written"):
            path.touch(mode=0o600)
            fill(path)
            with path.open("rb") as file:
                os.fsync(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._entries[f"{FILES}/{name}"] = {"sha256": digest, "bytes": path.stat().st_size}

    def finish(self) -> None:
        """Write the manifest, durably: from now on it is a backup."""
        origin = self._origin
        manifest = {
            "format": FORMAT, "program": origin.program, "owner": origin.owner, "version": origin.version,
            "at": origin.at, "entries": self._entries,
        }  # fmt: skip
        manifest["sha256"] = _digest(manifest)
        with _told("written"):
            for folder in (self._directory / TABLES, self._directory / FILES):
                _sync(folder)
            self._write(MANIFEST, [json.dumps(manifest, indent=1).encode()])
            _sync(self._directory)

    def _write(self, name: str, pieces: Iterable[bytes]) -> None:
        digest, size = hashlib.sha256(), 0
        with _told("written"):
            descriptor = os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    size += file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        self._entries[name] = {"sha256": digest.hexdigest(), "bytes": size}


class Backup:
    """A backup that is whole: every file is there, is what the manifest says, and nothing else is."""

    def __init__(self, directory: Path, program: str) -> None:
        self._directory = directory
        with _told("read"):
            manifest = self._manifest()
            if manifest["program"] != program:
                raise Problem("conflict", f"This is the backup of a {manifest['program']}, not of a {program}.")
            self.origin = Origin(program, manifest["owner"], manifest["version"], manifest["at"])
            self._entries: dict[str, dict[str, Any]] = manifest["entries"]
            self._check()

    @property
    def tables(self) -> list[str]:
        """The names of the tables."""
        return [Path(name).stem for name in self._entries if name.startswith(f"{TABLES}/")]

    @property
    def files(self) -> list[str]:
        """The names of the files."""
        return [name.partition("/")[2] for name in self._entries if name.startswith(f"{FILES}/")]

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table, by column."""
        with (self._directory / TABLES / f"{table}.ndjson").open("rb") as file:
            columns = json.loads(next(file))
            for line in file:
                values = (b64decode(v[0]) if isinstance(v, list) else v for v in json.loads(line))
                yield dict(zip(columns, values, strict=True))

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self._directory / FILES / name

    def _manifest(self) -> dict[str, Any]:
        try:
            manifest = json.loads((self._directory / MANIFEST).read_bytes())
            told = manifest.pop("sha256")
        except FileNotFoundError:
            raise Problem(
                "not-found", f"In {self._directory} there is no backup, or one that was not finished."
            ) from None
        except (ValueError, KeyError, AttributeError):
            raise damaged(MANIFEST) from None
        if told != _digest(manifest):
            raise damaged(MANIFEST)
        if manifest["format"] != FORMAT:
            raise Problem("conflict", "This backup was made by a later version of this program.")
        return dict(manifest)

    def _check(self) -> None:
        there = {str(path.relative_to(self._directory)) for path in self._directory.rglob("*") if path.is_file()}
        if odd := there ^ {MANIFEST, *self._entries}:
            raise damaged(min(odd))
        for name, entry in self._entries.items():
            with (self._directory / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                    raise damaged(name)


def damaged(name: str) -> Problem:
    """The problem of a backup in which a file is not what it was."""
    return Problem("invalid", f"The backup is damaged at {name}: take another one.")


def _line(values: Sequence[Any]) -> bytes:
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # else a power cut may forget the names
    finally:
        os.close(descriptor)


@contextmanager
def _told(done: str) -> Iterator[None]:
    """What the disk refuses is told in a sentence."""
    try:
        yield
    except OSError as error:
        raise Problem("busy", f"The backup could not be {done}: {error.strerror}.") from error
