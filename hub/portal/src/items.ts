/** What a decision may know of a resource: nothing but what rules can ask for. */

import type { Interval } from "./dates.ts";
import { labelsAbove } from "./purposes.ts";

export type Words = ReadonlySet<string>;

/** http://terminology.hl7.org/CodeSystem/v3-Confidentiality */
export const CONFIDENTIALITY: Words = new Set(["U", "L", "M", "N", "R", "V"]);

/** What is normal, or less than that: as far as standing access and implicit policies reach. */
export const NORMAL: Words = new Set(["U", "L", "M", "N"]);

/** Categories that nothing opens but the patient's own word: neither standing access nor an implicit policy. */
export const SENSITIVE: Words = new Set(["mental", "intimate", "genetic"]);

/**
 * What a decision may know of a resource. Made by `item`, or from FHIR by `facts.ts`.
 *
 * `classes`: type, category, profiles. `labels`: confidentiality, and sensitivity with all it lies below. `clinical`:
 * the half-open interval of the data, null where unknown.
 */
export type Item = {
  readonly ref: string;
  readonly classes: Words;
  readonly confidentiality: string;
  readonly labels: Words;
  readonly codes: Words;
  readonly clinical: Interval | null;
  readonly authors: Words;
  readonly related: Words;
  readonly depends: Words;
};

const NONE: Words = new Set();
const NO_FACTS = { codes: NONE, clinical: null, authors: NONE, related: NONE, depends: NONE };

/** What an author said of a resource: its confidentiality, its sensitivity, and whether its labels can be read. */
export type Marks = {
  readonly confidentiality?: string | null;
  readonly sensitivity?: Iterable<string>;
  readonly labelled?: boolean;
};

/**
 * An `Item` with its labels completed.
 *
 * Without a confidentiality, what is sensitive is R and all else N. Not `labelled`: who should have labelled it failed,
 * or its labels cannot be read, so it is R at least.
 */
export function item(
  ref: string,
  classes: Iterable<string>,
  { confidentiality = null, sensitivity = [], labelled = true }: Marks = {},
  facts: Partial<Item> = {},
): Item {
  const marks = [...sensitivity];
  const stated = confidentiality || (marks.length > 0 ? "R" : "N");
  const level = !labelled && NORMAL.has(stated) ? "R" : stated;
  const labels = new Set([level, ...marks.flatMap((mark) => [...labelsAbove(mark)])]);
  return { ...NO_FACTS, ref, classes: new Set(classes), confidentiality: level, labels, ...facts };
}

/** Neither confidential beyond N nor sensitive in any way. */
export function isNormal(one: Item): boolean {
  return NORMAL.has(one.confidentiality) && !isSensitive(one);
}

/** Marked with a label of sensitivity, or of a category that is sensitive as such. */
export function isSensitive({ labels, classes }: Item): boolean {
  return labels.size > 1 || meet(SENSITIVE, classes);
}

/** Whether two sets have a word in common. */
export function meet(some: Words, others: Words): boolean {
  for (const one of some) if (others.has(one)) return true;
  return false;
}
