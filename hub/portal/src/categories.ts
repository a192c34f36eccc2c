/**
 * Categories: which of the sixteen a resource belongs to, so that a patient can grant what she understands.
 *
 * The list is part of version 1 of the protocol (PROTOCOL.md 1.7). The mapping is data, the same as in
 * `consent/categories.py`; an Observation goes by what it says of itself; a label of sensitivity goes before everything
 * else, because what a patient wants kept apart must not travel with the rest.
 */

import { broken } from "./rejected.ts";

type Mapping = { readonly [name: string]: unknown };

export const NAMES = [
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
] as const;
export type Name = (typeof NAMES)[number];

/** The code system of the sixteen; the code is the category's name. */
export const SYSTEM = "https://fhir.obhut.org/CodeSystem/category";

/** Words to the category they mean. */
type Words = { readonly [name in Name]?: string };

function byWord(words: Words): ReadonlyMap<string, number> {
  const entries = Object.entries(words) as [Name, string][];
  return new Map(entries.flatMap(([name, all]) => all.split(" ").map((word) => [word, NAMES.indexOf(name)] as const)));
}

/** v3-ActCode (https://terminology.hl7.org/ValueSet-v3-InformationSensitivityPolicy.html). */
export const LABELS = byWord({
  mental: "BH COGN DVD EMOTDIS MH PSY PSYTHPN SUD ETH ETHUD OPIOIDUD",
  intimate: "SEX HIV STD PREGNANT SDV MST VIO",
  genetic: "GDIS SCA SICKLE",
});

/** The category of each R4 resource type where nothing in the resource says better. */
export const BY_TYPE = byWord({
  // Who she is, who speaks for her, who insures her: master data, not findings.
  person:
    "Patient Person RelatedPerson Group Linkage VerificationResult Coverage CoverageEligibilityRequest " +
    "CoverageEligibilityResponse EnrollmentRequest EnrollmentResponse InsurancePlan",
  // What a device is stands with the single measurements, so that whoever reads a value can read what measured it.
  vitals: "Device DeviceMetric DeviceDefinition",
  // What is prescribed, given, taken, or known of a drug.
  medication:
    "Medication MedicationAdministration MedicationDispense MedicationKnowledge MedicationRequest " +
    "MedicationStatement MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication " +
    "MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction " +
    "MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical " +
    "MedicinalProductUndesirableEffect Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein " +
    "SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification",
  // Diagnoses, what led to them and what was done to the body: they name each other, so one reads poorly alone.
  conditions: "Condition ClinicalImpression DetectedIssue RiskAssessment Procedure BodyStructure Flag",
  // What she must not be given, and what went wrong.
  allergies: "AllergyIntolerance AdverseEvent",
  immunizations: "Immunization ImmunizationEvaluation ImmunizationRecommendation",
  // Findings of a laboratory and the material they come from. A finding of unknown kind is most often one of these.
  lab:
    "Observation DiagnosticReport Specimen SpecimenDefinition ObservationDefinition " +
    "BiologicallyDerivedProduct",
  imaging: "ImagingStudy Media",
  // Written to be read as a whole: letters, forms, collections. Consents and logs are records about records. Bills
  // name diagnoses, so they do not travel with the master data.
  // Definitions and knowledge are about no patient; where one is put into a record, it came with a document.
  documents:
    "Composition DocumentReference DocumentManifest Binary Bundle List Basic Parameters Questionnaire " +
    "QuestionnaireResponse Consent Provenance AuditEvent ResearchStudy ResearchSubject Account ChargeItem " +
    "Claim ClaimResponse Contract ExplanationOfBenefit Invoice PaymentNotice PaymentReconciliation " +
    "ActivityDefinition CapabilityStatement CatalogEntry ChargeItemDefinition CodeSystem " +
    "CompartmentDefinition ConceptMap EffectEvidenceSynthesis EventDefinition Evidence EvidenceVariable " +
    "ExampleScenario GraphDefinition ImplementationGuide Library Measure MeasureReport MessageDefinition " +
    "NamingSystem OperationDefinition PlanDefinition ResearchDefinition ResearchElementDefinition " +
    "RiskEvidenceSynthesis SearchParameter StructureDefinition StructureMap Subscription " +
    "TerminologyCapabilities TestReport TestScript ValueSet",
  // What is planned, ordered, booked and delivered, by whom and where.
  care:
    "CarePlan CareTeam Goal Encounter EpisodeOfCare Appointment AppointmentResponse Schedule Slot " +
    "ServiceRequest RequestGroup Task DeviceRequest DeviceUseStatement NutritionOrder VisionPrescription " +
    "SupplyRequest SupplyDelivery GuidanceResponse Practitioner PractitionerRole Organization " +
    "OrganizationAffiliation HealthcareService Location Endpoint",
  // Said from one to another.
  messages: "Communication CommunicationRequest MessageHeader OperationOutcome",
  // Of the family and of the genome: they say something about relatives too.
  genetic: "FamilyMemberHistory MolecularSequence",
});

/** http://hl7.org/fhir/R4/valueset-observation-category.html */
const OBSERVATION = byWord({
  vitals: "vital-signs",
  activity: "activity",
  lab: "laboratory",
  imaging: "imaging",
  // Smoking, work, home: what bears on her health; what was found by looking, and while doing.
  conditions: "social-history exam procedure",
  // A filled form, read as a whole.
  documents: "survey",
  care: "therapy",
});
/** http://hl7.org/fhir/R4/valueset-diagnostic-service-sections.html; what is not here is laboratory work. */
const DIAGNOSTIC = byWord({
  genetic: "GE CG",
  imaging: "RAD RX RUS CT NMR NMS CUS OUS VUS CTH XRC RT IMG",
  // Written findings of heart, nerves, lung.
  documents: "EC EN PF",
});
const BY_SYSTEM: ReadonlyMap<unknown, ReadonlyMap<string, number>> = new Map([
  [SYSTEM, new Map<string, number>(NAMES.map((name, index) => [name, index]))],
  ["http://terminology.hl7.org/CodeSystem/observation-category", OBSERVATION],
  ["http://terminology.hl7.org/CodeSystem/v2-0074", DIAGNOSTIC],
]);
const GOES_BY_CODING: readonly unknown[] = ["Observation", "DiagnosticReport"];

/**
 * The category of an R4 resource, 0..15, an index of `NAMES`.
 *
 * In this order: a label of sensitivity in `meta.security`; for Observation and DiagnosticReport an explicit coding of
 * `SYSTEM` in `category`, then sampled data, then the standard codings of `category`; else the type. The first coding
 * that says something counts. Throws `Rejected(broken, fhir)` for what is no R4 resource type.
 */
export function category(resource: Mapping): number {
  const kind = resource["resourceType"];
  const byType = typeof kind === "string" ? BY_TYPE.get(kind) : undefined;
  if (byType === undefined) throw broken("fhir");
  const { meta } = resource;
  const labels = isMapping(meta) ? mappings(meta["security"]).map((coding) => word(LABELS, coding["code"])) : [];
  const label = first(labels);
  if (label !== undefined) return label;
  if (!GOES_BY_CODING.includes(kind)) return byType;
  const codings = mappings(resource["category"]).flatMap((concept) => mappings(concept["coding"]));
  const explicit = first(codings.filter((coding) => coding["system"] === SYSTEM).map(meant));
  return explicit ?? (isSampled(resource) ? NAMES.indexOf("traces") : (first(codings.map(meant)) ?? byType));
}

/** The name of the resource's category. Throws as `category`. */
export function name(resource: Mapping): Name {
  return NAMES[category(resource)] ?? "person";
}

function first(found: readonly (number | undefined)[]): number | undefined {
  return found.find((one) => one !== undefined);
}

function word(words: ReadonlyMap<string, number> | undefined, code: unknown): number | undefined {
  return typeof code === "string" ? words?.get(code) : undefined;
}

/** The category that a coding means. */
function meant(coding: Mapping): number | undefined {
  return word(BY_SYSTEM.get(coding["system"]), coding["code"]);
}

function isSampled(resource: Mapping): boolean {
  const parts = [resource, ...mappings(resource["component"])];
  return parts.some((part) => Object.hasOwn(part, "valueSampledData"));
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The objects of a JSON array; anything else holds none, so that a malformed resource still finds its category. */
function mappings(value: unknown): Mapping[] {
  return Array.isArray(value) ? value.filter(isMapping) : [];
}
