/** How what was agreed lies in the vault: terms of grants, and the words of guardians. */

import { b64, unb64 } from "./primitives.ts";
import type { Terms, Word } from "./vault.ts";

export type DumpedTerms = Omit<Terms, "categories" | "consent" | "salt"> &
  Readonly<{ categories: readonly number[]; consent: string; salt: string }>;
export type DumpedWords = { readonly [guardian: string]: readonly [at: number, terms: DumpedTerms | null] };

/** Categories in order. */
export function ascending(categories: ReadonlySet<number>): readonly number[] {
  return [...categories].sort((a, b) => a - b);
}

/** Words by guardian, as JSON. */
export function dumpWords(words: ReadonlyMap<string, Word>): DumpedWords {
  return Object.fromEntries([...words].map(([name, { at, terms }]) => [name, [at, terms && dumpTerms(terms)]]));
}

/** Read what `dumpWords` wrote. */
export function loadWords(words: DumpedWords): ReadonlyMap<string, Word> {
  return new Map(Object.entries(words).map(([name, [at, terms]]) => [name, { at, terms: terms && loadTerms(terms) }]));
}

/** Terms as JSON. */
export function dumpTerms(terms: Terms): DumpedTerms {
  return { ...terms, categories: ascending(terms.categories), consent: b64(terms.consent), salt: b64(terms.salt) };
}

/** Read what `dumpTerms` wrote. Throws `Rejected`. */
export function loadTerms(terms: DumpedTerms): Terms {
  const categories = new Set(terms.categories);
  return { ...terms, categories, consent: unb64(terms.consent), salt: unb64(terms.salt) };
}
