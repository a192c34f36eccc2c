"""What pages say of values: of both of a blood pressure, whichever was written first."""

from playwright.sync_api import expect

from consent import identifiers
from fhir_profiles.observations import Context, blood_pressure, identity
from tests.portal import record
from tests.portal.conftest import DESK
from tests.portal.test_getting_in import sign_in
from tests.portal.test_my_data import go

UNKNOWN = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}
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
