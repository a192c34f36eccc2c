/** What the pages say, in the reader's language, from one catalogue for each (`texts/`). */

import { Rejected } from "./primitives.ts";
import { Problem } from "./problems.ts";
import de from "./texts/de.json";
import en from "./texts/en.json";

export const LANGUAGES = ["de", "en"] as const;
export type Language = (typeof LANGUAGES)[number];
export type Key = keyof typeof de;
export type Values = { readonly [name: string]: string | number };

const CATALOGUES: { readonly [language in Language]: { readonly [key in Key]: string } } = { de, en };
const KEPT = "obhut-language";

let chosen: Language = preferred();

/** The language the pages speak now. */
export function language(): Language {
  return chosen;
}

/** Speak another language from now on, here and at the next visit. */
export function speak(next: Language): void {
  chosen = next;
  localStorage.setItem(KEPT, next);
  document.documentElement.lang = next;
}

/** The text of a key, with `{name}` replaced by values; numbers are written as the language does. */
export function text(key: Key, values: Values = {}): string {
  return CATALOGUES[chosen][key].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? new Intl.NumberFormat(chosen).format(value) : value;
  });
}

/** A moment (Unix seconds) in the reader's language and time zone. */
export function moment(seconds: number): string {
  return new Intl.DateTimeFormat(chosen, { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

/** Whether the catalogue has this key. */
function isKey(key: string): key is Key {
  return Object.hasOwn(de, key);
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

function preferred(): Language {
  if (!("document" in globalThis)) return "en";
  const kept = localStorage.getItem(KEPT);
  const found = [kept, ...navigator.languages].map((name) => name?.slice(0, 2));
  return LANGUAGES.find((name) => name === found.find((one) => LANGUAGES.some((known) => known === one))) ?? "de";
}
