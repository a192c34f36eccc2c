/**
 * Whom a patient lets act for her (PROTOCOL.md 2.2, 2.6, 5.12).
 *
 * A delegate of the scope `manage` sees whom she granted what, ends grants, and hands on what it may read itself. So that
 * it can also withhold, it is given a grant of all stand-ins, under which there is nothing to read. The twin of the
 * patient's side of `connectors/patient/delegation.py`.
 */

import type { Delegate } from "../accounts.ts";
import type { Record } from "../grants.ts";
import { type Card, newId } from "../identifiers.ts";
import { randomBytes } from "../primitives.ts";
import { type Grant, NO_END } from "../relations.ts";
import type { Bodies } from "../statements.ts";
import * as steps from "../steps.ts";
import { AccountWriter } from "./account_writer.ts";
import type { Client } from "./client.ts";
import { Problem } from "../problems.ts";
import { isStandIns, meet, write } from "./sharing.ts";

const MANAGE = "manage";
/** So many may act for her at a time; more she could hardly watch. */
export const MOST_CHOSEN = 5;
const SALT_BYTES = 16;

/**
 * Let a person manage the grants until the Unix second `until`. Running it again finishes what was begun.
 *
 * Order: the statement, then the relation, then the stand-ins. Throws `Problem`.
 */
export async function appoint(client: Client, { account, fingerprint }: Card, until: number): Promise<void> {
  await client.sync();
  await client.settle();
  const name = String(account);
  const { fingerprint: fp } = await client.chains.account(name, fingerprint);
  const { now } = client.hub;
  if (until <= now || until >= NO_END) throw new Problem("value", "a delegate is named for a time to come");
  const present = delegates(client.record).find(({ to }) => to === name);
  if (present !== undefined && (present.end !== until || present.scope !== MANAGE)) {
    throw new Problem("conflict", "this person is a delegate already: end that first");
  }
  if (present === undefined) {
    const live = delegates(client.record).filter(({ end }) => now < end);
    if (live.length >= MOST_CHOSEN) throw new Problem("conflict", "five delegates act for you already: end one first");
    await byRoot(client, "delegate", { to: name, fp, scope: MANAGE, nb: 0, until });
  }
  await meet(client, name, fingerprint);
  await client.settle();
  if ((await standIns(client, name)).length === 0) await grantStandIns(client, name, until);
  await client.settle();
}

async function grantStandIns(client: Client, name: string, until: number): Promise<void> {
  await write(client, newId(), {
    oth: name,
    categories: new Set(),
    whole: true,
    grow: true,
    purposes: ["PATRQT"],
    nb: 0,
    until,
    consent: new Uint8Array(),
    salt: randomBytes(SALT_BYTES),
    rules: null,
    request: "",
  });
}

/** A delegate no more; the stand-ins are withdrawn, and what it may have seen is rotated. What it granted stays. */
export async function dismiss(client: Client, name: string): Promise<void> {
  await client.sync();
  const isNamed = delegates(client.record).some(({ to }) => to === name);
  const held = await standIns(client, name);
  if (!isNamed && held.length === 0) throw new Problem("not-found", "this person is no delegate");
  if (isNamed) await byRoot(client, "undelegate", { to: name });
  for (const { gid } of held) {
    await client.anew(() => client.post([steps.end(client.record, name, gid, client.keyring.signer, client.hub.now)]));
  }
  await client.settle();
}

/** The delegates that are named now, those whose time has passed too. */
export function delegates({ account }: Record): Delegate[] {
  return account.delegates.filter(({ until }) => until === null);
}

/** The live grants of stand-ins to a delegate. */
async function standIns(client: Client, name: string): Promise<Grant[]> {
  const { terms } = await client.vault();
  const live = client.record.relations.get(name)?.live(client.hub.now) ?? [];
  return live.filter(({ gid }) => isStandIns(terms.get(gid) ?? null));
}

/** Send a statement of her account chain that her root key signs. */
async function byRoot<T extends "delegate" | "undelegate">(client: Client, typ: T, body: Bodies["acct"][T]) {
  await client.anew(async () => {
    const { root } = await client.root();
    const writer = new AccountWriter(client.state, client.hub.now);
    writer.add(root, ["root"], typ, body);
    await client.post(writer.written);
  });
}
