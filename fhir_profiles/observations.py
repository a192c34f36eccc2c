"""Builders of Observations: plain R4 dicts, ready for JSON (https://hl7.org/fhir/R4/observation.html).

Numbers are `int` or `decimal.Decimal`, so that digits are kept: "72.50" stays 72.50 (`resources.dump`). The
same reading of the same patient gives the same id whoever builds it and whenever: no clock is asked, none is told.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_profiles.codes import (
    DIASTOLIC,
    ECG_CLASSIFICATION,
    LEADS,
    MEAN_PRESSURE,
    METRICS,
    MMHG,
    RECORD_ID,
    SYSTOLIC,
    UCUM,
    Coding,
    Metric,
    Unit,
)
from fhir_profiles.resources import dump

Number = int | Decimal
_NO_KEY = bytes(16)
Component = tuple[tuple[Coding, ...], Number, Unit]


@dataclass(frozen=True, slots=True)
class Context:
    """What all readings of one source share.

    `patient` is the patient's id (`p-…`), `device` the id of the Device that measured, if it is known; `medical` says
    that this Device has a type of HDDT, so that its profiles may be claimed.
    """

    patient: str
    device: str | None = None
    medical: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time; both ends are FHIR dateTimes with the offset of where they were measured."""

    start: str
    end: str


def identity(patient: str, *parts: str) -> bytes:
    """16 bytes that name a reading of a patient: hash of what was measured and when, each part by its length.

    The patient enters too, so that two people's equal readings never share an id at a practice. What a source says
    otherwise tomorrow, its unit, its zone, its own name, should be no part; several at once are `numbered`.
    """
    state = hashlib.blake2b(digest_size=16, person=b"obhut-record")
    for part in (patient, *parts):
        raw = part.encode()
        state.update(len(raw).to_bytes(4, "little") + raw)
    return state.digest()


def numbered(key: bytes, place: int) -> bytes:
    """The name of the one at a place, counted from 0, among several readings of one `identity`."""
    if place == 0:
        return key
    return hashlib.blake2b(key + place.to_bytes(4, "little"), digest_size=16, person=b"obhut-numbered").digest()


def quantity(
    metric: Metric,
    value: Number,
    effective: str | Period,
    key: bytes,
    context: Context,
    *,
    comparator: str | None = None,
    method: str | None = None,
    entered_by_patient: bool = False,
    status: str = "final",
) -> dict[str, Any]:
    """One value with a unit. `key` is the reading's `identity`; `comparator` `<` or `>` where a meter says LO or HI."""
    resource = _head(metric, effective, key, context, status)
    if entered_by_patient:
        resource["performer"] = [resource["subject"]]
    amount = _amount(value, metric.unit)
    resource["valueQuantity"] = amount if comparator is None else {"comparator": comparator} | amount
    if method is not None:
        resource["method"] = {"text": method}
    return resource


def template(metric: Metric, context: Context) -> Callable[[bytes, str, str, str], bytes]:
    """The fast way for many values of one metric and source: (key, start, end, digits of the value) → JSON bytes.

    Gives the very bytes that `dump(quantity(…))` gives: with effectiveDateTime where start and end are the same,
    else with effectivePeriod. Digits must be a JSON number; start and end are FHIR dateTimes.
    """
    at_once, lasting = _with_holes(metric, "\x01", context), _with_holes(metric, Period("\x01", "\x02"), context)

    def fill(key: bytes, start: str, end: str, value: str) -> bytes:
        values = {b"key": key.hex().encode(), b"start": start.encode(), b"end": end.encode(), b"value": value.encode()}
        return (at_once if start == end else lasting) % values

    return fill


def _with_holes(metric: Metric, effective: str | Period, context: Context) -> bytes:
    """An Observation's JSON with %-holes; what stands in them is found by values that stand nowhere else."""
    unlike = Decimal("0.1234567891011")
    made = dump(quantity(metric, unlike, effective, _NO_KEY, context)).replace(b"%", b"%%")
    made = made.replace(_NO_KEY.hex().encode(), b"%(key)b").replace(b"0.1234567891011", b"%(value)b")
    return made.replace(b"\\u0001", b"%(start)b").replace(b"\\u0002", b"%(end)b")


def blood_pressure(
    systolic: Number,
    diastolic: Number,
    effective: str,
    key: bytes,
    context: Context,
    *,
    mean: Number | None = None,
    entered_by_patient: bool = False,
) -> dict[str, Any]:
    """Both pressures of one measurement in mmHg, and the mean where the cuff gives it."""
    components: list[Component] = [(SYSTOLIC, systolic, MMHG), (DIASTOLIC, diastolic, MMHG)]
    if mean is not None:
        components.append((MEAN_PRESSURE, mean, MMHG))
    resource = panel(METRICS["blood-pressure"], components, effective, key, context)
    if entered_by_patient:
        resource["performer"] = [resource["subject"]]
    return resource


def panel(
    metric: Metric,
    components: Sequence[Component],
    effective: str | Period,
    key: bytes,
    context: Context,
    *,
    value: Number | None = None,
    method: str | None = None,
    status: str = "final",
) -> dict[str, Any]:
    """Several values that belong together, with a value of their own where there is one (hours slept)."""
    resource = _head(metric, effective, key, context, status)
    if value is not None:
        resource["valueQuantity"] = _amount(value, metric.unit)
    if method is not None:
        resource["method"] = {"text": method}
    resource["component"] = [
        {"code": {"coding": [coding.json() for coding in codings]}, "valueQuantity": _amount(number, unit)}
        for codings, number, unit in components
    ]
    return resource


def series(
    metric: Metric,
    data: str,
    interval: Number,
    effective: Period,
    *,
    key: bytes,
    context: Context,
    status: str = "final",
) -> dict[str, Any]:
    """Values at equal distances as SampledData: `interval` in ms, `data` separated by spaces, `E` where none is.

    https://hl7.org/fhir/R4/datatypes.html#SampledData
    """
    resource = _head(metric, effective, key, context, status)
    resource["valueSampledData"] = _sampled(data, interval, metric.unit)
    return resource


def ecg(
    data: str,
    interval: Number,
    unit: Unit,
    effective: str,
    *,
    key: bytes,
    context: Context,
    lead: str = "I",
    classification: str | None = None,
) -> dict[str, Any]:
    """One lead of an ECG (http://fhir.de/StructureDefinition/observation-de-ekg); `lead` is a key of `codes.LEADS`.

    `classification` is what the device made of it, in its own words.
    """
    resource = _head(METRICS["ecg"], effective, key, context, "final")
    resource["component"] = [
        {"code": {"coding": [LEADS[lead].json()]}, "valueSampledData": _sampled(data, interval, unit)}
    ]
    if classification:
        code = {"coding": [ECG_CLASSIFICATION.json()]}
        resource["component"].append({"code": code, "valueCodeableConcept": {"text": classification}})
    return resource


def _head(metric: Metric, effective: str | Period, key: bytes, context: Context, status: str) -> dict[str, Any]:
    profiles = metric.profiles + (metric.device_profiles if context.device and context.medical else ())
    name = key.hex()
    resource: dict[str, Any] = {"resourceType": "Observation", "id": name}
    if profiles:
        resource["meta"] = {"profile": list(profiles)}
    resource["identifier"] = [{"system": RECORD_ID, "value": name}]
    resource["status"] = status
    resource["category"] = metric.category_concepts()
    resource["code"] = metric.code()
    resource["subject"] = {"reference": f"Patient/{context.patient}"}
    if isinstance(effective, Period):
        resource["effectivePeriod"] = {"start": effective.start, "end": effective.end}
    else:
        resource["effectiveDateTime"] = effective
    if context.device:
        resource["device"] = {"reference": f"Device/{context.device}"}
    return resource


def _amount(value: Number, unit: Unit) -> dict[str, Any]:
    return {"value": value, "unit": unit.display, "system": UCUM, "code": unit.code}


def _sampled(data: str, interval: Number, unit: Unit) -> dict[str, Any]:
    return {"origin": _amount(0, unit), "period": interval, "dimensions": 1, "data": data}
