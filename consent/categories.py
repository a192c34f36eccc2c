"""Categories: which of the sixteen a resource belongs to, so that a patient can grant what she understands.

The list is part of version 1 of the protocol (PROTOCOL.md 1.7). The mapping is data: one line a resource type; an
Observation goes by what it says of itself; a label of sensitivity goes before everything else, because what a patient
wants kept apart must not travel with the rest.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from fhir_profiles.codes import CATEGORY
from fhir_profiles.problems import Problem

NAMES: tuple[str, ...] = (
    "person",
    "vitals",
    "activity",
    "traces",
    "medication",
    "conditions",
    "allergies",
    "immunizations",
    "lab",
    "imaging",
    "documents",
    "care",
    "messages",
    "mental",
    "intimate",
    "genetic",
)
INDEX: Mapping[str, int] = MappingProxyType({name: index for index, name in enumerate(NAMES)})

SYSTEM = CATEGORY
"""The code system of the sixteen; the code is the category's name."""

LABELS: Mapping[str, str] = MappingProxyType(
    # v3-ActCode, the value set InformationSensitivityPolicy (https://terminology.hl7.org/ValueSet-v3-InformationSensitivityPolicy.html)
    dict.fromkeys(("BH", "COGN", "DVD", "EMOTDIS", "MH", "PSY", "PSYTHPN", "SUD", "ETH", "ETHUD", "OPIOIDUD"), "mental")
    | dict.fromkeys(("SEX", "HIV", "STD", "PREGNANT", "SDV", "MST", "VIO"), "intimate")
    | dict.fromkeys(("GDIS", "SCA", "SICKLE"), "genetic")
)

# The comment over a category says why its types are there.
# fmt: off
_TYPES: Mapping[str, tuple[str, ...]] = {
    # Who she is, who speaks for her, who insures her: master data, not findings.
    "person": (
        "Patient", "Person", "RelatedPerson", "Group", "Linkage", "VerificationResult", "Coverage",
        "CoverageEligibilityRequest", "CoverageEligibilityResponse", "EnrollmentRequest", "EnrollmentResponse",
        "InsurancePlan",
    ),
    # What a device is stands with the single measurements, so that whoever reads a value can read what measured it.
    "vitals": ("Device", "DeviceMetric", "DeviceDefinition"),
    # What is prescribed, given, taken, or known of a drug.
    "medication": (
        "Medication", "MedicationAdministration", "MedicationDispense", "MedicationKnowledge", "MedicationRequest",
        "MedicationStatement", "MedicinalProduct", "MedicinalProductAuthorization", "MedicinalProductContraindication",
        "MedicinalProductIndication", "MedicinalProductIngredient", "MedicinalProductInteraction",
        "MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect", "Substance", "SubstanceNucleicAcid", "SubstancePolymer",
        "SubstanceProtein", "SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification",
    ),
    # Diagnoses, what led to them and what was done to the body: they name each other, so one reads poorly alone.
    "conditions": (
        "Condition", "ClinicalImpression", "DetectedIssue", "RiskAssessment", "Procedure", "BodyStructure", "Flag",
    ),
    # What she must not be given, and what went wrong.
    "allergies": ("AllergyIntolerance", "AdverseEvent"),
    "immunizations": ("Immunization", "ImmunizationEvaluation", "ImmunizationRecommendation"),
    # Findings of a laboratory and the material they come from. A finding of unknown kind is most often one of these.
    "lab": (
        "Observation", "DiagnosticReport", "Specimen", "SpecimenDefinition", "ObservationDefinition",
        "BiologicallyDerivedProduct",
    ),
    "imaging": ("ImagingStudy", "Media"),
    # Written to be read as a whole: letters, forms, collections. Consents and logs are records about records. Bills
    # name diagnoses, so they do not travel with the master data.
    "documents": (
        "Composition", "DocumentReference", "DocumentManifest", "Binary", "Bundle", "List", "Basic", "Parameters",
        "Questionnaire", "QuestionnaireResponse", "Consent", "Provenance", "AuditEvent", "ResearchStudy",
        "ResearchSubject", "Account", "ChargeItem", "Claim", "ClaimResponse", "Contract", "ExplanationOfBenefit",
        "Invoice", "PaymentNotice", "PaymentReconciliation",
    ),
    # What is planned, ordered, booked and delivered, by whom and where.
    "care": (
        "CarePlan", "CareTeam", "Goal", "Encounter", "EpisodeOfCare", "Appointment", "AppointmentResponse", "Schedule",
        "Slot", "ServiceRequest", "RequestGroup", "Task", "DeviceRequest", "DeviceUseStatement", "NutritionOrder",
        "VisionPrescription", "SupplyRequest", "SupplyDelivery", "GuidanceResponse", "Practitioner", "PractitionerRole",
        "Organization", "OrganizationAffiliation", "HealthcareService", "Location", "Endpoint",
    ),
    # Said from one to another.
    "messages": ("Communication", "CommunicationRequest", "MessageHeader", "OperationOutcome"),
    # Of the family and of the genome: they say something about relatives too.
    "genetic": ("FamilyMemberHistory", "MolecularSequence"),
}

# Definitions and knowledge are about no patient; where one is put into a record, it came with a document.
_DEFINITIONS: tuple[str, ...] = (
    "ActivityDefinition", "CapabilityStatement", "CatalogEntry", "ChargeItemDefinition", "CodeSystem",
    "CompartmentDefinition", "ConceptMap", "EffectEvidenceSynthesis", "EventDefinition", "Evidence", "EvidenceVariable",
    "ExampleScenario", "GraphDefinition", "ImplementationGuide", "Library", "Measure", "MeasureReport",
    "MessageDefinition", "NamingSystem", "OperationDefinition", "PlanDefinition", "ResearchDefinition",
    "ResearchElementDefinition", "RiskEvidenceSynthesis", "SearchParameter", "StructureDefinition", "StructureMap",
    "Subscription", "TerminologyCapabilities", "TestReport", "TestScript", "ValueSet",
)
# fmt: on

BY_TYPE: Mapping[str, int] = MappingProxyType(
    {kind: INDEX[name] for name, kinds in _TYPES.items() for kind in kinds}
    | dict.fromkeys(_DEFINITIONS, INDEX["documents"])
)
"""The category of each R4 resource type where nothing in the resource says better."""

_OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_DIAGNOSTIC_SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"

# http://hl7.org/fhir/R4/valueset-observation-category.html
_OBSERVATION_NAMES = {
    "vital-signs": "vitals",
    "activity": "activity",
    "laboratory": "lab",
    "imaging": "imaging",
    "social-history": "conditions",  # smoking, work, home: what bears on her health
    "survey": "documents",  # a filled form, read as a whole
    "exam": "conditions",  # what was found by looking
    "procedure": "conditions",  # what was found while doing
    "therapy": "care",
}
# http://hl7.org/fhir/R4/valueset-diagnostic-service-sections.html; what is not here is laboratory work
_DIAGNOSTIC_NAMES = (
    dict.fromkeys(("GE", "CG"), "genetic")
    | dict.fromkeys(("RAD", "RX", "RUS", "CT", "NMR", "NMS", "CUS", "OUS", "VUS", "CTH", "XRC", "RT", "IMG"), "imaging")
    | dict.fromkeys(("EC", "EN", "PF"), "documents")  # written findings of heart, nerves, lung
)
_BY_CODING: Mapping[tuple[str, str], int] = {
    (system, code): INDEX[name]
    for system, names in (
        (SYSTEM, {name: name for name in NAMES}),
        (_OBSERVATION_CATEGORY, _OBSERVATION_NAMES),
        (_DIAGNOSTIC_SERVICE, _DIAGNOSTIC_NAMES),
    )
    for code, name in names.items()
}
_GOES_BY_CODING = frozenset({"Observation", "DiagnosticReport"})


def category(resource: Mapping[str, Any]) -> int:
    """The category of an R4 resource, 0..15, an index of `NAMES`.

    In this order: a label of sensitivity in `meta.security`; for Observation and DiagnosticReport an explicit coding of
    `SYSTEM` in `category`, then sampled data, then the standard codings of `category`; else the type. The first coding
    that says something counts. Raises `Problem(structure)` for what is no R4 resource type.
    """
    kind = resource.get("resourceType")
    by_type = BY_TYPE.get(kind) if isinstance(kind, str) else None
    if by_type is None:
        raise Problem("structure", "This is not a resource type of FHIR R4.", expression="resourceType")
    meta = resource.get("meta")
    if isinstance(meta, Mapping):
        for coding in _mappings(meta.get("security")):
            name = LABELS.get(str(coding.get("code")))
            if name is not None:
                return INDEX[name]
    if kind not in _GOES_BY_CODING:
        return by_type
    concepts = _mappings(resource.get("category"))
    codings = [_key(coding) for concept in concepts for coding in _mappings(concept.get("coding"))]
    explicit = next((_BY_CODING[key] for key in codings if key[0] == SYSTEM and key in _BY_CODING), None)
    if explicit is not None:
        return explicit
    if _is_sampled(resource):
        return INDEX["traces"]
    return next((_BY_CODING[key] for key in codings if key in _BY_CODING), by_type)


def name(resource: Mapping[str, Any]) -> str:
    """The name of the resource's category, one of `NAMES`. Raises as `category`."""
    return NAMES[category(resource)]


def _is_sampled(resource: Mapping[str, Any]) -> bool:
    return "valueSampledData" in resource or any(
        "valueSampledData" in component for component in _mappings(resource.get("component"))
    )


def _key(coding: Mapping[str, Any]) -> tuple[str, str]:
    return str(coding.get("system")), str(coding.get("code"))


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON array; anything else holds none, so that a malformed resource still finds its category."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))
