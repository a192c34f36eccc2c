"""What a failure of a database means to a caller: full, failing, gone, locked. Told by the drivers' own codes.

A failure that is not of these is a defect, and stays what it is.
"""

from fhir_profiles.problems import Problem

RETRY_SECONDS = 2
SENTENCES = {
    "full": "The database has no room left and kept nothing of this; make room where it lies, then try again.",
    "failing": "The disk of the database fails and kept nothing of this; look after it, then try again.",
    "gone": "The database cannot be reached; try again soon.",
    "locked": "The database is occupied by other changes; try again soon.",
    "version": "The tables of the database are not of this version; run the migration, then try again.",
}

# https://www.sqlite.org/rescode.html
_SQLITE = {
    "SQLITE_FULL": "full", "SQLITE_IOERR": "failing", "SQLITE_CORRUPT": "failing", "SQLITE_NOTADB": "failing",
    "SQLITE_CANTOPEN": "gone", "SQLITE_READONLY": "gone", "SQLITE_PERM": "gone", "SQLITE_BUSY": "locked",
    "SQLITE_LOCKED": "locked", "SQLITE_PROTOCOL": "locked",
}  # fmt: skip
# https://www.postgresql.org/docs/current/errcodes-appendix.html: by the first characters
_POSTGRESQL = {
    "53100": "full", "53": "gone", "58": "failing", "XX001": "failing", "XX002": "failing", "08": "gone", "57P": "gone",
    "25006": "gone", "28": "gone", "3D": "gone", "55P03": "locked", "40": "locked", "57014": "locked",
}  # fmt: skip


def outage(error: BaseException | None) -> Problem | None:
    """`Problem(busy)`, with a `reason` out of `SENTENCES`, for what a driver (sqlite3, psycopg) raised.

    None for what is no outage.
    """
    reason = _reason(error)
    return None if reason is None else busy(reason)


def busy(reason: str) -> Problem:
    """The problem of a reason out of `SENTENCES`."""
    return Problem("busy", SENTENCES[reason], reason=reason, retry_after=RETRY_SECONDS)


def _reason(error: BaseException | None) -> str | None:
    name = getattr(error, "sqlite_errorname", None)
    if isinstance(name, str):
        return next(
            (reason for start, reason in _SQLITE.items() if name == start or name.startswith(start + "_")), None
        )
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return next((_POSTGRESQL[state[:n]] for n in (5, 3, 2) if state[:n] in _POSTGRESQL), None)
    # The driver itself found that there is nobody to talk to.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return (
        "gone"
        if type(error).__module__.startswith("psycopg") and kinds & {"OperationalError", "InterfaceError"}
        else None
    )
