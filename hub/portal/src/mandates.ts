/** Mandates: who may act for a patient, in what, for how long (EHDS Art. 4 (2): in whole or in part, for a purpose). */

import { FOREVER, type Interval } from "./dates.ts";
import { meet, type Words } from "./items.ts";

export type Kind = "chosen" | "guardian" | "court-appointed" | "power-of-attorney";

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
