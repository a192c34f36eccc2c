/** What is about to be granted, put together before anything is signed. The twin of `connectors/patient/offers.py`. */

import type { Agreement } from "../fhir_consent.ts";
import { type FinerRules, onlySince, upTo } from "../finer_rules.ts";
import { closedTo } from "../floor.ts";
import { Problem as Unknown } from "../problems.ts";
import { templateOf } from "../standing.ts";
import { end, type Template, template, templates } from "../template.ts";
import { SENSITIVE } from "../words.ts";
import { agreedIn, type Granted, type Request } from "./sharing.ts";

/**
 * What is about to be granted to whom. `end`: a FHIR date or dateTime, or empty; `policy`: the template by its URI, empty
 * without one; `whole`: the past, too; `writes`: it may also add to her record;
 * `rules`: finer rules under which it is.
 */
export type Offer = {
  readonly to: string;
  readonly fingerprint: string;
  readonly categories: ReadonlySet<number>;
  readonly purposes: readonly string[];
  readonly end: string;
  readonly policy: string;
  readonly whole: boolean;
  readonly writes: boolean;
  readonly rules?: FinerRules | null;
};

/** As it would be signed, its text shown in a language. */
export function agreementOf({ to, ...offer }: Offer, patient: string, language: string): Agreement {
  const { categories, purposes, end, policy } = offer;
  const shown = policy ? language : "";
  return { patient, counterpart: to, categories, purposes, start: "", end, policy, language: shown, paper: null };
}

/** A template's offer at a moment (Unix seconds). */
export function byTemplate(to: string, fingerprint: string, found: Template, now: number): Offer {
  const { categories, purposes, uri: policy, whole, confidentiality } = found;
  const rules = confidentiality.size > 0 ? upTo(confidentiality) : null;
  return { to, fingerprint, categories, purposes, end: end(found, now), policy, whole, writes: false, rules };
}

/** What somebody asks for, but for what is most confidential: that she adds herself, if she wants. */
export function byRequest({ received, asks }: Request, now: number): Offer {
  const { categories, purposes, policy } = asks;
  const found = policy ? known(policy) : null;
  const until = asks.end || (found ? end(found, now) : "");
  return {
    to: asks.counterpart,
    fingerprint: received.sender.fingerprint,
    categories: new Set([...categories].filter((category) => !SENSITIVE.has(category))),
    purposes,
    end: until,
    policy: found?.whole ? policy : "",
    whole: true,
    writes: false,
  };
}

/** A grant that stands, to be changed. Null for one that a delegate made, whose terms are not held. */
export function byGrant({ to, terms }: Granted): Offer | null {
  if (terms === null) return null;
  const { categories, purposes, end, policy } = agreedIn(terms);
  const rules = (terms.rules ?? null) as FinerRules | null;
  return { to, fingerprint: "", categories, purposes, end, policy, whole: terms.whole, writes: false, rules };
}

/** An offer as the law lets a house of a type have it. */
export function lawful(offer: Offer, type: string): Offer {
  const closed = closedTo(type);
  return { ...offer, categories: new Set([...offer.categories].filter((category) => !closed.has(category))) };
}

/** What is usually allowed to a house of this type: standing access first, where it has any. */
export function presets(type: string): Template[] {
  const standing = templateOf(type);
  return templates().filter(({ id, confidentiality }) => confidentiality.size === 0 || id === standing);
}

/** With other categories. Who adds what is most confidential opens it, where the template would have kept it closed. */
export function withCategories(offer: Offer, categories: ReadonlySet<number>): Offer {
  const isKept = known(offer.policy)?.confidentiality.size ?? 0;
  const isOpened = isKept > 0 && [...categories].some((category) => SENSITIVE.has(category));
  return isOpened ? { ...offer, categories, policy: "", rules: null } : { ...offer, categories };
}

/** From the beginning or from now on; a text that speaks of the other is not signed with it. */
export function withWhole(offer: Offer, whole: boolean): Offer {
  const found = offer.policy ? known(offer.policy) : null;
  const rules = whole && onlySince(offer.rules ?? null) ? null : (offer.rules ?? null);
  return { ...offer, whole, rules, policy: found?.whole === whole ? offer.policy : "" };
}

/** The template of a name, where it is known here. */
export function known(name: string): Template | null {
  try {
    return template(name);
  } catch (error) {
    if (error instanceof Unknown) return null;
    throw error;
  }
}
