/** How what was agreed lies in the vault: terms of grants, and the words of guardians. */

import { b64, unb64 } from "./primitives.ts";

/**
 * What the patient agreed with a counterpart under one grant id, in the words of the projection.
 *
 * `categories`: indices granted. `whole`: from the first epoch, else from now on. `consent`: the FHIR Consent as
 * signed for this counterpart, `salt` its 16 bytes. `rules`: the finer rules as agreed, JSON; `hides`: absent, or what
 * she hid from all when it was signed, as `Type/id`. Other rules or other hides take another salt. Times in Unix
 * seconds. `emergency`: absent, or as `em` of the grant: the span in seconds, then the roles that may declare.
 */
export type Terms = {
  readonly oth: string;
  readonly categories: ReadonlySet<number>;
  readonly whole: boolean;
  readonly grow: boolean;
  readonly purposes: readonly string[];
  readonly nb: number;
  readonly until: number;
  readonly consent: Uint8Array;
  readonly salt: Uint8Array;
  readonly rules: unknown;
  readonly request: string;
  readonly emergency?: readonly (number | string)[];
  readonly hides?: readonly string[];
};

/** What one guardian last decided for a counterpart: when (Unix seconds), and the terms, or null for a refusal. */
export type Word = { readonly at: number; readonly terms: Terms | null };

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
