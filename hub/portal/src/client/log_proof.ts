/**
 * Whether the access log is whole: its chain, the heads that the hub has signed, and the patient's own chains.
 *
 * This device remembers the last head at which the log was whole. So it notices what was shortened, altered or exchanged
 * since. The twin of `connectors/patient/log_proof.py`; it keeps what it was given, for when the hub cannot be reached.
 */

import { account as parseAccount } from "../identifiers.ts";
import { type Entry, type Fault, faults, type Head, parseHead, untold } from "../log.ts";
import { Rejected, unb64 } from "../primitives.ts";
import type { Statement } from "../statements.ts";
import type { Side } from "./side.ts";
import { getState, setState } from "./database.ts";
import { Directory } from "./directory.ts";
import { Problem } from "../problems.ts";

const KEPT = "log";
const HEAD = "log-head";

/** A statement of her own chains of which the log says nothing. */
export type Untold = Pick<Statement, "typ" | "acc" | "oth" | "iat"> & { readonly by: string };

/**
 * What the hub gave out, and what was found of it. `head`: as the hub signed it; `compared`: so many of her statements
 * were looked for.
 */
export type Proof = {
  readonly entries: readonly Entry[];
  readonly head: Uint8Array;
  readonly faults: readonly Fault[];
  readonly compared: number;
  readonly untold: readonly Untold[];
};

/** Whether nothing is missing and nothing was changed. */
export function isWhole({ faults, untold }: Proof): boolean {
  return faults.length + untold.length === 0;
}

/** What was looked at last, or `null`. */
export function kept(client: Side): Promise<Proof | null> {
  return getState<Proof>(client.db, of(client, KEPT));
}

/** Under which name something is kept: of this device's own account, or of a patient for whom it acts. */
function of({ account, isOwn }: Side, name: string): string {
  return isOwn ? name : `${name} ${account}`;
}

/**
 * Fetch the log, check it, and remember its head where it holds.
 *
 * Throws `Problem`; `Rejected` for a head that is not of this hub and account.
 */
export async function look(client: Side): Promise<void> {
  await client.catchUp();
  await Directory.renew(client); // who is named there
  // What is signed from here on need not be in the log yet.
  const links = linksOf(client);
  const known = await getState<Uint8Array>(client.db, of(client, HEAD)); // another tab may see more while this one asks
  const { entries, head } = await fetched(client);
  const heads = [head, ...(known === null ? [] : [known])].map((frame) => verified(client, frame));
  const found = { faults: faults(entries, heads), untold: untold(entries, links).map(told) };
  await setState(client.db, of(client, KEPT), { entries, head, compared: links.length, ...found } satisfies Proof);
  if (found.faults.length === 0) await setState(client.db, of(client, HEAD), head);
}

/** From now on the log is held against this head alone: what was lost before is known. */
export async function accept(client: Side, { head }: Proof): Promise<void> {
  await setState(client.db, of(client, HEAD), head);
}

async function fetched({ hub, account }: Side): Promise<Pick<Proof, "entries" | "head">> {
  const entries: Entry[] = [];
  for (;;) {
    const page = await hub.log(account, entries.at(-1)?.seq ?? 0);
    if (page.entries.length === 0) return { entries, head: page.head };
    entries.push(...page.entries.map((row) => asGiven(account, row)));
  }
}

/** An entry from its JSON. Throws `Problem(busy)` for what is none. */
function asGiven(acc: string, row: unknown): Entry {
  const { seq, at, actor, action, device = "", purpose = "", detail = {}, sealed = "", hash = "" } = Object(row);
  const isEntry = Number.isSafeInteger(seq) && Number.isSafeInteger(at) && Object(detail) === detail;
  if (!isEntry || ![actor, action, device, purpose, hash].every((text) => typeof text === "string")) throw noLog();
  try {
    return { acc, seq, at, actor, device, action, purpose, detail, sealed: unb64(sealed), hash };
  } catch (error) {
    throw error instanceof Rejected ? noLog() : error;
  }
}

function noLog(): Problem {
  return new Problem("busy", "the hub answered with something else than an access log");
}

function verified({ account, keyring }: Side, frame: Uint8Array): Head {
  const head = parseHead(frame);
  head.verify(keyring.hubKey, { hub: parseAccount(account).domain, acc: account });
  return head;
}

function linksOf({ record }: Side): Statement[] {
  const chains = [record.account, ...record.sets.values(), ...record.relations.values()];
  return chains.flatMap((chain): readonly Statement[] => chain.links);
}

function told({ typ, acc, oth, iat, by }: Statement): Untold {
  return { typ, acc, oth, iat, by: by[0] };
}
