"""Log lines as JSON objects that hold only fields of an allow-list, so that names and content cannot leak."""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

FIELDS = (
    "event", "method", "route", "status", "ms", "code", "reason", "kind", "count", "bytes_in", "bytes_out", "where",
    "error", "peer",
)  # fmt: skip
OWN = "obhut."
"""The loggers whose `extra` counts; of a library's record only the template of its message."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, allowed fields. Of libraries' messages only the template."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        if fields is None:
            fields = (vars(record) if record.name.startswith(OWN) else {}) | {"event": str(record.msg)}
        line |= {name: fields[name] for name in FIELDS if name in fields}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = places(record.exc_info[1])
        return json.dumps(line)


def places(error: BaseException | None) -> list[str]:
    """The places an exception went through: file, line, function."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return [f"{os.path.basename(f.filename)}:{f.lineno} {f.name}" for f in frames[-12:]]  # noqa: PTH119


def set_up(level: str) -> None:
    """Send all log lines of this process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
