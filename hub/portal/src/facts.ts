/**
 * What a decision may know of a FHIR resource: type, category, labels, codes, clinical date, authors, references.
 *
 * Read once when a resource is opened, so that no decision has to look into the resource again.
 */

import { name as categoryName } from "./categories.ts";
import { FOREVER, type Interval, interval } from "./dates.ts";
import { CONFIDENTIALITY, type Item, item, type Marks } from "./items.ts";
import { isObject, type Json } from "./policy.ts";
import { Problem } from "./problems.ts";

export const ACCOUNT_SYSTEM = "urn:obhut:account";
export const CONFIDENTIALITY_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
export const SENSITIVITY_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

const RANK = "ULMNRV";
const CODED: readonly string[] = ["code", "category", "type", "vaccineCode", "medicationCodeableConcept", "class"];
/** In this order: when it was, before when it was written down. */
const DATED: readonly string[] = [
  ...["effective", "performed", "occurrence", "onset", "occurred", "period", "started", "serviced", "collected"],
  ...["authoredOn", "recordedDate", "dateAsserted", "whenHandedOver", "whenPrepared", "assertedDate", "date"],
  ...["recorded", "sent", "authored", "created", "issued"],
];
const SUFFIXES: readonly string[] = ["", "DateTime", "Period", "Instant", "Date"];
const AUTHORS: readonly string[] = [
  ...["author", "performer", "recorder", "asserter", "requester", "informationSource", "sender", "source"],
];

/** The facts of an R4 resource; `by` adds whom the envelope names. Throws `Rejected(broken, fhir)` for no R4 type. */
export function facts(resource: Json, by: Iterable<string> = []): Item {
  const kind = String(resource["resourceType"]);
  const { profile } = mapping(resource["meta"]);
  const profiles = Array.isArray(profile) ? profile.filter((one) => typeof one === "string" && one.includes(":")) : [];
  // A bare code could be the name of a category: its author would move it to where another rule holds.
  const types = codings(resource["type"]).filter((coding) => text(coding["system"]));
  const classes = [kind, categoryName(resource), ...profiles, ...types.map(codingText)];
  const related = new Set(references(resource));
  return item(`${kind}/${resource["id"] ?? ""}`, classes, marks(resource), {
    codes: new Set(codes(resource)),
    clinical: clinical(resource),
    authors: new Set([...authors(resource), ...by]),
    related,
    depends: related,
  });
}

/** A Reference as text: an Obhut account as its address, else `Type/id`, a URL or `system|value`; null if none. */
export function referenceText(reference: Json): string | null {
  const { system, value } = mapping(reference["identifier"]);
  const { reference: literal } = reference;
  if (system === ACCOUNT_SYSTEM && typeof value === "string") return value;
  if (typeof literal === "string" && literal && !literal.startsWith("#")) return literal.split("/_history/")[0] ?? "";
  if (typeof value !== "string" || !value) return null;
  return typeof system === "string" ? `${system}|${value}` : value;
}

/** A Coding as `system|code`, or its bare code; what is no text is left out. */
export function codingText({ system, code }: Json): string {
  return text(system) ? `${text(system)}|${text(code)}` : text(code);
}

/** The highest confidentiality, the sensitivity, and whether every label could be read. */
function marks(resource: Json): Marks {
  const levels: string[] = [];
  const sensitivity: string[] = [];
  let labelled = true;
  for (const { code, system = null } of mappings(mapping(resource["meta"])["security"])) {
    if (typeof code !== "string") labelled = false;
    else if ((system === CONFIDENTIALITY_SYSTEM || system === null) && CONFIDENTIALITY.has(code)) levels.push(code);
    else if (system === CONFIDENTIALITY_SYSTEM) labelled = false;
    else if (system === SENSITIVITY_SYSTEM || system === null) sensitivity.push(code);
  }
  const [confidentiality = null] = levels.sort((a, b) => RANK.indexOf(b) - RANK.indexOf(a));
  return { confidentiality, sensitivity, labelled };
}

function codes(resource: Json): string[] {
  const concepts = CODED.map((element) => resource[element]);
  concepts.push(...mappings(resource["component"]).map((component) => component["code"]));
  return concepts.flatMap(codings).flatMap((coding) => [codingText(coding), text(coding["code"])]);
}

function clinical(resource: Json): Interval | null {
  for (const element of DATED) {
    for (const suffix of SUFFIXES) {
      const value = resource[element + suffix];
      if (value === undefined || value === null) continue;
      try {
        return span(value);
      } catch (error) {
        // A date of R4 that no clock shows, such as one in the year 9999.
        if (error instanceof Problem) return null;
        throw error;
      }
    }
  }
  return null;
}

function span(value: unknown): Interval | null {
  if (typeof value === "string") return interval(value);
  const { start, end } = mapping(value);
  if (typeof start !== "string") return null; // it ended some day, but nobody says when it began
  return [interval(start)[0], typeof end === "string" ? interval(end)[1] : FOREVER];
}

function authors(resource: Json): string[] {
  const named = AUTHORS.flatMap((element) => {
    const value = resource[element];
    return isObject(value) ? [value] : mappings(value);
  });
  return named.map((one) => referenceText(isObject(one["actor"]) ? one["actor"] : one)).filter((text) => text !== null);
}

/** Every reference in the resource but to the patient herself: all resources have that one. */
function references(value: unknown, element = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((inner) => references(inner, element));
  if (!isObject(value)) return [];
  const isReference = "reference" in value || "identifier" in value;
  const named = isReference && element !== "subject" && element !== "patient" ? referenceText(value) : null;
  const below = Object.entries(value).flatMap(([name, inner]) => references(inner, name));
  return named === null ? below : [named, ...below];
}

/** The codings of a CodeableConcept, a list of them, or a Coding. */
function codings(concept: unknown): Json[] {
  const concepts = Array.isArray(concept) ? mappings(concept) : isObject(concept) ? [concept] : [];
  return concepts.flatMap((one) => ("coding" in one ? mappings(one["coding"]) : "code" in one ? [one] : []));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function mapping(value: unknown): Json {
  return isObject(value) ? value : {};
}

function mappings(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
