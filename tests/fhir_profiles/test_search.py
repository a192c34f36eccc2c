"""Search semantics: what a query means, what a resource is found by."""

import copy
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles import definitions, index, paths, search
from fhir_profiles.problems import Problem
from tests.fhir_profiles.examples import DEVICE, OBSERVATION, PATIENT
from tests.fhir_profiles.examples import resources as valid


def query(text, resource_type="Observation", **options):
    return search.parse(resource_type, parse_qsl(text, keep_blank_values=True), **options)


def found(text, resource=OBSERVATION, **options):
    """Whether a query finds the resource."""
    return search.matches(resource, query(text, resource["resourceType"], **options))


def measured(**quantity):
    return copy.deepcopy(OBSERVATION) | {"valueQuantity": quantity}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code=8867-4", True),
        ("code=http://loinc.org|8867-4", True),
        ("code=http://loinc.org|", True),
        ("code=|8867-4", False),
        ("code=http://snomed.info/sct|8867-4", False),
        ("code=1-8,8867-4", True),
        ("code=8867-4&code=1-8", False),
        ("code:not=8867-4", False),
        ("code:not=1-8", True),
        ("code:not=1-8,8867-4", False),
        ("code:text=heart", True),
        ("code:text=PULS", True),
        ("code:text=lung", False),
        ("method:missing=true", True),
        ("code:missing=true", False),
        ("code:missing=false", True),
        ("method:not=x", True),
        ("status=final", True),
        ("status=http://hl7.org/fhir/observation-status|final", True),
        ("status=Final", False),
        ("combo-code=8867-4", True),
        ("component-code=8867-4", False),
        ("identifier=urn:example|v1", True),
        ("_id=o1", True),
        ("_id=o2", False),
        ("_profile=http://hl7.org/fhir/StructureDefinition/heartrate", True),
        ("_profile:below=http://hl7.org/fhir/", True),
    ],
)
def test_tokens_and_uris(text, expected):
    """System, code, both or none; repeated is and, comma is or; `:not`, `:text`, `:missing`, `:below`."""
    assert found(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patient=p-1", True),
        ("patient=Patient/p-1", True),
        ("patient=Patient/p-2", False),
        ("patient=Group/p-1", False),
        ("subject=p-1", True),
        ("subject:Patient=p-1", True),
        ("subject:Device=p-1", False),
        ("subject=http://other.example/fhir/Patient/p-1", False),
        ("subject=http://here.example/fhir/Patient/p-1", True),
        ("device=d-1,d-2", True),
    ],
)
def test_references_are_found_by_id_type_and_absolute_url(text, expected):
    """A URL below the server's own base is local; any other is another resource."""
    assert found(text, base="http://here.example/fhir") is expected


def test_absolute_versioned_and_logical_references():
    """A foreign URL is found whole, a version by its resource, an identifier by `:identifier`."""
    foreign = copy.deepcopy(OBSERVATION) | {"subject": {"reference": "http://x.example/Patient/1"}}
    assert found("subject=http://x.example/Patient/1", foreign)
    assert found("patient=http://x.example/Patient/1", foreign)
    assert not found("subject=Patient/1", foreign)
    versioned = copy.deepcopy(OBSERVATION) | {"subject": {"reference": "Patient/1/_history/3"}}
    assert found("patient=1", versioned)
    logical = copy.deepcopy(OBSERVATION) | {"subject": {"identifier": {"system": "urn:x", "value": "7"}}}
    assert found("subject:identifier=urn:x|7", logical)
    assert not found("subject=7", logical)
    assert found("subject:missing=false", logical)


def test_patient_means_the_subject_if_it_is_a_patient():
    """`where(resolve() is Patient)` is decided by the reference."""
    group = copy.deepcopy(OBSERVATION) | {"subject": {"reference": "Group/1"}}
    assert found("subject=1", group)
    assert found("patient:missing=true", group)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("date=2024-03-05", True),
        ("date=2024-03", True),
        ("date=2024-03-05T10:15:30%2B01:00", True),
        ("date=2024-03-05T10:15:30+01:00", True),
        ("date=2024-03-05T09:15:30Z", True),
        ("date=2024-03-05T10:15", True),
        ("date=2024-03-05T09:15:30.000Z", False),
        ("date=ne2024-03-05", False),
        ("date=ge2024-03-05&date=lt2024-03-06", True),
        ("date=gt2024-03-05", False),
        ("date=gt2024-03-04", True),
        ("date=lt2024", False),
        ("date=sa2024-03-04,eb2020", True),
        ("date=ap2024-03-05", True),
    ],
)
def test_dates(text, expected):
    """Precision makes ranges; a lost plus is understood."""
    assert found(text) is expected


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("72.0", "72", True),
        ("72.4", "72", True),
        ("72.5", "72", False),
        ("71.5", "72", True),
        ("72.4", "72.0", False),
        ("72.4", "ne72", False),
        ("72.4", "gt72", True),
        ("72.4", "lt72", False),
        ("72.4", "ge72.4", True),
        ("72.4", "le72.4", True),
        ("72.4", "sa72", True),
        ("72.4", "eb72", False),
        ("78", "ap72", True),
        ("81", "ap72", False),
        ("96", "1e2", True),
        ("94", "1e2", False),
        ("-5", "-5", True),
        ("72", "72||/min", True),
        ("72", "72|http://unitsofmeasure.org|/min", True),
        ("72", "72||pro Minute", True),
        ("72", "72||mg", False),
        ("72", "72|http://other|/min", False),
    ],
)
def test_quantities(value, text, expected):
    """The number's digits are its precision; a unit is found by code or as people write it."""
    resource = measured(value=Decimal(value), unit="pro Minute", system="http://unitsofmeasure.org", code="/min")
    assert found("value-quantity=" + text, resource) is expected


@pytest.mark.parametrize(
    ("comparator", "text", "expected"),
    [("<", "lt40", True), ("<", "gt40", False), ("<", "ge40", False), ("<=", "ge40", True), (">", "gt500", True)],
)
def test_a_value_with_a_comparator_is_open_to_its_side(comparator, text, expected):
    """`< 40` may be anything below 40."""
    resource = measured(value=40 if "40" in text else 500, comparator=comparator)
    assert found("value-quantity=" + text, resource) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("family=groß", True),
        ("family=GROSS-MULLER", True),
        ("family=muller", False),
        ("family:contains=müller", True),
        ("family:exact=Groß-Müller", True),
        ("family:exact=groß-müller", False),
        ("given=emile", True),
        ("given=jurgen&given=é", True),
        ("name=jür", True),
        ("address=koln", True),
        ("address-postalcode=506", True),
        ("gender=male", True),
        ("birthdate=1970-02-28", True),
        ("birthdate=lt1971", True),
        ("telecom=%2B49 231 555", True),
        ("phone=%2B49 231 555", True),
        ("email:missing=true", True),
        ("deceased=false", True),
        ("identifier=http://fhir.de/sid/gkv/kvid-10|A123456780", True),
    ],
)
def test_strings_and_the_patient(text, expected):
    """Case and diacritics do not matter but with `:exact`; a part of a name is found from its beginning."""
    assert found(text, PATIENT) is expected


def test_a_device_is_found_by_its_name_and_patient():
    """The expressions of other types work alike."""
    assert found("device-name=uhr&patient=p-1&manufacturer=UHRWERK", DEVICE)


@pytest.mark.parametrize("sign", [",", "|", "$", "\\"])
def test_escaped_signs_are_part_of_the_value(sign):
    r"""`\,` `\|` `\$` and `\\` do not divide."""
    resource = copy.deepcopy(OBSERVATION) | {"identifier": [{"system": "urn:x", "value": f"a{sign}b"}]}
    assert search.matches(resource, search.parse("Observation", [("identifier", f"urn:x|a\\{sign}b")]))
    assert search.matches(resource, search.parse("Observation", [("identifier", f"x,a\\{sign}b,y")]))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("colour=red", "not-supported"),
        ("code:in=http://x", "not-supported"),
        ("subject:Patient.name=x", "not-supported"),
        ("subject.name=x", "not-supported"),
        ("_has:Observation:patient:code=x", "not-supported"),
        ("_sort=colour", "not-supported"),
        ("_sort=subject", "not-supported"),
        ("date=yesterday", "invalid"),
        ("date=", "invalid"),
        ("date=xx2024", "invalid"),
        ("value-quantity=much", "invalid"),
        ("value-quantity=1|2", "invalid"),
        ("value-quantity=gt", "invalid"),
        ("code=|", "invalid"),
        ("code=a|b|c", "invalid"),
        ("code=%00", "invalid"),
        ("code:missing=maybe", "invalid"),
        ("patient=a b", "invalid"),
        ("subject:Patient=Device/1", "invalid"),
        ("_count=-1", "invalid"),
        ("_count=x", "invalid"),
        ("_total=all", "invalid"),
    ],
)
def test_what_is_not_understood_is_refused(text, code):
    """No parameter is silently dropped, no value guessed."""
    with pytest.raises(Problem) as caught:
        query(text)
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_lenient_handling_leaves_the_unknown_and_says_what_it_used():
    """The self link holds what was understood; wrong values stay errors."""
    understood = query("colour=red&code=x&_sort=-date,_id&_count=5&_total=none&page=2", lenient=True, other=("page",))
    assert understood.used == (("code", "x"), ("_sort", "-date,_id"), ("_count", "5"), ("_total", "none"))
    assert understood.sort == (search.Sort("date", "date", True), search.Sort("_id", "token", False))
    assert (understood.count, understood.total) == (5, "none")
    with pytest.raises(Problem):
        query("date=x", lenient=True)


def test_only_what_the_server_offers_is_understood():
    """`offered` narrows the parameters; those of every resource's own row stay."""
    assert query("code=x&_id=y&_lastUpdated=ge2024", offered={"code"}).criteria
    with pytest.raises(Problem):
        query("date=2024", offered={"code"})


def test_an_unknown_type_is_refused():
    """R4's types only."""
    with pytest.raises(Problem):
        search.parse("SubscriptionStatus", [])


def test_nearly_all_parameters_of_hl7_are_offered():
    """All but composites, the position of a Location, and the first entry of a Bundle."""
    table = definitions.search_parameters()
    left = {
        (name, code)
        for name in definitions.resource_types()
        for code in table.get(name, {})
        if code not in search.parameters(name)
    }
    assert left == {("Bundle", "composition"), ("Bundle", "message"), ("Location", "near")}


def test_the_rows_of_an_observation():
    """The whole index of one resource, as a store gets it."""
    rows = index.index_values(OBSERVATION, frozenset({"code", "date", "patient", "value-quantity", "status"}))
    assert rows == [
        index.IndexValue("code", "token", "http://loinc.org", "8867-4", "heart rate"),
        index.IndexValue("code", "token", text="puls"),
        index.IndexValue("date", "date", low=1709630130000000, high=1709630131000000),
        index.IndexValue("patient", "reference", "Patient", "p-1"),
        index.IndexValue("status", "token", "http://hl7.org/fhir/observation-status", "final"),
        index.IndexValue(
            "value-quantity", "quantity", "http://unitsofmeasure.org", "/min", exact="/min", low=72.0, high=72.0
        ),
    ]


def test_what_a_store_has_as_columns_gives_no_rows():
    """`_id` and `_lastUpdated` are the row's own."""
    resource = OBSERVATION | {"meta": {"lastUpdated": "2024-01-01T00:00:00Z"}}
    assert not {row.param for row in index.index_values(resource)} & search.OWN_COLUMNS
    assert found("_lastUpdated=2024-01-01T00:00:00Z", resource)


def escaped(text):
    for sign in "\\,|$":
        text = text.replace(sign, "\\" + sign)
    return text


@given(valid)
def test_every_token_string_and_reference_of_a_resource_finds_it(resource):
    """What the index holds, a query for it finds."""
    for row in index.index_values(resource):
        if row.kind == "token" and row.code is not None:
            text = f"{escaped(row.system or '')}|{escaped(row.code)}"
        elif row.kind == "reference" and row.exact is None:
            text = f"{row.system}/{row.code}"
        elif row.kind == "string" and row.exact is not None:
            text = escaped(row.exact)
        else:
            continue
        assert search.matches(resource, search.parse(resource["resourceType"], [(row.param, text)])), (row, text)


@given(st.text(max_size=40), st.sampled_from(["code", "date", "value-quantity", "subject", "_profile", "value-string"]))
def test_parsing_raises_nothing_but_problems(text, name):
    """Whatever stands in the URL."""
    for modifier in ("", ":missing", ":not", ":text", ":exact", ":identifier", ":Patient"):
        try:
            search.matches(OBSERVATION, search.parse("Observation", [(name + modifier, text)]))
        except Problem:
            continue


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Müller", "muller"),
        ("STRAẞE", "strasse"),
        ("Straße", "strasse"),
        (" a \t b ", "a b"),
        ("ﬁn", "fin"),
        ("İ", "i"),
    ],
)
def test_folding(text, folded):
    """Case, diacritics and compatibility forms are one."""
    assert search.fold(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing(text):
    """Stored and asked text meet in one form."""
    assert search.fold(search.fold(text)) == search.fold(text)


@pytest.mark.parametrize(
    "expression", ["Patient.name.first()", "Patient.nothing", "Patient.name +", "(Patient.name", "'x"]
)
def test_expressions_outside_the_subset_are_unsupported(expression):
    """They are not compiled into something else."""
    with pytest.raises(paths.UnsupportedError):
        paths.compile_path(expression, "Patient")
