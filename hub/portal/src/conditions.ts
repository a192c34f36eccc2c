/** What a rule asks of a resource. */

import type { Interval } from "./dates.ts";
import { type Item, meet, type Words } from "./items.ts";

/** Of a rule what is about resources; an empty set asks for nothing. `data`: pairs of meaning and reference. */
export type Conditions = {
  readonly permit: boolean;
  readonly classes: Words;
  readonly codes: Words;
  readonly labels: Words;
  readonly data: readonly (readonly [meaning: string, reference: string])[];
  readonly dataPeriod: Interval | null;
};

/** Whether a resource meets what a rule asks of its kind and of itself. */
export function meets({ permit, classes, codes, labels, data, dataPeriod }: Conditions, one: Item): boolean {
  if (classes.size > 0 && !meet(classes, one.classes)) return false;
  if (labels.size > 0 && !meet(labels, one.labels)) return false;
  if (codes.size > 0 && !meet(codes, one.codes)) return false;
  if (dataPeriod !== null && !isInDataPeriod(dataPeriod, permit, one.clinical)) return false;
  return data.length === 0 || data.some(([meaning, reference]) => isMeant(meaning, reference, one));
}

/** By overlap. Of unknown date it fails closed: denied by a denial and not permitted by a permit. */
function isInDataPeriod([start, end]: Interval, permit: boolean, clinical: Interval | null): boolean {
  return clinical === null ? !permit : clinical[0] < end && start < clinical[1];
}

/** https://hl7.org/fhir/R4/valueset-consent-data-meaning.html */
function isMeant(meaning: string, reference: string, { ref, authors, related, depends }: Item): boolean {
  if (meaning === "authoredby") return authors.has(reference);
  if (reference === ref) return true;
  return (meaning === "related" && related.has(reference)) || (meaning === "dependents" && depends.has(reference));
}
