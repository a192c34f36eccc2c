"""The tables of the importer for its twin in the browser, as one JSON file: what is data is written once.

`python -m connectors.wearables.portal_tables DIRECTORY` writes `tables.json` there; the portal's build runs it.
"""

import sys
from pathlib import Path
from typing import Any

import orjson

from connectors.wearables import daily, day, ecg, healthkit, intake
from fhir_profiles import codes
from fhir_profiles.codes import Coding, Metric, Unit

_USED = (
    *intake.TOTAL_METRICS,
    *(metric for metric, _ in healthkit.SINGLES.values() if metric != "glucose"),
    *("glucose-blood-mass", "glucose-blood-moles", "cgm-mass", "cgm-moles"),
    *("heart-rate-day", "heart-rate-minute", "sleep-night", "ecg"),
    "heart-rate",  # by a person herself, in a form
)


def tables() -> dict[str, Any]:
    """Metrics, codes, units and HealthKit's names, ready for JSON. Decimals are strings, so that no digit is lost."""
    return {
        "systems": {"ucum": codes.UCUM, "record": codes.RECORD_ID, "device": codes.DEVICE_ID},
        "metrics": {name: _metric(codes.METRICS[name]) for name in dict.fromkeys(_USED)},
        "units": {"mmHg": _unit(codes.MMHG), "perMinute": _unit(codes.PER_MINUTE), "minute": _unit(codes.MINUTE)},
        "components": {
            "systolic": _codings(codes.SYSTOLIC),
            "diastolic": _codings(codes.DIASTOLIC),
            "least": _codings((codes.HEART_RATE_MIN,)),
            "mean": _codings((codes.HEART_RATE_MEAN,)),
            "greatest": _codings((codes.HEART_RATE_MAX,)),
            "classification": _codings((codes.ECG_CLASSIFICATION,)),
        },
        "healthKit": {
            "heartRate": healthkit.HEART_RATE,
            "glucose": healthkit.GLUCOSE,
            "systolic": healthkit.SYSTOLIC,
            "diastolic": healthkit.DIASTOLIC,
            "sleep": healthkit.SLEEP,
            "heartRateUnits": dict(healthkit.HEART_RATE_UNITS),
            "totals": {kind: [metric, dict(units)] for kind, (metric, units) in healthkit.TOTALS.items()},
            "singles": {kind: [metric, _conversions(units)] for kind, (metric, units) in healthkit.SINGLES.items()},
            "sleepStages": dict(healthkit.SLEEP_STAGES),
            "fractions": sorted(healthkit.FRACTIONS),
        },
        "days": {
            "digits": dict(healthkit.DIGITS),
            "stages": {stage: _codings((coding,)) for stage, coding in day.STAGE_CODES.items()},
            "ofTheDay": sorted(healthkit.OF_THE_DAY),
            "totalMethod": day.TOTAL_METHOD,
            "estimated": day.ESTIMATED,
            "nightBeginsBefore": daily.NIGHT_BEGINS_BEFORE,
        },
        "ecg": {
            "keys": ecg.KEYS,
            "units": {name: _unit(unit) for name, unit in ecg.UNITS.items()},
            "leads": {name: _codings((coding,)) for name, coding in codes.LEADS.items()},
        },
    }


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "profiles": metric.profiles,
        "category": metric.category_concepts(),
        "code": metric.code(),
        "unit": _unit(metric.unit),
    }


def _unit(unit: Unit) -> dict[str, str]:
    return {"unit": unit.display, "system": codes.UCUM, "code": unit.code}


def _codings(codings: tuple[Coding, ...]) -> list[dict[str, Any]]:
    return [coding.json() for coding in codings]


def _conversions(units: Any) -> dict[str, list[str] | None]:
    """Unit → factor, shift and step; `None` where the digits stay."""
    return {
        unit: None if made.step is None else [str(made.factor), str(made.shift), str(made.step)]
        for unit, made in units.items()
    }


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tables.json").write_bytes(orjson.dumps(tables(), option=orjson.OPT_INDENT_2))
