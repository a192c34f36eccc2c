"""What drivers' errors mean."""

import sqlite3

import psycopg
import pytest

from fhir_profiles.outages import outage


def sqlite_error(name):
    error = sqlite3.OperationalError("secret")
    error.sqlite_errorname = name
    return error


def postgresql_error(state):
    return psycopg.errors.lookup(state)("secret")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (sqlite_error("SQLITE_FULL"), "full"), (sqlite_error("SQLITE_IOERR_WRITE"), "failing"),
        (sqlite_error("SQLITE_BUSY_SNAPSHOT"), "locked"), (sqlite_error("SQLITE_CANTOPEN"), "gone"),
        (sqlite_error("SQLITE_ERROR"), None), (sqlite_error("SQLITE_CONSTRAINT_UNIQUE"), None),
        (postgresql_error("53100"), "full"), (postgresql_error("53300"), "gone"), (postgresql_error("57P01"), "gone"),
        (postgresql_error("40P01"), "locked"), (postgresql_error("55P03"), "locked"),
        (postgresql_error("23505"), None), (postgresql_error("42P01"), None), (psycopg.OperationalError(), "gone"),
        (ValueError(), None), (None, None),
    ],
)  # fmt: skip
def test_each_failure_has_its_reason_and_no_words_of_its_own(error, reason):
    """A closed list; what is no outage stays a defect; the driver's message, which may quote content, is not told."""
    problem = outage(error)
    assert (None if problem is None else problem.extra["reason"]) == reason
    assert problem is None or (problem.status == 503 and "secret" not in problem.detail)
