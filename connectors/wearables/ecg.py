"""An ECG of an Apple Watch: the CSV beside the export → Observation with SampledData.

The file is written in the watch's language, keys too, with that region's decimal mark: lines `key,value` first, then
one voltage a line. Name and date of birth in its head are dropped.
"""

import csv
import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.wearables.apple_health import date_time, moment
from fhir_profiles import codes
from fhir_profiles.devices import Description
from fhir_profiles.observations import Context, ecg, identity
from fhir_profiles.problems import Problem

KEYS = {
    "recorded date": "recorded",
    "aufzeichnungsdatum": "recorded",
    "classification": "classification",
    "klassifizierung": "classification",
    "device": "device",
    "gerat": "device",
    "software version": "software",
    "softwareversion": "software",
    "sample rate": "rate",
    "messrate": "rate",
    "abtastrate": "rate",
    "lead": "lead",
    "ableitung": "lead",
    "unit": "unit",
    "einheit": "unit",
}
UNITS = {"µv": codes.MICROVOLT, "μv": codes.MICROVOLT, "uv": codes.MICROVOLT, "mv": codes.MILLIVOLT}
_VOLTAGE = re.compile(r"[+-]?[0-9]{1,7}(?:[.,][0-9]{1,12})?\Z")
_RATE = re.compile(r"([0-9]{1,5}(?:[.,][0-9]{1,6})?)\s*(?:hz|hertz)\Z", re.IGNORECASE)
_NEEDED = ("recorded", "rate", "lead", "unit")
_UNREADABLE = "The ECG cannot be read."


@dataclass(frozen=True, slots=True)
class Ecg:
    """One recording: `data` are voltages with their digits, separated by spaces; `interval` in ms."""

    recorded: str
    interval: Decimal
    unit: codes.Unit
    lead: str
    data: str = field(repr=False)
    classification: str = field(repr=False)
    about: Description


def is_ecg(table: bytes) -> bool:
    """Whether a CSV has the head of an ECG."""
    head = table[:4096].decode("utf-8", "replace")
    found = {KEYS.get(_folded(line.partition(",")[0])) for line in head.splitlines()}
    return {"rate", "recorded"} <= found


def parse(table: bytes) -> Ecg:
    """Read the CSV. Raises `Problem(invalid)` where it is not whole; none of it is named in the detail."""
    try:
        lines = table.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise Problem("invalid", _UNREADABLE) from None
    head: dict[str, str] = {}
    voltages: list[str] = []
    for line in lines:
        text = line.strip().strip('"')
        if _VOLTAGE.match(text):
            voltages.append(text.replace(",", ".").removeprefix("+"))
        elif text and not voltages:
            key, value = _pair(line)
            head[KEYS.get(key, "")] = value
        elif text:
            raise Problem("invalid", _UNREADABLE)
    return _made(head, voltages)


def _made(head: dict[str, str], voltages: list[str]) -> Ecg:
    rate = _RATE.match(head.get("rate", ""))
    lead = head.get("lead", "").split()[-1:]
    unit = UNITS.get(head.get("unit", "").lower())
    if not all(head.get(key) for key in _NEEDED) or rate is None or unit is None or len(voltages) < 2:
        raise Problem("invalid", _UNREADABLE)
    try:
        moment(head["recorded"])
        hertz = Decimal(rate[1].replace(",", "."))
        interval = (1000 / hertz).quantize(Decimal("0.000000001")).normalize()
    except (ValueError, InvalidOperation, ArithmeticError):
        raise Problem("invalid", _UNREADABLE) from None
    if not lead or lead[0] not in codes.LEADS:
        raise Problem("invalid", _UNREADABLE)
    device = head.get("device", "")
    return Ecg(
        recorded=head["recorded"],
        interval=interval,
        unit=unit,
        lead=lead[0],
        data=" ".join(voltages),
        classification=head.get("classification", ""),
        about=Description(
            source="Apple Watch",
            manufacturer="Apple Inc.",
            hardware=device,
            software=head.get("software", ""),
        ),
    )


def record_key(patient: str, found: Ecg) -> bytes:
    """What names the recording: when, with what, and the voltages themselves."""
    at = str(moment(found.recorded).epoch)
    return identity(patient, "ecg", found.about.hardware, at, found.lead, found.unit.code, found.data)


def observation(found: Ecg, key: bytes, context: Context) -> dict[str, Any]:
    """The recording as an Observation."""
    return ecg(
        found.data,
        found.interval,
        found.unit,
        date_time(found.recorded),
        key=key,
        context=context,
        lead=found.lead,
        classification=found.classification or None,
    )


def _pair(line: str) -> tuple[str, str]:
    """`key,value`; a value with a comma may be quoted or not."""
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:
        raise Problem("invalid", _UNREADABLE) from None
    value = ",".join(cells[1:]).replace("\u00a0", " ").replace("\u202f", " ").strip()
    return _folded(cells[0] if cells else ""), value


def _folded(text: str) -> str:
    """Lower case without accents: `Gerät` → `gerat`."""
    decomposed = unicodedata.normalize("NFKD", text.strip().strip('"\ufeff').lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
