/**
 * What a resource says to a person: its name, when it was, its values, and a few facts, without codes.
 *
 * Names come from `text` and `display`; what the project's own builders make has its words in the catalogue.
 */

import { Digits, localNumber } from "./exact.ts";
import type { Resource } from "./opening.ts";
import { dates, type Key, language, optional } from "./text.ts";

/** All values at a path; lists on the way are followed. */
export function all(value: unknown, path: string): unknown[] {
  let found: unknown[] = [value];
  for (const name of namesOf(path)) {
    const next: unknown[] = [];
    for (const one of found) addMembers(next, one, name);
    found = next;
  }
  return found;
}

/** The paths of this program are few, and asked of thousands of resources. */
const paths = new Map<string, readonly string[]>();

function namesOf(path: string): readonly string[] {
  let found = paths.get(path);
  if (found === undefined) paths.set(path, (found = path.split(".")));
  return found;
}

function addMembers(found: unknown[], value: unknown, name: string): void {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return;
  const member: unknown = (value as { readonly [name: string]: unknown })[name];
  if (!Array.isArray(member)) found.push(member);
  else for (const one of member) found.push(one);
}

/** The first string at a path, or the empty string. */
export function plain(value: unknown, path: string): string {
  return String(all(value, path).find((one) => typeof one === "string") ?? "");
}

/** A CodeableConcept, Coding or Reference in words, or the empty string. */
export function concept(value: unknown): string {
  const known = all(value, "coding.code").map((code) => optional(`metric.${String(code)}`)).find(Boolean);
  return known || plain(value, "text") || plain(value, "coding.display") || plain(value, "display");
}

// --- what and when ------------------------------------------------------------------------------------------------

const NAMED_BY = ["code", "medicationCodeableConcept", "medicationReference", "vaccineCode", "type", "class", "serviceType"];
const NAMED_IN = ["title", "description", "name.text", "name", "content.attachment.title"];

/** The name of a resource. */
export function title(resource: Resource): string {
  const person = [...all(resource, "name.given"), ...all(resource, "name.family")].join(" ");
  const named = NAMED_BY.map((element) => concept(all(resource, element)[0])).find(Boolean);
  const kind = optional(`type.${String(resource["resourceType"]).toLowerCase()}`);
  return named || NAMED_IN.map((path) => plain(resource, path)).find(Boolean) || person || kind || optional("type.other");
}

const DATED_BY =
  "effectiveDateTime effectivePeriod.start effectiveInstant occurrenceDateTime occurrencePeriod.start performedDateTime " +
  "performedPeriod.start onsetDateTime onsetPeriod.start authoredOn whenHandedOver period.start start started sent " +
  "date recordedDate dateAsserted issued created authored meta.lastUpdated";
const DATES = DATED_BY.split(" ");

/** When it was: a FHIR date, dateTime or instant, or the empty string. */
export function when(resource: Resource): string {
  for (const path of DATES) {
    const found = plain(resource, path);
    if (found) return found;
  }
  return "";
}

/** Milliseconds since 1970 of a FHIR date, for putting in order; what has none comes last. */
export function order(date: string): number {
  const time = Date.parse(date);
  return Number.isNaN(time) ? -Infinity : time;
}

/** A FHIR date in words: as exact as it is, and in the reader's time zone where it has a time. */
export function localDate(date: string): string {
  const time = Date.parse(date);
  if (Number.isNaN(time)) return date;
  const written = (options: Intl.DateTimeFormatOptions) => dates(options).format(time);
  if (date.length === 4) return date;
  if (date.length === 7) return written({ year: "numeric", month: "long", timeZone: "UTC" });
  if (date.length === 10) return written({ dateStyle: "medium", timeZone: "UTC" });
  return written({ dateStyle: "medium", timeStyle: "short" });
}

/** A name for a day, under which a timeline gathers. */
export function day(date: string): string {
  const time = Date.parse(date);
  if (Number.isNaN(time)) return "";
  const zone = date.length === 10 ? { timeZone: "UTC" } : {};
  return dates({ dateStyle: "full", ...zone }).format(time);
}

/** Everything in it that a person may look for, in lower case. */
export function searchable(resource: Resource): string {
  const found: string[] = [title(resource), localDate(when(resource))];
  collect(resource, found);
  return found.join("\n").toLowerCase();
}

const READ = ["text", "display", "title", "description", "valueString", "contentString", "family", "unit", "name"];

function collect(value: unknown, found: string[]): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === "string" && READ.includes(name)) found.push(member);
    else collect(member, found);
  }
}

// --- values -------------------------------------------------------------------------------------------------------

/** A Quantity, with its digits: `72,50 kg`. Numbers are `Digits`. */
export function quantity(value: unknown): string {
  const said = amount(value);
  return said && [said, unitName(plain(value, "unit"))].filter(Boolean).join(" ");
}

/** A Quantity without its unit: `< 0,01`. */
export function amount(value: unknown): string {
  const [digits] = all(value, "value");
  if (!(digits instanceof Digits)) return "";
  return [plain(value, "comparator"), localNumber(digits.text, language())].filter(Boolean).join(" ");
}

/** A unit as it is written behind a number: none where things are counted, a day at a time. */
export function unitName(unit: string): string {
  return ["1", "/d"].includes(unit) ? "" : unit;
}

/** The value of an Observation or one of its components, in words. */
export function valueOf(part: unknown): string {
  const [measured, coded, range, ratio] = ["valueQuantity", "valueCodeableConcept", "valueRange", "valueRatio"].map(
    (name) => all(part, name)[0],
  );
  if (measured !== undefined) return quantity(measured);
  if (coded !== undefined) return concept(coded);
  if (range !== undefined) return limits(range);
  if (ratio !== undefined) return `${quantity(all(ratio, "numerator")[0])} : ${quantity(all(ratio, "denominator")[0])}`;
  const [yes, whole] = [all(part, "valueBoolean")[0], all(part, "valueInteger")[0]];
  if (typeof yes === "boolean") return optional(yes ? "value.yes" : "value.no");
  if (whole instanceof Digits) return localNumber(whole.text, language());
  const date = plain(part, "valueDateTime") || plain(part, "valuePeriod.start");
  return date ? localDate(date) : plain(part, "valueString") || plain(part, "valueTime");
}

/** By LOINC: blood pressure, and its upper and lower value. */
const PRESSURE = "85354-9";
export const PRESSURES = ["8480-6", "8462-4"] as const;

/** What stands in the place of a value that there is none of. */
export const NONE = "–";

/**
 * The components of an Observation, the upper value of a blood pressure before the lower one: their order means nothing
 * (https://hl7.org/fhir/R4/observation-definitions.html#Observation.component).
 */
export function components(resource: unknown): unknown[] {
  return all(resource, "component").sort((a, b) => rank(a) - rank(b));
}

/** The place of a component among others. */
export function rank(part: unknown): number {
  const at = PRESSURES.findIndex((code) => isCoded(part, code));
  return at < 0 ? PRESSURES.length : at;
}

/** The component of a code, the first that has a value; `undefined` where there is none. */
export function component(resource: unknown, code: string): unknown {
  return all(resource, "component").find((part) => isCoded(part, code) && valueOf(part) !== "");
}

function isCoded(part: unknown, code: string): boolean {
  return all(part, "code.coding.code").includes(code);
}

/** The whole value of an Observation: `128 / 82 mmHg`, or its parts by name. */
export function value(resource: unknown): string {
  const pressure = isCoded(resource, PRESSURE) ? pressureOf(resource) : "";
  if (pressure) return pressure;
  const parts = components(resource).map((part) => [concept(all(part, "code")[0]), valueOf(part)] as const);
  const told = parts.filter(([, said]) => said !== "").map(([name, said]) => `${name} ${said}`);
  return [valueOf(resource), ...told].filter(Boolean).join(" · ");
}

/** Upper and lower value, each by its code; the empty string where neither is there, or their units differ. */
function pressureOf(resource: unknown): string {
  const parts = PRESSURES.map((code) => component(resource, code));
  const said = parts.map((part) => (part === undefined ? NONE : amount(all(part, "valueQuantity")[0])));
  const units = new Set(parts.flatMap((part) => (part === undefined ? [] : plain(part, "valueQuantity.unit"))));
  if (units.size !== 1 || said.includes("")) return "";
  return [said.join(" / "), ...[...units].map(unitName)].filter(Boolean).join(" ");
}

/** Low and high of a Range or a reference range: `3,5 – 5,1 mmol/l`. */
export function limits(range: unknown): string {
  const [low, high] = [quantity(all(range, "low")[0]), quantity(all(range, "high")[0])];
  if (low && high) return `${amount(all(range, "low")[0])} – ${high}`;
  if (low || high) return low ? `≥ ${low}` : `≤ ${high}`;
  return plain(range, "text");
}

export type Flag = "" | "high" | "low" | "abnormal" | Void;

/** Why a resource counts for nothing, though it stays in the record. */
type Void = "" | "entered-in-error" | "cancelled";

/** Where FHIR says of a resource that it is void; what else was cancelled, such as an appointment, was true. */
const STATUSES = ["status", "docStatus", "verificationStatus.coding.code"];
const VOID_IF_CANCELLED = ["Observation", "DiagnosticReport"];

function voided(resource: unknown): Void {
  const said = STATUSES.flatMap((path) => all(resource, path));
  if (said.includes("entered-in-error")) return "entered-in-error";
  const hasNoResult = VOID_IF_CANCELLED.includes(plain(resource, "resourceType")) && said.includes("cancelled");
  return hasNoResult ? "cancelled" : "";
}

/** Whether a resource may count as a finding, be drawn, or be the newest. */
export function counts(resource: unknown): boolean {
  return voided(resource) === "";
}

/** http://hl7.org/fhir/R4/valueset-observation-interpretation.html */
const FLAGS: { readonly [code: string]: Flag } = {
  H: "high",
  HH: "high",
  HU: "high",
  L: "low",
  LL: "low",
  LU: "low",
  A: "abnormal",
  AA: "abnormal",
};

/**
 * What has to be seen before all else: that it is void; or that a value lies beside its reference range, as the laboratory
 * says, else by the numbers where units agree.
 */
export function flag(resource: unknown): Flag {
  const why = voided(resource);
  if (why !== "") return why;
  const said = all(resource, "interpretation.coding.code").map((code) => FLAGS[String(code)]);
  if (said.length > 0) return said.find(Boolean) ?? "";
  const number = numberOf(resource, "valueQuantity");
  const [range] = all(resource, "referenceRange");
  if (number === null || range === undefined || all(resource, "referenceRange").length > 1) return "";
  const unit = plain(resource, "valueQuantity.unit");
  const [low, high] = ["low", "high"].map((end) => (plain(range, `${end}.unit`) === unit ? numberOf(range, end) : null));
  if (typeof high === "number" && number > high) return "high";
  return typeof low === "number" && number < low ? "low" : "";
}

function numberOf(value: unknown, name: string): number | null {
  const [digits] = all(value, `${name}.value`);
  if (plain(value, `${name}.comparator`)) return null;
  return digits instanceof Digits ? Number(digits.text) : typeof digits === "number" ? digits : null;
}

// --- facts --------------------------------------------------------------------------------------------------------

export type Fact = readonly [label: Key, said: string];
type Reads = (value: unknown) => string;

const words: Reads = (value) => (typeof value === "string" ? value : "");
const date: Reads = (value) => (typeof value === "string" ? localDate(value) : "");
const status: Reads = (value) => optional(`status.${String(value)}`);
const coded: Reads = (value) => optional(`status.${plain(value, "coding.code")}`) || concept(value);
const dosage: Reads = (value) => plain(value, "text") || plain(value, "patientInstruction");
const count: Reads = (value) => (value instanceof Digits ? localNumber(value.text, language()) : quantity(value));
const range: Reads = (value) => {
  const [applies] = all(value, "appliesTo");
  return [limits(value), concept(applies)].filter(Boolean).join(", ");
};

const FACTS: readonly (readonly [label: Key, paths: string, reads: Reads])[] = [
  ["fact.dosage", "dosageInstruction dosage", dosage],
  ["fact.reason", "reasonCode indication", concept],
  ["fact.range", "referenceRange", range],
  ["fact.method", "method", concept],
  ["fact.reaction", "reaction.manifestation", concept],
  ["fact.criticality", "criticality", (value) => optional(`criticality.${String(value)}`)],
  ["fact.severity", "severity", concept],
  ["fact.site", "bodySite site", concept],
  ["fact.status", "clinicalStatus", coded],
  ["fact.certainty", "verificationStatus", coded],
  ["fact.end", "abatementDateTime period.end effectivePeriod.end", date],
  ["fact.dose", "protocolApplied.doseNumberPositiveInt", count],
  ["fact.lot", "lotNumber", words],
  ["fact.maker", "manufacturer", concept],
  ["fact.conclusion", "conclusion", words],
  ["fact.message", "payload.contentString", words],
  ["fact.quantity", "quantity", count],
  ["fact.state", "status", status],
  ["fact.note", "note.text", words],
  ["fact.by", "performer performer.actor requester recorder asserter author sender", concept],
];

/** What else a person may want to know of it, in one order for all types. Numbers are `Digits`. */
export function facts(resource: unknown): Fact[] {
  return FACTS.flatMap(([label, paths, reads]) => {
    const found = paths.split(" ").flatMap((path) => all(resource, path).map(reads));
    const told = [...new Set(found.filter(Boolean))].join("; ");
    return told ? [[label, told] as const] : [];
  });
}
