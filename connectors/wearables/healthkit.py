"""HealthKit's types and units → metrics of `fhir_profiles.codes`. Tables only; what is not here is left and counted.

Units follow the phone's region, not the type: a weight comes in kg, lb or st. A value that needs no conversion keeps
its digits; a converted one is rounded to `step`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

QUANTITY = "HKQuantityTypeIdentifier"
CATEGORY = "HKCategoryTypeIdentifier"

HEART_RATE = QUANTITY + "HeartRate"
GLUCOSE = QUANTITY + "BloodGlucose"
SYSTOLIC = QUANTITY + "BloodPressureSystolic"
DIASTOLIC = QUANTITY + "BloodPressureDiastolic"
SLEEP = CATEGORY + "SleepAnalysis"

_D = Decimal
_NONE = Decimal(0)
_SAME = Decimal(1)
_COUNT = {"count": 1.0}
_LENGTH = {"m": 1.0, "km": 1000.0, "cm": 0.01, "mi": 1609.344, "ft": 0.3048, "yd": 0.9144, "in": 0.0254}
_ENERGY = {"kcal": 1.0, "Cal": 1.0, "cal": 0.001, "kJ": 1 / 4.184, "J": 1 / 4184}
_TIME = {"min": 1.0, "s": 1 / 60, "hr": 60.0}

TOTALS: Mapping[str, tuple[str, Mapping[str, float]]] = MappingProxyType(
    {
        QUANTITY + "StepCount": ("steps-day", _COUNT),
        QUANTITY + "ActiveEnergyBurned": ("active-energy-day", _ENERGY),
        QUANTITY + "BasalEnergyBurned": ("basal-energy-day", _ENERGY),
        QUANTITY + "FlightsClimbed": ("flights-day", _COUNT),
        QUANTITY + "DistanceWalkingRunning": ("distance-walked-day", _LENGTH),
        QUANTITY + "DistanceCycling": ("distance-cycled-day", _LENGTH),
        QUANTITY + "DistanceSwimming": ("distance-swum-day", _LENGTH),
        QUANTITY + "AppleExerciseTime": ("exercise-day", _TIME),
    }
)
"""Type → (metric, unit → factor): what is added up to a total of the day."""

DIGITS: Mapping[str, int] = MappingProxyType(
    {
        "steps-day": 0,
        "flights-day": 0,
        "active-energy-day": 1,
        "basal-energy-day": 1,
        "exercise-day": 1,
        "distance-walked-day": 1,
        "distance-cycled-day": 1,
        "distance-swum-day": 1,
    }
)
"""Decimal places of each total."""

HEART_RATE_UNITS: Mapping[str, float] = MappingProxyType({"count/min": 1.0, "count/s": 60.0})

SLEEP_STAGES: Mapping[str, str] = MappingProxyType(
    {
        "HKCategoryValueSleepAnalysisInBed": "in-bed",
        "HKCategoryValueSleepAnalysisAsleep": "asleep",
        "HKCategoryValueSleepAnalysisAsleepUnspecified": "asleep",
        "HKCategoryValueSleepAnalysisAsleepCore": "light",
        "HKCategoryValueSleepAnalysisAsleepDeep": "deep",
        "HKCategoryValueSleepAnalysisAsleepREM": "rem",
        "HKCategoryValueSleepAnalysisAwake": "awake",
    }
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """value · factor + shift, rounded to `step`; without factor and shift the digits stay."""

    factor: Decimal = _SAME
    shift: Decimal = _NONE
    step: Decimal | None = None

    def apply(self, value: Decimal) -> Decimal:
        """The value in the metric's unit."""
        if self.step is None:
            return value
        return (value * self.factor + self.shift).quantize(self.step)


KEEP = Conversion()


def _scaled(step: str, **factors: str) -> dict[str, Conversion]:
    return {unit: Conversion(_D(factor), _D(0), _D(step)) for unit, factor in factors.items()}


_TEMPERATURE = {
    "degC": KEEP,
    "degF": Conversion(_D(5) / _D(9), _D(-160) / _D(9), _D("0.01")),
    "K": Conversion(_D(1), _D("-273.15"), _D("0.01")),
}
_MASS = {"kg": KEEP} | _scaled("0.01", g="0.001", lb="0.45359237", st="6.35029318", oz="0.028349523125")
_HEIGHT = {"cm": KEEP, "in": Conversion(_D("2.54"), _D(0), _D("0.1"))} | _scaled("0.1", m="100", ft="30.48")
_PER_MINUTE = {"count/min": KEEP, "count/s": Conversion(_D(60), _D(0), _D("0.1"))}
_VOLUME = {"L": KEEP} | _scaled("0.001", mL="0.001")
_PERCENT = {"%": KEEP}

SINGLES: Mapping[str, tuple[str, Mapping[str, Conversion]]] = MappingProxyType(
    {
        QUANTITY + "RestingHeartRate": ("resting-heart-rate", _PER_MINUTE),
        QUANTITY + "VO2Max": ("vo2max", {"mL/min·kg": KEEP, "mL/kg·min": KEEP, "mL/(kg*min)": KEEP}),
        QUANTITY + "HeartRateVariabilitySDNN": ("hrv-sdnn", {"ms": KEEP, "s": Conversion(_D(1000), _D(0), _D("0.1"))}),
        QUANTITY + "RespiratoryRate": ("respiratory-rate", _PER_MINUTE),
        QUANTITY + "OxygenSaturation": ("oxygen-saturation", _PERCENT),
        QUANTITY + "BodyTemperature": ("body-temperature", _TEMPERATURE),
        QUANTITY + "AppleSleepingWristTemperature": ("wrist-temperature", _TEMPERATURE),
        QUANTITY + "BodyMass": ("body-weight", _MASS),
        QUANTITY + "Height": ("body-height", _HEIGHT),
        QUANTITY + "BodyMassIndex": ("bmi", {"count": KEEP, "kg/m^2": KEEP}),
        QUANTITY + "BodyFatPercentage": ("body-fat", _PERCENT),
        QUANTITY + "WaistCircumference": ("waist", _HEIGHT),
        QUANTITY + "PeakExpiratoryFlowRate": ("peak-flow", {"L/min": KEEP}),
        QUANTITY + "ForcedExpiratoryVolume1": ("fev1", _VOLUME),
        QUANTITY + "ForcedVitalCapacity": ("fvc", _VOLUME),
        GLUCOSE: ("glucose", {"mg/dL": KEEP, "mmol/L": KEEP}),
        SYSTOLIC: ("blood-pressure", {"mmHg": KEEP} | _scaled("0.1", cmHg="10", kPa="7.50061683")),
        DIASTOLIC: ("blood-pressure", {"mmHg": KEEP} | _scaled("0.1", cmHg="10", kPa="7.50061683")),
    }
)
"""Type → (metric, unit → conversion): what stays a measurement of its own."""

OF_THE_DAY = frozenset({"resting-heart-rate", "vo2max"})
"""Single measurements that a device works out for a day: they are told with its totals."""

FRACTIONS = frozenset({"oxygen-saturation", "body-fat"})
"""HealthKit says 0.97 with the unit %; these are moved two places where they are not above 1."""


def unit_name(unit: str) -> str:
    """HealthKit's unit without its molar mass: `mmol<180.1558800000541>/L` → `mmol/L`."""
    before, bracket, after = unit.partition("<")
    return before + after.partition(">")[2] if bracket else unit
