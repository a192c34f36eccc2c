"""Code systems, codes and units as names: what is measured, how it is coded, in which unit, and whose category it is.

`METRICS` is the one table. A `Metric` names the codings of an Observation in order (LOINC first where there is one),
its unit in UCUM, the profiles it claims, and its `category`, which a patient consents to (`vitals`, `activity`,
`traces`). LOINC codes carry a check digit (`loinc_is_valid`), and some in the wild are shuffled: the tests look at both
digit and display.

Where no code is known to fit, a code of the project's own system `LOCAL` stands there with a text. That holds for heart
rate variability as RMSSD (never coded as SDNN), the wrist's temperature (not a body temperature, 8310-5) and distances.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
MDC = "urn:iso:std:iso:11073:10101"
UCUM = "http://unitsofmeasure.org"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"

LOCAL = "https://fhir.obhut.org/CodeSystem/wearable-metric"
"""Canonical URL of the project's own codes for what LOINC has no code for; the codes are the names used below."""
CATEGORY = "https://fhir.obhut.org/CodeSystem/category"
"""Canonical URL of the categories of consent; `consent.categories` goes by it before anything else."""
RECORD_ID = "https://fhir.obhut.org/sid/source-record"
"""Identifier system: hash of what identifies a reading at its source (type, source, start, end, value, unit)."""
DEVICE_ID = "https://fhir.obhut.org/sid/source-device"
"""Identifier system: hash of what a device says of itself."""

P_DE = "http://fhir.de/StructureDefinition/observation-de-"
P_HL7 = "http://hl7.org/fhir/StructureDefinition/"
P_ISIK = "https://gematik.de/fhir/isik/StructureDefinition/"
P_HDDT = "https://gematik.de/fhir/hddt/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a system with its display."""

    system: str
    code: str
    display: str = ""

    def json(self) -> dict[str, Any]:
        """The datatype Coding (https://hl7.org/fhir/R4/datatypes.html#Coding)."""
        members = {"system": self.system, "code": self.code}
        return members | {"display": self.display} if self.display else members


@dataclass(frozen=True, slots=True)
class Unit:
    """A UCUM code and what people write for it."""

    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is measured.

    `category` is that of consent; `kinds` are codes of HL7's observation-category; `profiles` are claimed always,
    `device_profiles` only where the reading names a medical device of a known type (HDDT asks for one).
    """

    name: str
    category: str
    kinds: tuple[str, ...]
    text: str
    codings: tuple[Coding, ...]
    unit: Unit
    profiles: tuple[str, ...] = ()
    device_profiles: tuple[str, ...] = field(default=())

    def code(self) -> dict[str, Any]:
        """`Observation.code`."""
        return {"coding": [coding.json() for coding in self.codings], "text": self.text}

    def category_concepts(self) -> list[dict[str, Any]]:
        """`Observation.category`: HL7's codes, then the category of consent.

        Each stands in a concept of its own: the vital signs profile fixes system and code of every coding in its
        concept. The ECG profile fixes those of all, so an ECG goes without ours; it is known by its sampled data.
        """
        codings = [Coding(OBSERVATION_CATEGORY, kind) for kind in self.kinds]
        if self.kinds != ("procedure",):
            codings.append(Coding(CATEGORY, self.category))
        return [{"coding": [coding.json()]} for coding in codings]


PER_MINUTE = Unit("/min", "/min")
PER_DAY = Unit("/d", "/d")
MILLISECOND = Unit("ms", "ms")
PERCENT = Unit("%", "%")
MMHG = Unit("mm[Hg]", "mmHg")
CELSIUS = Unit("Cel", "°C")
KILOGRAM = Unit("kg", "kg")
CENTIMETRE = Unit("cm", "cm")
METRE = Unit("m", "m")
BMI_UNIT = Unit("kg/m2", "kg/m²")
MG_DL = Unit("mg/dL", "mg/dL")
MMOL_L = Unit("mmol/L", "mmol/L")
LITRE_MINUTE = Unit("L/min", "L/min")
LITRE = Unit("L", "L")
KCAL_DAY = Unit("kcal/d", "kcal/d")
ONE = Unit("1", "1")
MINUTE = Unit("min", "min")
VO2_UNIT = Unit("mL/kg/min", "mL/kg/min")
"""Not `mL/kg.min`: in UCUM that divides by kg and multiplies by min."""
MICROVOLT = Unit("uV", "µV")
MILLIVOLT = Unit("mV", "mV")

LEADS: Mapping[str, Coding] = MappingProxyType(
    {
        "I": Coding(SNOMED, "272729005", "Lead I"),
        "II": Coding(SNOMED, "272730000", "Lead II"),
        "III": Coding(SNOMED, "272731001", "Lead III"),
    }
)
"""Of http://fhir.de/ValueSet/EkgAbleitungenVS."""

DEVICE_TYPES: Mapping[str, Coding] = MappingProxyType(
    {
        "glucose-meter": Coding(SNOMED, "337414009", "Blood glucose meter (physical object)"),
        "glucose-sensor": Coding(
            SNOMED, "700585005", "Invasive interstitial-fluid glucose monitoring system (physical object)"
        ),
        "blood-pressure-cuff": Coding(SNOMED, "70665002", "Blood pressure cuff, device (physical object)"),
        "peak-flow-meter": Coding(SNOMED, "334990001", "Peak flow meter (physical object)"),
        "spirometer": Coding(SNOMED, "303501006", "Spirometer (physical object)"),
    }
)
"""Of https://gematik.de/fhir/hddt/ValueSet/hddt-device-type: devices that make a reading an HDDT one."""


def loinc_is_valid(code: str) -> bool:
    """Whether a LOINC code carries its right check digit (mod 10, LOINC Users' Guide, appendix on check digits)."""
    digits, dash, check = code.rpartition("-")
    if not dash or not digits.isdecimal() or not check.isdecimal() or len(check) != 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled // 10 + doubled % 10
    return (10 - total % 10) % 10 == int(check)


def _loinc(code: str, display: str) -> Coding:
    return Coding(LOINC, code, display)


def _local(code: str, display: str) -> Coding:
    return Coding(LOCAL, code, display)


SYSTOLIC = (_loinc("8480-6", "Systolic blood pressure"), Coding(MDC, "150017", "MDC_PRESS_BLD_SYS"))
DIASTOLIC = (_loinc("8462-4", "Diastolic blood pressure"), Coding(MDC, "150018", "MDC_PRESS_BLD_DIA"))
MEAN_PRESSURE = (_loinc("8478-0", "Mean blood pressure"), Coding(MDC, "150019", "MDC_PRESS_BLD_MEAN"))
HEART_RATE_MIN = _loinc("8883-1", "Heart rate 24 hour minimum")
HEART_RATE_MEAN = _loinc("41924-2", "Heart rate 24 hour mean")
HEART_RATE_MAX = _loinc("8873-2", "Heart rate 24 hour maximum")
SLEEP_DEEP = _loinc("93831-6", "Deep sleep duration")
SLEEP_LIGHT = _loinc("93830-8", "Light sleep duration")
SLEEP_REM = _loinc("93829-0", "REM sleep duration")
SLEEP_AWAKE = Coding(LOCAL, "sleep-awake", "Time awake during the night")
SLEEP_IN_BED = Coding(LOCAL, "sleep-in-bed", "Time in bed")
ECG_CLASSIFICATION = Coding(LOCAL, "ecg-classification", "Classification of the ECG by the device")

_HEART_RATE = (
    _loinc("8867-4", "Heart rate"),
    Coding(MDC, "147842", "MDC_ECG_HEART_RATE"),
    Coding(SNOMED, "364075005", "Heart rate (observable entity)"),
)
_GLUCOSE_HDDT = (P_HDDT + "hddt-blood-glucose-measurement",)
_CGM_HDDT = (P_HDDT + "hddt-continuous-glucose-measurement",)
_LUNG_HDDT = (P_HDDT + "hddt-lung-function-testing",)
_VITAL, _LAB, _EXAM, _ACTIVITY, _ECG = ("vital-signs",), ("laboratory",), ("exam",), ("activity",), ("procedure",)


def _glucose(name: str, text: str, codes: tuple[str, str], system: str) -> tuple[Metric, Metric]:
    """The two metrics of one glucose: the unit must fit the code, so mass and moles are never converted."""
    mass, moles = (
        _loinc(codes[0], f"Glucose [Mass/volume] {system}"),
        _loinc(codes[1], f"Glucose [Moles/volume] {system}"),
    )
    return (
        Metric(f"{name}-mass", "vitals", _LAB, text, (mass,), MG_DL, (), _GLUCOSE_HDDT),
        Metric(f"{name}-moles", "vitals", _LAB, text, (moles,), MMOL_L, (), _GLUCOSE_HDDT),
    )


# One metric a row or two; the formatter would make a page of each.
# fmt: off
_VITALS = (
    Metric("heart-rate", "vitals", _VITAL, "Herzfrequenz", _HEART_RATE, PER_MINUTE,
           (P_DE + "vitalsign-herzfrequenz", P_HL7 + "heartrate", P_ISIK + "ISiKHerzfrequenz")),
    Metric("hrv-sdnn", "vitals", _VITAL, "Herzratenvariabilität (SDNN)",
           (_loinc("112429-6", "Heart rate variability SDNN [Time]"),), MILLISECOND),
    Metric("hrv-rmssd", "vitals", _VITAL, "Herzratenvariabilität (RMSSD)",
           (_local("hrv-rmssd", "Heart rate variability RMSSD"),), MILLISECOND),
    Metric("respiratory-rate", "vitals", _VITAL, "Atemfrequenz",
           (_loinc("9279-1", "Respiratory rate"), Coding(MDC, "151562", "MDC_RESP_RATE"),
            Coding(SNOMED, "86290005", "Respiratory rate (observable entity)")),
           PER_MINUTE, (P_DE + "vitalsign-atemfrequenz", P_HL7 + "resprate")),
    Metric("oxygen-saturation", "vitals", _VITAL, "Sauerstoffsättigung (Pulsoximetrie)",
           (_loinc("2708-6", "Oxygen saturation in Arterial blood"),
            _loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
            Coding(MDC, "150324", "MDC_SAT_O2_ART"),
            Coding(SNOMED, "431314004", "Peripheral oxygen saturation (observable entity)")),
           PERCENT, (P_DE + "vitalsign-sauerstoffsaettigung-pulsoximetrie", P_HL7 + "oxygensat")),
    # No SNOMED code here: the HDDT profile forbids one.
    Metric("blood-pressure", "vitals", _VITAL, "Blutdruck",
           (_loinc("85354-9", "Blood pressure panel with all children optional"),
            Coding(MDC, "150016", "MDC_PRESS_BLD")),
           MMHG, (P_DE + "vitalsign-blutdruck", P_HL7 + "bp"), (P_HDDT + "hddt-blood-pressure-value",)),
    # Where a thermometer measured is not told, so no SNOMED code, which would name the place.
    Metric("body-temperature", "vitals", _VITAL, "Körpertemperatur",
           (_loinc("8310-5", "Body temperature"), Coding(MDC, "150364", "MDC_TEMP_BODY")),
           CELSIUS, (P_DE + "vitalsign-koerpertemperatur", P_HL7 + "bodytemp")),
    Metric("wrist-temperature", "vitals", _VITAL, "Temperatur am Handgelenk im Schlaf",
           (_local("wrist-temperature", "Temperature of the wrist during sleep"),), CELSIUS),
    Metric("body-weight", "vitals", _VITAL, "Körpergewicht",
           (_loinc("29463-7", "Body weight"), Coding(MDC, "188736", "MDC_MASS_BODY_ACTUAL"),
            Coding(SNOMED, "27113001", "Body weight (observable entity)")),
           KILOGRAM, (P_DE + "vitalsign-koerpergewicht", P_HL7 + "bodyweight")),
    Metric("body-height", "vitals", _VITAL, "Körpergröße",
           (_loinc("8302-2", "Body height"), Coding(MDC, "188740", "MDC_LEN_BODY_ACTUAL"),
            Coding(SNOMED, "1153637007", "Body height (observable entity)")),
           CENTIMETRE, (P_DE + "vitalsign-koerpergroesse", P_HL7 + "bodyheight")),
    Metric("bmi", "vitals", _VITAL, "Body-Mass-Index", (_loinc("39156-5", "Body mass index (BMI) [Ratio]"),),
           BMI_UNIT, (P_HL7 + "bmi",)),
    Metric("body-fat", "vitals", _VITAL, "Körperfett",
           (_loinc("41982-0", "Percentage of body fat Measured"),), PERCENT),
    Metric("waist", "vitals", _VITAL, "Taillenumfang",
           (_loinc("8280-0", "Waist Circumference at umbilicus by Tape measure"),), CENTIMETRE),
    *_glucose("glucose-blood", "Glukose im Blut", ("2339-0", "15074-8"), "in Blood"),
    *_glucose("glucose-plasma", "Glukose im Plasma", ("2345-7", "14749-6"), "in Serum or Plasma"),
    *_glucose("glucose-capillary", "Glukose im Kapillarblut", ("41653-7", "14743-9"),
              "in Capillary blood by Glucometer"),
    Metric("peak-flow", "vitals", _EXAM, "Peak-Flow",
           (_loinc("19935-6", "Maximum expiratory gas flow Respiratory system airway by Peak flow meter"),),
           LITRE_MINUTE, (), _LUNG_HDDT),
    Metric("fev1", "vitals", _EXAM, "Einsekundenkapazität (FEV1)", (_loinc("20150-9", "FEV1"),), LITRE, (), _LUNG_HDDT),
    Metric("fvc", "vitals", _EXAM, "Forcierte Vitalkapazität", (_loinc("19870-5", "Forced vital capacity"),), LITRE),
)

_DAILY = (
    # HL7 asks every heart rate to be a vital sign; the category of consent says where it travels.
    Metric("resting-heart-rate", "activity", _VITAL, "Ruheherzfrequenz", (_loinc("40443-4", "Heart rate --resting"),),
           PER_MINUTE, (P_HL7 + "vitalsigns",)),
    Metric("heart-rate-day", "activity", _ACTIVITY, "Herzfrequenz des Tages",
           (_local("heart-rate-day", "Heart rate of the day: minimum, mean, maximum"),), PER_MINUTE),
    Metric("steps-day", "activity", _ACTIVITY, "Schritte am Tag",
           (_loinc("41950-7", "Number of steps in 24 hour Measured"),), PER_DAY),
    # HL7's Physical Activity guide uses this code for the energy of activity, without that of rest.
    Metric("active-energy-day", "activity", _ACTIVITY, "Aktivitätsenergie am Tag",
           (_loinc("41979-6", "Calories burned in 24 hour Calculated"),), KCAL_DAY),
    Metric("basal-energy-day", "activity", _ACTIVITY, "Ruheenergie am Tag",
           (_local("basal-energy-day", "Energy burned at rest in a day"),), KCAL_DAY),
    Metric("flights-day", "activity", _ACTIVITY, "Stockwerke am Tag",
           (_loinc("100304-5", "Flights climbed [#] Reporting Period"),), ONE),
    Metric("distance-walked-day", "activity", _ACTIVITY, "Strecke zu Fuß am Tag",
           (_local("distance-walked-day", "Distance walked or run in a day"),), METRE),
    Metric("distance-cycled-day", "activity", _ACTIVITY, "Strecke mit dem Rad am Tag",
           (_local("distance-cycled-day", "Distance cycled in a day"),), METRE),
    Metric("distance-swum-day", "activity", _ACTIVITY, "Strecke geschwommen am Tag",
           (_local("distance-swum-day", "Distance swum in a day"),), METRE),
    Metric("exercise-day", "activity", _ACTIVITY, "Trainingsminuten am Tag",
           (_loinc("55411-3", "Exercise duration"),), MINUTE),
    # A watch estimates it; `method` of the Observation says so.
    Metric("vo2max", "activity", _ACTIVITY, "Maximale Sauerstoffaufnahme (geschätzt)",
           (_loinc("94122-9", "Oxygen consumption (VO2)/Body weight [Volume Rate Content] --peak during exercise"),),
           VO2_UNIT),
    Metric("sleep-night", "activity", _ACTIVITY, "Schlaf", (_loinc("93832-4", "Sleep duration"),), MINUTE),
)

_TRACES = (
    Metric("heart-rate-minute", "traces", _VITAL, "Herzfrequenz je Minute", _HEART_RATE, PER_MINUTE),
    Metric("cgm-mass", "traces", _LAB, "Glukose in der Gewebeflüssigkeit",
           (_loinc("99504-3", "Glucose [Mass/volume] in Interstitial fluid"),), MG_DL, (), _CGM_HDDT),
    Metric("cgm-moles", "traces", _LAB, "Glukose in der Gewebeflüssigkeit",
           (_loinc("105272-9", "Glucose [Moles/volume] in Interstitial fluid"),), MMOL_L, (), _CGM_HDDT),
    Metric("ecg", "traces", _ECG, "EKG",
           (_loinc("11524-6", "EKG study"), Coding(SNOMED, "106073009", "EKG wave, interval AND/OR segment")),
           MICROVOLT, (P_DE + "ekg", P_ISIK + "ISiKEKG")),
)
# fmt: on

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in (*_VITALS, *_DAILY, *_TRACES)})
"""Every metric by name."""
