/** Standing access: what one tap, or a card in the reader, opens to a practice for some days. */

import type { Interval } from "./dates.ts";
import type { Words } from "./items.ts";

/**
 * Standing access of one actor for treatment, within a half-open period.
 *
 * `reaches`: confidentiality that it opens; beyond `NORMAL` only what the patient added.
 */
export type Standing = { readonly actor: string; readonly period: Interval; readonly reaches: Words };

const LONG = ["practice", "hospital", "emergency", "care", "laboratory"];
const SHORT = ["pharmacy", "public-health", "occupational"];

/** The template by which standing access is signed, by what the directory says a house is; empty where it has none. */
export function templateOf(type: string): string {
  if (LONG.includes(type)) return "standing-90-days";
  return SHORT.includes(type) ? "standing-3-days" : "";
}
