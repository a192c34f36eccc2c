/**
 * What is hidden, in each grant: which grants are still to be signed again so that they hide it, and no more.
 *
 * Pure, as `owed.ts`, and asked when nothing else is owed: the vault says what is hidden, and the terms that a grant
 * names say what it hides already (PROTOCOL.md 4.4). So any client finishes what another one, or it itself before a
 * crash, left half done, also for a grant by a delegate who did not know yet.
 */

import { byDevice } from "./accounts.ts";
import { utcTime } from "./dates.ts";
import { build, consentId, lastMoment } from "./fhir_consent.ts";
import { same } from "./finer_rules.ts";
import type { Record } from "./grants.ts";
import { equal, randomBytes, utf8 } from "./primitives.ts";
import type { Grant } from "./relations.ts";
import * as steps from "./steps.ts";
import type { Terms, Vault } from "./vault.ts";
import { termsOf } from "./who.ts";

/** What to write next: the vault with fresh terms, or an amended grant by terms that the vault holds; or nothing. */
export function amend(record: Record, vault: Vault, signer: steps.Signer, now: number): Vault | steps.Written | null {
  let restated = vault;
  for (const [oth, known] of readable(record, vault, now)) {
    const terms = termsFor(record, vault, oth, known);
    if (terms === null || same(terms.hides ?? [], vault.hidesFrom(oth))) continue;
    const wanted = { ...terms, hides: vault.hidesFrom(oth) };
    const kept = vault.terms.get(known.gid);
    if (kept !== undefined && isAlike(kept, wanted)) {
      return steps.grant(record, vault, known.gid, kept, signer, now, known.cover);
    }
    // Elder terms stay in the vault under the hash of their Consent: proof of what was allowed.
    if (terms.salt.length > 0) restated = restated.withTerms(steps.consentHash(terms), terms);
    restated = restated.withTerms(known.gid, { ...wanted, salt: randomBytes(16) });
  }
  return restated === vault ? null : restated;
}

/** Whether two terms are the same but for their salt. */
function isAlike(one: Terms, other: Terms): boolean {
  const plain = ({ categories, consent: _, salt: __, emergency = [], hides = [], ...rest }: Terms) => {
    return { ...rest, emergency, hides, categories: [...categories].sort((a, b) => a - b) };
  };
  return equal(one.consent, other.consent) && same(plain(one), plain(other));
}

/** The ids of grants that cannot be made to hide what is: a delegate made them under rules not known here. */
export function unreached(record: Record, vault: Vault, now: number): string[] {
  const grants = readable(record, vault, now).filter(([oth]) => vault.hidesFrom(oth).length > 0);
  return grants.filter(([oth, known]) => termsFor(record, vault, oth, known) === null).map(([, { gid }]) => gid);
}

/** The ids of grants of delegates that `amend` takes to have the rules by which the delegate reads. */
export function assumed(record: Record, vault: Vault, now: number): string[] {
  const isAssumed = (terms: Terms | null) =>
    terms !== null && terms.salt.length === 0 && !same(terms.hides ?? [], vault.hidesFrom(terms.oth));
  const grants = readable(record, vault, now);
  return grants.filter(([oth, known]) => isAssumed(termsFor(record, vault, oth, known))).map(([, { gid }]) => gid);
}

/** Counterpart and grant of all by which somebody reads; in an emergency what she chose for one counts instead. */
function readable(record: Record, vault: Vault, now: number): (readonly [oth: string, grant: Grant])[] {
  const found = record.liveGrants(now).filter(([, { gid, rules }]) => {
    const terms = vault.terms.get(gid);
    return rules.body.em.length === 0 && (terms === undefined || terms.consent.length > 0);
  });
  return found.map(([relation, grant]) => [relation.oth, grant]);
}

/**
 * The terms by which a grant was made; those of a delegate's grant from the chain, of a salt that is not known.
 *
 * Its rules are those the delegate reads by itself (PROTOCOL.md 5.12); null where it reads by several.
 */
function termsFor(record: Record, vault: Vault, oth: string, known: Grant): Terms | null {
  const terms = termsOf(vault, known.rules);
  const [by] = byDevice(known.rules.by);
  if (terms !== null || by === record.account.acc) return terms;
  const own = [...vault.terms.values()].filter((one) => one.oth === by && one.consent.length > 0);
  const [first] = own;
  if (first === undefined || own.some((one) => !same(one.rules ?? null, first.rules ?? null))) return null;
  const { purpose: purposes, nb, until, grow, req } = known.rules.body;
  const categories = steps.granted(vault, known);
  const start = nb ? utcTime(nb) : "";
  const agreed = { patient: record.account.acc, counterpart: oth, categories, purposes, start, end: lastMoment(until) };
  const named = { ...agreed, policy: "", language: "", paper: null };
  const consent = utf8(JSON.stringify(build(named, consentId(known.gid), known.rules.iat)));
  const whole = [...known.cover.values()].every(({ from }) => from === 1);
  const kept = { oth, categories, whole, grow: grow === 1, purposes, nb, until, consent };
  return { ...kept, salt: new Uint8Array(), rules: first.rules ?? null, request: req };
}
