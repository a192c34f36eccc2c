/**
 * Plain words of a consent: categories, purposes, days and the one sentence of a rule, in three languages.
 *
 * `de` is German, `en` English, `de-simple` plain German (Leichte Sprache), tags of BCP 47. No code is ever shown: one
 * sentence says who sees what, for what, until when. Python reads the same file of words.
 */

import file from "../../../consent/words.json";
import { NAMES } from "./categories.ts";
import { pad, wall } from "./dates.ts";
import { Problem } from "./problems.ts";
import { purposesAbove } from "./purposes.ts";
import { NO_END } from "./relations.ts";

export const LANGUAGES = ["de", "en", "de-simple"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The same in each language. */
export type Texts = readonly [de: string, en: string, simple: string];
type Group<N extends string = string> = { readonly [name in N]: Texts };

const CATEGORIES = file.categories as unknown as Group;
/** Each fits behind "für" and "for". A code that is not here is told by the nearest one above it, and by itself. */
const PURPOSES = file.purposes as unknown as Group;
const SENTENCES = file.sentences as unknown as Group<keyof typeof file.sentences>;
/** Categories that no template opens by itself. */
export const SENSITIVE: ReadonlySet<number> = new Set(
  (["mental", "intimate", "genetic"] as const).map((name) => NAMES.indexOf(name)),
);

/** Where a language stands in `LANGUAGES`. Throws `Problem(value)`. */
export function place(language: string): 0 | 1 | 2 {
  const found = LANGUAGES.indexOf(language as Language);
  if (found < 0) throw new Problem("value", `this language is not spoken here: choose of ${LANGUAGES.join(", ")}`);
  return found as 0 | 1 | 2;
}

/** A text with its places filled: `{who}` by `values.who`, all in one pass, so that no value is taken for a place. */
export function filled(text: string, values: { readonly [name: string]: string }): string {
  return text.replace(/\{(\w*)\}/g, (mark, name) => values[name] ?? mark);
}

/** A sentence in a language, its places filled. */
export function said(texts: Texts, language: string, values: { readonly [name: string]: string } = {}): string {
  return filled(texts[place(language)], values);
}

/** The names of the months. */
export function months(language: string): readonly string[] {
  return file.months[place(language)] ?? [];
}

/** A category, 0..15, as a patient knows it. */
export function category(index: number, language: string): string {
  return (CATEGORIES[NAMES[index] ?? ""] ?? ["", "", ""])[place(language)];
}

/** Categories in the order of the protocol: in one row, in plain German each on its own line. */
export function categories(indices: Iterable<number>, language: string): string {
  const named = [...indices].sort((a, b) => a - b).map((index) => category(index, language));
  return language === "de-simple" ? named.map((one) => `• ${one}`).join("\n") : named.join("; ");
}

/** A purpose, fit to stand behind "für" or "for"; one that has no words of its own is named beside the wider one. */
export function purpose(code: string, language: string): string {
  const own = Object.hasOwn(PURPOSES, code) ? PURPOSES[code] : undefined;
  if (own !== undefined) return own[place(language)];
  const above = purposesAbove(code);
  const [, wider] = Object.entries(PURPOSES).find(([known]) => above.has(known)) ?? [];
  return wider === undefined ? code : `${wider[place(language)]} (${code})`;
}

/** Purposes in one row. */
export function purposes(codes: readonly string[], language: string): string {
  return row(
    codes.map((code) => purpose(code, language)),
    language,
  );
}

/** `a, b und c`. */
export function row(words: readonly string[], language: string): string {
  const last = words.at(-1) ?? "";
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} ${said(SENTENCES.and, language)} ${last}` : last;
}

/** The day of a Unix second at the patient's place: `31. März 2027`, `31 March 2027`. */
export function day(second: number, language: string): string {
  const at = wall(second);
  return `${at.day}${language === "en" ? "" : "."} ${months(language)[at.month - 1]} ${at.year}`;
}

/** Day and time of day of a Unix second at the patient's place. */
export function moment(second: number, language: string): string {
  const { hour, minute } = wall(second);
  return `${day(second, language)}, ${pad(hour)}:${pad(minute)}${language === "en" ? "" : " Uhr"}`;
}

/** How long, told by the first Unix second after: by the day where it ends with one, else by the minute. */
export function until(second: number, language: string): string {
  if (second >= NO_END) return said(SENTENCES.ever, language);
  const { hour, minute, second: at } = wall(second);
  if (hour === 0 && minute === 0 && at === 0) return said(SENTENCES.day, language, { day: day(second - 1, language) });
  return said(SENTENCES.moment, language, { moment: moment(second, language) });
}

/** The one sentence: who sees what, for what, until when. `end`: the first Unix second after. */
export function rule(
  who: string,
  what: Iterable<number>,
  why: readonly string[],
  end: number,
  language: string,
): string {
  const parts = { who, what: categories(what, language), why: purposes(why, language), until: until(end, language) };
  return said(SENTENCES.rule, language, parts);
}

/** That a consent was signed on paper, and which desk recorded it: part of a sentence. */
export function onPaper(desk: string, language: string): string {
  return said(SENTENCES["on-paper"], language, { desk });
}
