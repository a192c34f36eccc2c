/** Which records count: of each lineage the newest, and where guardians decided differently, each guardian's. */

import { BEGINNING } from "./dates.ts";
import { allows, isLive, MANAGE_CONSENT, type Mandate, wasHeld } from "./mandates.ts";
import type { Policy } from "./policy.ts";
import { actionsAbove } from "./purposes.ts";
import type { Request, State } from "./state.ts";

const MANAGING = actionsAbove(MANAGE_CONSENT);

/**
 * The records that count at this moment, those of a lineage together, in an order of their own.
 *
 * Within a lineage the newest record that was ever in force counts, so one that is withdrawn does not revive an elder.
 * There is more than one where guardians decided differently, or where two were recorded at the same moment: together
 * they permit what all of them permit, and refuse what any refuses. A withdrawn one among them permits nothing.
 */
export function inForce(state: State, request: Request): (readonly Policy[])[] {
  const patient = new Set([null, request.subject, ...request.aliases]);
  const lineages = new Map<string, Policy[]>();
  for (const policy of state.policies) {
    if (policy.recorded > request.at || !patient.has(policy.patient) || !counts(policy, state)) continue;
    lineages.set(policy.lineage, [...(lineages.get(policy.lineage) ?? []), policy]);
  }
  const guardians = state.mandates.filter((one) => one.kind === "guardian");
  const heads = [...lineages.values()].map((records) => headsOf(records, guardians, request.at, state.ofAge));
  const active = heads.filter((head) => head.some((one) => one.status === "active"));
  return active.sort(([a], [b]) => compare(name(a), name(b)));
}

/** Whether it was ever in force: active or since withdrawn, and given by who could give it. */
function counts(policy: Policy, state: State): boolean {
  if (!["active", "inactive"].includes(policy.status) || policy.legal === false) return false;
  return policy.legal === true || state.mandates.some((one) => couldGive(one, policy, state));
}

/** What was done by a mandate stays done when that is revoked; the patient takes it back as her own. */
function couldGive(mandate: Mandate, { by, recorded }: Policy, { ofAge }: State): boolean {
  return mandate.delegate === by && wasHeld(mandate, recorded, ofAge) && allows(mandate, MANAGING, new Set());
}

/**
 * The records of a lineage that count, sorted.
 *
 * A guardian's newest stands beside the other guardians' newest, until one of them loses the mandate or somebody else,
 * such as the patient when she is of age, records a newer one.
 */
function headsOf(records: readonly Policy[], guardians: readonly Mandate[], at: number, ofAge: number): Policy[] {
  const ordered = [...records].sort((a, b) => compare(order(a), order(b)));
  const newest = ordered.at(-1)?.recorded;
  const last = ordered.filter((one) => one.recorded === newest);
  const names = new Set(guardians.map((one) => one.delegate));
  if (ordered.length === 1 || last.some((one) => !names.has(one.by))) return last;
  const since = Math.max(BEGINNING, ...ordered.filter((one) => !names.has(one.by)).map((one) => one.recorded));
  const live = new Set(guardians.filter((one) => isLive(one, at, ofAge)).map((one) => one.delegate));
  const later = ordered.filter((one) => live.has(one.by) && one.recorded > since);
  const own = new Map(later.map((one) => [one.by, one.recorded]));
  const found = ordered.filter((one) => own.get(one.by) === one.recorded);
  return found.length > 0 ? found : last;
}

type Key = readonly (string | number)[];

function order({ recorded, id, by, status }: Policy): Key {
  return [recorded, id, by, status];
}

function name(policy: Policy | undefined): Key {
  return policy === undefined ? [] : [policy.id, policy.recorded, policy.lineage];
}

/** Member by member. */
function compare(some: Key, others: Key): number {
  for (const [i, one] of some.entries()) {
    const other = others[i] ?? "";
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}
