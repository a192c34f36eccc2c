/** What a person may ask of the opened record; answered on this device. */

import type { Stored } from "./client/stored.ts";
import type { Resource } from "./opening.ts";
import { order, searchable, when } from "./summary.ts";

/** What is asked for: words, an author, and how many days back; empty or 0 where it does not matter. */
export type Question = { readonly words: string; readonly author: string; readonly days: number };

export const NO_QUESTION: Question = { words: "", author: "", days: 0 };

const DAY_MS = 86_400_000;
const texts = new WeakMap<Resource, string>();

/** The newest first. */
export function newestFirst(entries: readonly Stored[]): Stored[] {
  const dated = entries.map((entry) => ({ entry, at: order(when(entry.resource)) }));
  return dated.sort((a, b) => b.at - a.at).map(({ entry }) => entry);
}

/** What fits a question. */
export function asked(entries: readonly Stored[], { words, author, days }: Question): readonly Stored[] {
  const terms = words.toLowerCase().split(/\s+/).filter(Boolean);
  const from = Date.now() - days * DAY_MS;
  return entries.filter(({ resource, author: wrote }) => {
    if (author !== "" && wrote !== author) return false;
    if (days !== 0 && order(when(resource)) < from) return false;
    return terms.length === 0 || terms.every((term) => textOf(resource).includes(term));
  });
}

function textOf(resource: Resource): string {
  let found = texts.get(resource);
  if (found === undefined) texts.set(resource, (found = searchable(resource)));
  return found;
}
