/**
 * The bundle's door: the portal's twins of the Python package `consent`, and of the importer of wearables.
 *
 * `PROTOCOL.md` gives bytes, checks and their order; the shared test vectors hold both to it.
 */

export * as accounts from "./accounts.ts";
export * as canonical from "./canonical.ts";
export * as categories from "./categories.ts";
export * as chains from "./chains.ts";
export * as dates from "./dates.ts";
export * as decide from "./decide.ts";
export * as declarations from "./declarations.ts";
export * as envelope from "./envelope.ts";
export * as facts from "./facts.ts";
export * as fhirConsent from "./fhir_consent.ts";
export * as fhirExport from "./fhir_export.ts";
export * as finerRules from "./finer_rules.ts";
export * as floor from "./floor.ts";
export * as frames from "./frames.ts";
export * as grants from "./grants.ts";
export * as guardians from "./guardians.ts";
export * as heads from "./heads.ts";
export * as hidden from "./hidden.ts";
export * as identifiers from "./identifiers.ts";
export * as items from "./items.ts";
export * as keys from "./keys.ts";
export * as lockout from "./lockout.ts";
export * as log from "./log.ts";
export * as mandates from "./mandates.ts";
export * as messages from "./messages.ts";
export * as objects from "./objects.ts";
export * as opening from "./opening.ts";
export * as owed from "./owed.ts";
export * as pairing from "./pairing.ts";
export * as policy from "./policy.ts";
export * as preview from "./preview.ts";
export * as primitives from "./primitives.ts";
export * as problems from "./problems.ts";
export * as projection from "./projection.ts";
export * as purposes from "./purposes.ts";
export * as reasons from "./reasons.ts";
export * as receipts from "./receipts.ts";
export * as relations from "./relations.ts";
export * as rules from "./rules.ts";
export * as sealing from "./sealing.ts";
export * as sets from "./sets.ts";
export * as shapes from "./shapes.ts";
export * as standing from "./standing.ts";
export * as state from "./state.ts";
export * as statements from "./statements.ts";
export * as steps from "./steps.ts";
export * as streams from "./streams.ts";
export * as template from "./template.ts";
export * as told from "./told.ts";
export * as vault from "./vault.ts";
export * as wearables from "./wearables/index.ts";
export * as who from "./who.ts";
export * as words from "./words.ts";
