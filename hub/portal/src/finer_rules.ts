/**
 * Finer rules: what a grant's counterpart keeps to, resource by resource, beyond what the hub can check.
 *
 * They travel sealed with the grant, as JSON: a list of policies in the plain form of `policy.ts`, of which a resource
 * is permitted by one at least and refused by none. They say nothing of parties and times; of purposes and of roles
 * within the house they say who may read at all, where not everybody may (`readers.ts`, PROTOCOL.md 4.4).
 */

import { LABELS as SENSITIVITY } from "./categories.ts";
import { interval, lastDay, SECOND } from "./dates.ts";
import { Decider } from "./decide.ts";
import { compile, isObject, type Json, type Policy, READ_DEPTH } from "./policy.ts";
import { broken } from "./primitives.ts";
import { Problem } from "./problems.ts";
import { LABELS } from "./purposes.ts";
import * as readers from "./readers.ts";
import type { PlainReaders, Readers } from "./readers.ts";
import { request, state } from "./state.ts";

/** What a finer rule may say: all of it is about the resource. */
export const ELEMENTS: readonly string[] = [
  ...["type", "class", "code", "securityLabel", "dataPeriod", "data", "provision"],
];

/** A provision in plain form. */
export type Tree = Json;

/** Finer rules as they travel. */
export type FinerRules = {
  readonly v: number;
  readonly policies: readonly Json[];
  readonly readers?: PlainReaders;
};

export const ALL: Tree = { type: "permit" };
/** Types that have no clinical date, because they are not about a moment. */
export const UNDATED: readonly string[] = [
  ...["Coverage", "Device", "DeviceMetric", "Endpoint", "HealthcareService", "Location", "Medication", "Organization"],
  ...["Patient", "Person", "Practitioner", "PractitionerRole", "RelatedPerson", "Substance"],
];

/** Finer rules that leave out these resources, by `Type/id`, besides what `rules` leave out; null for no rules. */
export function hiding(rules: FinerRules | null, references: Iterable<string>): FinerRules | null {
  const instances = [...new Set(references)].sort().map((reference) => ["instance", reference]);
  if (instances.length === 0) return rules;
  const policies = rules === null ? [always(ALL)] : rules.policies;
  return rulesOf([...policies, always({ type: "deny", data: instances })], readersOf(rules));
}

/**
 * Finer rules that leave out what is more confidential than these levels, and what is sensitive unless R is one.
 *
 * As far as standing access reaches; which labels are of sensitivity, the categories tell.
 */
export function upTo(confidentiality: Iterable<string>): FinerRules {
  const levels = [...confidentiality].sort();
  const labels = [...new Set([...SENSITIVITY.keys(), ...LABELS.keys()])].sort();
  const sensitive = { type: "deny", securityLabel: labels };
  const rule = { type: "permit", securityLabel: levels };
  return rulesOf([always(levels.includes("R") ? rule : { ...rule, provision: [sensitive] })]);
}

/**
 * Finer rules that leave out, besides what `rules` leave out, what is older than a day (a FHIR date) in Berlin.
 *
 * And what has a clinical date and does not say it. Keys part what was sealed before from what was sealed after; this
 * parts what happened (PROTOCOL.md 4.2).
 */
export function since(day: string, rules: FinerRules | null = null): FinerRules {
  const undated = { type: "permit", class: UNDATED };
  const end = lastDay(interval(day)[0] / SECOND, 0);
  const older = { type: "deny", dataPeriod: { end }, provision: [undated] };
  const policies = rules === null ? [always(ALL)] : rules.policies;
  const except = (one: Json) => ({ ...one, provision: excepting(one["provision"] as Tree, older) });
  return rulesOf(policies.map(except), readersOf(rules));
}

/** The tree with an exception to whatever it permits: another policy that denies could not except from itself. */
function excepting(rule: Tree, exception: Tree): Tree {
  const below = ((rule["provision"] ?? []) as Tree[]).map((child) => excepting(child, exception));
  const provision = rule["type"] === "permit" ? [...below, exception] : below;
  return provision.length > 0 ? { ...rule, provision } : rule;
}

/**
 * Finer rules that permit what both permit; null for no rules.
 *
 * Of the other it is all but what it permits that is refused: a policy that permits adds to others, one that denies
 * takes away.
 */
export function both(one: FinerRules | null, other: FinerRules | null): FinerRules | null {
  if (one === null || other === null || same(one, other)) return one ?? other;
  const isPermit = (policy: Json) => (policy["provision"] as Tree)["type"] === "permit";
  const provision = other.policies.filter(isPermit).map((policy) => policy["provision"]);
  const refusals = other.policies.filter((policy) => !isPermit(policy));
  const [first, second = first] = [readersOf(one), readersOf(other)].filter((each) => each !== null);
  const admitted = first && second ? first.both(second) : null;
  return rulesOf([...one.policies, always({ type: "deny", provision }), ...refusals], admitted);
}

/** Finer rules of these policies, for those readers only; null: for all who may read by the grant. */
export function rulesOf(policies: readonly Json[], admitted: Readers | null = null): FinerRules {
  const rules = { v: 1, policies: policies.length > 0 ? policies : [always(ALL)] };
  return admitted === null ? rules : { ...rules, readers: admitted.plain() };
}

/** Who alone may read by a grant with these finer rules; null: all who read for its purposes. */
export function readersOf(rules: unknown): Readers | null {
  return isObject(rules) && "readers" in rules ? readers.read(rules["readers"]) : null;
}

/** Whether these may leave out some of what is granted, from whoever may read. */
export function leavesOut(rules: unknown): boolean {
  return rules !== null && !same((rules as FinerRules).policies, [always(ALL)]);
}

/** Whether these are the rules of `since` for some day, and no more. */
export function onlySince(rules: unknown): boolean {
  const end = (rules as Since)?.policies?.[0]?.provision?.provision?.[0]?.dataPeriod?.end;
  if (typeof end !== "string" || !/^\d{4}-\d\d-\d\d$/.test(end)) return false;
  try {
    return same(rules, since(lastDay(interval(end)[0] / SECOND, 2)));
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

type Since = {
  readonly policies?: readonly {
    readonly provision?: { readonly provision?: readonly { readonly dataPeriod?: { readonly end?: unknown } }[] };
  }[];
} | null;

/** Whether two values of JSON are equal; the order of members does not count. */
export function same(one: unknown, other: unknown): boolean {
  return stable(one) === stable(other);
}

/** JSON in one spelling: members sorted. */
export function stable(value: unknown): string {
  const sorted = (one: Json) => Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(value, (_, one: unknown) => (isObject(one) ? sorted(one) : one)) ?? "";
}

function always(provision: Tree): Json {
  return { "opt-in": false, provision };
}

/** The finer rules that travel: as agreed, and what is hidden besides; null for none. */
export function finer({ rules, hides = [] }: { readonly rules: unknown; readonly hides?: readonly string[] }): unknown {
  return hides.length > 0 ? hiding((rules ?? null) as FinerRules | null, hides) : (rules ?? null);
}

// --- where they are kept to -----------------------------------------------------------------------------------------

/** The policies that finer rules consist of. Throws `Rejected(broken, rules)` for what says more or else. */
export function read(value: unknown): Policy[] {
  const { readers: admitted, ...rules } = isObject(value) ? value : {};
  const { policies } = shaped(rules, ["v", "policies"]);
  if (isObject(value) && "readers" in value) readers.read(admitted);
  if (rules["v"] !== 1 || !Array.isArray(policies) || policies.length === 0) throw broken("rules");
  return policies.map((one, number) => policy(number, one));
}

function shaped(value: unknown, members: readonly string[]): Json {
  if (!isObject(value)) throw broken("rules");
  const names = Object.keys(value);
  if (names.length !== members.length || !members.every((name) => names.includes(name))) throw broken("rules");
  return value;
}

function policy(number: number, value: unknown): Policy {
  const { "opt-in": optIn, provision } = shaped(value, ["opt-in", "provision"]);
  if (typeof optIn !== "boolean") throw broken("rules");
  checkRule(provision, 1);
  const template = optIn ? { template: "OPT-IN" } : {};
  try {
    return compile({ id: `rules-${number}`, status: "active", provision, ...template });
  } catch (error) {
    throw error instanceof Problem ? broken("rules") : error;
  }
}

function checkRule(rule: unknown, level: number): void {
  if (level > READ_DEPTH || !isObject(rule)) throw broken("rules");
  const { type, provision = [] } = rule;
  if (Object.keys(rule).some((name) => !ELEMENTS.includes(name))) throw broken("rules");
  if ((type !== "permit" && type !== "deny") || !Array.isArray(provision)) throw broken("rules");
  for (const child of provision) checkRule(child, level + 1);
}

/** What finer rules say of each resource: its `verdict` is good for each reader, purpose and time of the grant. */
export function decider(policies: readonly Policy[]): Decider {
  return new Decider(state({ policies }), request("patient", new Set(["counterpart"]), "TREAT", 0));
}
