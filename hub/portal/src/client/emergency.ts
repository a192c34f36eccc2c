/**
 * Emergency access as the patient decides it: who may declare one, what was declared, and what she says of it.
 *
 * She grants it like any other access, to one emergency department each; it opens only while one is declared there
 * (PROTOCOL.md 5.13). The twin of `connectors/patient/emergency.py`.
 */

import { type Name, NAMES } from "../categories.ts";
import { type Declaration, read } from "../declarations.ts";
import * as messages from "../messages.ts";
import { Rejected, utf8 } from "../primitives.ts";
import { Problem } from "../problems.ts";
import { BREAK_THE_GLASS } from "../purposes.ts";
import type { Organisation } from "./api.ts";
import type { Side } from "./side.ts";
import type { DeclaredRow } from "./database.ts";
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
  client: Side, { account }: Organisation, categories: ReadonlySet<number>,
): Promise<string> {
  await client.sync();
  const before = (await allowed(client)).filter(({ to }) => to === account);
  const agreed = { patient: client.account, counterpart: account, categories, purposes: PURPOSES };
  const open = { start: "", end: "", policy: "", language: "", paper: null };
  const emergency = [SPAN_SECONDS, ...ROLES];
  const gid = await put(client, { ...agreed, ...open }, { whole: true, emergency });
  for (const { grant } of before) await withdraw(client, account, grant.gid);
  return gid;
}

/** End what a department may open in an emergency; one that is open ends too. */
export async function forbid(client: Side, account: string): Promise<void> {
  const found = (await allowed(client)).filter(({ to }) => to === account);
  for (const { grant } of found) await withdraw(client, account, grant.gid);
}

/** The live grants that are for emergencies. */
export async function allowed(client: Side) {
  return (await granted(client)).filter(({ grant }) => grant.rules.body.em.length > 0);
}

// --- what was declared ----------------------------------------------------------------------------------------------

export type Verdict = "confirmed" | "objected";

/**
 * One declared emergency. `person`, `reason`: who and why, as the house sealed it to the patient, empty where it sealed
 * something else; `verdict`: what she said of it, or empty; `sound`: whether the house's gateway signed it. Unix seconds.
 */
export type Emergency = {
  readonly id: string;
  readonly house: string;
  readonly role: string;
  readonly at: number;
  readonly until: number;
  readonly person: string;
  readonly reason: string;
  readonly verdict: string;
  readonly sound: boolean;
};

/** What was declared of her, newest first, as far as it has come here. */
export async function declared(client: Side): Promise<Emergency[]> {
  const rows = (await client.db.getAll("declared")).filter(({ acc }) => acc === client.account);
  const told = await Promise.all(rows.map((row) => toldOf(client, row)));
  return told.sort((a, b) => b.at - a.at);
}

async function toldOf(client: Side, row: DeclaredRow): Promise<Emergency> {
  const word = read(row.frame);
  const { at, until, verdict = "" } = row;
  const sound = await isSound(client, word, at);
  const said = sound ? await whoAndWhy(client, word) : { person: "", reason: "" };
  return { id: word.rnd, house: word.sender, role: word.role, at, until, verdict, sound, ...said };
}

async function isSound(client: Side, word: Declaration, at: number): Promise<boolean> {
  try {
    word.verify(await client.chains.account(word.sender), at, at);
    return true;
  } catch (error) {
    if (error instanceof Rejected || (error instanceof Problem && error.code === "not-found")) return false;
    throw error;
  }
}

async function whoAndWhy(client: Side, word: Declaration): Promise<Pick<Emergency, "person" | "reason">> {
  try {
    const { person, reason } = word.tell((await client.vault()).readingKeys);
    const { text } = JSON.parse(reason) as { readonly text?: unknown };
    return { person, reason: typeof text === "string" ? text : "" };
  } catch (error) {
    if (error instanceof Rejected || error instanceof SyntaxError || error instanceof TypeError) return { person: "", reason: "" };
    throw error;
  }
}

/** Say to the house that an emergency was one, or that it was none: a sealed message; the verdict is kept here. */
export async function answer(client: Side, { id, house }: Emergency, verdict: Verdict, text: string): Promise<void> {
  const { account, keyring, hub, db } = client;
  const key = (await client.chains.account(house)).readingKey();
  const content = utf8(JSON.stringify({ declaration: id, verdict, text }));
  const draft = { typ: "review", sender: account, dev: keyring.device, to: house, at: hub.now, content } as const;
  await hub.message(house, messages.seal(messages.write(keyring.sign, draft), key));
  const row = await db.get("declared", [account, id]);
  if (row !== undefined) await db.put("declared", { ...row, verdict });
}
