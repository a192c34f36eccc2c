"""https://hl7.org/fhir/R4/search.html: the store finds what the plain truth, `search.matches`, finds.

The resources are hypothesis'; the questions are all combinations of what can be asked of each parameter.
"""

import os
import random
from itertools import product

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import true

from connectors.gateway.query import some
from connectors.gateway.records import microseconds
from connectors.gateway.store import Store
from fhir_profiles import resources, search
from fhir_profiles.problems import Problem
from tests.fhir_profiles import examples

STATUS = "http://hl7.org/fhir/observation-status"
CODES = ["8867-4", "29463-7", "a,b"]
SYSTEMS = ["http://loinc.org", "urn:a"]
PATIENTS = ["Patient/p-1", "Patient/p-2", "Group/p-1", "http://elsewhere.org/fhir/Patient/p-1"]
DAYS = ["2024", "2024-03", "2024-03-05", "2024-03-05T10:15:30+01:00", "2024-03-06T00:00:00.5Z", "2023-12-31"]
TEXTS = ["Größe", "grosse", "Gross 100%", "ÄRZTE_1", "puls/min", "x" * 900, "x" * 900 + "y"]
PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


def with_some(**members):
    """An object with at least one of the members."""
    return st.one_of(
        *(
            st.fixed_dictionaries(
                {name: first}, optional={other: each for other, each in members.items() if other != name}
            )
            for name, first in members.items()
        )
    )


codings = with_some(system=st.sampled_from(SYSTEMS), code=st.sampled_from(CODES), display=st.sampled_from(TEXTS))
concepts = with_some(coding=st.lists(codings, min_size=1, max_size=2), text=st.sampled_from(TEXTS))
identifiers = with_some(system=st.sampled_from(SYSTEMS), value=st.sampled_from(CODES))
references = with_some(reference=st.sampled_from(PATIENTS), identifier=identifiers)
periods = with_some(start=st.sampled_from(DAYS), end=st.just("2025"))
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
            with_some(family=st.sampled_from(TEXTS), given=st.just(["Änne", "José"])),
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

WORDS = [*(text.replace(",", "\\,") for text in TEXTS), "gro", "GR", "%", "_", "/", "rzte"]
TOKENS = [
    f"{system}{code}"
    for system, code in product(["", "|", "http://loinc.org|", "urn:a|"], ["8867-4", "29463-7", "a\\,b", "x"])
] + ["http://loinc.org|", "urn:a|"]
AMOUNTS = [
    "".join(parts)
    for parts in product(
        PREFIXES, ["72", "72.0", "1e2", "-1.25"], ["", "|http://unitsofmeasure.org|/min", "||bpm", "||kg"]
    )
]
DATES = [f"{prefix}{day}" for prefix, day in product(PREFIXES, DAYS)]
PLACES = [*PATIENTS, "p-1", "p-2"]
MISSING = ["true", "false"]
OBSERVATION = [
    (name, value)
    for names, values in (
        (["code", "combo-code", "identifier", "value-concept", "code:not", "subject:identifier"], TOKENS),
        (["status", "status:not"], ["final", "amended", "|final", f"{STATUS}|final", f"{STATUS}|"]),
        (["code:text", "value-string", "value-string:exact", "value-string:contains"], WORDS),
        (["date"], DATES),
        (["value-quantity", "combo-value-quantity"], AMOUNTS),
        (["patient", "subject", "subject:Patient"], PLACES),
        (["code:missing", "date:missing", "value-quantity:missing", "subject:missing", "identifier:missing"], MISSING),
    )
    for name, value in product(names, values)
]
PATIENT = [
    (name, value)
    for names, values in (
        (["name", "family", "family:exact", "name:contains", "given"], [*WORDS, "anne", "José"]),
        (["birthdate"], DATES),
        (["link"], PLACES),
        (["_id"], ["r0", "r1", "|r0", "urn:a|r0", "r0,r1"]),
        (["_id:not"], ["r0"]),
    )
    for name, value in product(names, values)
]
ABOUT = [("patient", "p-1"), ("subject", "Patient/p-1"), ("patient", "Patient/p-2")]
SORTS = ["", "", "date", "-date", "_id", "-_id", "code,-date", "-value-quantity,_id", "value-string", "status,code"]

MANY = 25 if os.environ.get("OBHUT_SOAK") else 1
ONCE = [Phase.generate]  # each example asks hundreds of questions; the one that failed is in the message
QUICK = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


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
        query = search.parse(type_, args)
        some(query, None, 1)
    except Problem:
        return None
    return query


def compare(store: Store, kept: list[dict], type_: str, args: list[tuple[str, str]]) -> None:
    """The store and the plain truth agree on a question, if it is one."""
    query = asked(type_, args)
    if query is not None:
        expected = sorted(each["id"] for each in kept if search.matches(each, query))
        assert sorted(walk(store, query)) == expected, args
        assert sum(store.count(query).values()) == len(expected), args


@settings(max_examples=4 * MANY, phases=ONCE, suppress_health_check=QUICK)
@given(st.lists(observations, min_size=8, max_size=12), st.integers(0, 2**32))
def test_every_criterion_finds_what_the_plain_truth_finds(store, found, seed):
    """Each criterion, by itself or about a patient, in pages of any size and order: the same resources, each once."""
    kept = fill(store, found)
    choose = random.Random(seed)
    for criterion in OBSERVATION:
        about = choose.choice([[], [choose.choice(ABOUT)]])
        compare(store, kept, "Observation", [*about, criterion, ("_count", str(choose.randint(1, 9)))])


@settings(max_examples=8 * MANY, phases=ONCE, suppress_health_check=QUICK)
@given(st.lists(observations, min_size=8, max_size=12), st.integers(0, 2**32))
def test_criteria_together_find_what_the_plain_truth_finds(store, found, seed):
    """Several criteria, several values of one, any order of the results."""
    kept = fill(store, found)
    choose = random.Random(seed)
    for _ in range(100):
        args = choose.sample([*ABOUT, *choose.sample(OBSERVATION, 12)], choose.randint(0, 4))
        if args and choose.random() < 0.3:
            (name, value), more = args[0], [text for other, text in OBSERVATION if other == args[0][0]]
            args[0] = (name, f"{value},{choose.choice(more)}")
        sort = choose.choice(SORTS)
        paging = [("_count", str(choose.randint(1, 5))), *([("_sort", sort)] if sort else [])]
        compare(store, kept, "Observation", [*args, *paging])


@settings(max_examples=8 * MANY, phases=ONCE, suppress_health_check=QUICK)
@given(st.lists(patients, min_size=6, max_size=8))
def test_names_are_found_whatever_their_case_and_accents(store, found):
    """Strings, dates, ids and links of Patients, by the same truth."""
    kept = fill(store, found)
    for criterion in PATIENT:
        compare(store, kept, "Patient", [criterion, ("_count", "3")])


@settings(max_examples=20 * MANY, suppress_health_check=QUICK)
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
