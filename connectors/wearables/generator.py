"""A made-up export of Apple Health: a month of a watch, a phone, a scale, a cuff. The same seed, the same bytes.

It holds what real exports hold and what trips importers: the DOCTYPE of iOS 16 that is not well formed, control
characters, a device's address in memory, readings inside Correlations and again beside them, records twice, steps
counted by watch and phone at once, pounds, fractions for per cent, the night the clocks go back and a journey, types
nobody knows, a workout with its route, and ECGs in German and English. Nobody's data: all of it is drawn at random.
"""

import math
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

FOLDER = "apple_health_export"
FIRST_DAY = date(2026, 10, 1)
_STAMP = (2026, 11, 1, 0, 0, 0)
_HOME = ZoneInfo("Europe/Berlin")
_AWAY = ZoneInfo("Europe/Lisbon")
_JOURNEY = range(10, 14)
PER_DAY = 3600
"""Records of a day at full density, roughly."""

# As iOS 16 wrote it: the list of Record's attributes is not closed before the next declaration begins.
DOCTYPE = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|ClinicalRecord)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record
  type          CDATA #REQUIRED
  unit          CDATA #IMPLIED
  value         CDATA #IMPLIED
  device        CDATA #IMPLIED
<!ELEMENT MetadataEntry EMPTY>
<!ATTLIST MetadataEntry
  key           CDATA #REQUIRED
  value         CDATA #REQUIRED
>
]>
"""

_QUANTITY = "HKQuantityTypeIdentifier"


class _Source(NamedTuple):
    name: str
    version: str
    device: str


_WATCH = _Source(
    "Jürgens Apple\u00a0Watch",
    "11.1",
    "name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2, software:11.1",
)
_PHONE = _Source(
    "Jürgens iPhone",
    "18.1",
    "name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone14,2, software:18.1",
)
_SCALE = _Source("Körperwaage Süd", "3.2", "")
_CUFF = _Source(
    "Blutdruck\x0bmesser", "2.0", "name:BM 54, manufacturer:Beurer, model:BM 54, hardware:BM54, software:2.0"
)
_METER = _Source("Zuckertagebuch", "5.1", "")


def generate(path: Path, *, seed: int = 1, days: int = 31, records: int = 110_000) -> int:
    """Write an export to `path`; gives the number of Record elements in it, which is about `records`."""
    random = Random(seed)  # noqa: S311 - made-up data must be repeatable, not secret
    density = records / (PER_DAY * days)
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(_entry(f"{FOLDER}/Export.xml"), "w", force_zip64=True) as file:
            for line in _document(random, days, density):
                count += line.count("<Record ")
                file.write(line.encode())
        archive.writestr(
            _entry(f"{FOLDER}/export_cda.xml"), '<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
        )
        archive.writestr(_entry(f"{FOLDER}/electrocardiograms/ecg_2026-10-05.csv"), _ecg(random, german=True))
        archive.writestr(_entry(f"{FOLDER}/electrocardiograms/ecg_2026-10-19.csv"), _ecg(random, german=False))
        archive.writestr(_entry(f"{FOLDER}/workout-routes/route_2026-10-04_9.05am.gpx"), _ROUTE)
    return count


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _STAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _document(random: Random, days: int, density: float) -> Iterator[str]:
    end = FIRST_DAY + timedelta(days=days - 1)
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n{DOCTYPE}<HealthData locale="de_DE">\n'
    yield f' <ExportDate value="{end} 21:30:00 +0{2 if end < date(2026, 10, 25) else 1}00"/>\n'
    yield ' <Me HKCharacteristicTypeIdentifierDateOfBirth="1961-04-12"/>\n'
    all_days = [_Day(random, number, density) for number in range(days)]
    # Apple writes type by type, each in order of time.
    for kind in (_body, _heart, _steps, _energy, _oxygen, _sleep, _unknown):
        for day in all_days:
            yield from kind(day)
    for day in all_days:
        yield from _pressure(day)
    yield from _workout(all_days[min(3, days - 1)])
    yield "</HealthData>\n"


def _zone(number: int) -> ZoneInfo:
    return _AWAY if number in _JOURNEY else _HOME


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


class _Day:
    """A local day; `at` gives a moment of it as Apple writes it."""

    def __init__(self, random: Random, number: int, density: float) -> None:
        self.random = random
        self.number = number
        self.density = density
        self.day = FIRST_DAY + timedelta(days=number)
        self.zone = _zone(number)
        self.midnight = _midnight(self.day, self.zone)
        # On the way home the clock is put forward: the day's first hour was lived as the last one of the day before.
        self.begins = max(0, _midnight(self.day, _zone(number - 1)) - self.midnight)

    def at(self, seconds: float) -> str:
        """`seconds` after local midnight."""
        moment = datetime.fromtimestamp(self.midnight + int(seconds), UTC).astimezone(self.zone)
        return moment.strftime("%Y-%m-%d %H:%M:%S %z")

    def times(self, count: float, begin: float = 0, end: float = 86_400) -> list[int]:
        """Moments in order, about `count` of them at full density, at least one."""
        wanted = max(1, round(count * self.density))
        return sorted(self.random.randrange(max(int(begin), self.begins), int(end)) for _ in range(wanted))

    def spans(self, count: float, begin: int, end: int, shortest: int, longest: int) -> list[tuple[int, int]]:
        """Moments with lengths, about `count` at full density; as of one device, they do not overlap."""
        moments = self.times(count, begin, end)
        found = []
        for moment, after in zip(moments, [*moments[1:], end], strict=True):
            length = min(self.random.randrange(shortest, longest), after - moment)
            if length > 0:
                found.append((moment, length))
        return found

    def record(
        self, kind: str, source: _Source, unit: str, value: str, begin: float, end: float, extra: str = ""
    ) -> str:
        """One Record; now and then a second time, as apps that sync twice leave it."""
        device = ""
        if source.device:
            address = self.random.randrange(0x280000000, 0x2FFFFFFFF, 16)
            device = f" device={quoteattr(f'<<HKDevice: {address:#x}>, {source.device}>')}"
        measured = f' unit="{unit}"' if unit else ""
        body = f">{extra}</Record>\n" if extra else "/>\n"
        line = (
            f' <Record type="{kind}" sourceName={quoteattr(source.name)} sourceVersion="{source.version}"'
            f'{device}{measured} creationDate="{self.at(end)}"'
            f' startDate="{self.at(begin)}" endDate="{self.at(end)}" value="{value}"{body}'
        )
        return line * 2 if self.random.random() < 0.004 else line


def _body(day: _Day) -> Iterator[str]:
    random = day.random
    entered = '<MetadataEntry key="HKWasUserEntered" value="1"/>'
    weight = 181.4 + random.uniform(-2, 2) - day.number * 0.05
    yield day.record(_QUANTITY + "BodyMass", _SCALE, "lb", f"{weight:.1f}", 25_200, 25_200)
    if day.number == 0:
        yield day.record(_QUANTITY + "Height", _PHONE, "cm", "178", 30_000, 30_000, entered)
    if day.number % 7 == 2:
        yield day.record(
            _QUANTITY + "BodyTemperature", _PHONE, "degF", f"{random.uniform(97.5, 99.5):.1f}", 28_000, 28_000
        )
        yield day.record(_QUANTITY + "VO2Max", _WATCH, "mL/min·kg", f"{random.uniform(36, 39):.2f}", 40_000, 40_000)
    for hour in (7, 12, 19):
        value = f"{random.uniform(85, 145):.0f}"
        yield day.record(_QUANTITY + "BloodGlucose", _METER, "mg/dL", value, hour * 3600, hour * 3600, entered)
    molar = "mmol<180.1558800000541>/L"
    yield day.record(
        _QUANTITY + "BloodGlucose", _METER, quoteattr(molar)[1:-1], f"{random.uniform(5, 8):.2f}", 79_200, 79_200
    )
    yield day.record(_QUANTITY + "RestingHeartRate", _WATCH, "count/min", str(random.randrange(54, 63)), 600, 80_000)


def _heart(day: _Day) -> Iterator[str]:
    random = day.random
    moments = day.times(900)
    if day.number % 2:
        moments = sorted(moments + [64_800 + 5 * place for place in range(round(540 * day.density))])
    for moment in moments:
        hour = moment / 3600
        rate = 60 + 14 * math.sin((hour - 9) / 24 * math.tau) + random.gauss(0, 5)
        if 64_800 <= moment < 67_500 and day.number % 2:
            rate += 55
        value = f"{max(41, rate):.0f}" if random.random() < 0.9 else f"{max(41, rate):.3f}"
        extra = (
            '\n  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="0"/>\n '
            if random.random() < 0.5
            else ""
        )
        yield day.record(_QUANTITY + "HeartRate", _WATCH, "count/min", value, moment, moment, extra)
    for moment in day.times(9):
        value = f"{random.uniform(22, 70):.4f}"
        yield day.record(_QUANTITY + "HeartRateVariabilitySDNN", _WATCH, "ms", value, moment, moment + 59)


def _steps(day: _Day) -> Iterator[str]:
    """Watch and phone see the same walks, each with its own stretches; one walk goes on over midnight."""
    random = day.random
    for source, count in ((_PHONE, 170), (_WATCH, 260)):
        for moment, length in day.spans(count, 23_000, 82_000, 30, 590):
            steps = max(1, round(length * random.uniform(0.05, 0.6)))
            yield day.record(_QUANTITY + "StepCount", source, "count", str(steps), moment, moment + length)
            metres = steps * random.uniform(0.6, 0.8)
            unit, distance = ("mi", metres / 1609.344) if source is _PHONE else ("km", metres / 1000)
            kind = _QUANTITY + "DistanceWalkingRunning"
            yield day.record(kind, source, unit, f"{distance:.6f}", moment, moment + length)
    if day.number % 9 == 4:
        yield day.record(_QUANTITY + "StepCount", _PHONE, "count", "420", 86_100, 86_700)
    for moment in day.times(12, 25_000, 80_000):
        yield day.record(_QUANTITY + "FlightsClimbed", _PHONE, "count", "1", moment, moment + 15)


def _energy(day: _Day) -> Iterator[str]:
    random = day.random
    for moment, length in day.spans(820, 22_000, 84_000, 55, 65):
        value = f"{random.expovariate(2):.3f}"
        yield day.record(_QUANTITY + "ActiveEnergyBurned", _WATCH, "kcal", value, moment, moment + length)
    for moment, length in day.spans(330, 0, 86_400, 240, 260):
        value = f"{length * random.uniform(0.017, 0.024) * 4.184:.4f}"
        yield day.record(_QUANTITY + "BasalEnergyBurned", _WATCH, "kJ", value, moment, moment + length)
    for moment, length in day.spans(25, 30_000, 70_000, 60, 61):
        yield day.record(_QUANTITY + "AppleExerciseTime", _WATCH, "min", "1", moment, moment + length)


def _oxygen(day: _Day) -> Iterator[str]:
    random = day.random
    for moment in day.times(22):
        value = f"{random.randrange(92, 100) / 100:g}"
        yield day.record(_QUANTITY + "OxygenSaturation", _WATCH, "%", value, moment, moment)
    for moment in day.times(30, 3_600, 25_000):
        value = f"{random.uniform(12, 18):.1f}"
        yield day.record(_QUANTITY + "RespiratoryRate", _WATCH, "count/min", value, moment, moment)


def _sleep(day: _Day) -> Iterator[str]:
    random = day.random
    kind, value = "HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysis"
    moment = -random.randrange(0, 5_400)
    yield day.record(kind, _PHONE, "", value + "InBed", moment - 600, 25_000)
    while moment < 23_500:
        stage = random.choice(("AsleepCore", "AsleepCore", "AsleepDeep", "AsleepREM", "Awake"))
        length = random.randrange(60, 600) if stage == "Awake" else random.randrange(900, 3_000)
        yield day.record(kind, _WATCH, "", value + stage, moment, moment + length)
        moment += length


def _unknown(day: _Day) -> Iterator[str]:
    for moment in day.times(300):
        value = f"{day.random.uniform(1, 9):.2f}"
        yield day.record(_QUANTITY + "PhysicalEffort", _WATCH, "kcal/hr·kg", value, moment, moment + 60)
    yield day.record("HKDataTypeOfTomorrow", _PHONE, "furlong", "1", 50_000, 50_000)
    yield day.record(_QUANTITY + "BodyMass", _SCALE, "slug", "5", 50_000, 50_000)
    yield day.record(_QUANTITY + "StepCount", _PHONE, "count", "viele", 50_000, 50_060)


def _pressure(day: _Day) -> Iterator[str]:
    """The two pressures at the top level, and again inside their Correlation; one only inside, one without its half."""
    random = day.random
    for place, moment in enumerate((27_000, 75_600)):
        systolic, diastolic = random.randrange(112, 148), random.randrange(68, 92)
        pair = day.record(
            _QUANTITY + "BloodPressureSystolic", _CUFF, "mmHg", str(systolic), moment, moment
        ) + day.record(_QUANTITY + "BloodPressureDiastolic", _CUFF, "mmHg", str(diastolic), moment, moment)
        if place == 0 or day.number % 5:
            yield pair
        yield f' <Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName={quoteattr(_CUFF.name)}'
        yield f' startDate="{day.at(moment)}" endDate="{day.at(moment)}">\n{pair} </Correlation>\n'
    if day.number % 11 == 7:
        yield day.record(_QUANTITY + "BloodPressureSystolic", _CUFF, "mmHg", "131", 60_000, 60_000)


def _workout(day: _Day) -> Iterator[str]:
    span = f'startDate="{day.at(32_700)}" endDate="{day.at(35_400)}"'
    yield f' <Workout workoutActivityType="HKWorkoutActivityTypeWalking" duration="45" durationUnit="min" {span}>\n'
    yield f"  <WorkoutRoute sourceName={quoteattr(_WATCH.name)} {span}>\n"
    yield '   <FileReference path="/workout-routes/route_2026-10-04_9.05am.gpx"/>\n  </WorkoutRoute>\n </Workout>\n'
    yield f' <ActivitySummary dateComponents="{day.day}" activeEnergyBurned="412" activeEnergyBurnedUnit="kcal"/>\n'


_ROUTE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="Apple Health Export">'
    '<trk><trkseg><trkpt lon="7.0" lat="51.0"><ele>60</ele></trkpt></trkseg></trk></gpx>\n'
)

_GERMAN = """Name,Jürgen Muster
Geburtstag,12.04.1961
Aufzeichnungsdatum,2026-10-05 08:12:30 +0200
Klassifizierung,Sinusrhythmus
Symptome,
Softwareversion,"2.0"
Gerät,"Watch6,2"
Messrate,"511,875\u00a0hertz"


Ableitung,Ableitung I
Einheit,µV


"""
_ENGLISH = """Name,Jürgen Muster
Date of Birth,"Apr 12, 1961"
Recorded Date,2026-10-19 19:40:02 +0200
Classification,Atrial Fibrillation
Symptoms,
Software Version,2.0
Device,"Watch6,2"
Sample Rate,512 hertz


Lead,Lead I
Unit,µV

"""


def _ecg(random: Random, *, german: bool) -> str:
    """Thirty seconds at 512 Hz: a spike a beat, noise between."""
    lines = []
    for place in range(15_360):
        phase = (place / 512 * 1.1) % 1
        spike = 900 * math.exp(-(((phase - 0.4) / 0.012) ** 2)) + 120 * math.exp(-(((phase - 0.65) / 0.05) ** 2))
        value = f"{spike + random.gauss(0, 14):.3f}"
        lines.append(value.replace(".", ",") if german else value)
    return (_GERMAN if german else _ENGLISH) + "\n".join(lines) + "\n"
