/** JSON read so that numbers keep their digits, and numbers as the reader's language writes them. */

import type { Language } from "./text.ts";
import { utf8Text } from "./utf8.ts";

/** A number by its digits. */
export class Digits {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Source = { readonly source?: string };

/**
 * A JSON value whose numbers are `Digits`, `72.50` included
 * (https://tc39.es/proposal-json-parse-with-source/); a browser that cannot tell gives the shortest digits.
 */
export function exact(raw: Uint8Array): unknown {
  const revive = (_: string, value: unknown, context?: Source) =>
    typeof value === "number" ? new Digits(context?.source ?? String(value)) : value;
  return JSON.parse(utf8Text(raw, "fhir"), revive as (key: string, value: unknown) => unknown);
}

const POINTS = { de: ",", en: "." } as const;
const GROUPS = { de: ".", en: "," } as const;

/** Digits as a language writes them, none added and none lost: `1234.50` → `1.234,50`. */
export function localNumber(digits: string, language: Language): string {
  const plain = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(digits);
  if (plain === null) return digits;
  const [, sign = "", whole = "", fraction] = plain;
  const grouped = whole.replace(/\B(?=([0-9]{3})+$)/g, GROUPS[language]);
  return `${sign.replace("-", "−")}${grouped}${fraction === undefined ? "" : POINTS[language] + fraction}`;
}
