/**
 * Emergency access as the patient decides it: who may declare an emergency, and what that opens.
 *
 * She grants it like any other access, to one emergency department each; it opens only while one is declared there
 * (PROTOCOL.md 5.13). The twin of `connectors/patient/emergency.py`.
 */

import { type Name, NAMES } from "../categories.ts";
import { BREAK_THE_GLASS } from "../purposes.ts";
import type { Organisation } from "./api.ts";
import type { Client } from "./client.ts";
import { granted, put, withdraw } from "./sharing.ts";

/** What it is granted for: "break the glass" and emergency treatment, codes of v3-ActReason. */
const PURPOSES = [BREAK_THE_GLASS, "ETREAT"];
/** The type under which a directory lists emergency departments. */
export const DEPARTMENT = "emergency";
/** Who may declare. */
const ROLES = ["nurse-ed", "paramedic", "physician"];
/** How long one lasts at most, which is as long as it does here. */
const SPAN_SECONDS = 3600;

const HELPFUL: readonly Name[] = [
  ...(["person", "vitals", "medication", "conditions", "allergies", "immunizations"] as const),
  ...(["lab", "imaging", "documents", "care"] as const),
];
/** What helps where she cannot be asked; she may choose more or less. */
export const CATEGORIES: ReadonlySet<number> = new Set(HELPFUL.map((name) => NAMES.indexOf(name)));

/** Let a department declare an emergency; takes the place of what it was allowed for one before. The grant's id. */
export async function allow(
  client: Client, { account, fingerprint }: Organisation, categories: ReadonlySet<number>,
): Promise<string> {
  await client.sync();
  const before = (await allowed(client)).filter(({ to }) => to === account);
  const agreed = { patient: client.account, counterpart: account, categories, purposes: PURPOSES };
  const open = { start: "", end: "", policy: "", language: "", paper: null };
  const emergency = [SPAN_SECONDS, ...ROLES];
  const gid = await put(client, { ...agreed, ...open }, { whole: true, fingerprint, emergency });
  for (const { grant } of before) await withdraw(client, account, grant.gid);
  return gid;
}

/** End what a department may open in an emergency; one that is open ends too. */
export async function forbid(client: Client, account: string): Promise<void> {
  const found = (await allowed(client)).filter(({ to }) => to === account);
  for (const { grant } of found) await withdraw(client, account, grant.gid);
}

/** The live grants that are for emergencies. */
export async function allowed(client: Client) {
  return (await granted(client)).filter(({ grant }) => grant.rules.body.em.length > 0);
}
