/** What the pages say, in the reader's language, from one catalogue for each (`texts/`), loaded when it is spoken. */

import { Problem } from "./problems.ts";
import { Rejected } from "./rejected.ts";
import type de from "./texts/de.json";

export const LANGUAGES = ["de", "en"] as const;
export type Language = (typeof LANGUAGES)[number];
export type Key = keyof typeof de;
export type Values = { readonly [name: string]: string | number };

/** A language's texts by their keys, and the words that a passphrase is suggested from. */
type Catalogue = { readonly texts: { readonly [key: string]: string }; readonly words: readonly string[] };

/** Where the catalogues are, and what the browser checks before they are used: written by the build. */
declare const CATALOGUES: { readonly [language in Language]: { readonly path: string; readonly integrity: string } };
const KEPT = "obhut-language";

let chosen: Language = preferred();
let spoken: Catalogue = { texts: {}, words: [] };

/** The language the pages speak now. */
export function language(): Language {
  return chosen;
}

/** Learn the language of this reader, before anything is shown. Throws `Problem(busy)`. */
export async function begin(): Promise<void> {
  await learn(chosen);
}

/** Speak another language from now on, here and at the next visit. Throws `Problem(busy)`, and goes on as before. */
export async function speak(next: Language): Promise<void> {
  await learn(next);
  localStorage.setItem(KEPT, next);
}

/** The words that a passphrase is suggested from. */
export function words(): readonly string[] {
  return spoken.words;
}

/** The text of a key, with `{name}` replaced by values; numbers are written as the language does. */
export function text(key: Key, values: Values = {}): string {
  return (spoken.texts[key] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? numbers().format(value) : value;
  });
}

const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();

/** How the language writes dates; made once for each way, which takes longer than to write a hundred. */
export function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return format(`${chosen} date ${JSON.stringify(options)}`, () => new Intl.DateTimeFormat(chosen, options));
}

/** How the language writes numbers, made once. */
export function numbers(options: Intl.NumberFormatOptions = {}): Intl.NumberFormat {
  return format(`${chosen} number ${JSON.stringify(options)}`, () => new Intl.NumberFormat(chosen, options));
}

function format<T extends Intl.DateTimeFormat | Intl.NumberFormat>(name: string, make: () => T): T {
  const found = (formats.get(name) as T | undefined) ?? make();
  formats.set(name, found);
  return found;
}

/** A moment (Unix seconds) in the reader's language and time zone. */
export function moment(seconds: number): string {
  return dates({ dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

/** Whether the catalogue has this key. */
function isKey(key: string): key is Key {
  return Object.hasOwn(spoken.texts, key);
}

/** The text of a key that the catalogue may not have; then the empty string. */
export function optional(key: string): string {
  return isKey(key) ? text(key) : "";
}

/** One sentence for what went wrong; where nothing better is known, that something did. */
export function problemText(error: unknown): string {
  const code = error instanceof Problem ? error.code : error instanceof Rejected ? `rejected-${error.reason}` : "";
  const key = `problem.${code}`;
  if (isKey(key)) return text(key);
  return text(error instanceof Rejected ? "problem.rejected" : "problem.unknown");
}

async function learn(next: Language): Promise<void> {
  const { path, integrity } = CATALOGUES[next];
  try {
    spoken = await (await fetch(path, { integrity })).json();
  } catch {
    throw new Problem("busy", `the texts in ${next} cannot be had`);
  }
  chosen = next;
  document.documentElement.lang = next;
}

function preferred(): Language {
  if (!("document" in globalThis)) return "en";
  const kept = localStorage.getItem(KEPT);
  const found = [kept, ...navigator.languages].map((name) => name?.slice(0, 2));
  return LANGUAGES.find((name) => name === found.find((one) => LANGUAGES.some((known) => known === one))) ?? "de";
}
