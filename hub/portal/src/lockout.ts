/**
 * Who holds the key of the vault's key compartment and must not any more: told from chains and the root compartment.
 *
 * Pure, as `owed.ts`, and asked before it: the patient's own client then gives the compartment another key and the
 * account another reading key (PROTOCOL.md 5.12); what was sealed to what is known outside is rotated by what is owed.
 */

import type { Delegate } from "./accounts.ts";
import type { Record } from "./grants.ts";
import { type Grant, live } from "./relations.ts";
import * as steps from "./steps.ts";
import type { Terms, Vault } from "./vault.ts";

/** The scope of a delegate who is given the vault, but for the root compartment. */
export const FULL = "full";
/** For what a delegate reads by the grant that comes with a mandate: codes of v3-ActReason. */
export const PURPOSES: readonly string[] = ["FAMRQT", "TREAT"];

/** Of those to whom the key was handed the live delegates of scope `full`: they may have it. */
export function holders(record: Record, shared: readonly string[], now: number): string[] {
  return shared.filter((name) => delegate(record, name, now) !== undefined);
}

/** Whether somebody has the key who must not: no delegate any more, or a lost device of one. */
export function mustChange(record: Record, shared: readonly string[], now: number): boolean {
  const changes = record.account.links.filter((link) => link.typ === "reading" && link.body.bad);
  const locked = Math.max(-1, ...changes.map((link) => link.iat));
  return shared.some((name) => hasLost(record, delegate(record, name, now), locked));
}

/**
 * The vault with other candidates, for all open sets: who has the elder key may have seen those of before.
 *
 * Another delegate may have made them after somebody's mandate ended, and before the compartment has another key.
 */
export function fresh(record: Record, vault: Vault, now: number): Vault {
  const open = [...record.sets].filter(([set, state]) => !state.closed && vault.sets.has(set)).map(([set]) => set);
  return steps.prepare(record, vault.withoutCandidates(vault.candidates.keys()), open, now);
}

/** The live grants to read that came with somebody's last mandate: they run just as long. */
export function cameWith(record: Record, vault: Vault, name: string, now: number): Grant[] {
  const last = record.account.delegates.filter((one) => one.to === name).at(-1);
  const grants = [...(record.relations.get(name)?.grants.values() ?? [])];
  return grants.filter((grant) => live(grant, now) && last !== undefined && isWith(vault.terms.get(grant.gid), last));
}

function isWith(terms: Terms | undefined, mandate: Delegate): boolean {
  if (terms === undefined || terms.consent.length === 0 || terms.until !== mandate.end) return false;
  return terms.purposes.length === PURPOSES.length && terms.purposes.every((one, i) => one === PURPOSES[i]);
}

/** What came with the mandate of those who had the key and are no delegates any more: account and grant. */
export function leftBehind(
  record: Record,
  vault: Vault,
  shared: readonly string[],
  now: number,
): (readonly [name: string, grant: Grant])[] {
  const stay = holders(record, shared, now);
  const gone = [...new Set(shared)].filter((name) => !stay.includes(name)).sort();
  return gone.flatMap((name) => cameWith(record, vault, name, now).map((grant) => [name, grant] as const));
}

function delegate({ account }: Record, name: string, now: number): Delegate | undefined {
  return liveDelegates(account.delegates, now).find((one) => one.to === name && one.scope === FULL);
}

/** Those who are delegates at a Unix second, by the head of the chain. */
export function liveDelegates(delegates: readonly Delegate[], now: number): Delegate[] {
  return delegates.filter((one) => one.until === null && one.nb <= now && now < one.end);
}

/** `locked`: the second since which the compartment has had its key. */
function hasLost({ account, accounts }: Record, mandate: Delegate | undefined, locked: number): boolean {
  if (mandate === undefined) return true;
  const since = account.links[mandate.since]?.iat ?? 0;
  const losses = accounts.get(mandate.to)?.losses ?? [];
  return losses.some((loss) => loss.client && loss.iat > locked && loss.iat >= since);
}
