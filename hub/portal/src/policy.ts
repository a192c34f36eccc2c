/**
 * The normal form of a consent: a tree of rules, compiled once when it is read.
 *
 * A consent in plain form is a JSON object: `id`, `status`, `dateTime`, and optionally `patient`, `policy[]` and
 * `controller[]` (consents of one patient to the same policy and controller replace each other; so do those of the same
 * `lineage`, or else of the same id), `performer[]` (who gave it), `verification[]`, `source`, `template` (`OPT-IN`),
 * `legal` (whether it is legally effective; where it does not say, the performers' mandates decide), `provision`.
 * A provision: `type` (`permit`, `deny`), `period`, `actor[]`, `role[]`, `action[]`, `securityLabel[]`, `purpose[]`,
 * `class[]`, `code[]`, `dataPeriod`, `data[]` (pairs meaning, reference), `provision[]`.
 *
 * Elements are ANDed, values inside one element ORed, an element that is absent says nothing; the deepest rule that
 * matches decides. https://hl7.org/fhir/R4/consent.html
 */

import type { Conditions } from "./conditions.ts";
import { BEGINNING, FOREVER, type Interval, interval, period as periodOf } from "./dates.ts";
import type { Words } from "./items.ts";
import { Problem } from "./problems.ts";

/** Any JSON object. */
export type Json = { readonly [name: string]: unknown };

/** Rules deeper than this are not read: where a tree goes on, it denies. */
export const READ_DEPTH = 8;
/** Rules deeper than this are not written. */
export const WRITE_DEPTH = 3;

export const MEANINGS: readonly string[] = ["instance", "related", "dependents", "authoredby"];
export const ELEMENTS: readonly string[] = [
  ...["type", "period", "actor", "role", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data"],
  "provision",
];

/** One provision. An empty set asks for nothing; `period` is when the rule applies, `dataPeriod` to which data. */
export type Rule = Conditions & {
  readonly path: string;
  readonly actors: Words;
  readonly roles: Words;
  readonly actions: Words;
  readonly purposes: Words;
  readonly period: Interval;
  readonly children: readonly Rule[];
};

/**
 * One consent, compiled. `root` is null where the consent says neither permit nor deny: it never applies.
 *
 * `by`: who gave it, empty for the patient herself. `legal`: whether it is effective; null: as the mandate of `by` was
 * when it was recorded.
 */
export type Policy = {
  readonly id: string;
  readonly status: string;
  readonly recorded: number;
  readonly lineage: string;
  readonly patient: string | null;
  readonly optIn: boolean;
  readonly legal: boolean | null;
  readonly root: Rule | null;
  readonly by: string;
};

/** Compile a consent in plain form. Throws `Problem(value)` with the path for values of the wrong shape. */
export function compile(consent: Json): Policy {
  onlyText(consent, "", ["id", "status", "dateTime", "patient", "lineage", "template"]);
  const { status, dateTime, template, provision } = consent as { readonly [name: string]: string | undefined };
  const id = consent["id"] as string | undefined;
  if (!id) throw new Problem("value", "A consent needs an id, so that a decision can name it.", "id");
  const performers = codes(consent, "performer", "");
  const patient = (consent["patient"] as string | undefined) ?? null;
  const isHers = performers.size === 0 || (patient !== null && performers.has(patient));
  const by = isHers ? "" : ([...performers].sort()[0] ?? "");
  const legal = "legal" in consent ? consent["legal"] : by ? null : true;
  return {
    id,
    status: status ?? "",
    recorded: dateTime === undefined ? BEGINNING : interval(dateTime)[0],
    lineage: lineageOf(consent, id),
    patient,
    optIn: template === "OPT-IN",
    legal: legal === null ? null : legal === true,
    root: provision === undefined || provision === null ? null : root(provision),
    by,
  };
}

function lineageOf(consent: Json, id: string): string {
  const [policies, controllers] = ["policy", "controller"].map((element) => [...codes(consent, element, "")].sort());
  if (consent["lineage"]) return `lineage ${consent["lineage"]}`;
  const isBoth = (policies?.length ?? 0) > 0 && (controllers?.length ?? 0) > 0;
  return isBoth ? `policy ${JSON.stringify([policies, controllers])}` : `consent ${id}`;
}

/** How many rules deep the tree is; a root alone is 1. */
export function depth({ children }: Rule): number {
  return 1 + Math.max(0, ...children.map(depth));
}

function root(provision: unknown): Rule | null {
  const rule = ruleOf(provision, "provision", 1);
  return ((provision as Json)["type"] ?? null) === null ? null : rule;
}

function ruleOf(provision: unknown, path: string, level: number): Rule {
  if (!isObject(provision)) throw new Problem("value", "A provision is an object.", path);
  // What is not known may be a limit: left out, it widens the rule.
  const [unknown] = Object.keys(provision)
    .filter((element) => !ELEMENTS.includes(element))
    .sort();
  if (unknown !== undefined) {
    throw new Problem("value", "This element is not known in a provision.", `${path}.${unknown}`);
  }
  const kind = provision["type"] ?? null;
  if (kind !== "permit" && kind !== "deny" && kind !== null) {
    throw new Problem("value", "A provision's type is permit or deny.", `${path}.type`);
  }
  const nested = "provision" in provision ? provision["provision"] : [];
  if (!Array.isArray(nested)) throw new Problem("value", "Nested provisions are a list.", `${path}.provision`);
  const isTooDeep = nested.length > 0 && level === READ_DEPTH;
  const children = isTooDeep
    ? [ruleOf({ type: "deny" }, `${path}.provision`, level)]
    : nested.map((child, i) => ruleOf(child, `${path}.provision[${i}]`, level + 1));
  return {
    permit: kind === "permit", // no type on a nested rule: it may only take away
    path,
    actors: codes(provision, "actor", path),
    roles: new Set([...codes(provision, "role", path)].map((role) => role.toLowerCase())),
    actions: codes(provision, "action", path),
    purposes: codes(provision, "purpose", path),
    period: "period" in provision ? period(provision["period"], `${path}.period`) : [BEGINNING, FOREVER],
    classes: codes(provision, "class", path),
    codes: codes(provision, "code", path),
    labels: codes(provision, "securityLabel", path),
    data: dataOf(provision, path),
    dataPeriod: "dataPeriod" in provision ? period(provision["dataPeriod"], `${path}.dataPeriod`) : null,
    children,
  };
}

function at(path: string, element: string): string {
  return path ? `${path}.${element}` : element;
}

function codes(provision: Json, element: string, path: string): Words {
  const values = element in provision ? provision[element] : [];
  if (!Array.isArray(values) || !values.every((value) => typeof value === "string" && value)) {
    throw new Problem("value", "This element is a list of words.", at(path, element));
  }
  return new Set(values);
}

function dataOf(provision: Json, path: string): readonly (readonly [string, string])[] {
  const pairs = "data" in provision ? provision["data"] : [];
  if (!Array.isArray(pairs)) throw new Problem("value", "Data is a list of pairs.", `${path}.data`);
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((part) => typeof part === "string")) {
      throw new Problem("value", "Data is pairs of meaning and reference.", `${path}.data`);
    }
    if (!MEANINGS.includes(String(pair[0]))) {
      throw new Problem("value", `The meaning is one of ${MEANINGS.join(", ")}.`, `${path}.data`);
    }
  }
  return pairs;
}

function period(value: unknown, path: string): Interval {
  if (!isObject(value)) throw new Problem("value", "A period is an object with start and end.", path);
  onlyText(value, path, ["start", "end"]);
  const { start = null, end = null } = value as { readonly start?: string; readonly end?: string };
  try {
    return periodOf(start, end);
  } catch (error) {
    throw error instanceof Problem ? new Problem(error.code, error.message, path) : error;
  }
}

function onlyText(value: Json, path: string, elements: readonly string[]): void {
  for (const element of elements) {
    if (element in value && typeof value[element] !== "string") {
      throw new Problem("value", "This element is a text.", at(path, element));
    }
  }
}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
