/**
 * Where this account may write in another patient's record: told by her permit and by its own grant of the set (PROTOCOL.md
 * 5.6). The twin of `connectors/gateway/destinations.py`.
 */

import type { Destination } from "../sealing.ts";
import { Problem } from "../problems.ts";
import type { Client } from "./client.ts";

/** By category where something goes now; empty where she permits nothing. */
export function destinations(client: Client, patient: string): ReadonlyMap<number, Destination> {
  const { account, chains, reading } = client;
  const found = new Map<number, Destination>();
  const grants = reading.granted.grants(patient);
  if (grants.length === 0) return found;
  const record = chains.record(patient);
  const relation = record.relation(account);
  for (const { cover } of grants) {
    // The own grant covers nothing but sets of this author. Others may cover them too, with stand-ins in between.
    if (![...cover.keys()].every((set) => relation.permits.has(set))) continue;
    for (const [set, { mask }] of cover) {
      const state = record.sets.get(set);
      if (state === undefined || state.closed || !relation.permitted(set)) continue;
      const epoch = state.epoch(state.current);
      for (const [stream, index] of state.ids) {
        const category = ((mask >>> index) & 1) === 1 ? reading.granted.category(patient, set, index) : undefined;
        const key = epoch.publics[index];
        if (category !== undefined && key !== undefined) {
          found.set(category, { patient, stream, epoch: epoch.number, public: key });
        }
      }
    }
  }
  return found;
}

/** Where something of this category goes now. Throws `Problem(forbidden)` where it may not. */
export function destination(client: Client, patient: string, category: number): Destination {
  const found = destinations(client, patient).get(category);
  if (found !== undefined) return found;
  throw new Problem("forbidden", "the patient does not permit this account to write", null, { reason: "no-permit" });
}
