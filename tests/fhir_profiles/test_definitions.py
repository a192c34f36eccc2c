"""HL7's tables: what is taken from the package and what is left."""

import json

import pytest

from fhir_profiles import definitions

BASE = "http://hl7.org/fhir/StructureDefinition/"


def structure(name, **changes):
    element = {
        "path": f"{name}.status",
        "min": 1,
        "max": "1",
        "type": [{"code": "code"}],
        "binding": {"strength": "required", "valueSet": "http://x/vs|4.0.1"},
    }
    definition = {
        "resourceType": "StructureDefinition",
        "url": BASE + name,
        "type": name,
        "kind": "resource",
        "abstract": False,
        "fhirVersion": "4.0.1",
        "snapshot": {
            "element": [
                {"path": name, "min": 0, "max": "*"},
                {
                    "path": f"{name}.id",
                    "min": 0,
                    "max": "1",
                    "type": [{"code": "http://hl7.org/fhirpath/System.String"}],
                },
                element,
            ]
        },
    }
    return definition | changes


@pytest.fixture
def package(tmp_path):
    """A package of HL7 with two types, a profile, a later type, two value sets and a search parameter."""
    files = {
        "package.json": {"name": definitions.PACKAGE, "version": "4.0.1"},
        "StructureDefinition-Thing.json": structure("Thing"),
        "StructureDefinition-Other.json": structure("Other"),
        "StructureDefinition-Later.json": structure("Later", fhirVersion="4.3.0"),
        "StructureDefinition-Abstract.json": structure("Abstract", abstract=True),
        "StructureDefinition-profile.json": structure("Thing", url=BASE + "profile"),
        "CodeSystem-a.json": {
            "url": "http://x/cs",
            "content": "complete",
            "concept": [{"code": "b", "concept": [{"code": "c"}]}, {"code": "a"}],
        },
        "ValueSet-a.json": {"url": "http://x/vs", "compose": {"include": [{"system": "http://x/cs"}]}},
        "SearchParameter-a.json": {
            "code": "status",
            "version": "4.0.1",
            "type": "token",
            "base": ["Thing", "Other"],
            "expression": "Thing.status | (Other.status as code)",
        },
    }
    folder = tmp_path / "package"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def table(folder, name):
    return json.loads((folder / f"{name}.json").read_bytes())


def test_only_concrete_types_of_r4_are_taken(package, tmp_path):
    """Profiles, abstract types and types of another version are left."""
    definitions.build(package, tmp_path / "tables")
    assert set(table(tmp_path / "tables", "elements")) == {"Thing", "Other"}


def test_a_value_set_of_a_complete_code_system_is_listed_with_all_levels(package, tmp_path):
    """Codes below codes count."""
    definitions.build(package, tmp_path / "tables")
    assert table(tmp_path / "tables", "codes") == {"http://x/vs": {"http://x/cs": ["a", "b", "c"]}}


@pytest.mark.parametrize(
    "compose",
    [
        {"include": [{"system": "http://unknown"}]},
        {"include": [{"system": "http://x/cs", "filter": [{}]}]},
        {"include": [{"system": "http://x/cs"}], "exclude": [{}]},
    ],
)
def test_a_value_set_that_cannot_be_listed_is_unchecked(package, tmp_path, compose):
    """No half list is taken for the whole."""
    (package / "ValueSet-a.json").write_text(json.dumps({"url": "http://x/vs", "compose": compose}))
    definitions.build(package, tmp_path / "tables")
    assert table(tmp_path / "tables", "codes") == {"http://x/vs": None}


def test_each_type_gets_its_branch_of_a_search_parameter(package, tmp_path):
    """A shared parameter is split by the type its branches begin with."""
    definitions.build(package, tmp_path / "tables")
    search = table(tmp_path / "tables", "search")
    assert search["Thing"]["status"]["expression"] == "Thing.status"
    assert search["Other"]["status"]["expression"] == "(Other.status as code)"


def test_building_twice_gives_the_same_bytes(package, tmp_path):
    """The wheel is reproducible."""
    for name in ("one", "two"):
        definitions.build(package, tmp_path / name)
    for made in (tmp_path / "one").iterdir():
        assert made.read_bytes() == (tmp_path / "two" / made.name).read_bytes()


def test_another_package_is_refused(package, tmp_path):
    """An adapted copy of the definitions is no source."""
    (package / "package.json").write_text(json.dumps({"name": "adapted", "version": "4.0.1"}))
    with pytest.raises(ValueError, match="is not the npm package"):
        definitions.build(package, tmp_path / "tables")


def test_missing_tables_say_what_to_do(monkeypatch, tmp_path):
    """The error names the command that builds them."""
    monkeypatch.setattr(definitions, "TABLES", tmp_path)
    with pytest.raises(RuntimeError, match="make install"):
        definitions.types.__wrapped__()


def test_the_shipped_tables_are_r4_and_nothing_else():
    """146 resource types; no later type; Meta as HL7 has it."""
    assert len(definitions.resource_types()) == 146
    assert not {"SubscriptionStatus", "MetadataResource", "DomainResource"} & definitions.types().keys()
    meta = {path.partition(".")[2] for path in definitions.types()["Meta"]["elements"]}
    assert meta == {"id", "extension", "versionId", "lastUpdated", "source", "profile", "security", "tag"}


def test_few_required_value_sets_are_unchecked():
    """Media types, currencies, UCUM and one list of LOINC are not HL7's to list."""
    unchecked = {url.rpartition("/")[2] for url, codes in definitions.codes().items() if codes is None}
    assert unchecked == {"mimetypes", "currencies", "ucum-units", "LL379-9"}
