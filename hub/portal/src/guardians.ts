/**
 * Two guardians who disagree: the narrower holds, until one of them says otherwise or the patient herself speaks.
 *
 * What each guardian last decided for a counterpart stands in the vault, its word. What is granted is what all of them
 * grant together, as `lineages.ts` decides of the same records; by one grant for each counterpart, whose id follows
 * from both accounts. Pure, as `owed.ts`: any client signs what chains and vault say, whoever spoke last.
 */

import { utcTime } from "./dates.ts";
import { build, consentId, lastMoment } from "./fhir_consent.ts";
import { both, type FinerRules, same } from "./finer_rules.ts";
import type { Record } from "./grants.ts";
import { FULL, liveDelegates } from "./lockout.ts";
import { b64, labelHash, randomBytes, utf8, utf8Text } from "./primitives.ts";
import { within } from "./purposes.ts";
import { type Cover, type Grant, live } from "./relations.ts";
import * as steps from "./steps.ts";
import type { Terms, Vault, Word } from "./vault.ts";

export const GUARDIAN = "guardian";

export type Words = ReadonlyMap<string, Word>;

/** What a guardian holds back from a counterpart, of what another one grants it. `refuses`: everything. */
export type Held = {
  readonly oth: string;
  readonly by: string;
  readonly categories: ReadonlySet<number>;
  readonly refuses: boolean;
};

/** The accounts of the guardians who may act now with the keys of the vault. */
export function guardians({ account }: Record, vault: Vault, now: number): Set<string> {
  const full = liveDelegates(account.delegates, now).filter((one) => one.scope === FULL);
  return new Set(full.map((one) => one.to).filter((name) => vault.mandates.get(name)?.kind === GUARDIAN));
}

/** The words that count: those of live guardians; where there is none, what was said last stays said. */
export function counted(words: Words, guardiansNow: ReadonlySet<string>): Words {
  const own = [...words].filter(([name]) => guardiansNow.has(name));
  const last = Math.max(0, ...[...words.values()].map((word) => word.at));
  return new Map(own.length > 0 ? own : [...words].filter(([, word]) => word.at === last));
}

/** What all of these permit; null where that is nothing. One word alone is taken as it is. */
export function together(words: readonly Word[], now: number): Terms | null {
  const terms = words.map((word) => word.terms).filter((one) => one !== null);
  if (terms.length === 0 || terms.length < words.length) return null;
  const found = terms.reduce(narrower);
  const isSome = found.categories.size > 0 && found.purposes.length > 0 && Math.max(found.nb, now) < found.until;
  return isSome ? found : null;
}

function narrower(one: Terms, other: Terms): Terms {
  if (isSame(one, other)) return one;
  const purposes = [
    ...one.purposes.filter((purpose) => within(purpose, other.purposes)),
    ...other.purposes.filter((purpose) => within(purpose, one.purposes)),
  ];
  return {
    oth: one.oth,
    categories: new Set([...one.categories].filter((category) => other.categories.has(category))),
    whole: one.whole && other.whole,
    grow: one.grow && other.grow,
    purposes: [...new Set(purposes)].sort(),
    nb: Math.max(one.nb, other.nb),
    until: Math.min(one.until, other.until),
    consent: new Uint8Array(),
    salt: new Uint8Array(),
    rules: both((one.rules ?? null) as FinerRules | null, (other.rules ?? null) as FinerRules | null),
    request: "",
  };
}

/** Whether two terms agree the same; text, salt and request do not count. */
function isSame(one: Terms, other: Terms): boolean {
  const substance = ({ categories, whole, grow, purposes, nb, until, rules }: Terms) => {
    return [[...categories].sort((a, b) => a - b), whole, grow, purposes, nb, until, rules ?? null];
  };
  return same(substance(one), substance(other));
}

/** The id of what guardians grant a counterpart, and the grant where it is live. After an end another id follows. */
export function joint(record: Record, oth: string, now: number): readonly [gid: string, grant: Grant | null] {
  const known = record.relations.get(oth)?.grants;
  for (let number = 0; ; number += 1) {
    const gid = b64(labelHash("obhut-guardians", record.account.acc, oth, number).slice(0, 16));
    const grant = known?.get(gid);
    if (grant === undefined) return [gid, null];
    if (live(grant, now)) return [gid, grant];
  }
}

/** What to write next: the vault with fresh terms, a grant by terms that it holds, the end of one; or nothing. */
export function amend(record: Record, vault: Vault, signer: steps.Signer, now: number): Vault | steps.Written | null {
  const acting = guardians(record, vault, now);
  for (const oth of record.relations.keys()) {
    const [gid, known] = joint(record, oth, now);
    const wanted = together([...counted(vault.words.get(oth) ?? new Map(), acting).values()], now);
    const kept = vault.terms.get(gid);
    if (wanted === null) {
      if (known !== null) return steps.end(record, oth, gid, signer, now);
    } else if (kept === undefined || !isSame(kept, wanted)) {
      // Elder terms are proof of what was allowed.
      const proven = known !== null && kept !== undefined ? vault.withTerms(steps.consentHash(kept), kept) : vault;
      return proven.withTerms(gid, signed(record, gid, { ...wanted, hides: vault.hidesFrom(oth) }, now));
    } else if (known?.rules.body.consent !== steps.consentHash(kept)) {
      return steps.grant(record, vault, gid, kept, signer, now, coverOf(record, vault, kept, known));
    }
  }
  return null;
}

/** With the Consent as it is signed, in the words of the only guardian who spoke, or of none. */
function signed(record: Record, gid: string, terms: Terms, now: number): Terms {
  const consent = utf8(JSON.stringify({ ...consentOf(record, gid, terms, now), id: consentId(gid) }));
  return { ...terms, consent, salt: randomBytes(16) };
}

function consentOf({ account }: Record, gid: string, terms: Terms, now: number): object {
  if (terms.consent.length > 0) return JSON.parse(utf8Text(terms.consent, "fhir"));
  const { oth: counterpart, categories, purposes, nb, until } = terms;
  const time = { start: nb ? utcTime(nb) : "", end: lastMoment(until) };
  const agreed = { patient: account.acc, counterpart, categories, purposes, ...time };
  return build({ ...agreed, policy: "", language: "", paper: null }, consentId(gid), now);
}

/** As of any grant; what began with an epoch already goes on from there. */
function coverOf(record: Record, vault: Vault, terms: Terms, known: Grant | null): Cover {
  const cover = steps.wholeCover(record, vault, terms);
  if (terms.whole || known === null) return cover;
  const begun = (set: string, from: number) => {
    const first = known.cover.get(set)?.from ?? 1;
    return first > 1 ? first : from;
  };
  return new Map([...cover].map(([set, { from, mask }]) => [set, { from: begun(set, from), mask }]));
}

/** Of what one guardian grants what another holds back, counterpart by counterpart. */
export function heldBack(record: Record, vault: Vault, now: number): Held[] {
  const acting = guardians(record, vault, now);
  const byName = <T>([a]: [string, T], [b]: [string, T]) => (a < b ? -1 : 1);
  return [...vault.words].sort(byName).flatMap(([oth, all]) => {
    const said = [...counted(all, acting)].sort(byName);
    return said.flatMap(([by, { terms }]) => {
      const others = said.filter(([name]) => name !== by).flatMap(([, word]) => [...(word.terms?.categories ?? [])]);
      const categories = new Set(others.filter((category) => !terms?.categories.has(category)));
      return categories.size > 0 ? [{ oth, by, categories, refuses: terms === null }] : [];
    });
  });
}
