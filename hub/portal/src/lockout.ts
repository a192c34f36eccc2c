/**
 * Who holds the key of the vault's key compartment and must not any more: told from chains and the root compartment.
 *
 * Pure, as `owed`, and asked before it: the patient's own client then gives the compartment another key and the account
 * another reading key (PROTOCOL.md 5.12); what was sealed to what is known outside is rotated by what is owed.
 */

import type { Delegate } from "./accounts.ts";
import type { Record } from "./grants.ts";
import type { Grant } from "./relations.ts";
import { prepare } from "./steps.ts";
import type { Terms, Vault } from "./vault.ts";

const FULL = "full";
const PURPOSES = "FAMRQT TREAT";

/** Of those to whom the key was handed the live delegates of scope `full`: they may have it. */
export function holders(record: Record, shared: readonly string[], now: number): string[] {
  return shared.filter((name) => delegate(record, name, now) !== undefined);
}

/** Whether somebody has the key who must not: no delegate any more, or a lost device of one. */
export function mustChange(record: Record, shared: readonly string[], now: number): boolean {
  const renewed = record.account.links.filter(({ typ, body }) => typ === "reading" && "bad" in body && body.bad === 1);
  const locked = Math.max(-1, ...renewed.map(({ iat }) => iat));
  return shared.some((name) => isLost(record, delegate(record, name, now), locked));
}

/** The vault with other candidates, for all open sets: who has the elder key may have seen those of before. */
export function fresh(record: Record, vault: Vault, now: number): Vault {
  const open = [...record.sets].filter(([name, state]) => !state.closed && vault.sets.has(name)).map(([name]) => name);
  return prepare(record, vault.withoutCandidates(vault.candidates.keys()), open, now);
}

/** What came with the mandate of those who had the key and are no delegates any more: account and grant. */
export function leftBehind(
  record: Record,
  vault: Vault,
  shared: readonly string[],
  now: number,
): [name: string, grant: Grant][] {
  const present = new Set(holders(record, shared, now));
  const gone = [...shared].filter((name) => !present.has(name)).sort();
  return gone.flatMap((name) => cameWith(record, vault, name, now).map((grant): [string, Grant] => [name, grant]));
}

function cameWith(record: Record, vault: Vault, name: string, now: number): Grant[] {
  const last = record.account.delegates.filter(({ to }) => to === name).at(-1);
  const live = record.relations.get(name)?.live(now) ?? [];
  return live.filter(({ gid }) => isWith(vault.terms.get(gid), last));
}

function isWith(terms: Terms | undefined, mandate: Delegate | undefined): boolean {
  if (terms === undefined || mandate === undefined || terms.consent.length === 0) return false;
  return terms.until === mandate.end && terms.purposes.join(" ") === PURPOSES;
}

function delegate({ account }: Record, name: string, now: number): Delegate | undefined {
  return account.delegates.find(
    ({ to, scope, until, nb, end }) => to === name && scope === FULL && until === null && nb <= now && now < end,
  );
}

/** `locked`: the second since which the compartment has had its key. */
function isLost(record: Record, named: Delegate | undefined, locked: number): boolean {
  if (named === undefined) return true;
  const since = record.account.links[named.since]!.iat;
  const losses = record.accounts.get(named.to)?.losses ?? [];
  return losses.some(({ client, iat }) => client && iat > locked && iat >= since);
}
