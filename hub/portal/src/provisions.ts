/**
 * The provisions of a FHIR Consent, R4 or R5, in the plain form of `policy.ts`.
 *
 * Whatever may limit a rule and is not understood is refused, with path and remedy: leaving it out would widen the
 * rule. https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
 */

import { NAMES, type Name, SYSTEM } from "./categories.ts";
import { period } from "./dates.ts";
import { CONFIDENTIALITY_SYSTEM, codingText, referenceText, SENSITIVITY_SYSTEM } from "./facts.ts";
import { isObject, type Json, MEANINGS, READ_DEPTH, WRITE_DEPTH } from "./policy.ts";
import { Problem } from "./problems.ts";
import { DATA_ACTIONS, known, PROJECT_SYSTEM, PURPOSE_SYSTEM } from "./purposes.ts";

export const ACTION_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentaction";
export const RESOURCE_TYPES = "http://hl7.org/fhir/resource-types";
/** Of a profile, by its URL. */
export const URI_SYSTEM = "urn:ietf:rfc:3986";
export const OPT_IN_SYSTEM = "http://fhir.de/ConsentManagement/CodeSystem/TemplateType";
export const OPT_IN_CODE = "CONSENT-OPT-IN";

/** Roles that say no more than "to whom this applies"; any other role is a condition on the recipient. */
const NEUTRAL_ROLES: readonly string[] = ["IRCP", "PRCP", "GRANTEE"];

/** Systems whose codes stand alone in plain form; all others keep their system: `system|code`. */
const BARE_SYSTEMS: readonly unknown[] = [
  PURPOSE_SYSTEM,
  PROJECT_SYSTEM,
  ACTION_SYSTEM,
  CONFIDENTIALITY_SYSTEM,
  SENSITIVITY_SYSTEM,
  SYSTEM,
  RESOURCE_TYPES,
  "http://hl7.org/fhir/fhir-types",
  URI_SYSTEM,
];

const CODED: readonly string[] = ["action", "securityLabel", "purpose", "class", "code"];
const READ: readonly string[] = [
  ...["type", "period", "dataPeriod", "actor", "data", "provision", "resourceType", "documentType"],
  ...["id", "extension"],
  ...CODED,
];

/** A consent or provision in plain form. */
export type Plain = { [element: string]: unknown };

/** One provision and those below it. `level` counts from 1 at the root. Throws `Problem(unprocessable)`. */
export function rule(provision: unknown, path: string, level: number): Plain {
  const given = mapping(provision, path);
  for (const element of Object.keys(given)) {
    if (!READ.includes(element) && !element.startsWith("_")) {
      throw refused(`${path}.${element}`, "This may limit the rule and is not understood; remove it.");
    }
  }
  const plain: Plain = {};
  if ("type" in given) {
    if (given["type"] !== "permit" && given["type"] !== "deny") {
      throw refused(`${path}.type`, "The type is permit or deny.");
    }
    plain["type"] = given["type"];
  }
  for (const element of ["period", "dataPeriod"]) {
    if (element in given) plain[element] = dates(given[element], `${path}.${element}`);
  }
  Object.assign(plain, actors(given, path), coded(given, path));
  if ("data" in given) plain["data"] = entries(given, "data", path).map((one, i) => data(one, `${path}.data[${i}]`));
  if ("provision" in given) {
    const nested = entries(given, "provision", path);
    plain["provision"] =
      level === READ_DEPTH
        ? [{ type: "deny" }] // what lies deeper is not read, and nothing unread may permit
        : nested.map((one, i) => rule(one, `${path}.provision[${i}]`, level + 1));
  }
  return plain;
}

function coded(given: Json, path: string): Plain {
  const plain: { [element: string]: string[] } = {};
  const read = (element: string) => codes(entries(given, element, path), `${path}.${element}`);
  for (const element of CODED) if (element in given) plain[element] = read(element);
  const split = ["class", "resourceType", "documentType"].filter((element) => element in given);
  if (split.length > 1) {
    const remedy = `Together with ${split[0]} both would have to match; write a provision each.`;
    throw refused(`${path}.${split[1]}`, remedy);
  }
  for (const element of split) plain["class"] = read(element); // R5 split the class of R4
  if (!(plain["action"] ?? []).every((code) => DATA_ACTIONS.has(code))) {
    throw refused(`${path}.action`, "This action is not known; use access, collect, use, disclose or correct.");
  }
  if (!(plain["purpose"] ?? []).every((code) => code.includes("|") || known(code))) {
    throw refused(`${path}.purpose`, "This purpose is not known; use a code of v3-ActReason.");
  }
  return plain;
}

function codes(concepts: readonly unknown[], path: string): string[] {
  return concepts.flatMap((concept, i) => {
    const given = codings(concept, `${path}[${i}]`);
    if (given.length === 0) throw refused(`${path}[${i}]`, "Text alone cannot be decided on; add a coding.");
    return given.map((coding) => code(coding, `${path}[${i}]`));
  });
}

function code(coding: Json, path: string): string {
  const { code: found, system } = coding;
  if (typeof found !== "string" || !found) throw refused(path, "A coding needs a code.");
  if (system === SYSTEM && !NAMES.includes(found as Name)) {
    throw refused(path, `A category is one of ${NAMES.join(", ")}.`);
  }
  return BARE_SYSTEMS.includes(system) ? found : codingText(coding);
}

/** Actors and their roles. Roles are ANDed with all actors, so they have to be the same for each. */
function actors(given: Json, path: string): Plain {
  if (!("actor" in given)) return {};
  const roles = new Map<string, string[]>();
  const actor = entries(given, "actor", path).map((one, i) => {
    const place = `${path}.actor[${i}]`;
    const found = mapping(one, place);
    const named = codings(member(found, "role"), `${place}.role`).map((coding) => text(coding, "code", `${place}.role`));
    const wanted = [...new Set(named)].filter((role) => !NEUTRAL_ROLES.includes(role)).sort();
    roles.set(JSON.stringify(wanted), wanted);
    return reference(found["reference"], `${place}.reference`);
  });
  if (roles.size > 1) {
    throw refused(`${path}.actor`, "These actors have different roles; write a provision for each role.");
  }
  const [role = []] = roles.values();
  return role.length > 0 ? { actor, role } : { actor };
}

function data(one: unknown, path: string): string[] {
  const { meaning, reference: named } = mapping(one, path);
  if (typeof meaning !== "string" || !MEANINGS.includes(meaning)) {
    throw refused(`${path}.meaning`, `The meaning is one of ${MEANINGS.join(", ")}.`);
  }
  return [meaning, reference(named, `${path}.reference`)];
}

/**
 * What is asked of rules written here: each an exception to the one above, three deep at most.
 *
 * Throws `Problem(unprocessable)`.
 */
export function checkTree(plain: Plain, path: string, level = 1): void {
  if (level > WRITE_DEPTH) {
    throw refused(path, `Rules go ${WRITE_DEPTH} deep at most; write separate Consents instead.`);
  }
  for (const [i, child] of ((plain["provision"] ?? []) as Plain[]).entries()) {
    const place = `${path}.provision[${i}]`;
    if ((child["type"] ?? plain["type"]) === plain["type"]) {
      const remedy = "A nested rule is an exception: state the opposite type of the rule above.";
      throw refused(`${place}.type`, remedy);
    }
    checkTree(child, place, level + 1);
  }
}

/** A Period as start and end. Throws `Problem(unprocessable)` also where it ends before it begins. */
export function dates(value: unknown, path: string): { [edge: string]: string } {
  const given = mapping(value, path);
  const stated = ["start", "end"].filter((edge) => edge in given);
  const edges = Object.fromEntries(stated.map((edge) => [edge, text(given, edge, path)]));
  const [start, end] = ofPeriod(edges, path);
  if (start >= end) throw refused(path, "The period ends before it begins; correct the dates.");
  return edges;
}

function ofPeriod({ start = null, end = null }: { [edge: string]: string | null }, path: string) {
  try {
    return period(start, end);
  } catch (error) {
    throw error instanceof Problem ? refused(path, error.message) : error;
  }
}

/** A Reference as text (`referenceText` of `facts.ts`). */
export function reference(value: unknown, path: string): string {
  const found = referenceText(mapping(value, path));
  if (found === null) {
    const remedy = "Name the party or thing by a reference or an identifier, not by text or inside the Consent.";
    throw refused(path, remedy);
  }
  return found;
}

/** The codings of a CodeableConcept, or the Coding itself. */
export function codings(concept: unknown, path: string): Json[] {
  const given = mapping(concept, path);
  if ("coding" in given) return entries(given, "coding", path).map((one) => mapping(one, `${path}.coding`));
  return "code" in given ? [given] : [];
}

/** An object, or a `Problem`. */
export function mapping(value: unknown, path: string): Json {
  if (!isObject(value)) throw refused(path, "An object is expected here.");
  return value;
}

/** A list; absent is empty. An empty one is refused: it would say "no limit" where a limit was meant. */
export function entries(holder: Json, element: string, path = ""): unknown[] {
  if (!(element in holder)) return [];
  const value = holder[element];
  if (Array.isArray(value) && value.length > 0) return value;
  throw refused(at(path, element), "A list with at least one entry is expected here, or nothing.");
}

/** A member, or an empty object where it is absent. */
export function member(holder: Json, element: string): unknown {
  return element in holder ? holder[element] : {};
}

/** A text that is not empty. */
export function text(holder: Json, element: string, path = ""): string {
  const value = holder[element];
  if (typeof value !== "string" || !value) throw refused(at(path, element), "This element is needed, as a text.");
  return value;
}

function at(path: string, element: string): string {
  return path ? `${path}.${element}` : element;
}

/** The `Problem` of a Consent that cannot be taken: `path` below Consent, and what to do about it. */
export function refused(path: string, remedy: string): Problem {
  return new Problem("unprocessable", remedy, `Consent.${path}`);
}
