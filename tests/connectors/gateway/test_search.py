"""https://hl7.org/fhir/R4/search.html: the store finds what the plain truth finds, page by page."""

import copy
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import true

from connectors.gateway.records import microseconds
from connectors.gateway.store import Store
from fhir_profiles import resources, search
from fhir_profiles.problems import Problem
from tests.connectors.gateway.conftest import BASE, ids, issue, link, observation
from tests.fhir_profiles import examples

STATUS = "http://hl7.org/fhir/observation-status"
CODES = ["8867-4", "29463-7", "a,b"]
SYSTEMS = ["http://loinc.org", "urn:a"]
PATIENTS = ["Patient/p-1", "Patient/p-2", "Group/p-1", "http://elsewhere.org/fhir/Patient/p-1"]
DAYS = ["2024", "2024-03", "2024-03-05", "2024-03-05T10:15:30+01:00", "2024-03-06T00:00:00.5Z", "2023-12-31"]
TEXTS = ["Größe", "grosse", "Gross 100%", "ÄRZTE_1", "puls/min", "x" * 900, "x" * 900 + "y"]
PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


def some(**members):
    """An object with at least one of the members."""
    return st.one_of(
        *(
            st.fixed_dictionaries(
                {name: first}, optional={other: each for other, each in members.items() if other != name}
            )
            for name, first in members.items()
        )
    )


codings = some(system=st.sampled_from(SYSTEMS), code=st.sampled_from(CODES), display=st.sampled_from(TEXTS))
concepts = some(coding=st.lists(codings, min_size=1, max_size=2), text=st.sampled_from(TEXTS))
identifiers = some(system=st.sampled_from(SYSTEMS), value=st.sampled_from(CODES))
references = some(reference=st.sampled_from(PATIENTS), identifier=identifiers)
periods = some(start=st.sampled_from(DAYS), end=st.just("2025"))
numbers = st.sampled_from([72, 72.5, 0, -1.25, 100, 1e10])
quantities = st.fixed_dictionaries(
    {"value": numbers}, optional={"unit": st.just("bpm"), "comparator": st.sampled_from(["<", ">="])}
)
coded = st.builds(
    lambda q, code: q | {"system": "http://unitsofmeasure.org", "code": code},
    quantities,
    st.sampled_from(["/min", "kg"]),
)
effective = st.one_of(
    st.just({}),
    st.builds(lambda day: {"effectiveDateTime": day}, st.sampled_from(DAYS)),
    st.builds(lambda period: {"effectivePeriod": period}, periods),
    st.builds(
        lambda days: {"effectiveTiming": {"event": days}}, st.lists(st.sampled_from(DAYS), min_size=1, max_size=2)
    ),
)
values = st.one_of(
    st.just({}),
    st.builds(lambda value: {"valueQuantity": value}, quantities | coded),
    st.builds(lambda value: {"valueString": value}, st.sampled_from(TEXTS)),
    st.builds(lambda value: {"valueCodeableConcept": value}, concepts),
)
observations = st.builds(
    lambda base, *parts: {name: value for part in (base, *parts) for name, value in part.items()},
    st.fixed_dictionaries(
        {"resourceType": st.just("Observation"), "status": st.sampled_from(["final", "amended"]), "code": concepts},
        optional={"subject": references, "identifier": st.lists(identifiers, min_size=1, max_size=2)},
    ),
    effective,
    values,
)
patients = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "name": st.lists(
            some(family=st.sampled_from(TEXTS), given=st.just(["Änne", "José"])),
            min_size=1,
            max_size=1,
        ),
        "birthDate": st.sampled_from(["2024", "2024-03", "2024-03-05"]),
        "link": st.lists(
            st.builds(lambda place: {"other": {"reference": place}, "type": "refer"}, st.sampled_from(PATIENTS[:2])),
            min_size=1,
            max_size=2,
        ),
    },
)

words = st.sampled_from(
    [
        *(text.replace(",", "\\,") for text in [*CODES, *TEXTS]),
        "gro",
        "GR",
        "%",
        "_",
        "/",
        "p-1",
        "Patient/p-1",
        "true",
        *DAYS,
    ]
)
tokens = st.builds(
    "{}{}".format,
    st.sampled_from(["", "", "|", "http://loinc.org|", "urn:a|"]),
    st.sampled_from(["8867-4", "29463-7", "a\\,b", "x"]),
)
amounts = st.builds(
    "{}{}{}".format,
    st.sampled_from(PREFIXES),
    st.sampled_from(["72", "72.0", "70", "1e10", "-1.25"]),
    st.sampled_from(["", "", "|http://unitsofmeasure.org|/min", "||bpm"]),
)
dates = st.builds("{}{}".format, st.sampled_from(PREFIXES), st.sampled_from(DAYS))
places = st.sampled_from([*PATIENTS, "p-1", "p-2", "http://elsewhere.org/fhir/Patient/p-1"])
ORDINARY = [
    st.tuples(st.sampled_from(["code", "combo-code", "identifier", "value-concept", "code:not"]), tokens),
    st.tuples(
        st.sampled_from(["status", "status:not"]),
        st.sampled_from(["final", "amended", "|final", f"{STATUS}|final", f"{STATUS}|"]),
    ),
    st.tuples(st.sampled_from(["code:text", "value-string", "value-string:exact", "value-string:contains"]), words),
    st.tuples(st.just("date"), dates),
    st.tuples(st.sampled_from(["value-quantity", "combo-value-quantity"]), amounts),
    st.tuples(st.sampled_from(["patient", "subject", "subject:Patient"]), places),
    st.tuples(st.just("subject:identifier"), tokens),
    st.tuples(
        st.sampled_from(
            ["code:missing", "date:missing", "value-quantity:missing", "subject:missing", "identifier:missing"]
        ),
        st.sampled_from(["true", "false"]),
    ),
]
criteria = st.lists(st.one_of(ORDINARY), max_size=3)
several = st.builds(lambda one, more: [(one[0], f"{one[1]},{more}")], st.one_of(ORDINARY), tokens)
patient_criteria = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["name", "family", "family:exact", "name:contains", "given"]), words),
        st.tuples(st.just("birthdate"), dates),
        st.tuples(st.just("link"), places),
        st.tuples(st.just("_id"), st.sampled_from(["r0", "r1", "|r0", "urn:a|r0"])),
    ),
    max_size=2,
)
sorts = st.sampled_from(
    ["", "", "date", "-date", "_id", "-_id", "code,-date", "-value-quantity,_id", "value-string", "status,code"]
)


def fill(store: Store, found: list[dict]) -> list[dict]:
    """Put resources r0, r1, … into an emptied store; those that are no R4 are left out."""
    kept = []
    for resource in found:
        named = resource | {"id": f"r{len(kept)}"}
        try:
            resources.check(named)
        except Problem:
            continue
        kept.append(named)
    with store.change() as change:
        change.purge(true())
        for resource in kept:
            change.add(resource, resources.dump(resource), 1, microseconds())
    return kept


def walk(store: Store, query: search.Query) -> list[str]:
    """The ids on all pages, in order."""
    found, after = [], None
    while True:
        page = store.search(query, None, after)
        found += [stored.id for stored in page.matches]
        after = page.after
        if after is None:
            return found


def asked(type_: str, args: list[tuple[str, str]]) -> search.Query | None:
    """The query, unless it is none: that is not what is tested here."""
    try:
        return search.parse(type_, args)
    except Problem:
        return None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(observations, min_size=6, max_size=10),
    st.lists(st.tuples(criteria | several, sorts, st.integers(1, 4)), min_size=4, max_size=8),
)
def test_the_store_finds_what_the_plain_truth_finds(store, found, queries):
    """On any Observations and criteria, in any order and page size: the same resources, each once."""
    kept = fill(store, found)
    for args, sort, count in queries:
        query = asked("Observation", [*args, ("_count", str(count)), *([("_sort", sort)] if sort else [])])
        if query is not None:
            expected = sorted(each["id"] for each in kept if search.matches(each, query))
            assert sorted(walk(store, query)) == expected, args
            assert sum(store.count(query).values()) == len(expected), args


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(patients, min_size=4, max_size=8), st.lists(patient_criteria, min_size=3, max_size=6))
def test_names_are_found_whatever_their_case_and_accents(store, found, queries):
    """Strings, dates and ids of Patients, by the same truth."""
    kept = fill(store, found)
    for args in queries:
        query = asked("Patient", [*args, ("_count", "3")])
        if query is not None:
            assert sorted(walk(store, query)) == sorted(each["id"] for each in kept if search.matches(each, query)), (
                args
            )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(examples.resources, min_size=3, max_size=6))
def test_every_indexed_value_is_found_again(store, found):
    """Whatever valid resources hold, a search for a token, reference or uri of theirs finds them."""
    kept = fill(store, found)
    for resource in kept:
        for row in search.index_values(resource):
            text = {
                "token": row.code,
                "reference": f"{row.system}/{row.code}" if row.exact is None else None,
                "uri": row.exact,
            }.get(row.kind)
            if text:
                escaped = text.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")
                query = asked(resource["resourceType"], [(row.param, escaped), ("_count", "100")])
                assert query is None or resource["id"] in walk(store, query), row.param


def test_the_newest_come_first_for_a_patient(api):
    """Without `_sort`, a search about a patient goes back in time; `_sort=date` goes forth."""
    for number, day in enumerate(["2024-01-02", "2024-01-03", "2024-01-01"]):
        api.put(f"Observation/o{number}", observation(id=f"o{number}", effectiveDateTime=day))
    assert ids(api.get("Observation?patient=p-1&code=8867-4")) == ["o1", "o0", "o2"]
    assert ids(api.get("Observation?patient=p-1&_sort=date")) == ["o2", "o0", "o1"]


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
    api.put(
        "Patient/a",
        {"resourceType": "Patient", "id": "a", "name": [{"family": "Ärger"}, {"family": "Zorn"}]}
        | {"name": [{"family": "Zorn"}]},
    )
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


def test_a_search_by_form_finds_the_same(api):
    """POST _search, with parameters in the address besides."""
    api.post("Observation", observation())
    form = "application/x-www-form-urlencoded"
    body = urlencode({"code": "http://loinc.org|8867-4"}).encode()
    posted = api.post("Observation/_search?patient=p-1", body, Content_Type=form)
    assert ids(posted) == ids(api.get("Observation?patient=p-1&code=http://loinc.org|8867-4")) != []
    assert api.post("Observation/_search", {}).status_code == 415


def test_the_self_link_says_what_was_searched(api):
    """Parameters as understood, after the base."""
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


def test_an_update_leaves_nothing_in_the_index(api, store):
    """After a change only the new values are found, by every kind of value."""
    old = copy.deepcopy(examples.OBSERVATION) | {"id": "o"}
    api.put("Observation/o", resources.dump(old))
    api.put("Observation/o", {"resourceType": "Observation", "id": "o", "status": "amended", "code": {"text": "other"}})
    for text in ("code=8867-4", "patient=p-1", "date=2024-03-05", "value-quantity=72", "identifier=v1", "status=final"):
        assert ids(api.get(f"Observation?{text}")) == [], text
    assert ids(api.get("Observation?status=amended&code:text=other")) == ["o"]
