"""What pages say of values: of both of a blood pressure, of what was entered in error, of what is only a bound."""

from decimal import Decimal

import pytest
from playwright.sync_api import expect

from consent import identifiers
from fhir_profiles.codes import METRICS
from fhir_profiles.observations import Context, blood_pressure, identity, quantity
from tests.portal import record
from tests.portal.conftest import DESK, PHONE
from tests.portal.test_getting_in import sign_in
from tests.portal.test_my_data import go

UNKNOWN = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
UPPER, LOWER = 0, 1


def local(patient):
    return identifiers.account(patient.account).local


def pressure(patient, systolic, diastolic, days, *, lacks=None):
    """A blood pressure as other programs may write it: the lower value first; of what it `lacks` it says so."""
    name = local(patient)
    at, key = record.days_ago(days), identity(name, "pressure", str(days))
    made = blood_pressure(systolic, diastolic, at, key, Context(name), entered_by_patient=True)
    if lacks is not None:
        del made["component"][lacks]["valueQuantity"]
        made["component"][lacks]["dataAbsentReason"] = UNKNOWN
    return made | {"component": made["component"][::-1]}


def weight(patient, kilograms, days, **more):
    name = local(patient)
    key = identity(name, "weight", str(days))
    return quantity(METRICS["body-weight"], Decimal(kilograms), record.days_ago(days), key, Context(name)) | more


def potassium(patient, value, days, status="final"):
    made = record.finding(local(patient), f"k-{days}", "Kalium", value, "mmol/L", "3.5", "5.1", days)
    return made | {"status": status}


def opens(visitor, patient, resources, place):
    """Her page of a category, once these are in her record."""
    record.put(patient, resources)
    patient.flush()
    sign_in(visitor, patient.account)
    go(visitor, f"data/{place}")
    visitor.sees(f"category.{place}")


def values(visitor):
    """What the lines of the list say, without their flags."""
    return [one.split("\n")[0].strip() for one in visitor.page.locator(".entry .value").all_inner_texts()]


def table(visitor):
    """The head of the table beside the chart, and what stands in its rows behind the times."""
    drawn = visitor.page.locator(".drawn")
    drawn.locator("summary").click()
    expect(drawn.get_by_role("table")).to_be_visible()
    head, *rows = drawn.get_by_role("row").all()
    return [
        head.get_by_role("columnheader").all_inner_texts()[1:],
        *(one.get_by_role("cell").all_inner_texts() for one in rows),
    ]


def under_the_pointer(visitor, end):
    """What the chart says at its left (0) or right (1) end."""
    over = visitor.page.locator(".drawn .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    x, y = box["x"] + 2 + end * (box["width"] - 4), box["y"] + box["height"] / 2
    visitor.page.mouse.move(x + 1 - 2 * end, y)
    visitor.page.mouse.move(x, y)
    return visitor.page.locator(".drawn figcaption")


def test_both_values_of_a_blood_pressure_are_told_by_their_codes(visitors, patient):
    """The upper one comes first in list, headline, chart and table, whichever was written first or is missing."""
    made = [
        pressure(patient, 128, 80, 1),
        pressure(patient, 131, 82, 2, lacks=UPPER),
        pressure(patient, 135, 84, 3, lacks=LOWER),
        pressure(patient, 138, 86, 4, lacks=UPPER),
    ]
    visitor = visitors(language="en", viewport=DESK)
    opens(visitor, patient, made, "vitals")
    expect(visitor.page.locator(".newest strong")).to_have_text("128 / 80 mmHg")
    assert values(visitor) == ["128 / 80 mmHg", "– / 82 mmHg", "135 / – mmHg", "– / 86 mmHg"]
    expect(under_the_pointer(visitor, 1)).to_contain_text("128 / 80 mmHg")
    expect(under_the_pointer(visitor, 0)).to_contain_text("– / 86 mmHg")
    head = [f"{visitor.text(f'metric.{code}')} (mmHg)" for code in ("8480-6", "8462-4")]
    assert table(visitor) == [head, ["128", "80"], ["–", "82"], ["135", "–"], ["–", "86"]]
    visitor.is_well()


def test_a_blood_pressure_is_corrected_by_its_codes(visitors, patient):
    """The form has the upper value in the upper field, though the lower one was written first."""
    visitor = visitors(viewport=DESK)
    opens(visitor, patient, [pressure(patient, 128, 80, 1)], "vitals")
    visitor.use(visitor.page.locator(".entry summary"))
    visitor.follow("entry.correct")
    expect(visitor.field("bring.systolic")).to_have_value("128")
    expect(visitor.field("bring.diastolic")).to_have_value("80")


def test_what_is_void_is_not_drawn_nor_the_newest(visitors, patient):
    """What was entered in error or cancelled is in the list with its flag, and in neither headline, chart nor table."""
    made = [
        weight(patient, "725", 0.5, status="entered-in-error"),
        weight(patient, "72.5", 1),
        weight(patient, "7.25", 1.5, status="cancelled"),
        weight(patient, "72.9", 2),
    ]
    visitor = visitors(viewport=PHONE)
    opens(visitor, patient, made, "vitals")
    expect(visitor.page.locator(".newest strong")).to_have_text("72,5 kg")
    assert table(visitor)[1:] == [["72,5"], ["72,9"]]
    flags = visitor.page.locator(".entry").filter(has=visitor.page.locator(".flag"))
    expect(flags).to_have_count(2)
    expect(flags.first).to_contain_text("725 kg")
    expect(flags.first).to_contain_text(visitor.text("flag.entered-in-error"))
    expect(flags.last).to_contain_text(visitor.text("flag.cancelled"))
    visitor.is_well()


def test_what_is_void_is_no_finding_and_flagged_on_paper(visitors, patient):
    """The newest finding is the newest that holds; a void value is not judged; diagnoses and paper have flags, too."""
    error = {"coding": [{"system": VERIFICATION, "code": "entered-in-error"}]}
    condition = {"resourceType": "Condition", "id": "c-1", "subject": {"reference": f"Patient/{local(patient)}"},
                 "verificationStatus": error, "code": {"text": "Gicht"}, "onsetDateTime": "2024-05"}  # fmt: skip
    made = [potassium(patient, "9.9", 1, "entered-in-error"), potassium(patient, "4.2", 120), condition]
    visitor = visitors(language="en", viewport=DESK)
    opens(visitor, patient, made, "lab")
    findings = visitor.page.locator(".findings tbody tr")
    expect(findings).to_have_count(1)
    expect(findings).to_contain_text("4.2 mmol/L")
    wrong = visitor.page.locator(".entry").filter(has_text="9.9")
    flag = visitor.text("flag.entered-in-error")
    expect(wrong.locator(".flag")).to_have_text([flag])
    visitor.is_well()
    go(visitor, "data/conditions")
    expect(visitor.page.locator(".entry .flag")).to_have_text([flag])
    visitor.is_well()
    go(visitor, "data")
    age = visitor.text("data.newest", when="")
    tile = visitor.page.locator(".tiles a").filter(has_text=visitor.text("category.conditions"))
    expect(tile).to_be_visible()
    expect(tile).not_to_contain_text(age)
    visitor.page.evaluate("window.print = () => {}")
    go(visitor, "take")
    visitor.press("take.print")
    visitor.page.emulate_media(media="print")
    for said in ("9.9 mmol/L", "Gicht"):
        expect(visitor.page.locator(".paper li").filter(has_text=said)).to_contain_text(flag)
    expect(visitor.page.locator(".paper li").filter(has_text="4.2 mmol/L")).not_to_contain_text(flag)


@pytest.mark.parametrize(("language", "said"), [("de", "< 20,0"), ("en", "< 20.0")])
def test_a_bound_is_told_as_one(visitors, patient, language, said):
    """What a meter cannot measure keeps its sign in table and chart; that it is drawn at its bound is said."""
    name = local(patient)
    metric, context = METRICS["glucose-blood-mass"], Context(name)
    low = quantity(metric, Decimal("20.0"), record.days_ago(1), identity(name, "low"), context, comparator="<")
    high = quantity(metric, Decimal(95), record.days_ago(2), identity(name, "high"), context)
    visitor = visitors(language=language, viewport=DESK)
    opens(visitor, patient, [low, high], "vitals")
    expect(under_the_pointer(visitor, 1)).to_contain_text("< 20 ")
    assert table(visitor)[1:] == [[said], ["95"]]
    expect(visitor.page.locator(".drawn")).to_contain_text(visitor.text("chart.bounds"))
    visitor.is_well()


def test_where_all_are_measured_no_bound_is_spoken_of(visitors, patient):
    """The sentence of bounds stands only beside charts that have any."""
    visitor = visitors()
    opens(visitor, patient, [weight(patient, "72.5", 1), weight(patient, "72.9", 2)], "vitals")
    expect(visitor.page.locator(".chart")).to_be_visible()
    expect(visitor.page.locator(".drawn")).not_to_contain_text(visitor.text("chart.bounds"))
