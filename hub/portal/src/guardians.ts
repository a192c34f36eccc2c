/**
 * What guardians grant a counterpart together: the id of that grant follows from both accounts (PROTOCOL.md 5.12).
 *
 * What they decided stands in the vault, and their clients sign it; here the patient herself speaks, which ends it.
 */

import type { Record } from "./grants.ts";
import { b64, labelHash } from "./primitives.ts";
import { type Grant, live } from "./relations.ts";

const ID_BYTES = 16;

/** The id of what guardians grant a counterpart, and the grant where it is live. After an end another id follows. */
export function joint(record: Record, oth: string, now: number): { readonly gid: string; readonly grant: Grant | null } {
  for (let number = 0; ; number += 1) {
    const gid = b64(labelHash("obhut-guardians", record.account.acc, oth, number).slice(0, ID_BYTES));
    const grant = record.relations.get(oth)?.grants.get(gid);
    if (grant === undefined) return { gid, grant: null };
    if (live(grant, now)) return { gid, grant };
  }
}
