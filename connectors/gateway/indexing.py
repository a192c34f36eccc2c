"""A resource as rows of the index tables."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.gateway.models import NO_DATE
from fhir_profiles import index
from fhir_profiles.index import IndexValue

MAIN_DATE = "date"
"""The parameter whose dates every text row of a resource repeats; most clinical types have it."""

PATIENT_PARAMETERS = frozenset({"patient", "subject"})
"""A reference by one of these makes a resource be about a patient."""

WHOLE = ":url"
"""The qualifier of a reference that is not to a resource of this server; that of others is the type."""

ENDLESS = 2**62 + 2**59
"""Longer than from the beginning of all dates to any that can be written, and short enough to be taken from one."""

LONGEST = 800
"""Bytes of a value that an index row holds: PostgreSQL takes a third of a page for the whole row."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """Index rows of one resource without its `rid`; `low` and `high` bound its clinical dates (microseconds)."""

    type: str
    patients: tuple[str, ...]
    low: int
    high: int
    texts: frozenset[tuple[str, str, str]] = field(repr=False)  # parameter, value, qualifier
    dates: frozenset[tuple[str, int, int]] = field(repr=False)  # parameter, low, high
    quantities: frozenset[tuple[str, float, float, str, str, str]] = field(
        repr=False
    )  # parameter, low, high, system, code, unit

    @property
    def span(self) -> int:
        """How long the clinical date lasts, microseconds; 0 without one. An open end counts as `ENDLESS`."""
        return 0 if self.high == NO_DATE else min(self.high - self.low, ENDLESS)

    def text_rows(self, rid: int) -> Iterator[tuple[Any, ...]]:
        """Rows of `index_text`: one a patient, so that each patient's are together and in the order of time."""
        for param, value, qualifier in self.texts:
            for patient in self.patients:
                yield param, value, patient, self.low, rid, qualifier, self.high

    def date_rows(self, rid: int) -> Iterator[tuple[Any, ...]]:
        """Rows of `index_date`."""
        return ((param, low, high, rid) for param, low, high in self.dates)

    def quantity_rows(self, rid: int) -> Iterator[tuple[Any, ...]]:
        """Rows of `index_quantity`."""
        return ((param, low, high, rid, system, code, unit) for param, low, high, system, code, unit in self.quantities)


def indexed(resource: dict[str, Any]) -> Indexed:
    """The index rows of a checked resource."""
    type_ = resource["resourceType"]
    patients = {resource["id"]} if type_ == "Patient" else set()
    texts: set[tuple[str, str, str]] = set()
    dates: set[tuple[str, int, int]] = set()
    quantities: set[tuple[str, float, float, str, str, str]] = set()
    low, high = 2**63, NO_DATE
    for row in index.index_values(resource):
        param = f"{type_}.{row.param}"
        match row.kind:
            case "date":
                first, last = int(row.low or 0), int(row.high or 0)
                dates.add((param, first, last))
                if row.param == MAIN_DATE:
                    low, high = min(low, first), max(high, last)
            case "quantity" | "number":
                unit = (fit(row.system), fit(row.code), fit(row.exact))
                quantities.add((param, float(row.low or 0), float(row.high or 0), *unit))
            case _:
                texts.update(_texts(param, row))
                if row.param in PATIENT_PARAMETERS and row.system == "Patient" and row.exact is None and row.code:
                    patients.add(row.code)
    if high == NO_DATE:
        low = NO_DATE
    about = tuple(sorted(patients)) or ("",)
    return Indexed(type_, about, low, high, frozenset(texts), frozenset(dates), frozenset(quantities))


def _texts(param: str, row: IndexValue) -> Iterator[tuple[str, str, str]]:
    match row.kind:
        case "token":
            if row.code is not None or row.system is not None:
                yield param, fit(row.code), fit(row.system)
            if row.text is not None:
                yield f"{param}:text", fit(row.text), ""
        case "identifier":
            yield f"{param}:identifier", fit(row.code), fit(row.system)
        case "reference":
            if row.exact is None:
                yield param, fit(row.code), fit(row.system)
            else:
                yield param, fit(row.exact), WHOLE
        case "string":
            yield param, fit(row.text), fit(row.exact)
        case "uri":
            yield param, fit(row.exact), ""


def fit(text: str | None) -> str:
    """A text as index rows hold it: nothing as '', and a very long one cut and told apart by its hash."""
    if text is None:
        return ""
    if len(text) * 4 <= LONGEST:
        return text.replace("\x00", "")
    raw = text.encode()
    if len(raw) <= LONGEST:
        return text.replace("\x00", "")
    cut = raw[:LONGEST].decode(errors="ignore").replace("\x00", "")
    return f"{cut}\x01{hashlib.blake2b(raw, digest_size=16).hexdigest()}"
