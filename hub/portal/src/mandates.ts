/** Mandates: who may act for a patient, in what, for how long (EHDS Art. 4 (2): in whole or in part, for a purpose). */

import { FOREVER, type Interval, interval, pad } from "./dates.ts";
import { meet, type Words } from "./items.ts";

export type Kind = "chosen" | "guardian" | "court-appointed" | "power-of-attorney";
export const KINDS: readonly Kind[] = ["chosen", "guardian", "court-appointed", "power-of-attorney"];
/** So many may act for her at a time whom she chose; more she could hardly watch. */
export const MOST_CHOSEN = 5;
/** Years. From this birthday on a child speaks for herself; § 36 SGB I and the practice of the ePA. */
export const AGE_SWITCH = 15;

/** What nobody does for a patient, whatever the mandate says: appoint others, end or erase the record. */
export const NEVER_BY_MANDATE: Words = new Set(["delegate", "close-record", "delete-record"]);
/** What each delegate may do at any time: give the mandate back. */
export const RESIGN = "resign";
export const MANAGE_CONSENT = "manage-consent";

/**
 * What a delegate may do for the patient, within a half-open period.
 *
 * Empty `actions`, `classes` or `purposes`: all but `NEVER_BY_MANDATE`. `hidden`: references, classes or labels kept
 * from the delegate.
 */
export type Mandate = {
  readonly delegate: string;
  readonly period: Interval;
  readonly revoked: boolean;
  readonly notActions: Words;
  readonly classes: Words;
  readonly purposes: Words;
  readonly hidden: Words;
  readonly kind: Kind;
  readonly actions: Words;
};

/** Whether it holds at an instant; a guardian's ends with the age switch, at `ofAge`. */
export function isLive(mandate: Mandate, at: number, ofAge = FOREVER): boolean {
  return !mandate.revoked && wasHeld(mandate, at, ofAge);
}

/** Whether it had been given for an instant, revoked since or not. */
export function wasHeld({ period: [start, end], kind }: Mandate, at: number, ofAge = FOREVER): boolean {
  return start <= at && at < (kind === "guardian" ? Math.min(end, ofAge) : end);
}

/** Whether it is for this act (with the word of a Consent above it) and purpose (with those above it). */
export function allows(mandate: Mandate, actions: Words, purposes: Words): boolean {
  if (meet(actions, mandate.notActions) || meet(actions, NEVER_BY_MANDATE)) return false;
  const isAct = mandate.actions.size === 0 || meet(actions, mandate.actions);
  return isAct && (mandate.purposes.size === 0 || meet(purposes, mandate.purposes));
}

/**
 * The instant at which a child born on a day (`2015-03-31`) has lived so many years: the birthday's first moment at her
 * place.
 *
 * Who was born on 29 February has a birthday on 1 March in other years (§ 188 (2) BGB). Throws `Problem(value)` for no day.
 */
export function ofAge(born: string, years = AGE_SWITCH): number {
  interval(born);
  const [year = 0, month = 0, day = 0] = born.split("-").map(Number);
  const birthday = new Date(Date.UTC(year + years, month - 1, day));
  const [on, of] = [birthday.getUTCDate(), birthday.getUTCMonth() + 1];
  return interval(`${year + years}-${pad(of)}-${pad(on)}`)[0];
}
