/** What this device is to its user: nobody's, locked, on its way in, or open. */

import type { PassphraseKeys } from "../keys.ts";
import { Client, type Secrets } from "./client.ts";
import { type Database, openDatabase } from "./database.ts";
import { askPasskey } from "./passkey.ts";
import { tidy } from "../passphrase_words.ts";
import { Problem } from "../problems.ts";
import { type Label, passphraseUnlock, Safe, type Way } from "./safe.ts";
import { stretch } from "./work.ts";

/** `begun`: unlocked, but its way in is not finished. */
export type Device =
  | { readonly state: "nobody"; readonly db: Database }
  | { readonly state: "locked"; readonly db: Database; readonly label: Label }
  | { readonly state: "begun"; readonly db: Database; readonly client: Client }
  | { readonly state: "open"; readonly db: Database; readonly client: Client };

/** The device as it is when the page starts. */
export async function start(): Promise<Device> {
  return lookUp(await openDatabase());
}

/** The device without any secret: locked, or nobody's. Who goes back to this has dropped them from memory. */
export async function lookUp(db: Database): Promise<Device> {
  const label = await Safe.label(db);
  return label === null ? { state: "nobody", db } : { state: "locked", db, label };
}

/** The device on its way into an account; where another tab was first, what that has made of it. */
export async function comesTo(db: Database, client: Client | null): Promise<Device> {
  return client === null ? lookUp(db) : { state: "begun", db, client };
}

/** Unlock by the passphrase. Throws `Problem(unauthenticated)` for a wrong one. */
export async function unlock(db: Database, { account, ways }: Label, passphrase: PassphraseKeys): Promise<Device> {
  const way = ways.find(({ kind }) => kind === "passphrase");
  if (way === undefined) throw new Problem("not-found", "there is no account on this device");
  return opened(db, way, passphraseUnlock(passphrase.wrapKey, account));
}

/** Make sure that who sits here knows her words. Throws `Problem(unauthenticated)`. */
export async function prove({ account, db }: Client, typed: string): Promise<PassphraseKeys> {
  const keys = await stretch(account, tidy(typed));
  const label = await Safe.label(db);
  if (label !== null) await unlock(db, label, keys);
  return keys;
}

/** Unlock by a passkey. Throws `Problem`. */
export async function unlockByPasskey(db: Database, { account }: Label, way: Way): Promise<Device> {
  return opened(db, way, await askPasskey(account, way));
}

async function opened(db: Database, way: Way, key: Uint8Array): Promise<Device> {
  const safe = await Safe.open<Secrets>(db, way, key);
  const secrets = await safe.read();
  const client = await Client.open(safe, secrets);
  return { state: secrets.begun === null ? "open" : "begun", db, client };
}
