"""https://hl7.org/fhir/R4/search.html over HTTP: order, pages, links, totals, and what is refused."""

import copy
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.app import FORM
from fhir_profiles import resources
from tests.connectors.gateway.conftest import BASE, ids, issue, link, observation
from tests.fhir_profiles import examples


def test_the_newest_come_first_for_a_patient(api):
    """Without `_sort`, a search about a patient goes back in time; `_sort=date` goes forth."""
    for number, day in enumerate(["2024-01-02", "2024-01-03", "2024-01-01"]):
        api.put(f"Observation/o{number}", observation(id=f"o{number}", effectiveDateTime=day))
    assert ids(api.get("Observation?patient=p-1&code=8867-4")) == ["o1", "o0", "o2"]
    assert ids(api.get("Observation?patient=p-1&_sort=date")) == ["o2", "o0", "o1"]


def test_a_resource_with_one_code_in_two_systems_is_found_once(api):
    """Searching by the code alone, about a patient or not, in one page or many."""
    twice = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}, {"system": "urn:a", "code": "8867-4"}]}
    for number in range(3):
        api.put(f"Observation/o{number}", observation(id=f"o{number}", code=twice))
    for about in ("", "patient=p-1&"):
        assert sorted(ids(api.get(f"Observation?{about}code=8867-4"))) == ["o0", "o1", "o2"]
        assert len(ids(api.get(f"Observation?{about}code=8867-4&_count=2"))) == 2


def test_an_instant_lies_within_the_day_that_is_asked_for(api):
    """However short all dates are that were ever stored."""
    api.put("Observation/o", observation(id="o", effectiveDateTime="2024-03-05T10:15:30+01:00"))
    for prefix in ("", "ge", "le", "ap"):
        assert ids(api.get(f"Observation?patient=p-1&date={prefix}2024-03-05")) == ["o"], prefix


def test_a_period_is_found_by_any_day_after_its_beginning(api):
    """However long it is, and though it has no beginning or no end."""
    for number, period in enumerate([{"start": "1990", "end": "2024"}, {"end": "2024"}, {"start": "2000"}]):
        made = {name: value for name, value in observation().items() if name != "effectiveDateTime"}
        api.put(f"Observation/o{number}", made | {"id": f"o{number}", "effectivePeriod": period})
    assert sorted(ids(api.get("Observation?patient=p-1&date=gt2024-03-05"))) == ["o0", "o1", "o2"]
    assert sorted(ids(api.get("Observation?patient=p-1&date=lt1995"))) == ["o0", "o1"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("family", "bac"),
        ("-family", "abc"),
        ("-birthdate,_id", "bca"),
        ("_id", "abc"),
        ("-_lastUpdated", "cba"),
        ("gender,-_id", "cba"),
    ],
)
def test_it_sorts_by_any_parameter(api, sort, order):
    """Ascending by the least value, descending by the greatest; what has none comes last."""
    api.put("Patient/a", {"resourceType": "Patient", "id": "a", "name": [{"family": "Zorn"}]})
    api.put("Patient/b", {"resourceType": "Patient", "id": "b", "name": [{"family": "Ärger"}], "birthDate": "1980"})
    api.put("Patient/c", {"resourceType": "Patient", "id": "c", "birthDate": "1970"})
    assert ids(api.get(f"Patient?_sort={sort}")) == list(order)


@pytest.mark.parametrize("about", ["patient=p-1&", ""])
def test_pages_stay_as_they_are_while_others_write(api, about):
    """What was there from the beginning is on exactly one page, whatever is added, changed or deleted between."""
    for number in range(30):
        api.put(
            f"Observation/o{number:02}", observation(id=f"o{number:02}", effectiveDateTime=f"2024-01-{number + 1:02}")
        )
    page = api.get(f"Observation?{about}code=8867-4&_count=7")
    found = ids(page)
    step = 0
    while (following := link(page, "next")) is not None:
        step += 1
        api.post("Observation", observation(effectiveDateTime="2024-01-15"))
        api.post("Observation", observation(effectiveDateTime="2030-01-15"))
        api.put(
            f"Observation/{found[0]}", observation(id=found[0], effectiveDateTime=f"2024-01-{int(found[0][1:]) + 1:02}")
        )
        api.delete(f"Observation/{found[-1]}")
        page = api.get(following)
        found += ids(page)
    ours = [each for each in found if each.startswith("o") and len(each) == 3]
    assert sorted(ours) == sorted(set(ours)) == [f"o{number:02}" for number in range(30)]


def test_a_link_to_a_page_tells_nothing(api):
    """Neither the patient nor a date nor the code stands in it; a changed or foreign one is refused."""
    for day in range(1, 4):
        api.post("Observation", observation(effectiveDateTime=f"2024-01-0{day}"))
    search_ = "Observation?patient=p-1&code=8867-4&_count=1"
    following = link(api.get(search_), "next")
    assert following == link(api.get(search_), "next")
    assert parse_qs(urlsplit(following).query).keys() == {"_page"}
    assert "p-1" not in following.removeprefix(BASE)
    token = parse_qs(urlsplit(following).query)["_page"][0]
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    for wrong in (changed, "x", ""):
        assert issue(api.get(f"Observation?_page={wrong}"))["code"] == "invalid"
    assert issue(api.get(f"Patient?_page={token}"))["code"] == "invalid"


def test_a_search_that_is_too_long_for_a_link_is_answered_on_one_page_or_not_at_all(api):
    """Rather than with a link that no server takes; with a page for all of it, it is answered."""
    for id_ in ("a", "b"):
        api.put(f"Observation/{id_}", observation(id=id_))
    codes = ",".join(["8867-4", *(f"{number}-{number % 10}" for number in range(10_000, 10_999))])
    refused = api.post("Observation/_search", urlencode({"code": codes, "_count": "1"}).encode(), Content_Type=FORM)
    assert (refused.status_code, issue(refused)["code"]) == (413, "too-long")
    whole = api.post("Observation/_search", urlencode({"code": codes}).encode(), Content_Type=FORM)
    assert sorted(ids(whole)) == ["a", "b"]


def test_the_last_page_has_no_next(api):
    """Ten on pages of five are two pages."""
    for day in range(10):
        api.post("Observation", observation(effectiveDateTime=f"2024-01-0{day or 1}"))
    first = api.get("Observation?_count=5")
    second = api.get(link(first, "next"))
    assert (len(ids(first)), len(ids(second)), link(second, "next")) == (5, 5, None)


@pytest.mark.parametrize(
    ("wanted", "total"),
    [
        ("", None),
        ("&_total=accurate", 3),
        ("&_total=estimate", 3),
        ("&_total=none", None),
        ("&_count=9", 3),
        ("&_count=9&_total=none", None),
    ],
)
def test_the_total_is_told_when_asked_for_or_free(api, wanted, total):
    """Counting may cost; a page that holds all of it counts itself."""
    for _ in range(3):
        api.post("Observation", observation())
    assert api.get(f"Observation?_count=2{wanted}".replace("_count=2&_count=9", "_count=9")).json.get("total") == total


@pytest.mark.parametrize("wanted", ["_summary=count", "_count=0"])
def test_a_count_has_no_entries(api, wanted):
    """Only the total."""
    api.post("Observation", observation())
    answer = api.get(f"Observation?{wanted}").json
    assert (answer["total"], "entry" in answer) == (1, False)


def test_a_reference_by_this_servers_own_address_is_found(api):
    """It is kept as a relative one; another server's stays as it is, and is found by its whole address."""
    for id_, base in (("a", BASE), ("b", "http://elsewhere.test/fhir")):
        api.put(f"Observation/{id_}", observation(id=id_, subject={"reference": f"{base}/Patient/1"}))
    for text in ("subject=Patient/1", f"subject={BASE}/Patient/1", "patient=1", "subject:Patient=1"):
        assert ids(api.get(f"Observation?{text}")) == ["a"], text
    assert api.get("Observation/a").json["subject"] == {"reference": "Patient/1"}
    assert ids(api.get("Observation?subject=http://elsewhere.test/fhir/Patient/1")) == ["b"]


def test_a_search_by_form_finds_the_same(api):
    """POST _search, with parameters in the address besides; a format is asked for there as well."""
    api.post("Observation", observation())
    body = urlencode({"code": "http://loinc.org|8867-4"}).encode()
    posted = api.post("Observation/_search?patient=p-1", body, Content_Type=FORM)
    assert ids(posted) == ids(api.get("Observation?patient=p-1&code=http://loinc.org|8867-4")) != []
    assert api.post("Observation/_search", {}).status_code == 415
    assert api.post("Observation/_search", b"_format=xml", Content_Type=FORM).status_code == 406
    assert api.post("Observation/_search", b"_format=json", Content_Type=FORM).status_code == 200


def test_the_self_link_says_what_was_searched(api):
    """Parameters as understood, after the base, and that only the number was wanted."""
    assert link(api.get("Observation?_summary=count"), "self") == f"{BASE}/Observation?_summary=count"
    assert link(api.get("Observation?code=8867-4&_format=json"), "self") == f"{BASE}/Observation?code=8867-4"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nothing=1", "not-supported"),
        ("code:exact=1", "not-supported"),
        ("patient.name=x", "not-supported"),
        ("_include=Observation:subject", "not-supported"),
        ("_summary=true", "not-supported"),
        ("_sort=nothing", "not-supported"),
        ("date=yesterday", "invalid"),
        ("value-quantity=many", "invalid"),
        ("_count=-1", "invalid"),
        ("_total=some", "invalid"),
    ],
)
def test_what_is_not_understood_is_refused(api, text, code):
    """Never ignored: 400, with the reason."""
    answer = api.get(f"Observation?{text}")
    assert (answer.status_code, issue(answer)["code"]) == (400, code)


MANY = [
    ("_id", ["o", *(f"o{number}" for number in range(999))]),
    ("encounter", ["Encounter/e", *(f"Encounter/{number}" for number in range(999))]),
    ("encounter:Encounter", ["e", *map(str, range(999))]),
    ("value-quantity", ["72||/min", *(f"{number}|http://unitsofmeasure.org|kg" for number in range(999))]),
    ("code:not", [f"x{number}" for number in range(1000)]),
]


@pytest.mark.parametrize("about", [[], [("patient", "p-1")]], ids=["any", "one"])
def test_a_thousand_values_are_searched_for(api, house, store, database, about):
    """Of any type of parameter, about one patient or all, at a plain server and in a house."""
    api.put("Observation/o", observation(id="o", encounter={"reference": "Encounter/e"}))
    house.headers["Authorization"] = f"Bearer {access.issue_token(database, Reader('Ada', '', 'TREAT'), 600)}"
    for server in (api, house):
        for name, values in MANY:
            args = [*about, (name, ",".join(values[: 1000 - len(about)]))]
            found = server.post("Observation/_search", urlencode(args).encode(), Content_Type=FORM)
            assert ids(found) == ["o"], name


@pytest.mark.parametrize(
    "args",
    [
        [("_id", ",".join(map(str, range(1001))))],
        [("_id", "1,2"), ("code", ",".join(map(str, range(999))))],
        [("code", "x")] * 1200,
        [("code", "x")] * 51,
        [("_sort", ",".join(["code"] * 70))],
    ],
    ids=["values", "values in all", "many criteria", "criteria", "order"],
)
def test_a_search_that_is_too_large_is_refused(api, args):
    """By a rule, not by what the database happens to bear."""
    answer = api.post("Observation/_search", urlencode(args).encode(), Content_Type=FORM)
    assert (answer.status_code, issue(answer)["code"]) == (413, "too-long")


def test_who_asks_for_it_is_answered_without_what_is_unknown(api):
    """`Prefer: handling=lenient`: what was left out is not in the links; a wrong value stays an error."""
    for number in range(3):
        api.put(f"Observation/o{number}", observation(id=f"o{number}"))
    preferred = "respond-async, handling=lenient"
    page = api.get("Observation?code=8867-4&nothing=1&code:exact=1&_count=2", Prefer=preferred)
    assert link(page, "self") == f"{BASE}/Observation?code=8867-4&_count=2"
    assert len(ids(page)) == 2
    assert len(ids(api.get(link(page, "next")))) == 1
    assert link(api.get("Observation?_summary=true", Prefer=preferred), "self") == f"{BASE}/Observation"
    assert issue(api.get("Observation?date=yesterday", Prefer=preferred))["code"] == "invalid"
    assert issue(api.get("Observation?nothing=1", Prefer="handling=strict"))["code"] == "not-supported"


def test_an_update_leaves_nothing_in_the_index(api, store):
    """After a change only the new values are found, by every kind of value."""
    old = copy.deepcopy(examples.OBSERVATION) | {"id": "o"}
    api.put("Observation/o", resources.dump(old))
    api.put("Observation/o", {"resourceType": "Observation", "id": "o", "status": "amended", "code": {"text": "other"}})
    for text in ("code=8867-4", "patient=p-1", "date=2024-03-05", "value-quantity=72", "identifier=v1", "status=final"):
        assert ids(api.get(f"Observation?{text}")) == [], text
    assert ids(api.get("Observation?status=amended&code:text=other")) == ["o"]
