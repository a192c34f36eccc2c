/** What would be seen if something were granted, counted before it is signed. The twin of `connectors/patient/insight.py`. */

import type { Vault } from "../vault.ts";
import type { Offer } from "./offers.ts";
import type { Stored } from "./stored.ts";

/** Entries by category: how many will be seen, and how many not. */
export type Foreseen = { readonly seen: ReadonlyMap<number, number>; readonly closed: ReadonlyMap<number, number> };

/** Of what is opened here: what an offer shows. What she hides from all stays closed, and so does the past, if asked. */
export function ifGranted(stored: readonly Stored[], { hides }: Vault, { categories, whole }: Offer): Foreseen {
  const hidden = new Set(hides);
  const isSeen = ({ category, resource }: Stored) =>
    whole && categories.has(category) && !hidden.has(`${resource["resourceType"]}/${resource["id"]}`);
  return { seen: counted(stored.filter(isSeen)), closed: counted(stored.filter((one) => !isSeen(one))) };
}

/** How many all of them are together. */
export function total(counts: ReadonlyMap<number, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function counted(stored: readonly Stored[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const { category } of stored) counts.set(category, (counts.get(category) ?? 0) + 1);
  return counts;
}
